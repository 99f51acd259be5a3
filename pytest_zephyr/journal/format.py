"""Every kind of line of a journal: made of our values, and read back with suspicion."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
import re
from typing import Any

from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal.ledger import Attached
from pytest_zephyr.journal.ledger import Attaching
from pytest_zephyr.journal.ledger import AttachmentKey
from pytest_zephyr.journal.ledger import Beside
from pytest_zephyr.journal.ledger import Clock
from pytest_zephyr.journal.ledger import Naming
from pytest_zephyr.journal.ledger import Receipt
from pytest_zephyr.journal.ledger import Sending
from pytest_zephyr.journal.ledger import Server
from pytest_zephyr.journal.ledger import Stepped
from pytest_zephyr.results.evidence import Comment
from pytest_zephyr.results.evidence import Defect
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.results.evidence import Field
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.evidence import is_content_type
from pytest_zephyr.results.evidence import is_file_name
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Passed
from pytest_zephyr.results.records import Report
from pytest_zephyr.results.records import Start
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.system import System
from pytest_zephyr.text import short_digest


#: Version of the format; a reader refuses what is newer than itself.
FORMAT = 1

#: The kinds of lines that hold evidence, each with the type that it is read to.
KINDS: Mapping[str, type[EvidenceValue]] = {
    "comment": Comment,
    "defect": Defect,
    "field": Field,
    "attachment": File,
    "step": Step,
    "left_out": LeftOut,
}

_NAMES = {kind: name for name, kind in KINDS.items()}

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Header:
    """The first line: which run this is, and the options that decide its result.

    *options* are texts as they were given. *started* is in milliseconds since the
    epoch. *job* is what ran, where, in process *pid*; *page* and *commit* are what the
    CI service said. *unlocked* says that file locks do not work where the journal is.
    *cut* says that the disk refused what should have come last. A session that is
    *setup_only* calls no test. The journal of a *dry_run* is sent only when it is named. No secret is ever in it.
    """

    run: str
    key: str = ""
    started: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    worker: str = ""
    job: Job | None = None
    pid: int = 0
    unlocked: bool = False
    page: str = ""
    commit: str = ""
    cut: bool = False
    setup_only: bool = False
    dry_run: bool = False

    def identity(self, told: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the run that the journal is a part of: its run key and its target.

        What was *told* counts instead of what the header says.
        """
        options = {**self.options, **(told or {})}
        places = (options.get(name, "") for name in ("url", *TARGET))
        target = (place.removeprefix("id:").strip() for place in places)
        return (self.key or self.run, *target)

    @property
    def origin(self) -> Origin:
        job = self.job.mark if self.job else JobMark(short_digest(self.run, 8))
        run = self.key or self.run
        return Origin(self.page, self.commit, run, self.run, job, self.started)


@dataclass(frozen=True)
class CollectError:
    """A file or directory whose tests could not be collected."""

    nodeid: str


@dataclass(frozen=True)
class Deselected:
    """How many tests were not run because the plan does not hold them."""

    count: int


