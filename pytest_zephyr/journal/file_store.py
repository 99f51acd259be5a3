"""Attachments on disk: copies beside the journals, one for each content."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from contextlib import suppress
import errno
import hashlib
import mimetypes
import os
from pathlib import Path
import re
import secrets
import stat
import time
from typing import BinaryIO

from pytest_zephyr.results.evidence import File
from pytest_zephyr.text import format_size


#: The directory of the copies, in that of the journals.
DIRECTORY = "files"

#: Bytes that are copied at a time.
_CHUNK = 1024 * 1024

#: Seconds before a copy that no journal names is removed: a run that goes on may have
#: made it and not yet written the line that names it.
_GRACE = 24 * 3600

#: How a copy is opened; systems lack some of these.
_OPEN = os.O_RDONLY | sum(
    getattr(os, flag, 0) for flag in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK")
)

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"PK\x03\x04", "application/zip"),
)

_UNKNOWN = "application/octet-stream"
_LONGEST_NAME = 200
_OURS = re.compile(r"[0-9a-f]{64}|[0-9a-f]{16}\.tmp")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]+')


class TooLarge(Exception):
    """A file is not taken; the text says by which limit."""


class FileStore:
    """Takes the attachments of one process into *directory*.

    A file of more than *max_size* bytes is not taken, nor is one with which all that
    this process took would have more than *max_total*.
    """

    def __init__(self, directory: Path, max_size: int, max_total: int) -> None:
        self._directory = directory
        self._max_size = max_size
        self._max_total = max_total
        self._taken: set[str] = set()
        self._total = 0

    def take_bytes(self, data: bytes) -> str:
        """Keep *data* and return its digest. Raises TooLarge or OSError."""
        self._check_size(len(data))
        digest = hashlib.sha256(data).hexdigest()
        if not self._has(digest, len(data)):
            temporary = self._temporary()
            temporary.write_bytes(data)
            self._settle(temporary, digest, len(data))
        return digest

    def take_file(self, file: BinaryIO) -> tuple[str, int]:
        """Copy *file*; return digest and size. Raises TooLarge or OSError."""
        self._check_size(os.fstat(file.fileno()).st_size)
        digest, size = _copy(file, None)
        if self._has(digest, size):
            return digest, size
        file.seek(0)
        temporary = self._temporary()
        with temporary.open("wb") as copy:
            # Hashed again: somebody may still be writing to it.
            digest, size = _copy(file, copy)
        self._settle(temporary, digest, size)
        return digest, size

    def _check_size(self, size: int) -> None:
        if size > self._max_size:
            limit = format_size(self._max_size)
            raise TooLarge(f"larger than zephyr_attach_max_size, {limit}")

    def _has(self, digest: str, size: int) -> bool:
        if digest in self._taken:
            return True
        if self._total + size > self._max_total:
            limit = format_size(self._max_total)
            share = "the share of this process in zephyr_attach_max_total"
            raise TooLarge(f"more than {limit}, {share}")
        path = self._directory / digest
        with suppress(OSError):
            if path.stat().st_size == size:
                # What is used again is not old.
                os.utime(path)
                self._count(digest, size)
                return True
        return False

    def _temporary(self) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        return self._directory / f"{secrets.token_hex(8)}.tmp"

    def _settle(self, temporary: Path, digest: str, size: int) -> None:
        """Give a copy its name, which makes it whole for whoever reads along."""
        temporary.replace(self._directory / digest)
        self._count(digest, size)

    def _count(self, digest: str, size: int) -> None:
        self._taken.add(digest)
        self._total += size


def _copy(source: BinaryIO, target: BinaryIO | None) -> tuple[str, int]:
    """Copy *source*, or only read it; return digest and size."""
    hashed = hashlib.sha256()
    size = 0
    while chunk := source.read(_CHUNK):
        hashed.update(chunk)
        size += len(chunk)
        if target is not None:
            target.write(chunk)
    return hashed.hexdigest(), size


def read_copy(file: File, journals: Iterable[Path]) -> bytes | None:
    """Return the content of *file* from beside one of *journals*.

    `None` if no copy is there that is what the journal says: one that was changed, or
    a link to another file, is not what the test attached.
    """
    for journal in journals:
        directory = journal.parent / DIRECTORY
        with suppress(OSError):
            content = _read_own(directory, file.digest, file.size)
            if hashlib.sha256(content).hexdigest() == file.digest:
                return content
    return None


def _read_own(directory: Path, name: str, size: int) -> bytes:
    """Read a regular file that lies in *directory* itself. Raises OSError."""
    path = directory / name
    if directory.is_symlink() or path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link")
    # It may have become a link since, or be a pipe without a writer.
    with os.fdopen(os.open(path, _OPEN), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            raise OSError(errno.EINVAL, "it is not the file")
        return file.read(size + 1)


def remove_unnamed(directory: Path, named: Collection[str]) -> None:
    """Remove the copies in *directory* that are not *named*, but for young ones.

    What has no name of ours is somebody else's, wherever the journals lie.
    """
    old = time.time() - _GRACE
    with suppress(OSError):
        for path in directory.iterdir():
            ours = _OURS.fullmatch(path.name) is not None
            if ours and path.name not in named and path.lstat().st_mtime < old:
                path.unlink()


def clean_name(name: str) -> str:
    """Return *name* without what file systems and multipart headers trip over."""
    name = _NOT_IN_NAMES.sub("_", name).strip(" .") or "attachment"
    stem, dot, suffix = name.rpartition(".")
    if len(name) > _LONGEST_NAME and dot and len(suffix) < 10:
        return f"{stem[: _LONGEST_NAME - len(suffix) - 1]}.{suffix}"
    return name[:_LONGEST_NAME]


def guess_type(name: str, beginning: bytes) -> str:
    """Return the content type that a name or the first bytes of a file suggest."""
    by_name, encoding = mimetypes.guess_type(name)
    if encoding is not None:
        return f"application/{encoding}"
    if by_name is not None:
        return by_name
    for signature, kind in _SIGNATURES:
        if beginning.startswith(signature):
            return kind
    return _UNKNOWN


def guess_name(kind: str) -> str:
    """Return a name for content of this type that has none."""
    return f"attachment{mimetypes.guess_extension(kind) or ''}"
