"""Records on disk: the one source of a push.

A journal is JSON Lines: a header, then records as they come, then what a push did.
Workers of pytest-xdist write their own files beside it, `<run>.gw0.jsonl`, which are
read along. Nothing is ever rewritten, so a kill costs at most half a line.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
import errno
from functools import partial
import glob
import io
import json
import os
from pathlib import Path
import secrets
import time
from typing import Any

from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.lock import release_in_children
from pytest_zephyr.lock import try_lock
from pytest_zephyr.outcome import CaseRef
from pytest_zephyr.outcome import End
from pytest_zephyr.outcome import Item
from pytest_zephyr.outcome import NewCase
from pytest_zephyr.outcome import Origin
from pytest_zephyr.outcome import Record
from pytest_zephyr.outcome import Report
from pytest_zephyr.outcome import Start
from pytest_zephyr.said import FieldValue
from pytest_zephyr.said import KINDS
from pytest_zephyr.said import read_said
from pytest_zephyr.said import read_value
from pytest_zephyr.secret import Scrubber


#: Version of the format; a reader refuses what is newer than itself.
FORMAT = 1

SUFFIX = ".jsonl"

#: The place in a header that is changed when the disk refuses.
_CUT = b'"cut":0'

#: Bytes of a line that are read at once; the file may be anything but a journal.
_LONGEST = 64 * 1024 * 1024

#: What must stay as it is, even where a password is an ordinary word.
_NO_PROSE = {"kind", "when", "outcome", "cases", "case", "status", "digest", "rows"}


@dataclass(frozen=True)
class Header:
    """The first line: which run this is, and the options that decide its result.

    *options* are texts as they were given. *started* is in milliseconds since the
    epoch. *job* and *commit* are what the CI service said. *cut* says that the disk
    refused what should have come last. No secret is ever in it.
    """

    run: str
    key: str = ""
    started: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    worker: str = ""
    job: str = ""
    commit: str = ""
    cut: bool = False

    @property
    def origin(self) -> Origin:
        return Origin(self.job, self.commit)


@dataclass(frozen=True)
class Receipt:
    """One delivered result; *digest* identifies it (see `plan.CaseResult`)."""

    case: CaseRef
    execution: int
    status: str
    digest: str


@dataclass(frozen=True)
class Sending:
    """Results that are about to be written, with what the server held before.

    *rows* maps the id of an execution to the fingerprint of its state. A sending
    without receipts means that it is unclear whether the write happened.
    """

    rows: Mapping[int, str]


@dataclass(frozen=True)
class AttachmentKey:
    """A file of one execution; *name* is the one that the test gave it."""

    execution: int
    name: str
    digest: str


@dataclass(frozen=True)
class Attaching:
    """Attachments that are about to be made, each with the name it gets there.

    Without a receipt it is unclear whether they were.
    """

    names: Mapping[AttachmentKey, str]


@dataclass(frozen=True)
class Attached:
    """Attachments that the server has taken."""

    attachments: tuple[AttachmentKey, ...]


@dataclass(frozen=True)
class Stepped:
    """Executions whose step results the server has taken, with what these were."""

    digests: Mapping[int, str]


@dataclass(frozen=True)
class CollectError:
    """A file or directory whose tests could not be collected."""

    nodeid: str


@dataclass(frozen=True)
class Deselected:
    """How many tests were not run because the plan does not hold them."""

    count: int


def new_run() -> str:
    """Return a name for a run that sorts by time and is not used by any other."""
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{secrets.token_hex(3)}"


class JournalWriter:
    """Appends to one journal file.

    A line is handed to the operating system at once, so that killing the process
    loses nothing. When the disk refuses, *broken* says why, lines are kept in memory,
    and the header says that what is on disk is not all: what has no end there would
    else be read as a run that died.
    """

    def __init__(self, path: Path, scrub: Scrubber | None = None) -> None:
        self.path = path
        self.scrub = scrub or Scrubber()
        self.broken: OSError | None = None
        self.kept: list[bytes] = []
        self._file: io.RawIOBase | None = None
        self._cut_at: int | None = None

    @classmethod
    def create(
        cls, path: Path, header: Header, scrub: Scrubber | None = None
    ) -> JournalWriter:
        """Start a journal with its header; its directory ignores itself in git.

        *scrub* hides what tests let slip of our credentials.
        """
        writer = cls(path, scrub)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _ignore_in_git(path.parent)
            writer._file = path.open("xb", buffering=0)
            try_lock(writer._file.fileno())
            release_in_children(writer._file)
        except OSError as error:
            writer.broken = error
        line = {
            "kind": "header",
            "format": FORMAT,
            "cut": 0,
            **_slim(**header.__dict__),
        }
        writer.append(line)
        if writer.broken is None:
            writer._cut_at = _encode(line, writer.scrub).index(_CUT) + len(_CUT) - 1
        return writer

    @classmethod
    def reopen(cls, path: Path) -> JournalWriter:
        """Open a journal to add what a push did. Raises JournalError if it is in use."""
        writer = cls(path)
        try:
            writer._file = path.open("ab", buffering=0)
            locked = try_lock(writer._file.fileno())
        except OSError as error:
            writer.broken = error
            return writer
        if not locked:
            writer.close()
            msg = f"{path} is in use: its run goes on, or another push is sending it."
            raise JournalError(msg)
        # The last line may be torn; what follows must not be glued to it.
        writer._write(b"\n")
        return writer

    def append(self, line: dict[str, Any]) -> None:
        self._append(_encode(line, self.scrub))

    def _append(self, data: bytes) -> None:
        if self.broken is not None or not self._write(data):
            self.kept.append(data)

    def append_all(self, lines: Iterable[dict[str, Any]]) -> None:
        """Append many lines in one go."""
        encoded = [_encode(line, self.scrub) for line in lines]
        if self.broken is not None or not self._write(b"".join(encoded)):
            self.kept += encoded

    def discard(self) -> None:
        """Remove the journal, and what workers wrote beside it."""
        self.close()
        for path in (self.path, *_parts(self.path)):
            with suppress(OSError):
                path.unlink()

    def take_kept(self) -> list[str]:
        """Give away the lines that the disk refused, for another process to write."""
        kept = [line.decode("ascii") for line in self.kept]
        self.kept.clear()
        return kept

    def append_kept(self, kept: Iterable[str]) -> None:
        """Append lines that another process could not write."""
        for line in kept:
            self._append(line.encode("ascii"))

    def retry(self) -> None:
        """Write what the disk refused before, if it does not refuse any more."""
        if self.broken is None or self._file is None:
            return
        # What was refused may have left half a line behind.
        if self._write(b"\n" + b"".join(self.kept)):
            self.broken = None
            self.kept.clear()
            self._mark_cut(b"0")

    def _write(self, data: bytes) -> bool:
        if self._file is None or self._file.closed:
            return False
        try:
            written = self._file.write(data)
        except OSError as error:
            self.broken = error
            self._mark_cut(b"1")
            return False
        if written != len(data):
            self.broken = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._take_back(written or 0)
            self._mark_cut(b"1")
            return False
        return True

    def _mark_cut(self, cut: bytes) -> None:
        """Change one digit of the header in its place, which needs no room."""
        if self._file is None or self._cut_at is None:
            return
        with suppress(OSError):
            self._file.seek(self._cut_at)
            self._file.write(cut)
        with suppress(OSError):
            self._file.seek(0, os.SEEK_END)

    def _take_back(self, written: int) -> None:
        """Remove what a refused write left, so that no line is there twice."""
        assert self._file is not None
        with suppress(OSError):
            end = self._file.seek(0, os.SEEK_END)
            # From where it is cut the next line goes on; a gap would be read as a line.
            self._file.seek(end - written)
            self._file.truncate()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _ignore_in_git(directory: Path) -> None:
    """Make a *directory* of ours ignore itself; one that has other things is not ours."""
    ignore = directory / ".gitignore"
    if not ignore.exists() and not any(directory.iterdir()):
        ignore.write_text("*\n", encoding="utf-8")


def _encode(line: dict[str, Any], scrub: Scrubber) -> bytes:
    # ASCII only: a lone surrogate in captured output survives as an escape.
    text = json.dumps(line, separators=(",", ":"), default=str)
    if scrub.touches(text) and line["kind"] != "header":
        clean = {
            key: value if key in _NO_PROSE else scrub.clean(value)
            for key, value in json.loads(text).items()
        }
        text = json.dumps(clean, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def worker_journal(
    path: str, worker: str, scrub: Scrubber | None = None
) -> JournalWriter:
    """Start the file of a *worker* beside the journal at *path*."""
    main = Path(path)
    header = Header(run=main.stem, worker=worker)
    return JournalWriter.create(
        main.with_name(f"{main.stem}.{worker}{SUFFIX}"), header, scrub
    )


def _parts(path: Path) -> list[Path]:
    """Return the files that workers wrote beside the journal at *path*."""
    if not path.parent.is_dir():
        return []
    return sorted(path.parent.glob(f"{glob.escape(path.stem)}.*{SUFFIX}"))


class Journal:
    """One run as it was written: header, records, receipts.

    `receipts`, `sendings`, what is known of evidence (`attached`, `attaching`,
    `stepped`), `uncollected` (node ids) and `skipped` (lines that are not readable)
    are complete once `records` has been read to its end.
    """

    def __init__(self, path: Path, kept: Iterable[bytes] = ()) -> None:
        self.path = path
        self.receipts: list[Receipt] = []
        self.sendings: list[Sending] = []
        self.unclear: dict[int, str] = {}
        self.attached: set[AttachmentKey] = set()
        self.attaching: dict[AttachmentKey, str] = {}
        self.stepped: dict[int, str] = {}
        self.uncollected: list[str] = []
        self.deselected = 0
        self.skipped = 0
        self._kept = list(kept)
        self.header = self._read_header()

    @property
    def is_worker(self) -> bool:
        """Whether this is the file of a worker, a part of another journal."""
        return bool(self.header.worker)

    def is_delivered(self) -> bool:
        """Whether the last thing noted is that nothing is left to send."""
        last = _last_line(self.path)
        return last is not None and last.get("kind") == "delivered"

    def _read_header(self) -> Header:
        for line in self._lines(self.path):
            if line.get("kind") != "header":
                break
            return _header(line, self.path)
        for line in self._parse(self._kept):
            if line.get("kind") == "header":
                return _header(line, self.path)
        msg = f"{self.path} is not a journal: its first line is not a header."
        raise NotAJournal(msg)

    def records(self) -> Iterator[Record]:
        """Read what was seen of the tests, the workers' files first."""
        self.receipts.clear()
        self.sendings.clear()
        self.unclear.clear()
        self.attached.clear()
        self.attaching.clear()
        self.stepped.clear()
        self.uncollected.clear()
        self.deselected = 0
        self.skipped = 0
        for path in _parts(self.path):
            yield from self._decode(self._lines(path))
        yield from self._decode(self._lines(self.path))
        yield from self._decode(self._parse(self._kept))
        if self.header.cut:
            # What is missing may have ended what has no end here.
            yield End()

    def files(self) -> set[str]:
        """Return the digests of the attachments in this file, not those in its parts."""
        return {
            str(line.get("digest"))
            for line in self._lines(self.path)
            if line.get("kind") == "attachment"
        }

    def _decode(self, lines: Iterable[dict[str, Any]]) -> Iterator[Record]:
        for line in lines:
            try:
                entry = _DECODERS[line["kind"]](line)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.skipped += 1
                continue
            if isinstance(entry, Receipt):
                self.receipts.append(entry)
                self.unclear.pop(entry.execution, None)
            elif isinstance(entry, Sending):
                self.sendings.append(entry)
                self.unclear.update(entry.rows)
            elif isinstance(entry, Attaching):
                self.attaching.update(entry.names)
            elif isinstance(entry, Attached):
                self.attached.update(entry.attachments)
            elif isinstance(entry, Stepped):
                self.stepped.update(entry.digests)
            elif isinstance(entry, CollectError):
                self.uncollected.append(entry.nodeid)
            elif isinstance(entry, Deselected):
                # Every worker collects the same.
                self.deselected = max(self.deselected, entry.count)
            elif entry is not None:
                yield entry

    def _parse(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for raw in lines:
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                # Half a line is what a kill leaves behind.
                line = None
            if isinstance(line, dict):
                yield line
            else:
                self.skipped += 1

    def _lines(self, path: Path) -> Iterator[dict[str, Any]]:
        try:
            if path.exists() and not path.is_file():
                # A pipe without a writer would be waited for.
                raise OSError(errno.EINVAL, "it is not a file")
            with path.open("rb") as file:
                # What comes after too much of a line is read as a line, and skipped.
                yield from self._parse(iter(partial(file.readline, _LONGEST), b""))
        except OSError as error:
            if not self._kept:
                msg = f"{path} cannot be read: {error.strerror or error}."
                raise JournalError(msg) from error


def _started(line: Mapping[str, Any]) -> int:
    try:
        return _number(line.get("started") or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _number(value: object) -> int:
    """Read a number of 64 bits. Raises TypeError, ValueError or OverflowError."""
    if not isinstance(value, int | float) or abs(value) >= 2**63:
        raise ValueError(value)
    return int(value)


def _last_line(path: Path) -> Mapping[str, Any] | None:
    """Return the last line of a file without reading all of it."""
    with path.open("rb") as file:
        file.seek(0, io.SEEK_END)
        file.seek(max(0, file.tell() - 4096))
        tail = file.read().rstrip()
    try:
        last = json.loads(tail.rpartition(b"\n")[2])
    except (ValueError, RecursionError):
        return None
    return last if isinstance(last, dict) else None


def _header(line: Mapping[str, Any], path: Path) -> Header:
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
        started=_started(line),
        options={str(k): str(v) for k, v in options.items()}
        if isinstance(options, dict)
        else {},
        worker=str(line.get("worker", "")),
        job=str(line.get("job", "")),
        commit=str(line.get("commit", "")),
        cut=bool(line.get("cut", False)),
    )


# Records as lines. A key that would be empty is left out.


def item_line(item: Item) -> dict[str, Any]:
    new = None if item.new is None else _slim(**item.new.__dict__)
    return _slim(kind="item", **{**item.__dict__, "new": new})


def start_line(nodeid: str) -> dict[str, Any]:
    return {"kind": "start", "nodeid": nodeid, "at": now_ms()}


def report_line(report: Report) -> dict[str, Any]:
    return _slim(kind="report", **report.__dict__)


def collect_error_line(nodeid: str) -> dict[str, Any]:
    return {"kind": "collect_error", "nodeid": nodeid}


def deselected_line(count: int) -> dict[str, Any]:
    return {"kind": "deselected", "count": count}


def end_line() -> dict[str, Any]:
    return {"kind": "end", "at": now_ms()}


def receipt_line(receipt: Receipt) -> dict[str, Any]:
    return {"kind": "receipt", **receipt.__dict__}


def sending_line(sending: Sending) -> dict[str, Any]:
    return {"kind": "sending", "rows": [[k, v] for k, v in sending.rows.items()]}


def attaching_line(attaching: Attaching) -> dict[str, Any]:
    rows = [[*_row(each), name] for each, name in attaching.names.items()]
    return {"kind": "attaching", "rows": rows}


def attached_line(attached: Attached) -> dict[str, Any]:
    return {"kind": "attached", "rows": list(map(_row, attached.attachments))}


def _row(attachment: AttachmentKey) -> list[object]:
    return [attachment.execution, attachment.name, attachment.digest]


def stepped_line(stepped: Stepped) -> dict[str, Any]:
    return {"kind": "stepped", "rows": [[k, v] for k, v in stepped.digests.items()]}


def delivered_line() -> dict[str, Any]:
    return {"kind": "delivered", "at": now_ms()}


def _slim(**values: object) -> dict[str, Any]:
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
        title=_text(line.get("title", "")),
        comment=_text(line.get("comment", "")),
        defects=tuple(map(_text, line.get("defects", []))),
        fields=tuple(_field(*each) for each in line.get("fields", [])),
        unmarked=bool(line.get("unmarked", False)),
        new=_new_case(new) if new is not None else None,
    )


