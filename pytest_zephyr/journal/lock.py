"""A lock on an open file that the operating system drops when its process dies."""

from __future__ import annotations

import os
from pathlib import Path
import sys
import time


#: Seconds after a write for which a process on another host counts as running.
_RECENT = 15 * 60


if sys.platform == "win32":
    import msvcrt

    #: A byte far behind the end: Windows lets nobody else read a locked byte.
    _BEHIND_THE_END = 1 << 40

    def try_lock(fd: int) -> bool:
        """Lock the file without waiting; return whether that worked."""
        position = os.lseek(fd, 0, os.SEEK_CUR)
        try:
            os.lseek(fd, _BEHIND_THE_END, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(fd, position, os.SEEK_SET)
        return True

else:
    import errno
    import fcntl

    def try_lock(fd: int) -> bool:
        """Lock the file without waiting; return whether that worked."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Results are sent even from a file system without locks.
            return error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
        return True


def is_locked(path: Path) -> bool:
    """Return whether some process holds the lock of the file at *path*."""
    try:
        with path.open("r+b", buffering=0) as file:
            return not try_lock(file.fileno())
    except OSError:
        return False


def may_be_running(pid: int, *, here: bool, path: Path) -> bool:
    """Return whether another process, *pid*, may still run and write to *path*.

    Used where locks do not work. *here* says that it is a process of this host. If it
    is not, or on Windows, the time of its last write decides.
    """
    if here and pid == os.getpid():
        return False
    if here and sys.platform != "win32":
        return is_alive(str(pid))
    try:
        return time.time() - path.stat().st_mtime < _RECENT
    except OSError:
        return False


def is_alive(pid: str) -> bool:
    """Return whether process *pid* runs on this host; on Windows, which cannot say, `True`."""
    if not (pid.isascii() and pid.isdigit()) or int(pid) == 0:
        return False
    if sys.platform == "win32":
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Another user's process.
        return True
    return True
