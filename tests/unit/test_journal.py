"""Records on disk: written line by line, and read whatever became of the file."""

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
from pytest_zephyr.journal import reader as disk
from pytest_zephyr.journal import writer as journal_writer
from pytest_zephyr.journal.format import evidence_line
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
from pytest_zephyr.results.notes import NotesOptions
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
from tests.unit.make import deterministic
from tests.unit.make import mapped
from tests.unit.make import report


HEADER = Header("run", key="77", started=5, options={"phase": "Smoke"})

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
    crash="t.py:1: no",
    text="stack\n…",
    subtest="[x]",
)
RECEIPT = Receipt(101, 7, "1", "d1")
RECEIPTS = {(RECEIPT.execution, RECEIPT.digest)}
SENDING = Sending({7: "s1", 8: "s2"})


def write(path: Path, *lines: dict[str, Any], header: Header = HEADER) -> Path:
    """Write a journal and close it."""
    writer = JournalWriter.create(path, header)
    writer.append(*lines)
    writer.close()
    assert writer.broken is None
    return path


def line_of(record: Record) -> dict[str, Any]:
    if isinstance(record, Item):
        return cast(dict[str, Any], json.loads(journal_format.item_text(record)))
    if isinstance(record, Report):
        return journal_format.report_line(record)
    if isinstance(record, Start):
        return {**json.loads(journal_format.start_text(record.nodeid)), "at": record.at}
    if isinstance(record, Passed):
        text = journal_format.passed_text(record.nodeid, record.duration, record.worker)
        return {**json.loads(text), "at": record.at}
    if isinstance(record, EvidenceEntry):
        return evidence_line(record)
    return journal_format.line_of(record)


def read(path: Path, kept: Iterable[bytes] = ()) -> list[Record]:
    return records_of(Journal(path, kept))


def records_of(journal: Journal) -> list[Any]:
    return [entry for entry in journal.entries() if isinstance(entry, get_args(Record))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


# What was written is read


def test_records_are_read_as_they_were_written(path):
    """Every field of every kind survives."""
    said = EvidenceEntry("t.py::test_a", Field("n", 1.5), attempt=1, worker="gw0")
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
        Start("t.py::test_a", 3),
        said,
        REPORT,
        report("setup"),
    ]
    write(path, *map(line_of, records))

    assert read(path) == records


def test_what_a_push_did_is_read_apart(path):
    """Receipts, sendings and files that failed to import are no records."""
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
    assert journal.read().memory("").uncertain == {8: "s2"}
    assert journal.read().uncollected == ["t.py"]
    assert journal.read().unreadable == []


def test_reading_twice_gives_the_same(path):
    """Nothing is counted a second time."""
    write(
        path,
        line_of(ITEM),
        journal_format.line_of(RECEIPT),
        journal_format.line_of(SENDING),
    )
    journal = Journal(path)
    first = records_of(journal)

    assert records_of(journal) == first == [ITEM]
    assert journal.read().memory("").receipts == RECEIPTS
    assert journal.read().memory("").uncertain == {7: "s1", 8: "s2"}


def test_the_header_is_read_as_it_was_written(path):
    """A later push knows run, key, start and options."""
    write(path)

    assert Journal(path).header == HEADER


def test_times_are_those_of_writing(path):
    """A start and an end say when they were."""
    write(
        path, json.loads(journal_format.start_text("a")), journal_format.line_of(End())
    )
    start, end = read(path)

    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert 1_700_000_000_000 < start.at <= end.at


def test_a_journal_ignores_itself_in_git(path):
    """Nobody commits results; a file that is there already is left alone."""
    write(path)
    ignore = path.with_name(".gitignore")
    assert ignore.read_text(encoding="utf-8") == "*\n"
    ignore.write_text("mine", encoding="utf-8")
    write(path.with_name("other.jsonl"))

    assert ignore.read_text(encoding="utf-8") == "mine"


def test_its_directory_is_made(tmp_path):
    """With the directories above it."""
    path = write(tmp_path / "a" / "b" / "run.jsonl", line_of(ITEM))

    assert read(path) == [ITEM]


