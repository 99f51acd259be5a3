"""A file that stays open, and notices if a test closes, shortens or removes it."""

from __future__ import annotations

from collections.abc import Callable
import errno
import os
from pathlib import Path
import time
import weakref

from pytest_zephyr.journal.lock import try_lock
from pytest_zephyr.origin import System


#: Flags for opening a file: in any case, to append, and to change bytes in place.
_COMMON_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_APPEND_FLAGS = os.O_RDWR | os.O_APPEND | _COMMON_FLAGS
_CHANGE_FLAGS = os.O_RDWR | _COMMON_FLAGS


class Shortened(OSError):
    """A test or another process has shortened the file."""


class OpenFile:
    """The file at *path*, open and locked, unless another process has locked it.

    A *new* file must not exist yet. Opening, reading and changing the file may raise
    OSError.

    The descriptor is checked before each read and write: if a test has closed it, its
    number may belong to another file now, which must not be written to.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self._path = str(path)
        create_flags = os.O_CREAT | os.O_EXCL if new else 0
        self._descriptor = System.open(self._path, _APPEND_FLAGS | create_flags, 0o666)
        status = System.fstat(self._descriptor)
        self._identity = _identity(status)
        self._size = status.st_size
        self._is_locked = try_lock(self._descriptor)
        # Child processes share the lock, and one that outlives this process would keep
        # the file locked.
        call_in_children(self.close)

    def wait_for_lock(self) -> bool:
        """Try for a tenth of a second to lock the file; return whether that worked.

        Another process that calls `is_locked` has the lock for a moment.
        """
        for _ in range(10):
            if self._is_locked:
                break
            time.sleep(0.01)
            self._is_locked = try_lock(self._descriptor)
        return self._is_locked

    @property
    def is_open(self) -> bool:
        """Whether the descriptor still leads to the file."""
        try:
            return _identity(System.fstat(self._descriptor)) == self._identity
        except OSError:
            return False

    @property
    def is_empty(self) -> bool:
        """Whether the file has no content, as far as this process knows."""
        return self._size == 0

    @property
    def is_there(self) -> bool:
        """Whether the path still leads to the file."""
        try:
            return _identity(System.stat(self._path)) == self._identity
        except OSError:
            return False

    def write(self, data: bytes) -> int:
        """Append *data*, or as much as there is room for; return the number of bytes.

        Raises Shortened, and writes nothing, if the file is shorter than we left it.
        """
        if not self._has_our_size():
            size = self._check().st_size
            if size < self._size:
                raise Shortened
            self._size = size
        written = System.write(self._descriptor, data)
        self._size += written
        return written

    def read_all(self) -> bytes:
        self._check()
        System.seek(self._descriptor, 0, os.SEEK_SET)
        parts = []
        while part := System.read(self._descriptor, 1024 * 1024):
            parts.append(part)
        return b"".join(parts)

    def overwrite(self, position: int, data: bytes) -> None:
        """Replace the bytes at *position* by *data*; this needs no room on the disk."""
        if not self.is_there or position >= self._size:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        # Our descriptor can write only at the end of the file.
        descriptor = System.open(self._path, _CHANGE_FLAGS, 0o666)
        try:
            System.seek(descriptor, position, os.SEEK_SET)
            System.write(descriptor, data)
        finally:
            System.close(descriptor)

    def remove_end(self, size: int | None = None) -> None:
        """Remove the last *size* bytes, by default all."""
        self._check()
        self._size -= self._size if size is None else size
        System.truncate(self._descriptor, self._size)

    def close(self) -> None:
        if self.is_open:
            System.close(self._descriptor)
        # The number may belong to another file from now on.
        self._identity = (0, 0)

    def _has_our_size(self) -> bool:
        """Return whether the file is as long as we left it.

        This is quicker than `_check`, so it comes first, but it does not notice another
        file of the same length behind our descriptor.
        """
        try:
            return System.seek(self._descriptor, 0, os.SEEK_END) == self._size
        except OSError:
            return False

    def _check(self) -> os.stat_result:
        """Return the file's status. Raises OSError if the descriptor no longer leads to it."""
        status = System.fstat(self._descriptor)
        if _identity(status) != self._identity:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return status


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def call_in_children(method: Callable[[], object]) -> None:
    """Call *method* in each process forked from this one, as long as its object exists."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (bound := reference()) is not None:
            bound()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
