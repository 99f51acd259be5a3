"""Writes a journal line by line, to a disk that may be full.

Lines are only appended, so a kill leaves at most one incomplete line. The exceptions are one
digit of the header, and a file that a test has shortened or removed: it is written again.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
import errno
import json
import os
from pathlib import Path
import secrets
import time

from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.format import line_of
from pytest_zephyr.journal.format import TORN
from pytest_zephyr.journal.lock import is_locked
from pytest_zephyr.journal.open_file import call_in_children
from pytest_zephyr.journal.open_file import OpenFile
from pytest_zephyr.journal.open_file import Shortened
from pytest_zephyr.origin import System
from pytest_zephyr.secret import Scrubber


#: The suffix of the names of journals.
JOURNAL_SUFFIX = ".jsonl"

#: How the names of our other files in a directory of journals begin.
_OUR_PREFIXES = ("files", "sandbox.db")

#: The bytes of the header before a digit that is 1 while lines of the file are missing.
_CUT = b'"is_cut_short":'

#: Keys whose values must not change, even if a password is an ordinary word.
_NEVER_SCRUBBED = {
    "kind",
    "when",
    "outcome",
    "cases",
    "case",
    "status_id",
    "digest",
    "rows",
}


def new_session_name() -> str:
    """Return a unique name for a session, which sorts by time."""
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{secrets.token_hex(3)}"


class JournalWriter:
    """Appends to one journal file.

    The operating system gets each line at once, so a killed process loses nothing. When
    the disk refuses a line, *broken* says why, and this line and all further ones stay in
    *unwritten*. The header of a journal that this process created then says that lines are
    missing: otherwise a journal without an end would be read as a session that died.
    """

    def __init__(self, path: Path, scrub: Scrubber | None = None) -> None:
        self.path = path
        self.scrub = scrub or Scrubber()
        self.broken: OSError | None = None
        self.unwritten: list[bytes] = []
        # A child process must not send the lines of this process again.
        call_in_children(self.take_unwritten)
        # Returns the lines to write again if lines of the file were lost.
        self.lines_to_repeat: Callable[[], Iterable[str]] = tuple
        self._file: OpenFile | None = None
        self._pid = System.process_id()
        self._header = b""

    @classmethod
    def create(
        cls, path: Path, header: Header, scrub: Scrubber | None = None
    ) -> JournalWriter:
        """Start a journal with its header; *scrub* hides credentials in later lines."""
        writer = cls(path, scrub)
        try:
            writer._file = writer._create_file()
        except OSError as error:
            writer.broken = error
        else:
            # Some network file systems refuse locks, or grant all: ours is not seen then.
            header = replace(header, unlocked=not is_locked(path))
        # Not scrubbed: it holds no secret, but may hold a word that is also a password.
        encoded = System.encode(journal_format.header_line(header))
        line = encoded.encode("ascii") + b"\n"
        writer._append(line)
        if writer.broken is None:
            writer._header = line
        return writer

    def _create_file(self) -> OpenFile:
        make_directory(self.path.parent)
        return OpenFile(self.path, new=True)

    @classmethod
    def reopen(cls, path: Path) -> JournalWriter:
        """Open a journal to add what a push did. Raises JournalError if it is in use."""
        writer = cls(path)
        try:
            writer._file = OpenFile(path)
        except OSError as error:
            writer.broken = error
            return writer
        if not writer._file.wait_for_lock():
            writer.close()
            msg = (
                f"{path} is in use: its tests still run, or another push is sending it."
            )
            raise JournalError(msg)
        if not (read_tail(path) or b"\n").endswith(b"\n"):
            # The next line must not continue half a line.
            writer._write(b"\n")
            writer.append_text(System.encode(TORN))
        return writer

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the journal, and not one that it was forked from."""
        return System.process_id() == self._pid

    def append(self, *entries: object) -> None:
        """Append the lines of *entries* with one write."""
        self.append_texts(System.encode(line_of(entry)) for entry in entries)

    def append_text(self, text: str) -> None:
        """Append a line of JSON in ASCII."""
        self._append(self._encode(text))

    def append_texts(self, texts: Iterable[str]) -> None:
        """Append many lines with one write."""
        self._append(b"".join(map(self._encode, texts)))

    def _append(self, lines: bytes) -> None:
        if self.broken is not None or not self._write(lines):
            self.unwritten += lines.splitlines(keepends=True)

    def discard(self) -> None:
        """Remove the journal and the files of its workers."""
        self.close()
        for path in (self.path, *parts_of(self.path)):
            with suppress(OSError):
                path.unlink()

    def take_unwritten(self) -> list[str]:
        """Return the lines that could not be written, and forget them.

        Another process writes them.
        """
        lines = [line.decode("ascii") for line in self.unwritten]
        self.unwritten.clear()
        return lines

    def append_unwritten(self, lines: Iterable[str]) -> None:
        """Append lines that `take_unwritten` returned in another process."""
        for line in lines:
            self._append(line.encode("ascii"))

    def retry(self) -> None:
        """Write the lines that the disk refused, and write a removed file again.

        In the process that opened the file, all lines are on disk afterwards, unless
        *broken* is set.
        """
        if not self.is_ours:
            return
        if self._file is not None and not self._file.is_there:
            self._write_again(self._file)
        if self._file is None or not self.unwritten:
            return
        # The refused write may have left half a line.
        start = b"" if self._file.is_empty else b"\n"
        if self._write(start + b"".join(self.unwritten)):
            self.broken = None
            self.unwritten.clear()
            self._mark_cut(self._header.partition(_CUT)[2][:1])

    def _write_again(self, removed: OpenFile) -> None:
        """Write the content of a *removed* file to its path again."""
        try:
            content = removed.read_all()
        except OSError:
            content = self._repair(b"")
        removed.close()
        self._file = None
        try:
            self._file = self._create_file()
        except OSError as error:
            self.broken = error
        self._write_first(content)

    def _write_first(self, content: bytes) -> bool:
        """Write the *content* of a file that is empty; return whether that worked.

        If it did not, *content* comes first in *unwritten*.
        """
        is_written = self._write(content)
        if not is_written:
            self.unwritten[:0] = content.splitlines(keepends=True)
        return is_written

    def _repair(self, rest: bytes) -> bytes:
        """Return the content of a journal of which only *rest* is left.

        It is the header, marked as cut, the whole lines of *rest* if that begins with the
        header, and the lines to repeat.
        """
        unmarked, marked = _CUT + b"0", _CUT + b"1"
        self._header = self._header.replace(unmarked, marked, 1)
        # Mark the rest, too, unless `_mark_cut` has done so already.
        rest = rest.replace(unmarked, marked, 1)
        lines = rest[len(self._header) :] if rest.startswith(self._header) else b""
        lines = lines[: lines.rfind(b"\n") + 1]
        repeated = map(self._encode, self.lines_to_repeat())
        return b"".join([self._header, lines, *repeated])

    def _encode(self, text: str) -> bytes:
        """Return a line as bytes, without credentials."""
        if self.scrub.has_secret(text):
            clean = {
                key: value if key in _NEVER_SCRUBBED else self.scrub.clean(value)
                for key, value in json.loads(text).items()
            }
            text = System.encode(clean)
        # ASCII only: a lone surrogate in captured output survives as an escape.
        return text.encode("ascii") + b"\n"

    def _write(self, data: bytes) -> bool:
        """Append *data* to the file; return whether that worked."""
        if self._file is None or not self.is_ours:
            return False
        try:
            written = self._file.write(data)
            if written != len(data):
                # All of *data* is written again later.
                with suppress(OSError):
                    self._file.remove_end(written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except Shortened:
            content = self._repair(self._file.read_all())
            self._file.remove_end()
            return self._write_first(content) and self._write(data)
        except OSError as error:
            if error.errno == errno.EBADF and self._open_again(self._file):
                return self._write(data)
            self.broken = error
            self._mark_cut(b"1")
            return False
        return True

    def _open_again(self, closed: OpenFile) -> bool:
        """Open the file again if a test has closed or replaced its descriptor.

        Return whether the file was opened again.
        """
        if closed.is_open or not closed.is_there:
            return False
        with suppress(OSError):
            self._file = OpenFile(self.path)
            return True
        return False

    def _mark_cut(self, cut: bytes) -> None:
        """Write the digit *cut* into the header; this needs no room on the disk."""
        if self._file is not None and self._header:
            with suppress(OSError):
                self._file.overwrite(self._header.index(_CUT) + len(_CUT), cut)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def make_directory(directory: Path) -> None:
    """Make a *directory* for journals, with a ``.gitignore`` if it has only our files.

    Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ignore = directory / ".gitignore"
    if not ignore.exists() and all(
        path.suffix == JOURNAL_SUFFIX or path.name.startswith(_OUR_PREFIXES)
        for path in directory.iterdir()
    ):
        ignore.write_text("*\n", encoding="utf-8")


def read_tail(path: Path) -> bytes:
    """Return the end of a file, nothing if it cannot be read.

    It has the whole last line, unless that has more than a mebibyte.
    """
    tail = b""
    with suppress(OSError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for length in (4 * 1024, 64 * 1024, 1024 * 1024):
            file.seek(max(0, size - length))
            tail = file.read()
            if b"\n" in tail.rstrip():
                break
    return tail


def worker_journal(
    path: str, worker: str, scrub: Scrubber | None = None
) -> JournalWriter:
    """Start the file of a *worker* next to the journal at *path*."""
    main = Path(path)
    if not main.exists():
        # The worker runs on another machine: its lines travel with its reports.
        return JournalWriter(part_of(main, worker), scrub)
    header = Header(main.stem, worker=worker)
    return JournalWriter.create(part_of(main, worker), header, scrub)


def part_of(whole: Path, worker: str) -> Path:
    """Return the file of a *worker* of a journal; without a worker the journal itself."""
    return (
        whole.with_name(f"{whole.stem}.{worker}{JOURNAL_SUFFIX}") if worker else whole
    )


def whole_of(part: Path) -> Path:
    """Return the journal that the file of a worker is a part of."""
    return part.with_name(part.stem.rpartition(".")[0] + JOURNAL_SUFFIX)


def parts_of(path: Path) -> list[Path]:
    """Return the files of the workers of the journal at *path*."""
    start = f"{path.stem}."
    with suppress(OSError):
        return sorted(
            each
            for each in path.parent.iterdir()
            if each.name.startswith(start)
            and each.suffix == JOURNAL_SUFFIX
            and each != path
        )
    return []
