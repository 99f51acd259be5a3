"""Attachments on disk: one copy of each content, with limits and safe names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import sys
import time

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.journal.file_store import clean_name
from pytest_zephyr.journal.file_store import FileStore
from pytest_zephyr.journal.file_store import find_copy
from pytest_zephyr.journal.file_store import guess_name
from pytest_zephyr.journal.file_store import guess_type
from pytest_zephyr.journal.file_store import read_copy
from pytest_zephyr.journal.file_store import remove_unused
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.evidence import LeftOut
from tests.unit.make import deterministic


def read(file: File, journals: list[Path]) -> bytes | None:
    """Return the content that a push sends for *file*, `None` if it sends none."""
    copy = find_copy(file, journals)
    return None if copy is None else b"".join(read_copy(copy, file.size))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


def take(store: FileStore, content: bytes | Path) -> tuple[str, int]:
    """Return the digest of an attachment that is taken, and its size."""
    taken = store.take(content, "a")
    assert isinstance(taken, File)
    return taken.digest, taken.size


def exceeded_limit(store: FileStore, content: bytes | Path) -> str:
    """Return which limit an attachment exceeds."""
    taken = store.take(content, "a")
    assert isinstance(taken, LeftOut)
    assert taken.by_limit
    return taken.reason


def test_equal_contents_are_stored_once(directory, tmp_path):
    """They may come from bytes or files, and each process has a store of its own."""
    content = bytes(range(256)) * 9000
    source = tmp_path / "source"
    source.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()

    for store in (FileStore(directory, 10**7, 10**7) for _ in range(2)):
        assert take(store, content) == (digest, len(content))
        assert take(store, source) == (digest, len(content))
        assert take(store, source) == (digest, len(content))
    assert [path.name for path in directory.iterdir()] == [digest]
    assert (directory / digest).read_bytes() == content


def test_a_copy_outlives_its_source(directory, tmp_path):
    source = tmp_path / "a"
    source.write_bytes(b"a")
    digest, size = take(FileStore(directory, 10, 10), source)
    source.unlink()

    assert read(File("a", "", digest, size), [tmp_path / "run.jsonl"]) == b"a"


def test_an_incomplete_copy_is_replaced(directory):
    """A copy that a crash of the machine cut short has another size."""
    store = FileStore(directory, 10, 10)
    directory.mkdir()
    digest = hashlib.sha256(b"whole").hexdigest()
    (directory / digest).write_bytes(b"wh")

    assert take(store, b"whole") == (digest, 5)
    assert (directory / digest).read_bytes() == b"whole"


def test_limits_apply_to_each_file_and_to_all_files_together(directory, tmp_path):
    store = FileStore(directory, max_size=4, max_total=6)
    source = tmp_path / "a"
    source.write_bytes(b"12345")

    assert exceeded_limit(store, source) == "larger than zephyr_attach_max_size, 4"
    assert exceeded_limit(store, b"12345") == "larger than zephyr_attach_max_size, 4"
    take(store, b"1234")
    take(store, b"1234")
    share = "the share of this process in zephyr_attach_max_total"
    assert exceeded_limit(store, b"abc") == f"all attachments would exceed 6, {share}"
    take(store, b"ab")


def test_a_copy_that_is_gone_or_changed_is_not_read(directory, tmp_path):
    digest, _size = take(FileStore(directory, 10, 10), b"a")
    journals = [tmp_path / "run.jsonl"]

    assert read(File("a", "", digest, 2), journals) is None
    assert read(File("a", "", "0" * 64, 1), journals) is None
    assert read(File("a", "", digest, 1), [tmp_path / "b" / "run.jsonl"]) is None
    (directory / digest).write_bytes(b"b")
    assert read(File("a", "", digest, 1), journals) is None
    (directory / digest).unlink()
    (directory / digest).mkdir()
    assert read(File("a", "", digest, 1), journals) is None


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_and_pipes_are_not_read(directory, tmp_path):
    """A link next to a journal must not make a push send other files of the user."""
    content = b"secret"
    digest = hashlib.sha256(content).hexdigest()
    file, journals = File("a", "", digest, len(content)), [tmp_path / "run.jsonl"]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / digest).write_bytes(content)

    directory.symlink_to(outside)
    assert read(file, journals) is None
    directory.unlink()
    directory.mkdir()
    (directory / digest).symlink_to(outside / digest)
    assert read(file, journals) is None
    (directory / digest).unlink()
    os.mkfifo(directory / digest)
    assert read(file, journals) is None


def test_only_old_copies_that_no_journal_refers_to_are_removed(directory):
    """An unfinished copy, with the suffix .tmp, is one of them."""
    store = FileStore(directory, 10, 100)
    named, young, old = (
        take(store, content)[0] for content in (b"named", b"young", b"old")
    )
    temporary = f"{0:016x}.tmp"
    others = {"report.pdf", "0123.tmp", "a.tmp", "0" * 63, "A" * 64, old[:16]}
    for name in (temporary, *others):
        (directory / name).write_bytes(b"")
    long_ago = time.time() - 3 * 24 * 3600
    for name in (named, old, temporary, *others):
        os.utime(directory / name, (long_ago, long_ago))

    remove_unused(directory, {named})

    assert {path.name for path in directory.iterdir()} == {named, young, *others}
    # A missing directory causes no error.
    remove_unused(directory / "nowhere", set())


@pytest.mark.parametrize(
    ("name", "beginning", "content_type"),
    [
        ("a.png", b"", "image/png"),
        ("a.json", b"", "application/json"),
        ("a.tar.gz", b"", "application/gzip"),
        ("", b"\x89PNG\r\n\x1a\n...", "image/png"),
        ("shot", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("trace", b"PK\x03\x04", "application/zip"),
        ("", b"what?", "application/octet-stream"),
    ],
)
def test_a_type_is_guessed_from_name_or_content(name, beginning, content_type):
    assert guess_type(name, beginning) == content_type


def test_a_name_is_guessed_from_the_type():
    assert guess_name("image/png") == "attachment.png"
    assert guess_name("nobody/knows") == "attachment"


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("shot 1.png", "shot 1.png"),
        ("größe.png", "größe.png"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"b\r\nc.png', "a_b_c.png"),
        (" . ", "attachment"),
        pytest.param("x" * 300 + ".png", "x" * 196 + ".png", id="long with suffix"),
        pytest.param("x" * 300, "x" * 200, id="long"),
    ],
)
def test_the_name_of_a_file_is_cleaned(name, clean):
    assert clean_name(name) == clean


@deterministic
@given(st.text(max_size=400))
def test_any_name_can_be_sent_when_it_is_cleaned(name: str) -> None:
    cleaned = clean_name(name)

    assert 0 < len(cleaned) <= 200
    assert not set(cleaned) & set('/\\"\r\n\0')
    cleaned.encode()
