"""Keeps copies of attachments next to the journals, one for each content."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
import errno
from functools import partial
import io
import mimetypes
import os
from pathlib import Path
import re
import secrets
import stat
import time
from typing import BinaryIO

from pytest_zephyr.origin import System
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.text import format_size


#: The directory of the copies, within that of the journals.
FILES_DIRECTORY = "files"

#: Bytes that are copied at a time.
_CHUNK_BYTES = 1024 * 1024

#: Seconds for which a copy that no journal names is kept: a running session may not have
#: written the line that names it yet.
_GRACE_SECONDS = 24 * 3600

#: The flags with which a copy is opened; some systems lack some of them.
_OPEN_FLAGS = os.O_RDONLY | sum(
    getattr(os, flag, 0) for flag in ("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK")
)

#: The flags with which the temporary file of a copy is created, never an existing one.
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

#: The first bytes of some types of files.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"PK\x03\x04", "application/zip"),
)

# This reads files of the system; a test may forbid that later.
mimetypes.init()

#: The most characters in the name of an attachment.
_MAX_NAME_LENGTH = 200

#: The names of copies, and of temporary files that become copies.
_OUR_FILES = re.compile(r"[0-9a-f]{64}|[0-9a-f]{16}\.tmp")

#: Characters that file systems or multipart headers forbid in names.
_INVALID_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]+')


class _TooLarge(Exception):
    """A size limit would be exceeded; the message names it."""


class FileStore:
    """Copies the attachments of one process into *directory*.

    No file may have more than *max_size* bytes, nor all copies together more than
    *max_total*.
    """

    def __init__(self, directory: Path, max_size: int, max_total: int) -> None:
        self._directory = str(directory.absolute())
        self._max_size = max_size
        self._max_total = max_total
        self._digests: set[str] = set()
        self._total = 0

    def take(
        self, content: bytes | Path, name: str, content_type: str = ""
    ) -> File | LeftOut:
        """Copy an attachment; return it as evidence, or why it was left out.

        *content* is what it contains, or the path of its file. *name* and *content_type*
        are guessed if they are empty.
        """
        size = 0
        try:
            opened: BinaryIO
            if isinstance(content, bytes):
                size, opened = len(content), io.BytesIO(content)
            else:
                size, opened = content.stat().st_size, content.open("rb")
            with opened as file:
                beginning = file.read(16)
                digest, size = self._copy(file)
        except (_TooLarge, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            by_limit = isinstance(error, _TooLarge)
            return LeftOut(clean_name(name), size, reason, by_limit)
        content_type = content_type or guess_type(name, beginning)
        name = clean_name(name or guess_name(content_type))
        return File(name, content_type, digest, size)

    def _copy(self, file: BinaryIO) -> tuple[str, int]:
        """Copy *file*; return its digest and size. Raises _TooLarge or OSError."""
        if file.seek(0, os.SEEK_END) > self._max_size:
            limit = format_size(self._max_size)
            raise _TooLarge(f"larger than zephyr_attach_max_size, {limit}")
        digest, size = digest_parts(read_parts(file))
        if digest not in self._digests and self._total + size > self._max_total:
            limit = format_size(self._max_total)
            share = "the share of this process in zephyr_attach_max_total"
            raise _TooLarge(f"all attachments would exceed {limit}, {share}")
        path = self._path(digest)
        # A test may have removed the copy that an earlier test made.
        if _size_of(path) == size:
            # A copy that is used again must not be removed as old.
            System.utime(path)
        else:
            # Another process may still write to *file*: return what was copied.
            digest, size = self._write(read_parts(file))
        if digest not in self._digests:
            self._digests.add(digest)
            self._total += size
        return digest, size

    def _write(self, parts: Iterable[bytes]) -> tuple[str, int]:
        """Write *parts* to a copy, named by its digest; return digest and size.

        Other processes see only whole copies.
        """
        _make_directory(self._directory)
        temporary = self._path(f"{secrets.token_hex(8)}.tmp")
        descriptor = System.open(temporary, _CREATE_FLAGS, 0o666)

        def written_parts() -> Iterator[bytes]:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[System.write(descriptor, rest) :]
                yield part

        try:
            digest, size = digest_parts(written_parts())
        finally:
            System.close(descriptor)
        path = self._path(digest)
        System.rename(temporary, path)
        if _size_of(path) != size:
            raise OSError(errno.EIO, "its copy is not there, or not whole")
        return digest, size

    def _path(self, name: str) -> str:
        return f"{self._directory}{os.sep}{name}"


def _make_directory(path: str) -> None:
    try:
        System.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_directory(path.rpartition(os.sep)[0])
        System.mkdir(path)


def _size_of(path: str) -> int | None:
    """Return the size of a file, `None` if that cannot be read."""
    try:
        return System.stat(path).st_size
    except OSError:
        return None


def read_parts(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of *file* from its beginning, in parts."""
    file.seek(0)
    return iter(partial(file.read, _CHUNK_BYTES), b"")