def _whole_number(value: object) -> int:
    """Read a number that may be missing or nonsense, which counts as 0."""
    try:
        return _number(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _job(line: object) -> Job | None:
    """Read a job; what is no job is one of its own."""
    if not isinstance(line, dict):
        return None
    environment = line.get("environment")
    return Job(
        directory=str(line.get("directory", "")),
        interpreter=str(line.get("interpreter", "")),
        arguments=str(line.get("arguments", "")),
        environment={str(k): str(v) for k, v in environment.items()}
        if isinstance(environment, dict)
        else {},
        host=str(line.get("host", "")),
        checkout=str(line.get("checkout", "")),
        attempt=max(0, _whole_number(line.get("attempt"))),
    )


def _number(value: object) -> int:
    """Read a number of 64 bits. Raises TypeError, ValueError or OverflowError."""
    if not isinstance(value, int | float) or abs(value) >= 2**63:
        raise ValueError(value)
    return int(value)


def read_header(line: Mapping[str, Any], path: Path) -> Header:
    version = line.get("format")
    if not isinstance(version, int) or version > FORMAT:
        msg = (
            f"{path} has format {version!r}; this version of pytest-zephyr reads up to"
            f" {FORMAT}. Install a newer one to send it."
        )
        raise JournalError(msg)
    options = line.get("options")
    return Header(
        run=str(line.get("run", "")),
        key=str(line.get("key", "")),
        started=_whole_number(line.get("started")),
        options={str(k): str(v) for k, v in options.items()}
        if isinstance(options, dict)
        else {},
        worker=str(line.get("worker", "")),
        job=_job(line.get("job")),
        pid=_whole_number(line.get("pid")),
        unlocked=bool(line.get("unlocked", False)),
        page=str(line.get("page", "")),
        commit=str(line.get("commit", "")),
        cut=bool(line.get("cut", False)),
        setup_only=bool(line.get("setup_only", False)),
        dry_run=bool(line.get("dry_run", False)),
    )


#: The line after what a kill cut off, once somebody writes on.
TORN = {"kind": "torn"}


def header_line(header: Header) -> dict[str, Any]:
    line = slim(**{**header.__dict__, "job": header.job and asdict(header.job)})
    return {"kind": "header", "format": FORMAT, "cut": 0, **line}


# Records as lines. A key that would be empty is left out.


def _item_line(item: Item, hidden: str) -> dict[str, Any]:
    return slim(
        kind="item",
        hidden=hidden,
        nodeid=item.nodeid,
        cases=item.cases,
        unmarked=item.unmarked,
        new=None if item.new is None else slim(**item.new.__dict__),
        comment=item.comment,
        defects=item.defects,
        fields=item.fields,
        changed=item.changed,
    )


def hidden_digest(nodeid: str) -> str:
    """Return what an item line has of a *nodeid* that holds a secret."""
    return short_digest(nodeid, 16)


# The lines that every test has are texts: an encoder would cost more than all else.


def item_text(item: Item, hidden: str = "") -> str:
    """Return the line of *item*; *hidden* is the digest of a node id that is not in it."""
    if any((hidden, item.new, item.comment, item.defects, item.fields, item.changed)):
        return System.encode(_item_line(item, hidden))
    cases = ",".join(
        _quoted(each) if isinstance(each, str) else str(each) for each in item.cases
    )
    more = ',"unmarked":true' if item.unmarked else ""
    return f'{{"kind":"item","nodeid":{_quoted(item.nodeid)},"cases":[{cases}]{more}}}'


def start_text(nodeid: str, worker: str = "") -> str:
    """Return the line that says that a test begins."""
    where = f',"worker":{_quoted(worker)}' if worker else ""
    return f'{{"kind":"start","nodeid":{_quoted(nodeid)},"at":{now_ms()}{where}}}'


def passed_text(nodeid: str, duration: int, worker: str = "") -> str:
    """Return the line of a test that passed in *duration* microseconds."""
    where = f',"worker":{_quoted(worker)}' if worker else ""
    return (
        f'{{"kind":"passed","nodeid":{_quoted(nodeid)},"duration":{duration}'
        f',"at":{now_ms()}{where}}}'
    )


def report_line(report: Report) -> dict[str, Any]:
    return slim(kind="report", **report.__dict__)


def collect_error_line(nodeid: str) -> dict[str, Any]:
    return {"kind": "collect_error", "nodeid": nodeid}


def deselected_line(count: int) -> dict[str, Any]:
    return {"kind": "deselected", "count": count}


def end_line() -> dict[str, Any]:
    return {"kind": "end", "at": now_ms()}


def evidence_line(said: EvidenceEntry) -> dict[str, Any]:
    line = {"kind": _NAMES[type(said.what)], "nodeid": said.nodeid}
    where = {"attempt": said.attempt, "worker": said.worker}
    return line | {k: v for k, v in where.items() if v} | asdict(said.what)


def receipt_line(receipt: Receipt) -> dict[str, Any]:
    return {
        "kind": "receipt",
        "case": receipt.case,
        "execution": receipt.execution,
        "status": receipt.status,
        "digest": receipt.digest,
    }


def server_line(url: str) -> dict[str, Any]:
    return {"kind": "server", "url": url}


def clock_line(clock: Clock) -> dict[str, Any]:
    return {"kind": "clock", "ahead": clock.ahead}


def beside_line(beside: Beside) -> dict[str, Any]:
    return {"kind": "beside", "runs": list(beside.runs)}


def sending_line(sending: Sending) -> dict[str, Any]:
    rows = [[k, v] for k, v in sending.rows.items()]
    return {"kind": "sending", "at": now_ms(), "rows": rows}


def attaching_line(attaching: Attaching) -> dict[str, Any]:
    rows = [
        [*_row(each), naming.name, naming.before]
        for each, naming in attaching.names.items()
    ]
    return {"kind": "attaching", "at": now_ms(), "rows": rows}


def attached_line(attached: Attached) -> dict[str, Any]:
    return {"kind": "attached", "rows": list(map(_row, attached.attachments))}


def _row(attachment: AttachmentKey) -> list[object]:
    return [attachment.execution, attachment.name, attachment.digest]


def stepped_line(stepped: Stepped) -> dict[str, Any]:
    return {"kind": "stepped", "rows": [[k, v] for k, v in stepped.digests.items()]}


def delivered_line() -> dict[str, Any]:
    return {"kind": "delivered", "at": now_ms()}


def slim(**values: object) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _cases(value: object) -> tuple[CaseRef, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(
        each
        for each in value
        if isinstance(each, str | int) and not isinstance(each, bool)
    )


def _item(line: Mapping[str, Any]) -> Item:
    new = line.get("new")
    return Item(
        nodeid=_text(line["nodeid"]),
        cases=_cases(line.get("cases", [])),
        comment=_text(line.get("comment", "")),
        defects=tuple(map(_text, line.get("defects", []))),
        fields=tuple(_field(*each) for each in line.get("fields", [])),
        unmarked=bool(line.get("unmarked", False)),
        new=_new_case(new) if new is not None else None,
        changed=bool(line.get("changed", False)),
    )


def _field(name: object, value: object) -> tuple[str, FieldValue]:
    return _text(name), read_value(value)


def _attachment(execution: object, name: object, digest: object) -> AttachmentKey:
    return AttachmentKey(_number(execution), _text(name), _text(digest))


def _naming(name: object, before: object = 0) -> Naming:
    found = _text(name)
    if not is_file_name(found):
        raise ValueError(name)
    return Naming(found, _number(before))


def _report(line: Mapping[str, Any]) -> Report:
    return Report(
        nodeid=_text(line["nodeid"]),
        when=_text(line["when"]),
        outcome=_text(line["outcome"]),
        duration=_number(line.get("duration", 0)),
        at=_number(line.get("at", 0)),
        xfail=bool(line.get("xfail", False)),
        attempt=_number(line.get("attempt", 0)),
        worker=_text(line.get("worker", "")),
        reason=_text(line.get("reason", "")),
        crash=_text(line.get("crash", "")),
        text=_text(line.get("text", "")),
        subtest=_text(line.get("subtest", "")),
    )


def _new_case(line: Mapping[str, Any]) -> NewCase:
    return NewCase(
        package=_text(line.get("package", "")),
        name=_text(line["name"]),
        script=_text(line.get("script", "")),
        description=_text(line.get("description", "")),
        tags=tuple(map(_text, line.get("tags", []))),
        requirements=tuple(map(_text, line.get("requirements", []))),
    )


def read_evidence(line: Mapping[str, Any]) -> EvidenceEntry:
    """Read what `evidence_line` wrote. Raises KeyError, TypeError or ValueError."""
    kind = KINDS[line["kind"]]
    values = {
        name: _checked(name, line[name])
        for name in kind.__dataclass_fields__
        # A key that came later may be missing.
        if name in line or name != "by_limit"
    }
    what = kind(**values)
    if isinstance(what, File) and not (
        is_file_name(what.name) and is_content_type(what.type)
    ):
        raise ValueError(what)
    return EvidenceEntry(
        nodeid=_text(line["nodeid"]),
        what=what,
        attempt=_count(line.get("attempt", 0)),
        worker=_text(line.get("worker", "")),
    )


def _checked(name: str, value: object) -> Any:
    if name == "value":
        return read_value(value)
    if name == "label":
        return value if isinstance(value, str) else _count(value)
    if name == "by_limit":
        return bool(value)
    if name in {"size", "number", "depth", "at"}:
        return _count(value)
    text = _text(value)
    if name == "digest" and not _DIGEST.fullmatch(text):
        # It becomes the name of a file that is read and sent.
        raise ValueError(text)
    return text


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def read_value(value: object) -> FieldValue:
    """Read the value of a field. Raises TypeError."""
    if isinstance(value, str | int | float):
        return value
    raise TypeError


def _receipt(line: Mapping[str, Any]) -> Receipt:
    (case,) = _cases([line["case"]])
    execution, status = _number(line["execution"]), _text(line["status"])
    return Receipt(case, execution, status, _text(line["digest"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


DECODERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "header": lambda _line: None,
    "item": _item,
    "start": lambda line: Start(
        _text(line["nodeid"]),
        _number(line.get("at", 0)),
        _text(line.get("worker", "")),
    ),
    "report": _report,
    "passed": lambda line: Passed(
        _text(line["nodeid"]),
        _number(line.get("duration", 0)),
        _number(line.get("at", 0)),
        _text(line.get("worker", "")),
    ),
    "collect_error": lambda line: CollectError(_text(line["nodeid"])),
    "deselected": lambda line: Deselected(_number(line["count"])),
    "end": lambda line: End(_number(line.get("at", 0))),
    "server": lambda line: Server(_text(line["url"])),
    "clock": lambda line: Clock(_number(line["ahead"])),
    "beside": lambda line: Beside(tuple(map(_text, line["runs"]))),
    "receipt": _receipt,
    "sending": lambda line: Sending(
        {int(k): _text(v) for k, v in line["rows"]}, _number(line.get("at", 0))
    ),
    "attaching": lambda line: Attaching(
        {_attachment(*row[:3]): _naming(*row[3:]) for row in line["rows"]},
        _number(line.get("at", 0)),
    ),
    "attached": lambda line: Attached(tuple(_attachment(*row) for row in line["rows"])),
    "stepped": lambda line: Stepped({int(k): _text(v) for k, v in line["rows"]}),
    "delivered": lambda _line: None,
    **dict.fromkeys(KINDS, read_evidence),
}