def test_a_line_is_on_disk_as_soon_as_it_is_appended(path):
    """A process that is killed at any moment loses nothing."""
    writer = JournalWriter.create(path, HEADER)
    writer.append(line_of(ITEM))

    assert read(path) == [ITEM]
    writer.close()


@pytest.mark.parametrize("secret", ["s3cr3t", "report", "passed", "kept in", 'a"\\b'])
def test_a_known_secret_is_not_written(path, secret):
    """In what tests say; a password that is an ordinary word spoils nothing else."""
    header = replace(HEADER, options={"cycle": f"name:{secret}"})
    with closing(JournalWriter.create(path, header, Scrubber([secret]))) as writer:
        said = replace(REPORT, text=f"it was {secret}", outcome="passed")
        writer.append(journal_format.report_line(said))
        writer.append(
            *[json.loads(journal_format.item_text(Item(f"a[{secret}]", (101,))))]
        )
    journal = Journal(path)

    report, item = records_of(journal)
    assert report == replace(said, text="it was <hidden>")
    assert item == Item("a[<hidden>]", (101,))
    assert journal.header == header


def test_half_a_surrogate_pair_survives(path):
    """Captured output may hold what UTF-8 cannot."""
    record = report("call", "failed", text="\ud800 x")
    write(path, line_of(record))

    assert read(path) == [record]


def test_two_runs_have_two_names():
    """Two jobs that start in the same second do not share a file."""
    assert len({journal_writer.new_run() for _ in range(50)}) == 50


# What a kill, an editor or another program left


def test_half_a_last_line_is_skipped(path):
    """It is what a kill leaves behind, so it is not counted; one in between is."""
    write(path, line_of(ITEM), line_of(End(1)))
    path.write_bytes(path.read_bytes()[:-5])
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().unreadable == []
    path.write_bytes(
        path.read_bytes() + b"\n" + json.dumps(line_of(ITEM)).encode() + b"\n"
    )
    assert records_of(journal) == [ITEM, ITEM]
    assert len(journal.read().unreadable) == 1


