"""The kinds of lines in a journal: how each is written, and how it is checked when read."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
import re
from typing import Any

from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal import ledger
from pytest_zephyr.origin import System
from pytest_zephyr.results import evidence
from pytest_zephyr.results import records
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.text import short_digest


#: Version of the format; a reader refuses a newer one.
FORMAT = 1

#: The line that a later process writes after half a line.
TORN = {"kind": "torn"}

_Check = Callable[[Any], Any]
_Decoder = Callable[[Mapping[str, Any]], Any]

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Header:
    """The first line: which run this is, and the options that decide its result.

    *options* are texts as they were given. *started* is in milliseconds since the
    epoch. *job* says what ran, and where, in process *pid*; *page* and *commit* come
    from the CI service. *unlocked* says that file locks do not work in this directory,
    *cut* that the disk refused the last lines. A session that is *setup_only* calls no
    test. The journal of a *dry_run* is sent only when it is named. It never holds a
    secret.
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

    def identity(self, overrides: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the run that the journal is a part of: its run key and its target.

        The options in *overrides* replace those in the header.
        """
        options = {**self.options, **(overrides or {})}
        places = (options.get(name, "") for name in ("url", *records.TARGET))
        target = (place.removeprefix("id:").strip() for place in places)
        return (self.key or self.run, *target)

    @property
    def origin(self) -> records.Origin:
        job = self.job.mark if self.job else records.JobMark(short_digest(self.run, 8))
        run = self.key or self.run
        return records.Origin(self.page, self.commit, run, self.run, job, self.started)


@dataclass(frozen=True)
class CollectError:
    """A file or directory whose tests could not be collected."""

    nodeid: str


@dataclass(frozen=True)
class Deselected:
    """How many tests were not run because their test cases are not scheduled."""

    count: int


@dataclass(frozen=True)
class AllDelivered:
    """Nothing of the journal is left to send."""

    at: int = 0


_EVIDENCE: Mapping[str, type[evidence.EvidenceValue]] = {
    "comment": evidence.Comment,
    "defect": evidence.Defect,
    "field": evidence.Field,
    "attachment": evidence.File,
    "step": evidence.Step,
    "left_out": evidence.LeftOutFile,
}

_ENTRIES: Mapping[str, type] = {
    "item": records.Item,
    "start": records.Start,
    "report": records.Report,
    "passed": records.Passed,
    "collect_error": CollectError,
    "deselected": Deselected,
    "end": records.End,
    "delivered": AllDelivered,
    "server": ledger.Server,
    "clock": ledger.Clock,
    "beside": ledger.RunningSessions,
    "receipt": ledger.Receipt,
    "sending": ledger.Sending,
    "attaching": ledger.Attaching,
    "attached": ledger.Attached,
    "stepped": ledger.Stepped,
}

_NAMES = {kind: name for name, kind in (*_ENTRIES.items(), *_EVIDENCE.items())}


# Writing


def header_line(header: Header) -> dict[str, Any]:
    line = _slim({**header.__dict__, "job": header.job and asdict(header.job)})
    return {"kind": "header", "format": FORMAT, "cut": 0, **line}


def hidden_digest(nodeid: str) -> str:
    """Return what an item line has instead of a *nodeid* that holds a secret."""
    return short_digest(nodeid, 16)


# The lines that every test has are built as texts, which is faster than an encoder.


def item_text(item: records.Item, hidden: str = "") -> str:
    """Return the line of *item*; *hidden* is the digest of a node id with a secret."""
    if any((hidden, item.new, item.comment, item.defects, item.fields, item.changed)):
        new = item.new and _slim(item.new.__dict__)
        line = {"kind": "item", "hidden": hidden, **_values(item), "new": new}
        return System.encode(_slim(line))
    cases = ",".join(
        [_quoted(case) if isinstance(case, str) else str(case) for case in item.cases]
    )
    more = ',"unmarked":true' if item.unmarked else ""
    if item.invalid:
        more += ',"invalid":true'
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


def report_line(report: records.Report) -> dict[str, Any]:
    return _slim({"kind": "report", **report.__dict__})


def evidence_line(entry: evidence.EvidenceEntry) -> dict[str, Any]:
    line = {"kind": _NAMES[type(entry.value)], "nodeid": entry.nodeid}
    where = _slim({"attempt": entry.attempt, "worker": entry.worker})
    return line | where | _values(entry.value)


def line_of(entry: object) -> dict[str, Any]:
    """Return the line of any other *entry*; one without its time gets the present one."""
    line: dict[str, Any] = {"kind": _NAMES[type(entry)]}
    for name, value in _values(entry).items():
        if name == "at":
            line[name] = value or now_ms()
        elif not isinstance(value, Mapping):
            line[name] = value
        elif isinstance(entry, ledger.Attaching):
            line[name] = [
                [*key, naming.name, naming.before] for key, naming in value.items()
            ]
        else:
            line[name] = list(map(list, value.items()))
    return line


def _values(entry: Any) -> dict[str, Any]:
    return {each.name: getattr(entry, each.name) for each in fields(entry)}


def _slim(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if value}


# Reading: each value is checked by the annotation of its field. What is wrong raises
# TypeError, ValueError, KeyError, AttributeError or OverflowError.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value))


def _number(value: object) -> int:
    """Read a number of 64 bits."""
    if not isinstance(value, (int, float)) or abs(value) >= 2**63:
        raise ValueError(value)
    return int(value)


def _number_or_zero(value: object) -> int:
    try:
        return max(0, _number(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _natural(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def _field_value(value: object) -> evidence.FieldValue:
    if isinstance(value, str | int | float):
        return value
    raise TypeError


def _cases(value: object) -> tuple[records.CaseRef, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(
        each
        for each in value
        if isinstance(each, str | int) and not isinstance(each, bool)
    )


def _case(value: object) -> records.CaseRef:
    (case,) = _cases([value])
    return case


def _new_case(value: Any) -> records.NewCase | None:
    return None if value is None else _new_case_fields({"package": "", **value})


def _attachment(
    execution: object, name: object, digest: object
) -> ledger.AttachmentKey:
    return ledger.AttachmentKey(_number(execution), _text(name), _text(digest))


def _naming(name: object, before: object = 0) -> ledger.Naming:
    if not evidence.is_file_name(_text(name)):
        raise ValueError(name)
    return ledger.Naming(_text(name), _number(before))


_CHECKS: Mapping[str, _Check] = {
    "str": _text,
    "int": _number,
    "bool": bool,
    "CaseRef": _case,
    "NewCase | None": _new_case,
    "tuple[str, ...]": _texts,
    "tuple[CaseRef, ...]": _cases,
    "tuple[tuple[str, FieldValue], ...]": lambda pairs: tuple(
        (_text(name), _field_value(value)) for name, value in pairs
    ),
    "Mapping[int, str]": lambda rows: {int(key): _text(value) for key, value in rows},
    "Mapping[AttachmentKey, Naming]": lambda rows: {
        _attachment(*row[:3]): _naming(*row[3:]) for row in rows
    },
    "tuple[AttachmentKey, ...]": lambda rows: tuple(_attachment(*row) for row in rows),
}

# Evidence is checked more strictly.
_EVIDENCE_CHECKS: Mapping[str, _Check] = {
    **_CHECKS,
    "int": _natural,
    "FieldValue": _field_value,
    "str | int": lambda value: value if isinstance(value, str) else _natural(value),
}

# A header that was edited by hand keeps no result back.
_HEADER_CHECKS: Mapping[str, _Check] = {
    "str": str,
    "int": _number_or_zero,
    "bool": bool,
    "Mapping[str, str]": lambda value: (
        {str(key): str(each) for key, each in value.items()}
        if isinstance(value, dict)
        else {}
    ),
    "Job | None": lambda value: _job(value) if isinstance(value, dict) else None,
}


def _decoder(kind: Any, checks: Mapping[str, _Check] = _CHECKS) -> _Decoder:
    """Return the function that reads a *kind* from a line, which may have more keys."""
    by_name = {each.name: checks[str(each.type)] for each in fields(kind)}

    def decode(line: Mapping[str, Any]) -> Any:
        values = {}
        for name, value in line.items():
            if name in by_name:
                values[name] = by_name[name](value)
        return kind(**values)

    return decode


_new_case_fields = _decoder(records.NewCase)
_job: _Decoder = _decoder(Job, _HEADER_CHECKS)
_header = _decoder(Header, _HEADER_CHECKS)
_evidence = {name: _decoder(kind, _EVIDENCE_CHECKS) for name, kind in _EVIDENCE.items()}


def read_header(line: Mapping[str, Any], path: Path) -> Header:
    version = line.get("format")
    if not isinstance(version, int) or version > FORMAT:
        msg = (
            f"{path} has format {version!r}; this version of pytest-zephyr reads up to"
            f" {FORMAT}. Install a newer one to send it."
        )
        raise JournalError(msg)
    header: Header = _header({"run": "", **line})
    return header


def read_evidence(line: Mapping[str, Any]) -> evidence.EvidenceEntry:
    """Read what `evidence_line` wrote."""
    kind = line["kind"]
    # Only a key that came later may be missing.
    missing = _EVIDENCE[kind].__dataclass_fields__.keys() - line.keys() - {"by_limit"}
    if missing:
        raise KeyError(*missing)
    value = _evidence[kind](line)
    if isinstance(value, evidence.File) and not (
        evidence.is_file_name(value.name)
        and evidence.is_content_type(value.type)
        # It becomes the name of a file that is read and sent.
        and _DIGEST.fullmatch(value.digest)
    ):
        raise ValueError(value)
    return evidence.EvidenceEntry(
        nodeid=_text(line["nodeid"]),
        value=value,
        attempt=_natural(line.get("attempt", 0)),
        worker=_text(line.get("worker", "")),
    )


#: How the line of each kind is read.
DECODERS: Mapping[str, _Decoder] = {
    "header": lambda _line: None,
    **{name: _decoder(kind) for name, kind in _ENTRIES.items()},
    **dict.fromkeys(_EVIDENCE, read_evidence),
}
