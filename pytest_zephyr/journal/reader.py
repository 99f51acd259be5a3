"""Records from disk: the one source of a push.

A journal is JSON Lines: a header, then records as they come, then what a push did.
Workers of pytest-xdist write their own files beside it, `<run>.gw0.jsonl`, which are
read along.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
import errno
from functools import partial
import io
import json
from pathlib import Path
import platform
import re
from typing import Any
from typing import get_args

from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.journal.format import CollectError
from pytest_zephyr.journal.format import DECODERS
from pytest_zephyr.journal.format import Deselected
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.format import hidden_digest
from pytest_zephyr.journal.format import read_header
from pytest_zephyr.journal.format import TORN
from pytest_zephyr.journal.ledger import Clock
from pytest_zephyr.journal.ledger import Ledger
from pytest_zephyr.journal.ledger import Noted
from pytest_zephyr.journal.ledger import RunningSessions
from pytest_zephyr.journal.ledger import Server
from pytest_zephyr.journal.lock import is_locked
from pytest_zephyr.journal.lock import may_be_running
from pytest_zephyr.journal.writer import parts_of
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Record


#: Bytes of lines that are parsed at once.
_CHUNK = 64 * 1024

#: Bytes of a line that are read at once; the file may be anything but a journal.
_LONGEST = 64 * 1024 * 1024

#: What of a journal is about tests.
_RECORDS = get_args(Record)

#: What can be made out of a line that cannot be read as a whole.
_KIND = re.compile(rb'\s*\{"kind":"(\w+)"')
_NODEID = re.compile(rb'"nodeid":("(?:[^"\\]|\\.)*")')

#: Lines that say nothing of a test: without them no result is another.
_ABOUT_NO_TEST = {
    *("header", "torn", "clock", "end", "deselected", "server", "receipt", "sending"),
    *("attaching", "attached", "stepped", "delivered", "beside"),
}


@dataclass(frozen=True)
class UnreadableLine:
    """A line that cannot be read; its *number* counts from 1.

    *kind* and *nodeid* are empty where they cannot be made out.
    """

    path: Path
    number: int
    kind: str = ""
    nodeid: str = ""

    @property
    def tests(self) -> Collection[str] | None:
        """The tests that it is about, `None` if it may be about any."""
        if self.kind in _ABOUT_NO_TEST and not self.nodeid:
            return ()
        # Without its item nobody knows which test cases a test proves.
        return (self.nodeid,) if self.nodeid and self.kind != "item" else None

    def __str__(self) -> str:
        return f"{self.path}, line {self.number}"


class Journal:
    """One run as it was written: header, records, receipts.

    `ledger`, `uncollected` (node ids), `unreadable` (lines, but for what a kill cut off),
    `ended` (milliseconds since the epoch, 0 if it did not), `ahead` (see `Clock`) and
    `beside` (see there) are complete once `records` has been read to its end.
    """

    def __init__(self, path: Path, kept: Iterable[bytes] = ()) -> None:
        self.path = path
        self.uncollected: list[str] = []
        self.deselected = 0
        self.unreadable: list[UnreadableLine] = []
        self.ended = 0
        self.ahead = 0
        self.beside: set[str] = set()
        self._kept = list(kept)
        self._ledgers: dict[str, Ledger] = {}
        self.header = self._read_header()
        self.server = self.header.options.get("url", "")

    def turn_to(self, server: str) -> bool:
        """Have what is known of another *server*; return whether it is another.

        What one server got says nothing of another, whose ids may be the same.
        """
        if self.server == server:
            return False
        if not self.server:
            # Nobody said which one it was.
            self._ledgers[server] = self.ledger
        self.server = server
        return True

    @property
    def ledger(self) -> Ledger:
        """What earlier pushes noted of the server that the journal is turned to."""
        return self._ledgers.setdefault(self.server, Ledger())

    @property
    def is_worker(self) -> bool:
        """Whether this is the file of a worker, a part of another journal."""
        return bool(self.header.worker)

    @property
    def last_kind(self) -> str:
        """The kind of the last line, empty if it cannot be read."""
        return last_kind(self.path)

    def is_delivered(self) -> bool:
        """Whether the last thing noted is that nothing is left to send."""
        return self.last_kind == "delivered"

    def is_running(self) -> bool:
        """Whether its session may still be running tests.

        What has an end is complete, even while it is being sent.
        """
        locked = is_locked(self.path)
        if not locked and not self.header.unlocked:
            return False
        if self.last_kind in _AFTER_THE_END:
            return False
        here = self.header.job is not None and self.header.job.host == platform.node()
        return locked or may_be_running(self.header.pid, here=here, path=self.path)

    def _read_header(self) -> Header:
        for raw in (self._first_line(), *self._kept):
            line = _parse(raw)
            if line is not None and line.get("kind") == "header":
                return read_header(line, self.path)
        msg = f"{self.path} is not a journal: its first line is not a header."
        raise NotAJournal(msg)

    def _first_line(self) -> bytes:
        # A retry after a full disk begins with an empty line.
        return next(filter(bytes.strip, self._lines(self.path)), b"")

    def records(self) -> Iterator[Record]:
        """Read what was seen of the tests, the workers' files first."""
        self.server = self.header.options.get("url", "")
        self._ledgers.clear()
        self.uncollected.clear()
        self.deselected = self.ended = self.ahead = 0
        self.unreadable.clear()
        self.beside.clear()
        for path in parts_of(self.path):
            yield from self._decode(path, self._lines(path))
        yield from self._decode(self.path, self._lines(self.path))
        yield from self._decode(self.path, self._kept)
        if self.header.cut:
            # What is missing may have ended what has no end here.
            yield End()

    def length(self) -> int:
        """Return how many bytes say something of tests, in all files of the run."""
        size = 0
        for path in (self.path, *parts_of(self.path)):
            for raw in self._lines(path):
                kind = _KIND.match(raw)
                if kind is None or kind[1].decode() not in _ABOUT_NO_TEST:
                    size += len(raw)
        return size

    def files(self) -> set[str]:
        """Return the digests of the attachments in this file, not those in its parts."""
        found = filter(None, map(_parse, self._lines(self.path)))
        return {
            str(line.get("digest"))
            for line in found
            if line.get("kind") == "attachment"
        }

    def _decode(self, path: Path, lines: Iterable[bytes]) -> Iterator[Record]:
        torn = False
        for number, (raw, line) in enumerate(_parse_all(lines), 1):
            if not raw.strip():
                continue
            if line == TORN:
                if torn:
                    self.unreadable.pop()
                torn = False
                continue
            if line is None:
                # Half a line at the end is what a kill leaves behind.
                torn = raw.endswith(b"\n")
                if torn:
                    self.unreadable.append(_unreadable(path, number, raw))
                continue
            torn = False
            try:
                entry = DECODERS[line["kind"]](line)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.unreadable.append(_unreadable(path, number, raw))
                continue
            if isinstance(entry, _RECORDS):
                if isinstance(entry, End):
                    self.ended = max(self.ended, entry.at)
                yield entry
            elif isinstance(entry, Server):
                self.turn_to(entry.url)
            elif isinstance(entry, Noted):
                self.ledger.take(entry)
            elif isinstance(entry, Clock):
                self.ahead = entry.ahead
            elif isinstance(entry, RunningSessions):
                self.beside.update(entry.runs)
            elif isinstance(entry, CollectError):
                self.uncollected.append(entry.nodeid)
            elif isinstance(entry, Deselected):
                # Every worker collects the same.
                self.deselected = max(self.deselected, entry.count)

    def _lines(self, path: Path) -> Iterator[bytes]:
        try:
            if path.exists() and not path.is_file():
                # A pipe without a writer would be waited for.
                raise OSError(errno.EINVAL, "it is not a file")
            with path.open("rb") as file:
                # What comes after too much of a line is read as a line, and unreadable.
                yield from iter(partial(file.readline, _LONGEST), b"")
        except OSError as error:
            if not self._kept:
                msg = f"{path} cannot be read: {error.strerror or error}."
                raise JournalError(msg) from error