def test_a_journal_can_be_cut_anywhere(path):
    """Of the lines that are complete none is lost, wherever the last one ends."""
    records: list[Record] = [ITEM, Start("t.py::test_a", 3), REPORT, End(11)]
    write(path, *map(line_of, records))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1

    for end in range(first, len(whole) + 1):
        path.write_bytes(whole[:end])
        complete = whole[: end + 1].count(b"\n") - 1
        found = read(path)

        assert found == records[: len(found)]
        assert len(found) >= complete - 1


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"{", id="half"),
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
        pytest.param(b'{"kind":"end","at":[]}', id="end is a list"),
        pytest.param(
            b'{"kind":"report","nodeid":"a","when":"call","outcome":null}',
            id="no outcome",
        ),
        pytest.param(b'{"kind":"receipt","case":101}', id="half a receipt"),
        pytest.param(
            b'{"kind":"receipt","case":null,"execution":1,"status":"1","digest":"d"}',
            id="receipt without a case",
        ),
        pytest.param(b'{"kind":"sending","rows":7}', id="rows is a number"),
        pytest.param(b'{"kind":"sending","rows":[[1]]}', id="half a row"),
        pytest.param(b'{"kind":"attached","rows":[[1,"a"]]}', id="half a file"),
        pytest.param(b'{"kind":"attaching","rows":[[1,"a","d"]]}', id="no new name"),
        pytest.param(
            rb'{"kind":"attaching","rows":[[1,"a","d","b\nX: 1",0]]}', id="two lines"
        ),
        pytest.param(b'{"kind":"stepped","rows":[[1,2]]}', id="digest is a number"),
        pytest.param(
            b'{"kind":"attachment","nodeid":"a","name":"a","type":"a","size":1,'
            b'"digest":"../../secret"}',
            id="file elsewhere",
        ),
        pytest.param(
            b'{"kind":"item","nodeid":"a","fields":[["a",null]]}', id="empty field"
        ),
        pytest.param(b'{"kind":"sending","rows":[["x","s"]]}', id="row of a word"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_a_line_that_cannot_be_read_is_skipped_and_counted(path, line):
    """What stands before and after it counts."""
    write(path, line_of(ITEM))
    with path.open("ab") as file:
        file.write(line + b"\n" + b'{"kind":"end"}\n')
    journal = Journal(path)

    assert records_of(journal) == [ITEM, End()]
    assert len(journal.read().unreadable) == 1
    assert journal.read().memory("").receipts == set()
    assert journal.read().memory("").uncertain == {}


def test_a_blank_line_is_nothing(path):
    """A push that goes on writing begins with one."""
    write(path, line_of(ITEM))
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
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_what_has_no_header_is_no_journal(path, content):
    """The message names the file."""
    path.write_bytes(content)

    with pytest.raises(JournalError) as caught:
        Journal(path)

    assert str(caught.value).startswith(f"{path} is not a journal")


@pytest.mark.parametrize(
    "version", ["2", "99", '"1"', "null", "1.5", "[]"], ids=lambda text: text
)
def test_another_format_is_refused(path, version):
    """A newer journal is not half understood."""
    path.write_text(
        f'{{"kind":"header","format":{version},"run":"r"}}\n', encoding="utf-8"
    )

    with pytest.raises(JournalError) as caught:
        Journal(path)

    assert str(caught.value).startswith(f"{path} has format ")
    assert "Install a newer one" in str(caught.value)


@pytest.mark.parametrize(
    "started",
    ['"soon"', "[]", "{}", "1e999", "NaN", '"2026-11-23"'],
    ids=lambda text: text,
)
def test_a_start_that_was_edited_by_hand_is_none(path, started):
    """A wrong type keeps no result back."""
    path.write_text(
        f'{{"kind":"header","format":1,"run":"r","started":{started}}}\n',
        encoding="utf-8",
    )

    header = Journal(path).header

    assert (header.run, header.started) == ("r", 0)


def test_options_of_a_header_become_texts(path):
    """They are read as those of an environment."""
    path.write_text(
        '{"kind":"header","format":1,"options":{"phase":7,"cycle":"N"}}\n',
        encoding="utf-8",
    )

    assert Journal(path).header.options == {"phase": "7", "cycle": "N"}


@pytest.mark.parametrize("options", ["7", "[]", "null", '"phase"'])
def test_options_of_another_shape_are_none(path, options):
    """The ini file decides then."""
    path.write_text(
        f'{{"kind":"header","format":1,"options":{options}}}\n', encoding="utf-8"
    )

    assert Journal(path).header.options == {}


def test_a_missing_file_is_said(path):
    """With the reason of the operating system."""
    with pytest.raises(JournalError, match="cannot be read: No such file"):
        Journal(path)


# A disk that refuses


@dataclass
class Disk:
    """A disk that has *room* bytes left."""

    room: int

    def write(self, number: int, data: bytes) -> int:
        taken = data[: self.room]
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(taken)
        return os.write(number, taken)


RECORDS: list[Record] = [
    ITEM,
    Start("t.py::test_a", 3),
    REPORT,
    report("teardown"),
    End(11),
]


def full_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> Disk:
    """Let journals be written to a disk with *room* bytes."""
    disk = Disk(room)
    monkeypatch.setattr(System, "write", disk.write)
    return disk


@pytest.mark.parametrize("percent", range(0, 100, 3))
def test_a_full_disk_loses_nothing_of_this_session(path, monkeypatch, percent):
    """What the disk refuses is kept, and read after what it took, each line once."""
    whole = write(path.with_name("whole.jsonl"), *map(line_of, RECORDS))
    full_disk(monkeypatch, whole.stat().st_size * percent // 100)
    writer = JournalWriter.create(path, HEADER)
    for record in RECORDS:
        writer.append(line_of(record))
    writer.close()

    assert writer.broken is not None
    assert Journal(path, writer.unwritten).header == HEADER
    assert read(path, writer.unwritten) == RECORDS


@pytest.mark.parametrize("more", [0, 1, 40, 200, 250, 100_000])
@pytest.mark.parametrize("room", [0, 30, 200, 320])
def test_a_disk_that_has_room_again_gets_what_was_kept(path, monkeypatch, room, more):
    """Even if it is full again half-way, no line is lost and none is read twice."""
    disk = full_disk(monkeypatch, room)
    writer = JournalWriter.create(path, HEADER)
    for record in RECORDS:
        writer.append(line_of(record))
    disk.room = more
    writer.retry()
    writer.close()

    journal = Journal(path, writer.unwritten)

    assert records_of(journal) == RECORDS
    assert journal.read().unreadable == []
    assert (writer.broken is None) == (more == 100_000)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is open")
@pytest.mark.parametrize("comes_back", [True, False])
def test_what_somebody_removed_is_written_again(path, comes_back):
    """If that cannot be, it is in memory, and nobody calls it saved."""
    writer = JournalWriter.create(path, HEADER)
    writer.append(*map(line_of, RECORDS[:2]))
    shutil.rmtree(path.parent)
    writer.append(*map(line_of, RECORDS[2:]))
    if not comes_back:
        path.parent.write_bytes(b"in the way")
    writer.retry()
    writer.close()

    assert (writer.broken is None) == comes_back
    assert bool(writer.unwritten) == (not comes_back)
    assert Journal(path, writer.unwritten).header == HEADER
    assert read(path, writer.unwritten) == RECORDS


def test_items_of_a_full_disk_are_kept_all_together(path, monkeypatch):
    """Many lines that are written in one go are refused in one go."""
    full_disk(monkeypatch, 150)
    writer = JournalWriter.create(path, HEADER)
    writer.append(*(line_of(Item(f"t{i}", (i,))) for i in range(20)))
    writer.close()

    assert {each.nodeid: each.cases for each in fold(read(path, writer.unwritten))} == {
        f"t{i}": (i,) for i in range(20)
    }


UNWRITABLE: dict[str, Callable[[Path], object]] = {
    "path is a directory": lambda path: path.mkdir(parents=True),
    "directory is a file": lambda path: path.parent.write_bytes(b""),
}


@pytest.mark.parametrize("spoil", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_journal_that_cannot_be_opened_is_kept_in_memory(tmp_path, spoil):
    """The end of the session reads the same records, cases included."""
    path = tmp_path / "journals" / "run.jsonl"
    spoil(path)
    writer = JournalWriter.create(path, HEADER)
    writer.append(*map(line_of, RECORDS))
    writer.retry()
    writer.close()

    assert writer.broken is not None
    assert read(path, writer.unwritten) == RECORDS
    assert Journal(path, writer.unwritten).header == HEADER
    assert [each.cases for each in fold(RECORDS)] == [
        each.cases for each in fold(read(path, writer.unwritten))
    ]


def test_a_journal_is_never_written_over(path):
    """Of two runs of one name the second keeps its lines in memory."""
    write(path, line_of(ITEM))
    before = path.read_bytes()
    writer = JournalWriter.create(path, HEADER)
    writer.append(line_of(End()))

    assert writer.broken is not None
    assert path.read_bytes() == before


# Workers


def test_files_of_workers_are_read_along(path):
    """Each worker writes what it collected beside the main file."""
    write(path, line_of(End(1)))
    for worker in ("gw1", "gw0"):
        writer = journal_writer.worker_journal(str(path), worker)
        writer.append(line_of(Item(worker)))
        writer.close()

    assert read(path) == [Item("gw0"), Item("gw1"), End(1)]
    assert Journal(path.with_name("run.gw0.jsonl")).header.worker
    assert not Journal(path).header.worker


def test_a_broken_file_of_a_worker_is_no_harm(path):
    """A worker may die while it writes its first line."""
    write(path, line_of(ITEM))
    path.with_name("run.gw0.jsonl").write_bytes(b'{"kind":"hea')
    path.with_name("run.gw1.jsonl").write_bytes(b"")

    assert read(path) == [ITEM]


def test_workers_of_another_run_are_not_read(path):
    """A name that begins the same is another run's."""
    write(path, line_of(ITEM))
    write(path.with_name("run2.gw0.jsonl"), line_of(Item("other")))

    assert read(path) == [ITEM]


def test_a_name_with_brackets_finds_its_workers(tmp_path):
    """Whoever copies a run may call it what they like."""
    path = write(tmp_path / "run[1].jsonl")
    write(tmp_path / "run[1].gw0.jsonl", line_of(ITEM))

    assert read(path) == [ITEM]


# A push that goes on writing


def test_a_push_appends(path):
    """What a push did stands after what the run wrote."""
    write(path, line_of(ITEM))
    writer = JournalWriter.reopen(path)
    writer.append(journal_format.line_of(RECEIPT))
    writer.close()
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().memory("").receipts == RECEIPTS


def test_a_push_does_not_glue_its_lines_to_a_torn_one(path):
    """The receipt after half a line is a line of its own."""
    write(path, line_of(ITEM))
    with path.open("ab") as file:
        file.write(b'{"kind":"rep')
    writer = JournalWriter.reopen(path)
    writer.append(journal_format.line_of(RECEIPT))
    writer.close()
    journal = Journal(path)

    assert records_of(journal) == [ITEM]
    assert journal.read().memory("").receipts == RECEIPTS
    assert journal.read().unreadable == []


def test_a_journal_in_use_is_not_reopened(path):
    """Its run goes on, or another push is sending it."""
    writer = JournalWriter.create(path, HEADER)
    with pytest.raises(JournalError, match="is in use"):
        JournalWriter.reopen(path)
    writer.close()
    first = JournalWriter.reopen(path)
    with pytest.raises(JournalError, match="is in use"):
        JournalWriter.reopen(path)
    first.close()

    JournalWriter.reopen(path).close()


def test_a_journal_that_another_program_locked_is_not_reopened(path):
    """The lock is the operating system's, whoever holds it."""
    write(path)
    before = path.read_bytes()
    with path.open("rb") as other:
        assert try_lock(other.fileno())
        with pytest.raises(JournalError, match="is in use"):
            JournalWriter.reopen(path)

    assert path.read_bytes() == before


def test_a_journal_that_cannot_be_reopened_can_still_be_sent(path):
    """Receipts are kept in memory then."""
    path.mkdir()
    writer = JournalWriter.reopen(path)
    writer.append(journal_format.line_of(RECEIPT))

    assert writer.broken is not None
    assert list(map(json.loads, writer.unwritten)) == [journal_format.line_of(RECEIPT)]


@pytest.mark.parametrize(
    ("lines", "delivered"),
    [
        pytest.param([], False, id="header only"),
        pytest.param([line_of(ITEM)], False, id="records"),
        pytest.param(
            [journal_format.line_of(journal_format.AllDelivered())],
            True,
            id="delivered",
        ),
        pytest.param(
            [journal_format.line_of(journal_format.AllDelivered()), line_of(End())],
            False,
            id="more came",
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
                line_of(report("call", "failed", text="x" * 9_000)),
                journal_format.line_of(journal_format.AllDelivered()),
            ],
            True,
            id="after a long line",
        ),
        pytest.param(
            [
                journal_format.line_of(journal_format.AllDelivered()),
                line_of(report("call", "failed", text="x" * 9_000)),
            ],
            False,
            id="before a long line",
        ),
    ],
)
def test_a_journal_is_delivered_if_that_is_its_last_word(path, lines, delivered):
    """Whatever comes after makes it open again."""
    write(path, *lines)

    assert Journal(path).is_delivered() is delivered


def test_looking_at_a_delivered_journal_leaves_it_delivered(path):
    """A push that finds nothing to do writes a blank line."""
    write(path, journal_format.line_of(journal_format.AllDelivered()))
    JournalWriter.reopen(path).close()

    assert Journal(path).is_delivered()


def test_half_a_last_line_is_not_delivered(path):
    """A push that was killed while it noted the end is repeated, and finds nothing."""
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
        crash=TEXT,
        text=TEXT,
        subtest=TEXT,
    ),
)


