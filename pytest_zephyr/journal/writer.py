"""Records to disk: appended as they come, with a disk that may refuse.

Nothing is rewritten but one digit of the header, so a kill costs at most half a line.
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
from typing import Any

from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.format import TORN
from pytest_zephyr.journal.lock import locks_work
from pytest_zephyr.journal.open_file import OpenFile
from pytest_zephyr.journal.open_file import Shortened
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.system import System


SUFFIX = ".jsonl"

#: How the names of the other things in a directory of journals begin.
_OURS = ("files", "sandbox.db")


#: The place in a header that is changed when the disk refuses.
_CUT = b'"cut":0'


#: What must stay as it is, even where a password is an ordinary word.
_NO_PROSE = {"kind", "when", "outcome", "cases", "case", "status", "digest", "rows"}


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
        # What to write once more if all that was written before is lost.
        self.again: Callable[[], Iterable[str]] = tuple
        self._file: OpenFile | None = None
        self._pid = System.process_id()
        self._header = b""

    @classmethod
    def create(
        cls, path: Path, header: Header, scrub: Scrubber | None = None
    ) -> JournalWriter:
        """Start a journal with its header; its directory ignores itself in git.

        *scrub* hides what tests let slip of our credentials.
        """
        writer = cls(path, scrub)
        try:
            writer._file = writer._create()
        except OSError as error:
            writer.broken = error
        else:
            header = replace(header, unlocked=not locks_work(path))
        # No secret is in it, and a password may be an ordinary word.
        line = _bytes_of(System.encode(journal_format.header_line(header)))
        writer._append(line)
        if writer.broken is None:
            writer._header = line
        return writer

    def _create(self) -> OpenFile:
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
        if not writer._file.locked:
            writer.close()
            msg = f"{path} is in use: its run goes on, or another push is sending it."
            raise JournalError(msg)
        if _is_torn(path):
            # What follows must not be glued to it.
            writer._write(b"\n")
            writer.append(TORN)
        return writer

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the journal, and not one that it was forked from."""
        return System.process_id() == self._pid

    def append(self, line: dict[str, Any]) -> None:
        self.append_text(System.encode(line))

    def append_text(self, text: str) -> None:
        """Append a line that is JSON in ASCII already."""
        self._append(self._encode(text))

    def _append(self, data: bytes) -> None:
        if self.broken is not None or not self._write(data):
            self.kept.append(data)

    def append_all(self, lines: Iterable[dict[str, Any]]) -> None:
        """Append many lines in one go."""
        self.append_texts(map(System.encode, lines))

    def append_texts(self, texts: Iterable[str]) -> None:
        """Append many lines that are JSON in ASCII already."""
        encoded = list(map(self._encode, texts))
        if self.broken is not None or not self._write(b"".join(encoded)):
            self.kept += encoded

    def discard(self) -> None:
        """Remove the journal, and what workers wrote beside it."""
        self.close()
        for path in (self.path, *parts_of(self.path)):
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
        """Write what the disk refused before, and all of a file that was removed.

        Afterwards what is not *broken* can be read from disk.
        """
        if not self.is_ours:
            return
        if self._file is not None and not self._file.is_there:
            self._write_again(self._file)
        if self._file is None or not self.kept:
            return
        # What was refused may have left half a line behind.
        if self._write(b"\n" + b"".join(self.kept)):
            self.broken = None
            self.kept.clear()
            self._mark_cut(_cut_of(self._header))

    def _write_again(self, removed: OpenFile) -> None:
        """Copy what is still to be read of a *removed* file to where it was."""
        try:
            content = removed.read_all()
        except OSError:
            content = self._mended(b"")
        removed.close()
        self._file = None
        try:
            self._file = self._create()
        except OSError as error:
            self.broken = error
        if not self._write(content):
            self.kept[:0] = content.splitlines(keepends=True)

    def _mended(self, left: bytes) -> bytes:
        """Return what is *left* of a journal as one that says so, and names its tests."""
        rest = left[len(self._header) :] if left.startswith(self._header) else b""
        rest = rest[: rest.rfind(b"\n") + 1]
        self._header = _with_cut(self._header)
        again = map(self._encode, self.again())
        return b"".join([self._header, rest, *again])

    def _encode(self, text: str) -> bytes:
        """Return a line as bytes, without what tests let slip of our credentials."""
        if self.scrub.touches(text):
            clean = {
                key: value if key in _NO_PROSE else self.scrub.clean(value)
                for key, value in json.loads(text).items()
            }
            text = System.encode(clean)
        return _bytes_of(text)

    def _write(self, data: bytes) -> bool:
        if self._file is None or not self.is_ours:
            return False
        try:
            written = self._file.write(data)
        except Shortened:
            data = self._mended(self._file.read_all()) + data
            self._file.clear()
            return self._write(data)
        except OSError as error:
            if error.errno == errno.EBADF and self._open_again(self._file):
                return self._write(data)
            self.broken = error
            self._mark_cut(b"1")
            return False
        if written != len(data):
            self.broken = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._take_back(written)
            self._mark_cut(b"1")
            return False
        return True

    def _open_again(self, closed: OpenFile) -> bool:
        """Open the file once more whose descriptor a test has closed or replaced."""
        if closed.is_open or not closed.is_there:
            return False
        with suppress(OSError):
            self._file = OpenFile(self.path)
            return True
        return False

    def _mark_cut(self, cut: bytes) -> None:
        """Change one digit of the header in its place, which needs no room."""
        if self._file is not None and self._header:
            with suppress(OSError):
                self._file.overwrite(_place_of_cut(self._header), cut)

    def _take_back(self, written: int) -> None:
        """Remove what a refused write left, so that no line is there twice."""
        assert self._file is not None
        with suppress(OSError):
            self._file.take_back(written)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _place_of_cut(header: bytes) -> int:
    return header.find(_CUT) + len(_CUT) - 1


