"""Journals: written line by line, and read even if the file is damaged."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from dataclasses import replace
import errno
import json
import os
from pathlib import Path
import shutil
import tempfile
from typing import Any
from typing import cast
from typing import get_args
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal import reader as journal_reader
from pytest_zephyr.journal import writer as journal_writer
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.ledger import Receipt
from pytest_zephyr.journal.ledger import Sending
from pytest_zephyr.journal.lock import try_lock
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.origin import System
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import Field
from pytest_zephyr.results.fold import fold
from pytest_zephyr.results.plan import build_plan
from pytest_zephyr.results.plan import Rules
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import Passed
from pytest_zephyr.results.records import Record
from pytest_zephyr.results.records import Report
from pytest_zephyr.results.records import Start
from pytest_zephyr.secret import Scrubber
from tests.unit.make import choices_of
from tests.unit.make import deterministic
from tests.unit.make import notes_options
from tests.unit.make import report


HEADER = Header("run", started=5, options={"phase": "Smoke", "run_key": "77"})

ITEM = Item("t.py::test_a", (101, "A-1"))
REPORT = Report(
    "t.py::test_a",
    "call",
    "failed",
    duration=7,
    at=9,
    xfail=True,
    attempt=2,
    worker="gw0",
    reason="why",
    short_text="t.py:1: no",
    text="stack\n…",
    subtest="[x]",
)
RECEIPT = Receipt(101, 7, "1", "d1")
RECEIPTS = {(RECEIPT.execution, RECEIPT.digest)}
SENDING = Sending({7: "s1", 8: "s2"})


def write(path: Path, *lines: dict[str, Any], header: Header = HEADER) -> Path:
    """Write a journal and close it."""
    writer = JournalWriter.create(path, header)
    writer.append_texts(map(System.encode, lines))
    writer.close()
    assert writer.broken is None
    return path


def record_line(record: Record) -> dict[str, Any]:
    """Return the line that the plugin writes for *record*, with the time of *record*."""
    if isinstance(record, Item):
        return cast(dict[str, Any], json.loads(journal_format.item_text(record)))
    if isinstance(record, Start):
        return {**json.loads(journal_format.start_text(record.nodeid)), "at": record.at}
    if isinstance(record, Passed):
        text = journal_format.passed_text(record.nodeid, record.duration, record.worker)
        return {**json.loads(text), "at": record.at}
    return journal_format.line_of(record)


def read(path: Path, unwritten: Iterable[bytes] = ()) -> list[Record]:
    return records_of(Journal(path, unwritten))


def records_of(journal: Journal) -> list[Any]:
    return [entry for entry in journal.entries() if isinstance(entry, get_args(Record))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# Journals that are written and read


def test_records_are_read_as_they_were_written(path):
    """This holds for every kind of record."""
    entry = EvidenceEntry("t.py::test_a", Field("n", 1.5), attempt=1, worker="gw0")
    records: list[Record] = [
        ITEM,
        Item(
            "t.py::test_b",
            (1,),
            comment="known",
            defects=("BUG-1",),
            fields=(("n", 3), ("b", False)),
        ),
        Item("t.py::test_c", unmarked=True, new=NewCase("t", "test_c", tags=("a",))),
        Item("t.py::test_c", invalid=True, changed=True),
        Start("t.py::test_a", 3),
        entry,
        REPORT,
        report("setup"),
        Passed("t.py::test_c", 7, 9, "gw0"),
        End(11),
    ]
    write(path, *map(record_line, records))

    assert read(path) == records


def test_receipts_sendings_and_collection_errors_are_not_records(path):
    """They are read apart from the records."""
    write(
        path,
        journal_format.line_of(SENDING),
        journal_format.line_of(RECEIPT),
        journal_format.line_of(journal_format.CollectError("t.py")),
        journal_format.line_of(journal_format.AllDelivered()),
    )
    journal = Journal(path)

    assert records_of(journal) == []
    assert journal.read().memory("").receipts == RECEIPTS
    assert journal.read().memory("").unanswered == {8: "s2"}
    assert journal.read().uncollected == ["t.py"]
    assert journal.read().unreadable == []


def test_reading_twice_gives_the_same(path):
    """Reading does not change the journal."""
    write(
        path,
        record_line(ITEM),
        journal_format.line_of(RECEIPT),
        journal_format.line_of(SENDING),
    )
    journal = Journal(path)
    first = records_of(journal)

    assert records_of(journal) == first == [ITEM]
    assert journal.read().memory("").receipts == RECEIPTS
    assert journal.read().memory("").unanswered == {7: "s1", 8: "s2"}


def test_the_header_is_read_as_it_was_written(path):
    """A later push knows session, run key, start and options."""
    write(path)

    assert Journal(path).header == HEADER


def test_start_and_end_have_the_time_of_writing(path):
    """It is in milliseconds since the epoch."""
    write(
        path, json.loads(journal_format.start_text("a")), journal_format.line_of(End())
    )
    start, end = read(path)

    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert 1_700_000_000_000 < start.at <= end.at


def test_git_ignores_the_directory_of_a_journal(path):
    """The directory gets a .gitignore. One that was changed stays."""
    write(path)
    ignore = path.with_name(".gitignore")
    assert ignore.read_text(encoding="utf-8") == "*\n"
    ignore.write_text("mine", encoding="utf-8")
    write(path.with_name("other.jsonl"))

    assert ignore.read_text(encoding="utf-8") == "mine"


def test_the_directory_of_a_journal_is_created(tmp_path):
    """So are the directories above it."""
    path = write(tmp_path / "a" / "b" / "run.jsonl", record_line(ITEM))

    assert read(path) == [ITEM]


def test_a_line_is_on_disk_as_soon_as_it_is_appended(path):
    """A process that is killed at any moment loses no line that it has appended."""
    writer = JournalWriter.create(path, HEADER)
    writer.append(ITEM)

    assert read(path) == [ITEM]
    writer.close()


@pytest.mark.parametrize("secret", ["s3cr3t", "report", "passed", "kept in", 'a"\\b'])
def test_a_known_secret_in_a_record_is_hidden(path, secret):
    """Keys, outcomes and options that contain it stay."""
    header = replace(HEADER, options={"cycle": f"name:{secret}"})
    with closing(JournalWriter.create(path, header, Scrubber([secret]))) as writer:
        entry = replace(REPORT, text=f"it was {secret}", outcome="passed")
        writer.append(entry)
        writer.append(Item(f"a[{secret}]", (101,)))
    journal = Journal(path)

    assert records_of(journal) == [
        replace(entry, text="it was <hidden>"),
        Item("a[<hidden>]", (101,)),
    ]
    assert journal.header == header


def test_half_a_surrogate_pair_is_read_as_it_was_written(path):
    """Captured output may hold one, although UTF-8 has none."""
    record = report("call", "failed", text="\ud800 x")
    write(path, record_line(record))

    assert read(path) == [record]


def test_names_of_sessions_are_unique():
    """Two jobs that start in the same second do not share a file."""
    assert len({journal_writer.new_session_name() for _ in range(50)}) == 50


# Damaged files, and files that are not journals


def test_an_incomplete_last_line_is_skipped(path):
    """A kill leaves one, so it counts as unreadable only if other lines follow."""
    write(path, record_line(ITEM), record_line(End(1)))
    path.write_bytes(path.read_bytes()[:-5])
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().unreadable == []
    path.write_bytes(
        path.read_bytes() + b"\n" + json.dumps(record_line(ITEM)).encode() + b"\n"
    )
    assert records_of(journal) == [ITEM, ITEM]
    assert len(journal.read().unreadable) == 1


def test_a_journal_can_be_cut_anywhere(path):
    """No complete line is lost, wherever the file ends after its header."""
    records: list[Record] = [ITEM, Start("t.py::test_a", 3), REPORT, End(11)]
    write(path, *map(record_line, records))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1

    for end in range(first, len(whole) + 1):
        path.write_bytes(whole[:end])
        complete = whole[: end + 1].count(b"\n") - 1
        records_read = read(path)

        assert records_read == records[: len(records_read)]
        assert len(records_read) >= complete


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"{", id="half a line"),
        pytest.param(b"\xff\xfe\x00", id="binary"),
        pytest.param(b"[1, 2]", id="list"),
        pytest.param(b"7", id="number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no kind"),
        pytest.param(b'{"kind": "tomorrow"}', id="unknown kind"),
        pytest.param(b'{"kind": ["item"]}', id="kind is a list"),
        pytest.param(b'{"kind": "item"}', id="no node id"),
        pytest.param(b'{"kind": "item", "nodeid": 7}', id="node id is a number"),
        pytest.param(b'{"kind":"item","nodeid":"a","cases":7}', id="cases is a number"),
        pytest.param(b'{"kind":"start","nodeid":"a","at":"now"}', id="time is a word"),
        pytest.param(
            b'{"kind":"start","nodeid":"a","at":1e999}', id="time is infinite"
        ),
        pytest.param(b'{"kind":"start","nodeid":"a","at":NaN}', id="time is no number"),
        pytest.param(
            b'{"kind":"start","nodeid":"a","at":' + b"9" * 400 + b"}", id="time is huge"
        ),
        pytest.param(
            b'{"kind":"report","nodeid":"a","when":"call","outcome":"passed",'
            b'"duration":' + b"9" * 400 + b"}",
            id="duration is huge",
        ),
        pytest.param(b'{"kind":"end","at":[]}', id="time of the end is a list"),
        pytest.param(
            b'{"kind":"report","nodeid":"a","when":"call","outcome":null}',
            id="no outcome",
        ),
        pytest.param(b'{"kind":"receipt","case":101}', id="half a receipt"),
        pytest.param(
            b'{"kind":"receipt","case":null,"execution":1,"status_id":"1","digest":"d"}',
            id="receipt without a case",
        ),
        pytest.param(b'{"kind":"sending","rows":7}', id="rows is a number"),
        pytest.param(b'{"kind":"sending","rows":[[1]]}', id="half a row"),
        pytest.param(
            b'{"kind":"attached","rows":[{"execution":1,"name":"a"}]}', id="half a file"
        ),
        pytest.param(
            b'{"kind":"attaching","rows":[[{"execution":1,"name":"a","digest":"d"},{}]]}',
            id="no new name",
        ),
        pytest.param(
            rb'{"kind":"attaching","rows":[[{"execution":1,"name":"a","digest":"d"},'
            rb'{"name":"b\nX: 1"}]]}',
            id="name of two lines",
        ),
        pytest.param(b'{"kind":"stepped","rows":[[1,2]]}', id="digest is a number"),
        pytest.param(
            b'{"kind":"attachment","nodeid":"a","name":"a","type":"a","size":1,'
            b'"digest":"../../secret"}',
            id="digest with a path",
        ),
        pytest.param(
            b'{"kind":"item","nodeid":"a","fields":[["a",null]]}', id="empty field"
        ),
        pytest.param(
            b'{"kind":"sending","rows":[["x","s"]]}', id="execution is a word"
        ),
        pytest.param(b"[" * 100_000, id="deeply nested"),
    ],
)
def test_a_line_that_cannot_be_read_is_skipped_and_counted(path, line):
    """The lines before and after it are read."""
    write(path, record_line(ITEM))
    with path.open("ab") as file:
        file.write(line + b"\n" + b'{"kind":"end"}\n')
    journal = Journal(path)

    assert records_of(journal) == [ITEM, End()]
    assert len(journal.read().unreadable) == 1
    assert journal.read().memory("").receipts == set()
    assert journal.read().memory("").unanswered == {}


def test_blank_lines_are_ignored(path):
    """An editor may leave some."""
    write(path, record_line(ITEM))
    with path.open("ab") as file:
        file.write(b"\n  \n\r\n")
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().unreadable == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"kind":"hea', id="half a header"),
        pytest.param(b'{"kind":"item","nodeid":"a"}\n', id="no header"),
        pytest.param(b"# Notes\n", id="another file"),
        pytest.param(b"\x89PNG\r\n", id="binary"),
        pytest.param(b"[" * 100_000, id="deeply nested"),
    ],
)
def test_a_file_without_a_header_is_not_a_journal(path, content):
    """The message names the file."""
    path.write_bytes(content)

    with pytest.raises(JournalError) as caught:
        Journal(path)

    assert str(caught.value).startswith(f"{path} is not a journal")


@pytest.mark.parametrize(
    "version", ["2", "99", '"1"', "null", "1.5", "[]"], ids=lambda text: text
)
def test_another_format_is_refused(path, version):
    """A newer format is not read in part."""
    path.write_text(
        f'{{"kind":"header","format":{version},"session":"r"}}\n', encoding="utf-8"
    )

    with pytest.raises(JournalError) as caught:
        Journal(path)

    assert str(caught.value).startswith(f"{path} has format ")
    assert "Install a newer version" in str(caught.value)


@pytest.mark.parametrize(
    "started",
    ['"soon"', "[]", "{}", "1e999", "NaN", '"2026-11-23"'],
    ids=lambda text: text,
)
def test_an_invalid_start_in_a_header_is_read_as_0(path, started):
    """The header is valid nevertheless."""
    path.write_text(
        f'{{"kind":"header","format":1,"session":"r","started":{started}}}\n',
        encoding="utf-8",
    )

    header = Journal(path).header

    assert (header.session, header.started) == ("r", 0)


def test_options_of_a_header_become_texts(path):
    """Options are parsed from texts, as from environment variables."""
    path.write_text(
        '{"kind":"header","format":1,"options":{"phase":7,"cycle":"N"}}\n',
        encoding="utf-8",
    )

    assert Journal(path).header.options == {"phase": "7", "cycle": "N"}


@pytest.mark.parametrize("options", ["7", "[]", "null", '"phase"'])
def test_options_that_are_not_an_object_are_ignored(path, options):
    """The header is valid, and has no options."""
    path.write_text(
        f'{{"kind":"header","format":1,"options":{options}}}\n', encoding="utf-8"
    )

    assert Journal(path).header.options == {}


def test_the_error_about_a_missing_file_has_its_reason(path):
    """The reason is that of the operating system."""
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        Journal(path)


@pytest.mark.parametrize(
    "tail",
    [b"[" * 4000, b'{"kind": "delivered"', b"\xff\xfe\x00", b"9" * 4000],
    ids=["deeply nested", "half a line", "binary", "long number"],
)
def test_a_journal_whose_last_line_cannot_be_read_is_not_delivered(path, tail):
    write(path, journal_format.line_of(journal_format.AllDelivered()))
    with path.open("ab") as file:
        file.write(b"\n" + tail)

    assert not Journal(path).is_delivered()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe")
def test_a_pipe_is_no_journal_and_is_not_waited_for(path):
    os.mkfifo(path)

    with pytest.raises(JournalError, match="cannot be read: it is not a file"):
        Journal(path)


def test_a_line_above_the_limit_is_skipped_and_counted_once(path, monkeypatch):
    """It is read in parts, and the next line is read."""
    monkeypatch.setattr(journal_reader, "_MAX_LINE_BYTES", 1000)
    write(path, record_line(ITEM))
    with path.open("ab") as file:
        file.write(b"x" * 5500 + b"\n")
        file.write(json.dumps(record_line(ITEM)).encode() + b"\n")
    journal = Journal(path)

    assert records_of(journal) == [ITEM, ITEM]
    assert len(journal.read().unreadable) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="byte order mark"),
        pytest.param(
            lambda data: data.replace(b"\n", b"\r\n"), id="line breaks of Windows"
        ),
        pytest.param(lambda data: data.replace(b"\n", b"\n\n \n"), id="blank lines"),
        pytest.param(lambda data: data + data, id="twice in one file"),
    ],
)
def test_changes_by_an_editor_do_not_change_the_results(path, change):
    write(path, record_line(ITEM), record_line(REPORT))
    before = fold(read(path))
    path.write_bytes(change(path.read_bytes()))

    after = fold(read(path))

    assert [(each.nodeid, each.outcome, each.cases) for each in after] == [
        (each.nodeid, each.outcome, each.cases) for each in before
    ]


# Full disks and removed files


@dataclass
class Disk:
    """A disk that has *room* bytes left."""

    room: int

    def write(self, descriptor: int, data: bytes) -> int:
        accepted = data[: self.room]
        if not accepted:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(accepted)
        return os.write(descriptor, accepted)


RECORDS: list[Record] = [
    ITEM,
    Start("t.py::test_a", 3),
    REPORT,
    report("teardown"),
    End(11),
]


def full_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> Disk:
    """Have journals written to a disk with *room* bytes left, and return the disk."""
    disk = Disk(room)
    monkeypatch.setattr(System, "write", disk.write)
    return disk


@pytest.mark.parametrize("percent", range(0, 100, 3))
def test_a_full_disk_loses_nothing_of_this_session(path, monkeypatch, percent):
    """Lines that the disk refuses stay in memory; they are read once, after the others."""
    whole = write(path.with_name("whole.jsonl"), *map(record_line, RECORDS))
    full_disk(monkeypatch, whole.stat().st_size * percent // 100)
    writer = JournalWriter.create(path, HEADER)
    for record in RECORDS:
        writer.append_text(System.encode(record_line(record)))
    writer.close()

    assert writer.broken is not None
    assert Journal(path, writer.unwritten).header == HEADER
    assert read(path, writer.unwritten) == RECORDS


@pytest.mark.parametrize("room_later", [0, 1, 40, 200, 250, 100_000])
@pytest.mark.parametrize("room", [0, 30, 200, 320])
def test_a_disk_with_room_again_gets_the_unwritten_lines(
    path, monkeypatch, room, room_later
):
    """Even if it is full again half-way, no line is lost and none is read twice."""
    disk = full_disk(monkeypatch, room)
    writer = JournalWriter.create(path, HEADER)
    for record in RECORDS:
        writer.append(record)
    disk.room = room_later
    writer.retry()
    writer.close()

    journal = Journal(path, writer.unwritten)

    assert records_of(journal) == RECORDS
    assert journal.read().unreadable == []
    assert (writer.broken is None) == (room_later == 100_000)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("is_writable", [True, False], ids=["writable", "not writable"])
def test_a_removed_journal_is_written_again(path, is_writable):
    """If that fails, its lines stay in memory, and the writer is broken."""
    writer = JournalWriter.create(path, HEADER)
    writer.append(*RECORDS[:2])
    shutil.rmtree(path.parent)
    writer.append(*RECORDS[2:])
    if not is_writable:
        path.parent.write_bytes(b"in the way")
    writer.retry()
    writer.close()

    assert (writer.broken is None) == is_writable
    assert bool(writer.unwritten) == (not is_writable)
    assert Journal(path, writer.unwritten).header == HEADER
    assert read(path, writer.unwritten) == RECORDS


def test_a_journal_that_is_shortened_on_a_full_disk_keeps_its_whole_lines(
    path, monkeypatch
):
    """A test shortens the file after the disk has refused a line."""
    writer = JournalWriter.create(path, HEADER)
    writer.append(*RECORDS[:3])

    def refuse_more_than_a_byte(descriptor: int, data: bytes) -> int:
        if len(data) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(System, "write", refuse_more_than_a_byte)
        writer.append(RECORDS[3])
    os.truncate(path, path.stat().st_size - 3)
    writer.retry()
    writer.close()

    assert writer.broken is None
    # The header says that lines are missing, which adds an `End`.
    assert read(path) == [*RECORDS[:2], RECORDS[3], End()]


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    """Cut off the end of the last line."""
    os.truncate(path, path.stat().st_size - 3)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("room", [0, 1, 60, 100, 200, 250, 100_000])
@pytest.mark.parametrize("damage", [remove, shorten])
def test_a_damaged_journal_loses_nothing_on_a_full_disk(
    path, monkeypatch, damage, room
):
    """What cannot be written stays in memory, and is written once there is room."""
    writer = JournalWriter.create(path, HEADER)
    writer.append(*RECORDS[:2], End())
    damage(path)
    disk = full_disk(monkeypatch, room)
    writer.append(RECORDS[2])
    writer.retry()
    while_full = Journal(path, writer.unwritten)
    contents_while_full = while_full.read(), records_of(while_full)
    disk.room = 100_000
    writer.retry()
    writer.close()
    afterwards = Journal(path)

    assert writer.broken is None
    for contents, records in (
        contents_while_full,
        (afterwards.read(), records_of(afterwards)),
    ):
        assert contents.unreadable == []
        # A header which says that lines are missing adds another `End`.
        assert [each for each in records if not isinstance(each, End)] == RECORDS[:3]


def test_no_item_is_lost_on_a_full_disk(path, monkeypatch):
    """Lines that one call appends are on disk or in memory."""
    full_disk(monkeypatch, 150)
    writer = JournalWriter.create(path, HEADER)
    writer.append(*(Item(f"t{i}", (i,)) for i in range(20)))
    writer.close()

    assert {each.nodeid: each.cases for each in fold(read(path, writer.unwritten))} == {
        f"t{i}": (i,) for i in range(20)
    }


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "path is a directory": lambda path: path.mkdir(parents=True),
    "directory is a file": lambda path: path.parent.write_bytes(b""),
}


@pytest.mark.parametrize("obstruct", OBSTACLES.values(), ids=OBSTACLES)
def test_a_journal_that_cannot_be_opened_is_kept_in_memory(tmp_path, obstruct):
    """The push at the end of the session reads the same records."""
    path = tmp_path / "journals" / "run.jsonl"
    obstruct(path)
    writer = JournalWriter.create(path, HEADER)
    writer.append(*RECORDS)
    writer.retry()
    writer.close()

    assert writer.broken is not None
    assert read(path, writer.unwritten) == RECORDS
    assert Journal(path, writer.unwritten).header == HEADER


def test_a_journal_is_never_overwritten(path):
    """Of two sessions with one name, the second keeps its lines in memory."""
    write(path, record_line(ITEM))
    before = path.read_bytes()
    writer = JournalWriter.create(path, HEADER)
    writer.append(End())

    assert writer.broken is not None
    assert len(writer.unwritten) == 2
    assert path.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_keep_the_unwritten_lines_of_its_parent(tmp_path):
    """Otherwise the child would send them as well, and they would be read twice."""
    writer = JournalWriter(tmp_path / "a.jsonl")
    writer.append(End())
    child = os.fork()
    if not child:
        os._exit(len(writer.unwritten))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(writer.unwritten) == 1


# Workers


def test_files_of_workers_are_read_with_the_journal(path):
    """Each worker writes to a file of its own, next to the journal."""
    write(path, record_line(End(1)))
    for worker in ("gw1", "gw0"):
        writer = journal_writer.worker_journal(str(path), worker)
        writer.append(Item(worker))
        writer.close()

    assert read(path) == [Item("gw0"), Item("gw1"), End(1)]
    assert Journal(path.with_name("run.gw0.jsonl")).header.worker == "gw0"
    assert not Journal(path).header.worker


def test_a_broken_file_of_a_worker_is_skipped(path):
    """A worker may die while it writes its first line."""
    write(path, record_line(ITEM))
    path.with_name("run.gw0.jsonl").write_bytes(b'{"kind":"hea')
    path.with_name("run.gw1.jsonl").write_bytes(b"")

    assert read(path) == [ITEM]


def test_workers_of_another_session_are_not_read(path):
    """The names of their files may begin like that of the journal."""
    write(path, record_line(ITEM))
    write(path.with_name("run2.gw0.jsonl"), record_line(Item("other")))

    assert read(path) == [ITEM]


def test_files_of_workers_are_found_if_the_name_has_brackets(tmp_path):
    """A copied journal may have any name; brackets in it are no pattern."""
    path = write(tmp_path / "run[1].jsonl")
    write(tmp_path / "run[1].gw0.jsonl", record_line(ITEM))

    assert read(path) == [ITEM]


# Pushes that append to a journal


def test_a_push_appends_to_the_journal(path):
    """Its lines follow those of the session."""
    write(path, record_line(ITEM))
    writer = JournalWriter.reopen(path)
    writer.append(RECEIPT)
    writer.close()
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().memory("").receipts == RECEIPTS


def test_a_push_begins_a_new_line_after_an_incomplete_one(path):
    """The push notes the incomplete line, which does not count as unreadable then."""
    write(path, record_line(ITEM))
    with path.open("ab") as file:
        file.write(b'{"kind":"rep')
    writer = JournalWriter.reopen(path)
    writer.append(RECEIPT)
    writer.close()
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().memory("").receipts == RECEIPTS
    assert journal.read().unreadable == []


@pytest.mark.parametrize("count", [1, 500, 5000])
def test_a_session_is_not_running_while_its_results_are_sent(path, count):
    """The last line may name the executions of many results."""
    with closing(JournalWriter.create(path, HEADER)) as writer:
        assert Journal(path).is_running()
        sending = Sending(dict.fromkeys(range(count), "0123456789ab"))
        writer.append(End(1), sending)

        assert not Journal(path).is_running()


def test_a_journal_in_use_is_not_reopened(path):
    """Its session has not ended, or another push is sending it."""
    writer = JournalWriter.create(path, HEADER)
    with pytest.raises(JournalError, match="is in use"):
        JournalWriter.reopen(path)
    writer.close()
    first = JournalWriter.reopen(path)
    with pytest.raises(JournalError, match="is in use"):
        JournalWriter.reopen(path)
    first.close()

    JournalWriter.reopen(path).close()


def test_a_journal_that_another_process_locks_for_a_moment_is_reopened(
    path, monkeypatch
):
    """Another session finds out in this way whether the journal is in use."""
    write(path)
    with path.open("rb") as other:
        assert try_lock(other.fileno())
        monkeypatch.setattr("time.sleep", lambda _seconds: other.close())
        writer = JournalWriter.reopen(path)
        writer.append(RECEIPT)
        writer.close()

    assert Journal(path).read().memory("").receipts == RECEIPTS


def test_a_journal_that_another_program_locked_is_not_reopened(path):
    """The locks of the operating system apply to all programs."""
    write(path)
    before = path.read_bytes()
    with path.open("rb") as other:
        assert try_lock(other.fileno())
        with pytest.raises(JournalError, match="is in use"):
            JournalWriter.reopen(path)

    assert path.read_bytes() == before


def test_receipts_stay_in_memory_if_a_journal_cannot_be_reopened(path):
    """The push goes on without the file."""
    path.mkdir()
    writer = JournalWriter.reopen(path)
    writer.append(RECEIPT)

    assert writer.broken is not None
    assert list(map(json.loads, writer.unwritten)) == [journal_format.line_of(RECEIPT)]


@pytest.mark.parametrize(
    ("lines", "delivered"),
    [
        pytest.param([], False, id="header only"),
        pytest.param([record_line(ITEM)], False, id="records"),
        pytest.param(
            [journal_format.line_of(journal_format.AllDelivered())],
            True,
            id="delivered",
        ),
        pytest.param(
            [journal_format.line_of(journal_format.AllDelivered()), record_line(End())],
            False,
            id="a record follows",
        ),
        pytest.param(
            [
                journal_format.line_of(journal_format.AllDelivered()),
                journal_format.line_of(SENDING),
            ],
            False,
            id="sent again",
        ),
        pytest.param(
            [
                record_line(report("call", "failed", text="x" * 9_000)),
                journal_format.line_of(journal_format.AllDelivered()),
            ],
            True,
            id="after a long line",
        ),
        pytest.param(
            [
                journal_format.line_of(journal_format.AllDelivered()),
                record_line(report("call", "failed", text="x" * 9_000)),
            ],
            False,
            id="before a long line",
        ),
    ],
)
def test_a_journal_is_delivered_if_its_last_line_says_so(path, lines, delivered):
    """With any later line it is not."""
    write(path, *lines)

    assert Journal(path).is_delivered() is delivered


def test_a_delivered_journal_that_is_reopened_stays_delivered(path):
    """A push that finds nothing to do adds no line."""
    write(path, journal_format.line_of(journal_format.AllDelivered()))
    JournalWriter.reopen(path).close()

    assert Journal(path).is_delivered()


def test_a_journal_with_an_incomplete_last_line_is_not_delivered(path):
    """The next push reads it again, and finds nothing left to send."""
    write(path, journal_format.line_of(journal_format.AllDelivered()))
    path.write_bytes(path.read_bytes()[:-5])

    assert not Journal(path).is_delivered()


# What holds for all journals

TEXT = st.text(max_size=5)
NAME = st.text(min_size=1, max_size=5)
WHOLE = st.integers(-(2**53), 2**53)
CASES = st.lists(WHOLE | TEXT, max_size=2).map(tuple)
ANY_RECORD = st.one_of(
    st.builds(Item, NAME, CASES, st.booleans()),
    st.builds(Start, NAME, WHOLE),
    st.builds(End, WHOLE.filter(bool)),
    st.builds(Passed, NAME, WHOLE, WHOLE, TEXT),
    st.builds(EvidenceEntry, NAME, st.builds(Field, NAME, WHOLE | TEXT), WHOLE, TEXT),
    st.builds(
        Report,
        NAME,
        NAME,
        NAME,
        duration=WHOLE,
        at=WHOLE,
        xfail=st.booleans(),
        attempt=WHOLE,
        worker=TEXT,
        reason=TEXT,
        short_text=TEXT,
        text=TEXT,
        subtest=TEXT,
    ),
)


@deterministic
@given(st.lists(ANY_RECORD, max_size=4))
def test_any_record_can_be_written_and_read(records: list[Record]) -> None:
    """Records are read alike from a file and from memory."""
    written = [record_line(each) for each in records]
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "run.jsonl", *written)
        nowhere = Path(directory) / "none.jsonl"
        header = {"kind": "header", "format": journal_format.FORMAT_VERSION}

        assert read(path) == records
        unwritten = [json.dumps(each).encode("ascii") for each in (header, *written)]
        assert read(nowhere, unwritten) == records


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = [
    *("nodeid", "when", "outcome", "at", "duration", "attempt", "worker", "cases"),
    *("case", "execution", "status_id", "digest", "rows"),
    *("format", "started", "options", "url", "ahead", "count"),
    *("name", "type", "size", "label", "number", "depth", "text", "key", "value"),
    *("defects", "fields", "comment", "session", "sessions"),
]
KINDS = [
    *("comment", "defect", "field", "attachment", "step", "left_out"),
    *("item", "start", "report", "passed", "end", "collect_error", "deselected"),
    *("receipt", "sending", "attaching", "attached", "stepped", "running"),
    *("header", "server", "clock", "delivered", "torn"),
]
LINE = st.builds(
    lambda kind, line: {**line, "kind": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), JSON | TEXT | WHOLE, max_size=6),
)


@deterministic
@given(st.lists(LINE | JSON, max_size=4))
def test_any_line_is_read_or_skipped(lines: list[object]) -> None:
    """The records that were read give one result for each of their tests."""
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "run.jsonl")
        with path.open("a", encoding="ascii") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
        journal = Journal(path)
        records = records_of(journal)
        nodeids = {each.nodeid for each in records if not isinstance(each, End)}

        assert sorted(each.nodeid for each in fold(records)) == sorted(nodeids)
        assert len(journal.read().unreadable) <= len(lines)


@deterministic
@given(st.lists(ANY_RECORD, max_size=6))
def test_any_records_become_results_that_can_be_sent(records: list[Record]) -> None:
    """A duration is in whole milliseconds, and notes are short enough and valid XML."""
    plan = build_plan(fold(records), Rules(choices_of(), notes_options("always")))

    for result in plan.results:
        assert isinstance(result.milliseconds, int)
        notes = result.notes or ""
        assert len(notes) <= 4000
        expat.ParserCreate("utf-8").Parse(f"<p>{notes}</p>".encode(), True)


@deterministic
@given(LINE | JSON)
def test_any_first_line_is_a_header_or_an_error(line: object) -> None:
    """The error names the file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.jsonl"
        path.write_text(f"{json.dumps(line)}\n", encoding="ascii")
        header: Header | str
        try:
            header = Journal(path).header
        except JournalError as error:
            header = str(error)

        if isinstance(header, str):
            assert header.startswith(str(path))
        else:
            assert isinstance(line, dict)
            assert line["kind"] == "header"
            assert isinstance(header.started, int)