def digest_parts(parts: Iterable[bytes]) -> tuple[str, int]:
    """Return the digest of the content that *parts* make up, and its size in bytes."""
    hashed = System.sha256()
    size = 0
    for part in parts:
        hashed.update(part)
        size += len(part)
    return hashed.hexdigest(), size


def find_copy(file: File, journals: Iterable[Path]) -> Path | None:
    """Return the path of the copy of *file* next to one of *journals*, `None` without one.

    A copy that was changed, or replaced by a link, does not count.
    """
    for journal in journals:
        path = journal.parent / FILES_DIRECTORY / file.digest
        with suppress(OSError):
            digest, _size = digest_parts(read_copy(path, file.size))
            if digest == file.digest:
                return path
    return None


def read_copy(path: Path, size: int) -> Iterator[bytes]:
    """Yield the content of the copy at *path*.

    Raises OSError if it cannot be read, if it is not a regular file of *size* bytes, or if
    its directory is a link.
    """
    if path.parent.is_symlink() or path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link")
    # _OPEN_FLAGS guards against a link made meanwhile and a pipe without a writer.
    with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            raise OSError(errno.EINVAL, "it is not the file")
        yield from read_parts(file)


def remove_unused(directory: Path, used: Collection[str]) -> None:
    """Remove old copies from *directory*: those not in *used*, and unfinished ones.

    *used* are digests. Other files are not removed.
    """
    oldest_kept = time.time() - _GRACE_SECONDS
    with suppress(OSError):
        for path in directory.iterdir():
            is_unused = _OUR_FILES.fullmatch(path.name) and path.name not in used
            if is_unused and path.lstat().st_mtime < oldest_kept:
                path.unlink()


def clean_name(name: str) -> str:
    """Return *name* with forbidden characters replaced, and cut if it is too long.

    Spaces and dots at its ends are removed; if nothing is left, it is ``attachment``.
    """
    name = _INVALID_IN_NAMES.sub("_", name).strip(" .") or "attachment"
    stem, dot, suffix = name.rpartition(".")
    if len(name) > _MAX_NAME_LENGTH and dot and len(suffix) < 10:
        return f"{stem[: _MAX_NAME_LENGTH - len(suffix) - 1]}.{suffix}"
    return name[:_MAX_NAME_LENGTH]


def guess_type(name: str, beginning: bytes) -> str:
    """Guess a content type from the name or the first bytes of a file."""
    by_name, encoding = mimetypes.guess_type(name)
    if encoding is not None:
        return f"application/{encoding}"
    by_content = (kind for start, kind in _SIGNATURES if beginning.startswith(start))
    return by_name or next(by_content, "application/octet-stream")


def guess_name(content_type: str) -> str:
    """Return a name for an attachment of *content_type* that has none."""
    return f"attachment{mimetypes.guess_extension(content_type) or ''}"
