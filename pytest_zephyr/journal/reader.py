"""Reads a journal.

A journal is JSON Lines: a header, then records as they come, then what a push did.
Workers of pytest-xdist write files of their own next to it, `<session>.gw0.jsonl`, which
are a part of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
import errno
from functools import partial
import json
from pathlib import Path
import platform
import re
from typing import Any
from typing import get_args

from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal import ledger
from pytest_zephyr.journal.lock import is_locked
from pytest_zephyr.journal.lock import may_be_running
from pytest_zephyr.journal.writer import parts_of
from pytest_zephyr.journal.writer import read_tail
from pytest_zephyr.results.fold import fold
from pytest_zephyr.results.jobs import Session
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Record


#: About how many bytes of lines are parsed at once.
_BATCH_BYTES = 64 * 1024

#: The most bytes of a line; a file that is not a journal may have longer ones.
_MAX_LINE_BYTES = 64 * 1024 * 1024

#: The types of entries that are about one test.
_TEST_RECORDS = tuple(type_ for type_ in get_args(Record) if type_ is not End)

#: Matches the digest of an attachment, which is the name of its copy.
_DIGEST = re.compile(rb'"digest":"([0-9a-f]{64})"')

#: Match parts of a line that cannot be read as a whole.
_KIND = re.compile(rb'\s*\{"kind":"(\w+)"')
_NODEID = re.compile(rb'"nodeid":("(?:[^"\\]|\\.)*")')

#: The kinds of lines that are only written when all tests are over.
_KINDS_AFTER_TESTS = {
    *("end", "running", "server", "receipt", "sending", "attaching", "attached"),
    *("stepped", "delivered"),
}

#: The kinds of lines that name a test, and no test case: if one cannot be read, only the
#: result of this test is in doubt.
_KINDS_WITH_TEST = {
    *("start", "report", "passed"),
    *("comment", "defect", "field", "attachment", "step", "left_out"),
}

#: The kinds of lines that are not about one test: if one cannot be read, that casts no
#: doubt on the result of a test.
_KINDS_WITHOUT_TEST = _KINDS_AFTER_TESTS | {"header", "torn", "clock", "deselected"}


@dataclass(frozen=True)
class UnreadableLine:
    """A line that cannot be read; its *number* counts from 1.

    *kind* and *nodeid* are empty if the line has none, or if they cannot be read either.
    """

    path: Path
    number: int
    kind: str = ""
    nodeid: str = ""

    @property
    def tests(self) -> Collection[str] | None:
        """The node ids of the tests that it is about, `None` if it may be about any."""
        # A line of these kinds has no node id, so one with it is two damaged lines in one.
        if self.kind in _KINDS_WITHOUT_TEST and not self.nodeid:
            return ()
        if self.nodeid and self.kind in _KINDS_WITH_TEST:
            return (self.nodeid,)
        # It may be an item, which alone names the test cases of its test, or say that a
        # file could not be collected: then any result may be wrong.
        return None

    def __str__(self) -> str:
        return f"{self.path}, line {self.number}"


@dataclass(frozen=True)
class Contents:
    """What a journal says: the results of its *session*, and what else is in it.

    - *uncollected* are the node ids of what could not be collected.
    - *deselected* is how many tests were not run because their test cases are not in the
      phase.
    - *memories* has what pushes noted, by server.
    - *server* is that of the last push, or that of the options if there was no push.
    """

    session: Session
    unreadable: Sequence[UnreadableLine]
    uncollected: Sequence[str]
    deselected: int
    memories: Mapping[str, ledger.Memory]
    server: str

    def memory(self, server: str) -> ledger.Memory:
        """Return what pushes to *server* noted.

        If the journal names no server, that is what all pushes noted. Otherwise, what
        pushes to other servers noted is left out: executions there may have the same
        ids.
        """
        return self.memories.get(server if self.server else "", ledger.Memory())


class Journal:
    """The journal at *path*, and lines of it that could not be written."""

    def __init__(self, path: Path, unwritten: Iterable[bytes] = ()) -> None:
        self.path = path
        self._unwritten = list(unwritten)
        self.header = self._read_header()

    def is_delivered(self) -> bool:
        """Return whether the last line says that nothing is left to send."""
        return last_kind(self.path) == "delivered"

    def is_running(self) -> bool:
        """Return whether its session may still be running tests.

        A journal that has an end is complete, even while it is being sent.
        """
        locked = is_locked(self.path)
        if not locked and not self.header.unlocked:
            return False
        if last_kind(self.path) in _KINDS_AFTER_TESTS:
            return False
        job, pid = self.header.job, self.header.pid
        is_local = job is not None and job.host == platform.node()
        return locked or may_be_running(pid, on_this_host=is_local, path=self.path)

    def _read_header(self) -> journal_format.Header:
        first = next(self._lines(self.path), b"")
        for raw in (first, *self._unwritten):
            line = _parse(raw)
            if line is not None and line.get("kind") == "header":
                return journal_format.read_header(line, self.path)
        msg = f"{self.path} is not a journal: its first line is not a header."
        raise NotAJournal(msg)

    def read(self) -> Contents:
        """Read all lines.

        If one says how far ahead the server's clock is, the times of the results become
        those of that clock.
        """
        header = self.header
        server = header.options.get("url", "")
        memories: defaultdict[str, ledger.Memory] = defaultdict(ledger.Memory)
        others: defaultdict[type, list[Any]] = defaultdict(list)

        def records() -> Iterator[Record]:
            nonlocal server
            for entry in self.entries():
                if isinstance(entry, _TEST_RECORDS):
                    yield entry
                elif isinstance(entry, ledger.LedgerEntry):
                    memories[server].add(entry)
                elif isinstance(entry, ledger.Server):
                    if not server:
                        # Earlier entries name no server, so they count for this one.
                        memories[entry.url] = memories.pop("", ledger.Memory())
                    server = entry.url
                else:
                    others[type(entry)].append(entry)
                    if isinstance(entry, End):
                        yield entry

        nodes = fold(records(), header.origin, setup_only=header.setup_only)
        unreadable = others[UnreadableLine]
        _note_doubts(nodes, unreadable)
        clocks = others[ledger.Clock]
        offset = clocks[-1].ahead if clocks else 0
        ended = max((each.at for each in (*others[End], *nodes)), default=0)
        if offset:
            _shift_times(nodes, offset)
        uncollected = [error.nodeid for error in others[journal_format.CollectError]]
        session = Session(
            name=header.session,
            job=header.job,
            started=header.started + offset,
            ended=ended + offset,
            nodes=nodes,
            still_running={
                name
                for each in others[ledger.RunningSessions]
                for name in each.sessions
            },
            complete=not uncollected,
        )
        # Every worker deselects the same tests.
        deselected = max(
            (each.count for each in others[journal_format.Deselected]), default=0
        )
        return Contents(session, unreadable, uncollected, deselected, memories, server)

    def entries(self) -> Iterator[object]:
        """Yield what each line says, the workers' files first."""
        for path in (*parts_of(self.path), self.path):
            yield from _decode(path, self._lines(path))
        yield from _decode(self.path, self._unwritten)
        if self.header.is_cut_short:
            # Lines are missing, so a test that seems unfinished need not have crashed.
            yield End()

    def count_test_records(self) -> int:
        """Return the number of entries that are about one test, workers included."""
        return sum(isinstance(entry, _TEST_RECORDS) for entry in self.entries())

    def attachment_digests(self) -> set[str]:
        """Return the digests of attachments in this file, without the workers' files."""
        return {
            digest.decode()
            for raw in self._lines(self.path)
            for digest in _DIGEST.findall(raw)
        }

    def _lines(self, path: Path) -> Iterator[bytes]:
        try:
            if path.exists() and not path.is_file():
                # Opening a pipe without a writer would block.
                raise OSError(errno.EINVAL, "it is not a file")
            with path.open("rb") as file:
                # The rest of a longer line counts as a line that cannot be read.
                yield from iter(partial(file.readline, _MAX_LINE_BYTES), b"")
        except OSError as error:
            if not self._unwritten:
                msg = f"{path} cannot be read: {error.strerror or error}."
                raise JournalError(msg) from error


