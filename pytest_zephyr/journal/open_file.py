"""A file that stays open while tests run, and survives tests that close or remove it."""

from __future__ import annotations

from collections.abc import Callable
import errno
import os
from pathlib import Path
import weakref

from pytest_zephyr.journal.lock import try_lock
from pytest_zephyr.origin import System


#: How a file is opened to append, and to change bytes in place.
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_APPEND = os.O_RDWR | os.O_APPEND | _BINARY
_CHANGE = os.O_RDWR | _BINARY


class Shortened(OSError):
    """A test or another process has shortened the file."""


class OpenFile:
    """The file at *path*, opened and locked. Every method but `close` may raise OSError.

    Each use first checks that the descriptor still leads to the file: if a test has closed
    it, its number may belong to another file now, which must not be written to.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self._path = str(path)
        made = os.O_CREAT | os.O_EXCL if new else 0
        self._number = System.open(self._path, _APPEND | made, 0o666)
        status = System.fstat(self._number)
        self._identity = _identity(status)
        self._size = status.st_size
        self.locked = try_lock(self._number)
        # They share its lock, and one that outlives this process would keep it locked.
        call_in_children(self.close)

    @property
    def is_open(self) -> bool:
        """Whether the descriptor still leads to the file."""
        try:
            return _identity(System.fstat(self._number)) == self._identity
        except OSError:
            return False

    @property
    def is_there(self) -> bool:
        """Whether the path still leads to the file."""
        try:
            return _identity(System.stat(self._path)) == self._identity
        except OSError:
            return False

    def write(self, data: bytes) -> int:
        """Append *data*, or as much as there is room for; return how much that was."""
        if not self._has_our_size():
            size = self._check().st_size
            if size < self._size:
                raise Shortened
            self._size = size
        written = System.write(self._number, data)
        self._size += written
        return written

    def read_all(self) -> bytes:
        self._check()
        System.seek(self._number, 0, os.SEEK_SET)
        parts = []
        while part := System.read(self._number, 1024 * 1024):
            parts.append(part)
        return b"".join(parts)

    def overwrite(self, position: int, data: bytes) -> None:
        """Write over what is at *position*, which needs no room."""
        if not self.is_there:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        # The descriptor that appends cannot write anywhere else.
        number = System.open(self._path, _CHANGE, 0o666)
        try:
            System.seek(number, position, os.SEEK_SET)
            System.write(number, data)
        finally:
            System.close(number)

    def remove_end(self, size: int | None = None) -> None:
        """Remove the last *size* bytes, by default all."""
        self._check()
        self._size -= self._size if size is None else size
        System.truncate(self._number, self._size)

    def close(self) -> None:
        if self.is_open:
            System.close(self._number)
        # The number may belong to another file from now on.
        self._identity = (0, 0)

    def _has_our_size(self) -> bool:
        """Return whether nothing has changed; quicker than `_check`, so it comes first.

        A different file behind our descriptor that is exactly as long is not noticed.
        """
        try:
            return System.seek(self._number, 0, os.SEEK_END) == self._size
        except OSError:
            return False

    def _check(self) -> os.stat_result:
        status = System.fstat(self._number)
        if _identity(status) != self._identity:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return status


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def call_in_children(method: Callable[[], object]) -> None:
    """Call *method* in each process that is forked from this one, while its object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (bound := reference()) is not None:
            bound()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
