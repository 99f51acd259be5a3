"""Records from disk: the one source of a push.

A journal is JSON Lines: a header, then records as they come, then what a push did.
Workers of pytest-xdist write their own files beside it, `<run>.gw0.jsonl`, which are
read along.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import errno
from functools import partial
import io
import json
from pathlib import Path
from typing import Any

from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.journal.format import CollectError
from pytest_zephyr.journal.format import DECODERS
from pytest_zephyr.journal.format import Deselected
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.format import read_header
from pytest_zephyr.journal.format import TORN
from pytest_zephyr.journal.ledger import Ledger
from pytest_zephyr.journal.ledger import Noted
from pytest_zephyr.journal.ledger import Server
from pytest_zephyr.journal.writer import parts_of
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Record


#: Bytes of a line that are read at once; the file may be anything but a journal.
_LONGEST = 64 * 1024 * 1024


class Journal:
    """One run as it was written: header, records, receipts.

    `ledger`, `uncollected` (node ids) and `skipped` (lines that are not readable, but for
    what a kill cut off) are complete once `records` has been read to its end.
    """

    def __init__(self, path: Path, kept: Iterable[bytes] = ()) -> None:
        self.path = path
        self.uncollected: list[str] = []
        self.deselected = 0
        self.skipped = 0
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

    def is_delivered(self) -> bool:
        """Whether the last thing noted is that nothing is left to send."""
        last = _last_line(self.path)
        return last is not None and last.get("kind") == "delivered"

    def _read_header(self) -> Header:
        for line in self._lines(self.path):
            if line.get("kind") != "header":
                break
            return read_header(line, self.path)
        for line in self._parse(self._kept):
            if line.get("kind") == "header":
                return read_header(line, self.path)
        msg = f"{self.path} is not a journal: its first line is not a header."
        raise NotAJournal(msg)

    def records(self) -> Iterator[Record]:
        """Read what was seen of the tests, the workers' files first."""
        self.server = self.header.options.get("url", "")
        self._ledgers.clear()
        self.uncollected.clear()
        self.deselected = 0
        self.skipped = 0
        for path in parts_of(self.path):
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
                entry = DECODERS[line["kind"]](line)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                self.skipped += 1
                continue
            if isinstance(entry, Server):
                self.turn_to(entry.url)
            elif isinstance(entry, Noted):
                self.ledger.take(entry)
            elif isinstance(entry, CollectError):
                self.uncollected.append(entry.nodeid)
            elif isinstance(entry, Deselected):
                # Every worker collects the same.
                self.deselected = max(self.deselected, entry.count)
            elif entry is not None:
                yield entry

    def _parse(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        is_torn = False
        for raw in lines:
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                line = None
            if line == TORN:
                self.skipped -= is_torn
            elif isinstance(line, dict):
                yield line
            # Half a line at the end is what a kill leaves behind.
            is_torn = not isinstance(line, dict) and raw.endswith(b"\n")
            self.skipped += is_torn

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
