"""Locks an open file until it is closed or the process dies; tells if a process runs."""

from __future__ import annotations

import os
from pathlib import Path
import sys
import time


#: Seconds after its last write for which a process counts as running, if this host
#: cannot tell.
_RECENT_SECONDS = 15 * 60


if sys.platform == "win32":
    import msvcrt

    #: The position of the locked byte, far behind the end of the file, because Windows
    #: lets no other process read a locked byte.
    _LOCKED_BYTE = 1 << 40

    def try_lock(fd: int) -> bool:
        """Lock the file without waiting; return whether that worked."""
        position = os.lseek(fd, 0, os.SEEK_CUR)
        try:
            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
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
        """Lock the file without waiting; return whether that worked.

        It counts as locked on a file system without locks.
        """
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Without this, no result could be sent from such a file system.
            return error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN}
        return True


def is_locked(path: Path) -> bool:
    """Return whether a process has locked the file at *path*.

    `False` if the file is missing or cannot be written to.
    """
    try:
        with path.open("r+b", buffering=0) as file:
            return not try_lock(file.fileno())
    except OSError:
        return False


def may_be_running(pid: int, *, on_this_host: bool, path: Path) -> bool:
    """Return whether another process, *pid*, may still run and write to *path*.

    Used where locks do not work. For a process that does not run *on_this_host*, and on
    Windows, the time of the last write decides.
    """
    if on_this_host and pid == os.getpid():
        return False
    if on_this_host and sys.platform != "win32":
        return is_alive(str(pid))
    try:
        return time.time() - path.stat().st_mtime < _RECENT_SECONDS
    except OSError:
        return False


def is_alive(pid: str) -> bool:
    """Return whether process *pid* runs on this host.

    On Windows, where `os.kill` cannot ask, every process id counts as running.
    """
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