def _field(name: object, value: object) -> tuple[str, FieldValue]:
    return _text(name), read_value(value)


def _attachment(execution: object, name: object, digest: object) -> AttachmentKey:
    return AttachmentKey(_number(execution), _text(name), _text(digest))


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
        cases=_cases(line.get("cases", [])),
        title=_text(line.get("title", "")),
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


def _receipt(line: Mapping[str, Any]) -> Receipt:
    (case,) = _cases([line["case"]])
    execution, status = _number(line["execution"]), _text(line["status"])
    return Receipt(case, execution, status, _text(line["digest"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_DECODERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "header": lambda _line: None,
    "item": _item,
    "start": lambda line: Start(_text(line["nodeid"]), _number(line.get("at", 0))),
    "report": _report,
    "collect_error": lambda line: CollectError(_text(line["nodeid"])),
    "deselected": lambda line: Deselected(_number(line["count"])),
    "end": lambda line: End(_number(line.get("at", 0))),
    "receipt": _receipt,
    "sending": lambda line: Sending({int(k): _text(v) for k, v in line["rows"]}),
    "attaching": lambda line: Attaching(
        {_attachment(*key): _text(name) for *key, name in line["rows"]}
    ),
    "attached": lambda line: Attached(tuple(_attachment(*row) for row in line["rows"])),
    "stepped": lambda line: Stepped({int(k): _text(v) for k, v in line["rows"]}),
    "delivered": lambda _line: None,
    **dict.fromkeys(KINDS, read_said),
}