def _decode(path: Path, lines: Iterable[bytes]) -> Iterator[object]:
    """Yield what each of *lines* says, an `UnreadableLine` for one that cannot be read."""
    decoders = journal_format.decoders()
    unreadable: UnreadableLine | None = None
    for number, (raw, line) in enumerate(_parse_all(lines), 1):
        if not raw.strip():
            continue
        if unreadable is not None:
            if line != journal_format.TORN:
                yield unreadable
            unreadable = None
        if line == journal_format.TORN:
            continue
        if line is None:
            # A kill leaves half a line, at the end of the file or before a TORN line.
            if raw.endswith(b"\n"):
                unreadable = _unreadable_line(path, number, raw)
            continue
        try:
            yield decoders[line["kind"]](line)
        except (KeyError, TypeError, ValueError):
            yield _unreadable_line(path, number, raw)
    if unreadable is not None:
        yield unreadable


def _parse_all(lines: Iterable[bytes]) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Yield each of *lines* with its JSON object, `None` if it cannot be read.

    Parsing many at once is much faster; if one of them is not a JSON object, each is
    parsed on its own.
    """
    for batch in _batches(lines):
        try:
            parsed = json.loads(b"[%b]" % b",".join(batch))
        except (ValueError, RecursionError):
            parsed = []
        if len(parsed) != len(batch) or not all(type(each) is dict for each in parsed):
            parsed = map(_parse, batch)
        yield from zip(batch, parsed, strict=True)


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size > _BATCH_BYTES:
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


def _unreadable_line(path: Path, number: int, raw: bytes) -> UnreadableLine:
    kind, nodeid = _KIND.match(raw), _NODEID.search(raw)
    name = None
    if nodeid is not None:
        with suppress(ValueError):
            name = json.loads(nodeid[1])
    return UnreadableLine(path, number, kind[1].decode() if kind else "", name or "")


def _note_doubts(
    nodes: Sequence[NodeResult], unreadable: Sequence[UnreadableLine]
) -> None:
    """Note in each of *nodes* the first unreadable line that may be about it.

    A line about a test that is not among *nodes* may be about each of them.
    """
    doubts: dict[str, str] = {}
    known = {node.nodeid for node in nodes}
    for line in unreadable:
        tests = line.tests
        if tests is None or not known.issuperset(tests):
            tests = known
        for nodeid in tests:
            doubts.setdefault(nodeid, f"{line} cannot be read")
    for node in nodes:
        node.doubt = doubts.get(node.nodeid, node.doubt)


def _shift_times(nodes: Iterable[NodeResult], offset: int) -> None:
    """Add *offset*, in milliseconds, to the times of *nodes*, their sessions and steps.

    If the time of a node or a step is not known, it stays 0. Reports keep their times.
    """
    for node in nodes:
        node.at += offset if node.at else 0
        node.origin = replace(node.origin, started=node.origin.started + offset)
        if node.evidence.steps:
            steps = tuple(
                replace(step, at=step.at + offset) if step.at else step
                for step in node.evidence.steps
            )
            node.evidence = replace(node.evidence, steps=steps)


def find_hidden(path: Path, nodeid: str) -> str | None:
    """Return the node id in the journal at *path* that replaces a secret *nodeid*.

    `None` if the journal has no such test.
    """
    digest = f'"hidden":"{journal_format.hidden_digest(nodeid)}"'.encode("ascii")
    with suppress(OSError), path.open("rb") as file:
        for raw in file:
            if digest in raw and (line := _parse(raw)) is not None:
                return str(line.get("nodeid"))
    return None


def last_kind(path: Path) -> str:
    """Return the kind of the last line of a file, empty if that cannot be read."""
    last = _parse(read_tail(path).rstrip().rpartition(b"\n")[2])
    return str(last.get("kind")) if last else ""