@deterministic
@given(st.lists(ANY_RECORD, max_size=4))
def test_any_record_can_be_written_and_read(records: list[Record]) -> None:
    """The disk and the memory of a broken disk read the same."""
    written = [line_of(each) for each in records]
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "run.jsonl", *written)
        nowhere = Path(directory) / "none.jsonl"
        header = {"kind": "header", "format": journal_format.FORMAT}

        assert read(path) == records
        kept = [json.dumps(each).encode("ascii") for each in (header, *written)]
        assert read(nowhere, kept) == records


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
    ),
    max_leaves=4,
)
KEYS = ["nodeid", "when", "outcome", "at", "duration", "attempt", "worker", "cases"]
KEYS += [
    "case",
    "execution",
    "status",
    "digest",
    "rows",
    "format",
    "started",
    "options",
]
KEYS += [
    *("name", "type", "size", "label", "number", "depth", "text", "key", "value"),
    *("defects", "fields", "comment"),
]
KINDS = [
    *("comment", "defect", "field", "attachment", "step", "left_out"),
    *("attaching", "attached", "stepped"),
    "item",
    "start",
    "report",
    "end",
    "receipt",
    "sending",
    "collect_error",
    "header",
]
LINE = st.builds(
    lambda kind, line: {**line, "kind": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), JSON | TEXT | WHOLE, max_size=6),
)


