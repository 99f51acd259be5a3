"""The kinds of lines in a journal: how each is written, and how it is checked when read."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
import functools
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path
import re
from typing import Any

from pytest_zephyr import codec
from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal import ledger
from pytest_zephyr.origin import System
from pytest_zephyr.results import evidence
from pytest_zephyr.results import records
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.text import short_digest


#: Version of the format; a reader refuses a newer one.
FORMAT_VERSION = 1

#: The line that a push writes after half a line that a kill has left.
TORN = {"kind": "torn"}

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Header:
    """The first line: which session this is, and the options that a journal stores.

    - *session* is the name of the session.
    - *started* is its start in milliseconds since the epoch.
    - *options* are the texts of the url and of the options that decide the results, with
      placeholders filled.
    - *worker* is the name of the pytest-xdist worker, empty in the journal itself.
    - *job* says what ran and where.
    - *pid* is the id of the process of the session.
    - *unlocked* says that file locks do not work in this directory.
    - *page* is the address of the job's page, *commit* the commit that was tested; both
      come from the CI service.
    - *is_cut_short* is 1 if lines are missing, because the disk refused them, or a test
      shortened or removed the file.
    - *setup_only* says that the session calls no test.
    - *dry_run* says that the session is a dry run. The journal of a dry run is sent only if
      the user names it.

    A header never holds a secret.
    """

    session: str
    started: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    worker: str = ""
    job: Job | None = None
    pid: int = 0
    unlocked: bool = False
    page: str = ""
    commit: str = ""
    is_cut_short: int = 0
    setup_only: bool = False
    dry_run: bool = False

    @property
    def run_key(self) -> str:
        return self.options.get("run_key", "")

    @property
    def run(self) -> str:
        """The run key, or the name of the session if there is no key."""
        return self.run_key or self.session

    def identity(self, overrides: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return what identifies the run: its `run`, its server and its target.

        *overrides* may have another url and other places than the header.
        """
        options = {**self.options, **(overrides or {})}
        values = (options.get(name, "") for name in ("url", *TARGET_OPTIONS))
        return (self.run, *values)

    @property
    def origin(self) -> records.Origin:
        name = self.session
        job = self.job.mark if self.job else records.JobMark(short_digest(name, 8))
        return records.Origin(self.page, self.commit, self.run, name, job, self.started)


@dataclass(frozen=True)
class CollectError:
    """A directory, file or class whose tests could not be collected."""

    nodeid: str


@dataclass(frozen=True)
class Deselected:
    """How many tests were not run because their test cases are not in the phase."""

    count: int


@dataclass(frozen=True)
class AllDelivered:
    """Nothing of the journal is left to send, since *at* (milliseconds since the epoch)."""

    at: int = 0


_EVIDENCE_TYPES: Mapping[str, Any] = {
    "comment": evidence.Comment,
    "defect": evidence.Defect,
    "field": evidence.Field,
    "attachment": evidence.File,
    "step": evidence.Step,
    "left_out": evidence.LeftOut,
}

_ENTRY_TYPES: Mapping[str, Any] = {
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
    "running": ledger.RunningSessions,
    "receipt": ledger.Receipt,
    "sending": ledger.Sending,
    "attaching": ledger.Attaching,
    "attached": ledger.Attached,
    "stepped": ledger.Stepped,
}

#: The entries that get the present time when they are written, unless they have a time.
_DATED_TYPES = (
    records.End,
    records.Passed,
    AllDelivered,
    ledger.Sending,
    ledger.Attaching,
)

_KINDS = {
    entry_type: kind
    for kind, entry_type in (*_ENTRY_TYPES.items(), *_EVIDENCE_TYPES.items())
}


# Writing


def header_line(header: Header) -> dict[str, Any]:
    return {
        "kind": "header",
        "format": FORMAT_VERSION,
        "is_cut_short": 0,
        **codec.to_json(header),
    }


def hidden_digest(nodeid: str) -> str:
    """Return the digest of a *nodeid* with a secret, for the line of its item."""
    return short_digest(nodeid, 16)


# The lines that most tests have are built as texts, which is faster than an encoder.


def item_text(item: records.Item, hidden: str = "") -> str:
    """Return the line of *item*.

    *hidden* is the digest of the node id of pytest if *item* has another one, to hide a
    secret.
    """
    if any((hidden, item.new, item.comment, item.defects, item.fields, item.changed)):
        line = line_of(item)
        return System.encode(line | {"hidden": hidden} if hidden else line)
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


def line_of(entry: object) -> dict[str, Any]:
    """Return the line of an *entry* as a JSON object.

    If the entry is one of `_DATED_TYPES` and has no time, the present time is added.
    """
    value = entry.value if isinstance(entry, evidence.EvidenceEntry) else entry
    line = {"kind": _KINDS[type(value)], **codec.to_json(entry)}
    if value is not entry:
        line |= line.pop("value")
    elif isinstance(entry, _DATED_TYPES):
        line.setdefault("at", now_ms())
    return line


# Reading: except in a header, a wrong value raises TypeError, ValueError or KeyError.


def read_header(line: Mapping[str, Any], path: Path) -> Header:
    """Read a header; a wrong value, perhaps edited by hand, counts as missing.

    Raises JournalError if the format is missing or newer than `FORMAT_VERSION`.
    """
    version = line.get("format")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        msg = (
            f"{path} has format {version!r}; this version of pytest-zephyr reads up to"
            f" {FORMAT_VERSION}. Install a newer version to send it."
        )
        raise JournalError(msg)
    values: dict[str, Any] = {"session": ""}
    for name, read in codec.field_readers(Header).items():
        with suppress(KeyError, TypeError, ValueError):
            values[name] = read(line[name])
    options = line.get("options")
    if isinstance(options, dict):
        values["options"] = {name: str(value) for name, value in options.items()}
    return Header(**values)


def read_evidence(line: Mapping[str, Any]) -> evidence.EvidenceEntry:
    """Read a line that `line_of` made of evidence."""
    value = codec.reader(_EVIDENCE_TYPES[line["kind"]])(line)
    # A digest becomes the name of a file that is read and sent.
    if isinstance(value, evidence.File) and not (
        evidence.is_file_name(value.name)
        and evidence.is_content_type(value.type)
        and _DIGEST.fullmatch(value.digest)
        and value.size >= 0
    ):
        raise ValueError(value)
    where = {
        name: read(line[name])
        for name, read in codec.field_readers(evidence.EvidenceEntry).items()
        if name in line and name != "value"
    }
    return evidence.EvidenceEntry(value=value, **where)


def _read_attaching(line: Mapping[str, Any]) -> ledger.Attaching:
    entry: ledger.Attaching = codec.reader(ledger.Attaching)(line)
    if not all(evidence.is_file_name(naming.name) for naming in entry.rows.values()):
        raise ValueError(entry)
    return entry


@functools.cache
def decoders() -> Mapping[str, Callable[[Mapping[str, Any]], Any]]:
    """Return, by kind of line, the functions that read lines."""
    return {
        "header": lambda _line: None,
        **{kind: codec.reader(type_) for kind, type_ in _ENTRY_TYPES.items()},
        **dict.fromkeys(_EVIDENCE_TYPES, read_evidence),
        "attaching": _read_attaching,
    }
