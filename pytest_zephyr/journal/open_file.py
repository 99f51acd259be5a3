"""A file that stays open while tests run, which may close, replace or remove it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
import weakref

from pytest_zephyr.journal.lock import try_lock


class _System:
    """The functions of the system as they were before any test put others in their place."""

    open, close, read, write = os.open, os.close, os.read, os.write
    seek, truncate, stat, fstat = os.lseek, os.ftruncate, os.stat, os.fstat
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class OpenFile:
    """The file at *path*, opened and locked. Every method but `close` raises OSError.

    Before it is used, what its descriptor leads to is compared with what was opened: when
    a test has closed it, its number may be that of another file by now, which shall not
    get a byte of ours.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self._path = str(path)
        made = os.O_CREAT | os.O_EXCL if new else 0
        self._number = _System.open(self._path, _System.flags | made, 0o666)
        self._identity = _identity(_System.fstat(self._number))
        self.locked = try_lock(self._number)
        _System.seek(self._number, 0, os.SEEK_END)
        _close_in_children(self)

    @property
    def is_open(self) -> bool:
        """Whether the descriptor still leads to the file."""
        try:
            return _identity(_System.fstat(self._number)) == self._identity
        except OSError:
            return False

    @property
    def is_there(self) -> bool:
        """Whether the path still leads to the file."""
        try:
            return _identity(_System.stat(self._path)) == self._identity
        except OSError:
            return False

    def write(self, data: bytes) -> int:
        """Append *data*, or as much as there is room for; return how much that was."""
        self._check()
        return _System.write(self._number, data)

    def read_all(self) -> bytes:
        self._check()
        _System.seek(self._number, 0, os.SEEK_SET)
        parts = []
        while part := _System.read(self._number, 1024 * 1024):
            parts.append(part)
        return b"".join(parts)

    def overwrite(self, position: int, data: bytes) -> None:
        """Write over what is at *position*, which needs no room."""
        self._check()
        _System.seek(self._number, position, os.SEEK_SET)
        try:
            _System.write(self._number, data)
        finally:
            _System.seek(self._number, 0, os.SEEK_END)

    def take_back(self, size: int) -> None:
        """Remove the last *size* bytes."""
        self._check()
        end = _System.seek(self._number, 0, os.SEEK_END) - size
        # From where it is cut the next line goes on; a gap would be read as a line.
        _System.seek(self._number, end, os.SEEK_SET)
        _System.truncate(self._number, end)

    def close(self) -> None:
        if self.is_open:
            _System.close(self._number)
        # Whatever gets this number next is none of ours.
        self._identity = (0, 0)

    def _check(self) -> None:
        if not self.is_open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _close_in_children(file: OpenFile) -> None:
    """Close *file* in processes that are forked from this one.

    They share its lock, and one that outlives us would hold it for ever.
    """
    if not hasattr(os, "register_at_fork"):
        return
    held = weakref.ref(file)

    def close() -> None:
        ours = held()
        if ours is not None:
            ours.close()

    os.register_at_fork(after_in_child=close)