@deterministic
@given(st.lists(LINE | JSON, max_size=4))
def test_no_line_is_too_odd_for_the_reader(lines: list[object]) -> None:
    """A line is a record or it is skipped, and what is read can be folded."""
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory) / "run.jsonl")
        with path.open("a", encoding="ascii") as file:
            file.writelines(f"{json.dumps(line)}\n" for line in lines)
        journal = Journal(path)
        records = records_of(journal)
        nodeids = {each.nodeid for each in records if not isinstance(each, End)}

        assert {each.nodeid for each in fold(records)} == nodeids
        assert len(journal.read().unreadable) <= len(lines)


@deterministic
@given(st.lists(ANY_RECORD, max_size=6))
def test_no_record_is_too_odd_to_be_sent(records: list[Record]) -> None:
    """Somebody may have edited it; what becomes of it is numbers and a text of XML."""
    plan = build_plan(fold(records), Rules(mapped(), NotesOptions("always")))

    for result in plan.results:
        assert isinstance(result.milliseconds, int)
        notes = result.notes or ""
        assert len(notes) <= 4000
        expat.ParserCreate("utf-8").Parse(f"<p>{notes}</p>".encode(), True)


@deterministic
@given(LINE | JSON)
def test_no_first_line_is_too_odd_for_the_reader(line: object) -> None:
    """A file is a journal, or it is said not to be one."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.jsonl"
        path.write_text(f"{json.dumps(line)}\n", encoding="ascii")
        found: Header | str
        try:
            found = Journal(path).header
        except JournalError as error:
            found = str(error)

        if isinstance(found, str):
            assert found.startswith(str(path))
        else:
            assert isinstance(line, dict)
            assert line["kind"] == "header"
            assert isinstance(found.started, int)


# Journals that are none


@pytest.mark.parametrize(
    "tail", [b"[" * 4000, b'{"kind": "delivered"', b"\xff\xfe\x00", b"9" * 4000]
)
def test_no_last_line_is_too_odd_to_look_at(path, tail):
    """The end is read on its own, to see whether anything is left to send."""
    write(path)
    with path.open("ab") as file:
        file.write(b"\n" + tail)

    assert not Journal(path).is_delivered()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe")
def test_a_pipe_is_no_journal_and_is_not_waited_for(path):
    os.mkfifo(path)

    with pytest.raises(JournalError, match="cannot be read: it is not a file"):
        Journal(path)


def test_a_line_without_an_end_is_bounded(path, monkeypatch):
    """Whatever the file is, memory does not hold all of it at once."""
    monkeypatch.setattr(disk, "_LONGEST", 1000)
    write(path, json.loads(journal_format.item_text(ITEM)))
    with path.open("ab") as file:
        file.write(b"x" * 5500 + b"\n")
        file.write(
            json.dumps(json.loads(journal_format.item_text(ITEM))).encode() + b"\n"
        )
    journal = Journal(path)

    assert records_of(journal) == [ITEM, ITEM]
    assert len(journal.read().unreadable) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="byte order mark"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="line ends"),
        pytest.param(lambda data: data.replace(b"\n", b"\n\n \n"), id="blank lines"),
        pytest.param(lambda data: data + data, id="twice in one file"),
    ],
)
def test_what_editors_do_to_a_journal_is_no_harm(path, change):
    write(
        path,
        json.loads(journal_format.item_text(ITEM)),
        journal_format.report_line(REPORT),
    )
    before = fold(read(path))
    path.write_bytes(change(path.read_bytes()))

    assert [(n.nodeid, n.outcome, n.cases) for n in fold(read(path))] == [
        (n.nodeid, n.outcome, n.cases) for n in before
    ]