#: The last lines of journals whose tests are over.
_AFTER_THE_END = _ABOUT_NO_TEST - {"header", "torn", "clock", "deselected"}


def _parse_all(lines: Iterable[bytes]) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Yield each of *lines* with what it says, `None` if that cannot be read.

    Many are read at once, which is much faster; where one of them is no line of ours,
    each is read by itself.
    """
    for chunk in batches_of_bytes(lines):
        try:
            parsed = json.loads(b"[%b]" % b",".join(chunk))
        except (ValueError, RecursionError):
            parsed = []
        if len(parsed) != len(chunk) or not all(type(each) is dict for each in parsed):
            parsed = map(_parse, chunk)
        yield from zip(chunk, parsed, strict=True)


def batches_of_bytes(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size > _CHUNK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _unreadable(path: Path, number: int, raw: bytes) -> UnreadableLine:
    kind, nodeid = _KIND.match(raw), _NODEID.search(raw)
    name = None
    if nodeid is not None:
        with suppress(ValueError):
            name = json.loads(nodeid[1])
    return UnreadableLine(path, number, kind[1].decode() if kind else "", name or "")


def find_hidden(path: Path, nodeid: str) -> str | None:
    """Return what the journal at *path* calls the test whose *nodeid* holds a secret.

    `None` if it has no such test.
    """
    wanted = f'"hidden":"{hidden_digest(nodeid)}"'.encode("ascii")
    with suppress(OSError), path.open("rb") as file:
        for raw in file:
            if wanted in raw and (line := _parse(raw)) is not None:
                return str(line.get("nodeid"))
    return None


def last_kind(path: Path) -> str:
    """Return the kind of the last line of a file without reading all of it."""
    try:
        with path.open("rb") as file:
            file.seek(0, io.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            tail = file.read().rstrip()
    except OSError:
        # Somebody has removed it.
        return ""
    last = _parse(tail.rpartition(b"\n")[2])
    return str(last.get("kind")) if last else ""