def _cut_of(header: bytes) -> bytes:
    """Return the digit of *header* that says whether what follows was cut."""
    place = _place_of_cut(header)
    return header[place : place + 1]


def _with_cut(header: bytes) -> bytes:
    """Return *header* saying that what follows was cut; one that is empty stays so."""
    if not header:
        return b""
    place = _place_of_cut(header)
    return header[:place] + b"1" + header[place + 1 :]


def make_directory(directory: Path) -> None:
    """Make a *directory* for journals, which ignores itself in git.

    One that has other things is not ours to hide. Raises OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ignore = directory / ".gitignore"
    if not ignore.exists() and all(map(_is_ours, directory.iterdir())):
        ignore.write_text("*\n", encoding="utf-8")


def _is_torn(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    return False


def _is_ours(path: Path) -> bool:
    return path.suffix == SUFFIX or path.name.startswith(_OURS)


def _bytes_of(text: str) -> bytes:
    # ASCII only: a lone surrogate in captured output survives as an escape.
    return text.encode("ascii") + b"\n"


def worker_journal(
    path: str, worker: str, scrub: Scrubber | None = None
) -> JournalWriter:
    """Start the file of a *worker* beside the journal at *path*."""
    main = Path(path)
    if not main.exists():
        # It runs on another machine: what it has to say rides on its reports.
        return JournalWriter(part_of(main, worker), scrub)
    header = Header(run=main.stem, worker=worker)
    return JournalWriter.create(part_of(main, worker), header, scrub)


def part_of(whole: Path, worker: str) -> Path:
    """Return the file of a *worker* beside a journal; the journal itself without one."""
    return whole.with_name(f"{whole.stem}.{worker}{SUFFIX}") if worker else whole


def whole_of(part: Path) -> Path:
    """Return the journal that the file of a worker is a part of."""
    return part.with_name(part.stem.rpartition(".")[0] + SUFFIX)


def parts_of(path: Path) -> list[Path]:
    """Return the files that workers wrote beside the journal at *path*."""
    try:
        with os.scandir(path.parent) as entries:
            names = [each.name for each in entries]
    except OSError:
        return []
    start = f"{path.stem}."
    return sorted(
        path.with_name(name)
        for name in names
        if name.startswith(start) and name.endswith(SUFFIX) and name != path.name
    )
