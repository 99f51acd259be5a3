"""Journals are found, grouped into runs, merged and removed."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import errno
import json
import os
from pathlib import Path
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.clock import now_ms
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal import runs
from pytest_zephyr.journal import writer as journal_writer
from pytest_zephyr.journal.file_store import FILES_DIRECTORY
from pytest_zephyr.journal.file_store import FileStore
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.ledger import Attached
from pytest_zephyr.journal.ledger import Attaching
from pytest_zephyr.journal.ledger import AttachmentKey
from pytest_zephyr.journal.ledger import Naming
from pytest_zephyr.journal.ledger import Receipt
from pytest_zephyr.journal.ledger import Sending
from pytest_zephyr.journal.ledger import Stepped
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import find_journals
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.journal.runs import prune
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.origin import System
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.results.plan import build_plan
from pytest_zephyr.results.plan import Rules
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import Outcome
from tests.unit.make import choices_of
from tests.unit.make import deterministic
from tests.unit.make import notes_options
from tests.unit.make import report


def options_with(key: str) -> dict[str, str]:
    """Return the options of a journal with this run key; an empty one is no key."""
    return {"run_key": key} if key else {}


def write(
    path: Path,
    *lines: dict[str, object],
    key: str = "",
    started: int = 0,
) -> Path:
    """Write a journal of a session with the name of the file, and close it."""
    writer = JournalWriter.create(path, Header(path.stem, started, options_with(key)))
    writer.append_texts(map(System.encode, lines))
    writer.close()
    assert writer.broken is None
    return path


def lines_of_test(
    nodeid: str, outcome: str, case: int = 101, **values: int
) -> list[dict[str, object]]:
    """Return the lines of one test that ran."""
    return [
        json.loads(journal_format.item_text(Item(nodeid, (case,)))),
        journal_format.line_of(report("call", outcome, nodeid=nodeid, **values)),
        journal_format.line_of(report("teardown", nodeid=nodeid)),
    ]


def names(journals: Iterable[Journal]) -> list[str]:
    return [each.path.name for each in journals]


# Finding


def test_a_directory_stands_for_its_undelivered_journals(tmp_path):
    """Files of workers and delivered journals are left out."""
    write(tmp_path / "b.jsonl")
    write(tmp_path / "a.jsonl")
    write(tmp_path / "c.jsonl", journal_format.line_of(journal_format.AllDelivered()))
    journal_writer.worker_journal(str(tmp_path / "a.jsonl"), "gw0").close()
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    selection = find_journals([tmp_path])

    assert names(selection.journals) == ["a.jsonl", "b.jsonl"]
    assert selection.problems == []


def test_a_file_that_is_named_is_taken_even_if_delivered(tmp_path):
    """Sending it again finds nothing to write."""
    path = write(
        tmp_path / "c.jsonl", journal_format.line_of(journal_format.AllDelivered())
    )

    assert names(find_journals([path]).journals) == ["c.jsonl"]


def test_a_journal_that_is_named_twice_is_found_once(tmp_path):
    """It may be named by its file, by its directory, or as a copy."""
    path = write(tmp_path / "a.jsonl")
    copy = tmp_path / "copies" / "renamed.jsonl"
    copy.parent.mkdir()
    shutil.copy(path, copy)

    assert names(find_journals([path, tmp_path, path, copy]).journals) == ["a.jsonl"]


def test_a_part_of_a_journal_is_not_sent_alone(tmp_path, monkeypatch):
    """A worker's file is no problem if the journal that it belongs to is named as well."""
    whole, part = tmp_path / "a.jsonl", tmp_path / "a.gw0.jsonl"
    write(whole)
    journal_writer.worker_journal(str(whole), "gw0").close()
    selection = find_journals([part])

    assert selection.journals == []
    assert selection.problems == [f"{part} is a part of another journal; push {whole}."]

    whole.unlink()
    selection = find_journals([part])

    assert selection.problems == [f"{part} is a part of {whole}, which is gone."]
    write(whole)
    monkeypatch.chdir(tmp_path)
    for paths in ([part, whole], [Path("a.gw0.jsonl"), tmp_path], [whole, part.name]):
        selection = find_journals(map(Path, paths))
        assert names(selection.journals) == ["a.jsonl"]
        assert selection.problems == []


def test_a_path_that_is_not_there_is_a_problem(tmp_path):
    """The other journals are found nevertheless."""
    path = write(tmp_path / "a.jsonl")
    selection = find_journals([tmp_path / "none.jsonl", path])

    assert names(selection.journals) == ["a.jsonl"]
    assert len(selection.problems) == 1
    assert str(tmp_path / "none.jsonl") in selection.problems[0]


def test_a_broken_file_does_not_affect_the_others(tmp_path):
    """A kill before the first line leaves an empty file.

    A header with an invalid time is read without the time.
    """
    write(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_bytes(b"")
    (tmp_path / "c.jsonl").write_bytes(b'{"kind":"header","format":99}\n')
    (tmp_path / "d.jsonl").write_bytes(
        b'{"kind":"header","format":1,"session":"d","started":"soon"}\n'
    )
    write(tmp_path / "e.jsonl")
    selection = find_journals([tmp_path])

    assert names(selection.journals) == ["a.jsonl", "d.jsonl", "e.jsonl"]
    assert "has format 99" in "\n".join(selection.problems)


# Grouping


def test_journals_of_one_key_are_one_run(tmp_path):
    """Several CI jobs write several journals; without a key each is a run."""
    journals = [
        Journal(write(tmp_path / "c.jsonl", key="77", started=3)),
        Journal(write(tmp_path / "b.jsonl", started=2)),
        Journal(write(tmp_path / "a.jsonl", key="77", started=1)),
    ]

    assert [names(run.journals) for run in group(journals)] == [
        ["a.jsonl", "c.jsonl"],
        ["b.jsonl"],
    ]


def test_runs_are_sorted_by_their_start(tmp_path):
    """The last one is sent last, so its results stay in Zephyr."""
    journals = [
        Journal(write(tmp_path / "a.jsonl", started=30)),
        Journal(write(tmp_path / "b.jsonl", started=10)),
        Journal(write(tmp_path / "c.jsonl", started=20)),
    ]

    assert [run.started for run in group(journals)] == [10, 20, 30]


# Merging


def planned_results(runs: Sequence[Run]) -> list[dict[str, object]]:
    """Return the planned results of each run, by test case."""
    results_of_runs: list[dict[str, object]] = []
    for run in runs:
        plan = build_plan(
            run.read().merged.nodes, Rules(choices_of(), notes_options("always"))
        )
        results_of_runs.append(
            {
                repr(each.case): (
                    each.status,
                    each.outcome,
                    each.milliseconds,
                    each.at,
                    each.notes,
                    sorted(node.nodeid for node in each.nodes),
                )
                for each in plan.results
            }
        )
    return results_of_runs


@pytest.mark.parametrize("last", ["failed", "passed"])
def test_the_worst_job_of_a_run_decides(tmp_path, last):
    """A case that failed in one job has failed, whichever job came last."""
    first = "passed" if last == "failed" else "failed"
    paths = [
        write(
            tmp_path / f"{started}.jsonl",
            *lines_of_test("t", outcome, duration=4_500),
            key="77",
            started=started,
        )
        for started, outcome in enumerate([first, last])
    ]
    (run,) = group(map(Journal, paths))
    (case_result,) = build_plan(
        run.read().merged.nodes, Rules(choices_of(), notes_options())
    ).results

    assert case_result.outcome is Outcome.FAILED
    assert case_result.milliseconds == 9
    assert len(case_result.nodes) == 2


def test_a_job_that_died_is_seen_although_another_ended(tmp_path):
    """Each journal says for itself whether its session ended."""
    died = write(
        tmp_path / "a.jsonl",
        json.loads(journal_format.item_text(Item("t", (1,)))),
        json.loads(journal_format.start_text("t")),
    )
    ended = write(tmp_path / "b.jsonl", journal_format.line_of(End()))
    (node,) = Run((Journal(died), Journal(ended))).read().merged.nodes

    assert node.outcome is Outcome.CRASHED


def test_a_file_that_could_not_be_collected_is_listed_once(tmp_path):
    """Two jobs may fail to import the same file."""
    paths = [
        write(
            tmp_path / f"{name}.jsonl",
            journal_format.line_of(journal_format.CollectError("t.py")),
            key="7",
        )
        for name in "ab"
    ]
    (run,) = group(map(Journal, paths))

    assert run.read().uncollected == ["t.py"]


TESTS = st.lists(
    st.builds(
        lines_of_test,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["passed", "failed", "skipped"]),
        st.sampled_from([101, 102]),
        duration=st.integers(0, 9_000),
        at=st.integers(0, 9),
    ),
    max_size=3,
)
JOBS = st.lists(
    st.tuples(st.sampled_from(["", "77", "78"]), TESTS), min_size=1, max_size=4
)


@deterministic
@given(JOBS, st.randoms(use_true_random=False))
def test_results_do_not_depend_on_how_the_journals_are_named(
    jobs: list[tuple[str, list[list[dict[str, object]]]]], chance: random.Random
) -> None:
    """They may be in any order, named twice, or found in their directory."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [
            write(
                Path(directory) / f"{number}.jsonl",
                *(line for lines in tests for line in lines),
                key=key,
                started=number,
            )
            for number, (key, tests) in enumerate(jobs)
        ]
        shuffled = [*paths, *chance.choices(paths, k=2)]
        chance.shuffle(shuffled)
        in_order = planned_results(group(find_journals(paths).journals))

        assert planned_results(group(find_journals(shuffled).journals)) == in_order
        assert (
            planned_results(group(find_journals([Path(directory)]).journals))
            == in_order
        )


@deterministic
@given(st.lists(TESTS, min_size=3, max_size=3))
def test_merging_does_not_depend_on_the_order_of_journals(
    jobs: list[list[list[dict[str, object]]]],
) -> None:
    """Status, time and tests of a case do not depend on the order of merging."""
    with tempfile.TemporaryDirectory() as directory:
        first, second, third = (
            Journal(
                write(
                    Path(directory) / f"{number}.jsonl",
                    *(line for lines in tests for line in lines),
                    key="77",
                )
            )
            for number, tests in enumerate(jobs)
        )
        in_order = Run((first, second, third))
        swapped = Run((first, third, second))
        (grouped,) = group([third, first, second])

        assert (
            results_without_notes(in_order)
            == results_without_notes(swapped)
            == results_without_notes(grouped)
        )


def results_without_notes(run: Run) -> dict[object, object]:
    plan = build_plan(
        run.read().merged.nodes, Rules(choices_of(), notes_options("never"))
    )
    return {
        each.case: (
            each.status,
            each.outcome,
            each.milliseconds,
            each.at,
            sorted(node.nodeid for node in each.nodes),
        )
        for each in plan.results
    }


# Receipts of earlier pushes


def test_receipts_of_all_journals_are_remembered(tmp_path):
    """An earlier push may have sent only one of the journals."""
    receipts = [Receipt(101, 7, "1", "d1"), Receipt("A", 8, "2", "d2")]
    run = Run(
        tuple(
            Journal(write(tmp_path / f"{i}.jsonl", journal_format.line_of(each)))
            for i, each in enumerate(receipts)
        )
    )

    assert run.read().memory("").receipts == {(7, "d1"), (8, "d2")}


def test_a_write_without_a_receipt_is_unanswered(tmp_path):
    """Of several writes to one execution, the state before the last one counts."""
    path = write(
        tmp_path / "a.jsonl",
        journal_format.line_of(Sending({7: "s1", 8: "s1"})),
        journal_format.line_of(Sending({7: "s2"})),
    )
    run = Run((Journal(path),))

    assert run.read().memory("").unanswered == {7: "s2", 8: "s1"}


def test_a_write_with_a_receipt_is_answered(tmp_path):
    """The receipt says that the result was written."""
    path = write(
        tmp_path / "a.jsonl",
        journal_format.line_of(Sending({7: "s1", 8: "s1"})),
        journal_format.line_of(Receipt(101, 7, "2", "d1")),
    )
    run = Run((Journal(path),))

    assert run.read().memory("").unanswered == {8: "s1"}


def test_a_second_write_after_a_receipt_is_unanswered(tmp_path):
    """The receipt is about the first write."""
    path = write(
        tmp_path / "a.jsonl",
        journal_format.line_of(Sending({7: "s1"})),
        journal_format.line_of(Receipt(101, 7, "2", "d1")),
        journal_format.line_of(Sending({7: "s2"})),
    )
    run = Run((Journal(path),))

    assert run.read().memory("").unanswered == {7: "s2"}


def test_a_push_writes_its_receipts_to_every_journal_of_a_run(tmp_path):
    """The next push may have only one of them."""
    paths = [write(tmp_path / f"{name}.jsonl", key="7") for name in "ab"]
    (run,) = group(map(Journal, paths))
    writers = [JournalWriter.reopen(path) for path in paths]
    memory = run.read().begin_push("", writers)
    memory.note(Sending({7: "s1"}))
    memory.note(Receipt(101, 7, "1", "d1"), Receipt(102, 8, "1", "d2"))
    for writer in writers:
        writer.close()
    memories = [Run((Journal(path),)).read().memory("") for path in paths]

    assert [each.receipts for each in memories] == [{(7, "d1"), (8, "d2")}] * 2


# Removing old journals


def test_old_delivered_journals_are_removed_with_their_parts(tmp_path):
    """The newest two stay."""
    for name in ("1", "2", "3"):
        write(
            tmp_path / f"{name}.jsonl",
            journal_format.line_of(journal_format.AllDelivered()),
        )
        journal_writer.worker_journal(str(tmp_path / f"{name}.jsonl"), "gw0").close()
    prune(tmp_path, keep=2)

    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "2.gw0.jsonl",
        "2.jsonl",
        "3.gw0.jsonl",
        "3.jsonl",
    ]


def test_undelivered_journals_are_never_removed(tmp_path):
    """Neither are journals that cannot be read: a newer version may have written them."""
    write(tmp_path / "1.jsonl", journal_format.line_of(End()))
    (tmp_path / "2.jsonl").write_bytes(
        b'{"kind":"header","format":99}\n{"kind":"delivered"}\n'
    )
    (tmp_path / "3.jsonl").write_bytes(b"")
    (tmp_path / "4.jsonl").write_bytes(
        b'{"kind":"header","format":1,"started":"soon"}\n{"kind":"end"}\n'
    )
    write(
        tmp_path / "5.jsonl",
        journal_format.line_of(journal_format.AllDelivered()),
        journal_format.line_of(Sending({1: "s"})),
    )
    prune(tmp_path, keep=0)

    assert len(list(tmp_path.glob("*.jsonl"))) == 5


def test_only_delivered_journals_are_counted(tmp_path):
    """The last delivered one stays, besides all undelivered ones."""
    for name in ("1", "2"):
        write(
            tmp_path / f"{name}.jsonl",
            journal_format.line_of(journal_format.AllDelivered()),
        )
    for name in ("3", "4"):
        write(tmp_path / f"{name}.jsonl")
    prune(tmp_path, keep=1)

    assert sorted(path.stem for path in tmp_path.glob("*.jsonl")) == ["2", "3", "4"]


@pytest.fixture
def attachments(tmp_path):
    """Write two journals and one of a worker; return digests of attachments, by name.

    Each journal names an old attachment; no journal names the attachment "lost".
    """
    store = FileStore(tmp_path / FILES_DIRECTORY, 100, 1000)
    digests = {}
    for name in ("1", "2", "2.gw0", "lost"):
        taken = store.take(name.encode(), "a.png")
        assert isinstance(taken, File)
        digests[name] = taken.digest
        os.utime(tmp_path / FILES_DIRECTORY / digests[name], (1000, 1000))
        if name == "lost":
            continue
        entry = EvidenceEntry("t.py::a", taken)
        if "gw" in name:
            writer = journal_writer.worker_journal(str(tmp_path / "2.jsonl"), "gw0")
            writer.append(entry)
            writer.close()
        else:
            write(
                tmp_path / f"{name}.jsonl",
                journal_format.line_of(entry),
                journal_format.line_of(journal_format.AllDelivered()),
            )
    return digests


def test_attachments_of_removed_journals_are_removed(tmp_path, attachments):
    """So are attachments that no journal names, once a journal is removed."""
    prune(tmp_path, keep=2)
    assert len(list((tmp_path / FILES_DIRECTORY).iterdir())) == 4

    prune(tmp_path, keep=1)

    assert {path.name for path in (tmp_path / FILES_DIRECTORY).iterdir()} == {
        attachments["2"],
        attachments["2.gw0"],
    }


@pytest.mark.usefixtures("attachments")
def test_attachments_stay_while_a_journal_cannot_be_read(tmp_path):
    """A newer version may have written it, and it may name any of them."""
    (tmp_path / "0.jsonl").write_bytes(b'{"kind":"header","format":99}')
    prune(tmp_path, keep=0)

    assert len(list((tmp_path / FILES_DIRECTORY).iterdir())) == 4


def test_journals_that_later_jobs_of_their_run_may_need_are_not_removed(tmp_path):
    """Those of the last day stay, and those of a run with an undelivered journal."""
    for name in ("1", "2", "3", "6"):
        write(
            tmp_path / f"{name}.jsonl",
            journal_format.line_of(journal_format.AllDelivered()),
            key=f"K{name}",
            started=now_ms(),
        )
    for name in ("0", "5"):
        write(
            tmp_path / f"{name}.jsonl",
            journal_format.line_of(journal_format.AllDelivered()),
            key="K1" if name == "5" else "K2",
            started=1,
        )
    write(tmp_path / "7.jsonl", key="K6")
    running = JournalWriter.create(
        tmp_path / "4.jsonl", Header("4", options=options_with("K1"))
    )
    prune(tmp_path, keep=0)
    running.close()

    remaining = sorted(path.stem for path in tmp_path.glob("*.jsonl"))
    assert remaining == ["1", "2", "3", "4", "5", "6", "7"]


def test_journals_that_were_removed_meanwhile_are_skipped(tmp_path):
    """Another session may remove them after they were found."""
    paths = [
        write(tmp_path / f"{name}.jsonl", *lines_of_test("t.py::a", "passed"), key="K")
        for name in ("1", "2", "3")
    ]
    (run,) = group(map(Journal, paths))
    known = open_all([tmp_path])
    paths[0].unlink()
    paths[2].unlink()
    prune(tmp_path, keep=0)

    assert [node.nodeid for node in run.read().merged.nodes] == ["t.py::a"]
    assert [each.is_delivered() for each in known] == [False] * 3


def test_a_directory_of_many_journals_is_cleared_in_several_sessions(
    tmp_path, monkeypatch
):
    """No session checks all of them."""
    for number in range(40):
        write(
            tmp_path / f"{number:02}.jsonl",
            journal_format.line_of(journal_format.AllDelivered()),
        )
    monkeypatch.setattr(runs, "_MAX_CHECKED", 15)
    remaining_counts = []
    for _session in range(4):
        prune(tmp_path, keep=5)
        remaining_counts.append(len(list(tmp_path.glob("*.jsonl"))))

    assert remaining_counts == [25, 10, 5, 5]
    assert min(path.stem for path in tmp_path.glob("*.jsonl")) == "35"


# Running, where locks do not work


@pytest.fixture(params=["refused", "granted to all"])
def no_locks(request, monkeypatch):
    """Let every attempt to lock a file fail, or every attempt succeed."""
    fcntl = pytest.importorskip("fcntl")

    def flock(fd: int, operation: int) -> None:
        if request.param == "refused":
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    ("host", "process_state", "seconds_since_write", "is_running"),
    [
        ("here", "alive", 10_000, True),
        ("here", "gone", 0, False),
        ("there", "gone", 0, True),
        ("there", "alive", 10_000, False),
    ],
    ids=["alive", "gone", "elsewhere, just written", "elsewhere, written long ago"],
)
def test_without_locks_the_process_says_whether_a_session_is_running(
    tmp_path, host, process_state, seconds_since_write, is_running
):
    """For a process of another host, the time of its last write decides."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        if process_state == "gone":
            process.communicate()
        job = Job(host=platform.node() if host == "here" else "elsewhere")
        path = tmp_path / "1.jsonl"
        writer = JournalWriter.create(
            path, Header("1", options=options_with("K"), job=job, pid=process.pid)
        )
        writer.append_texts(map(System.encode, lines_of_test("t.py::a", "passed")))
        last_write = time.time() - seconds_since_write
        os.utime(path, (last_write, last_write))

        assert Journal(path).is_running() is is_running
        writer.append(End())
        assert not Journal(path).is_running()
        writer.close()


# Unreadable lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (2, {101: "uncertain", 102: "uncertain"}),
        (3, {101: "uncertain", 102: "Pass"}),
        (5, {101: "Fail", 102: "uncertain"}),
        (6, {101: "Fail", 102: "Pass"}),
        (9, {101: "Fail", 102: "uncertain"}),
        (11, {101: "Fail", 102: "Pass"}),
    ],
    ids=["item, failed", "failed", "item, passed", "passed", "passed alone", "end"],
)
def test_a_case_does_not_pass_if_a_line_about_its_tests_is_unreadable(
    tmp_path, line, expected
):
    """Without its item, the test case of a test is unknown."""
    path = write(
        tmp_path / "1.jsonl",
        *lines_of_test("t.py::a", "failed"),
        *lines_of_test("t.py::b", "passed"),
        *lines_of_test("t.py::c", "passed", case=102),
        journal_format.line_of(End()),
    )
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line - 1] = lines[line - 1][:-3] + b"{\n"
    path.write_bytes(b"".join(lines))
    contents = Run((Journal(path),)).read()
    plan = build_plan(contents.merged.nodes, Rules(choices_of(), notes_options()))
    statuses = {
        each.case: "uncertain"
        if f"{path}, line {line} cannot be read" in each.problem
        else each.status.name
        if each.status
        else "nothing"
        for each in plan.results
    }

    assert contents.unreadable == {path: [line]}
    assert statuses == expected


@pytest.mark.parametrize(
    ("line", "damage", "doubtful"),
    [
        (1, "", ["a", "new", "none"]),
        (1, "kind", ["a", "new", "none"]),
        (2, "", ["a"]),
        (2, "nodeid", ["a", "new", "none"]),
        (5, "", ["new"]),
        (5, "kind", ["a", "new", "none"]),
        (8, "", ["none"]),
    ],
    ids=[
        *("item", "kind of the item", "report", "node id of the report"),
        *("test case to create", "kind of a report", "no test case"),
    ],
)
def test_an_unreadable_line_casts_doubt_on_its_test_or_on_all(
    tmp_path, line, damage, doubtful
):
    """If neither kind nor node id can be trusted, the line may be an item of any test."""
    items = {
        "a": Item("a", (101,)),
        "new": Item("new", new=NewCase("", "new"), unmarked=True),
        "none": Item("none", unmarked=True),
    }
    path = tmp_path / "1.jsonl"
    writer = JournalWriter.create(path, Header("1"))
    for name, item in items.items():
        writer.append(
            item, report("call", nodeid=name), report("teardown", nodeid=name)
        )
    writer.append(End())
    writer.close()
    lines = path.read_bytes().splitlines(keepends=True)
    text = lines[line][:-3] + b"{\n"
    changes = {
        "kind": (b'"kind":"', b'"kind":"x'),
        "nodeid": (b'"nodeid":"', b'"nodeid":"x'),
    }
    lines[line] = text.replace(*changes[damage]) if damage else text
    path.write_bytes(b"".join(lines))
    nodes = Run((Journal(path),)).read().merged.nodes

    assert sorted(node.nodeid for node in nodes if node.doubt) == doubtful


def test_a_journal_with_a_damaged_header_is_named(tmp_path):
    """It is known by its file name; other files in the directory are ignored."""
    path = write(
        tmp_path / "2026-11-26T02-19-20-ab12cd.jsonl",
        *lines_of_test("t.py::a", "failed"),
    )
    path.write_bytes(b"{" + path.read_bytes())
    (tmp_path / "other.jsonl").write_bytes(b"{}\n{}\n")
    (tmp_path / "2026-11-26T02-19-20-ab12ce.jsonl").write_bytes(b'{"kind":"hea')
    selection = find_journals([tmp_path])

    assert selection.problems == [
        f"{path} is not a journal: its first line is not a header."
    ]


def test_of_two_copies_of_a_journal_the_longer_is_read(tmp_path):
    """One may have been copied while its session ran."""
    whole = write(tmp_path / "a" / "1.jsonl", *lines_of_test("t.py::a", "failed"))
    half = tmp_path / "0" / "1.jsonl"
    half.parent.mkdir()
    half.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:2]))

    for paths in ([half, whole], [whole, half], [half.parent, whole.parent]):
        assert [each.path for each in find_journals(paths).journals] == [whole]


@pytest.mark.parametrize("damage", ["blank line", "another kind", "torn line"])
def test_a_test_whose_report_is_lost_has_not_passed(tmp_path, damage):
    """A test with a teardown had an outcome, which may have been a failure."""
    path = write(
        tmp_path / "1.jsonl",
        *lines_of_test("t.py::a", "passed"),
        *lines_of_test("t.py::b", "failed"),
        journal_format.line_of(End()),
    )
    lines = path.read_bytes().splitlines(keepends=True)
    assert b"failed" in lines[5]
    lines[5] = {
        "blank line": b" " * 40 + b"\n",
        "another kind": lines[5].replace(b'"report"', b'"end"'),
        "torn line": lines[5][:20] + b'\n{"kind":"torn"}\n',
    }[damage]

    # A damaged line about no test does not make the result certain.
    for damaged_end in (b"", b'{"kind":"receipt",\n'):
        path.write_bytes(b"".join(lines) + damaged_end)
        nodes = Run((Journal(path),)).read().merged.nodes
        (case_result,) = build_plan(nodes, Rules(choices_of(), notes_options())).results

        assert "so a test may have failed" in case_result.problem


def test_results_of_setup_only_sessions_are_certain(tmp_path):
    path = tmp_path / "1.jsonl"
    writer = JournalWriter.create(path, Header("1", setup_only=True))
    writer.append(Item("t.py::a", (101,)))
    for when in ("setup", "teardown"):
        writer.append(report(when, nodeid="t.py::a"))
    writer.close()
    (node,) = Run((Journal(path),)).read().merged.nodes

    assert (node.outcome, node.doubt) == (Outcome.UNRUN, "")


def test_receipts_do_not_make_a_copy_the_longer_one(tmp_path):
    whole = write(
        tmp_path / "a" / "1.jsonl",
        *lines_of_test("t.py::a", "passed"),
        *lines_of_test("b", "failed"),
    )
    copy = tmp_path / "0" / "1.jsonl"
    copy.parent.mkdir()
    lines = whole.read_bytes().splitlines(keepends=True)[:4]
    receipts = (
        b'{"kind":"receipt","case":101,"execution":1,"status_id":"1","digest":"d"}\n'
    )
    copy.write_bytes(b"".join(lines) + receipts * 99)

    assert [each.path for each in find_journals([copy, whole]).journals] == [whole]


def test_every_journal_of_a_run_remembers_the_evidence_that_was_sent(tmp_path):
    """The next push may have only one of them."""
    attached, unanswered = (
        AttachmentKey(7, "a.png", "d1"),
        AttachmentKey(8, "a.png", "d2"),
    )
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in paths:
        write(path)
    writers = [JournalWriter.reopen(path) for path in paths]
    memory = Run(tuple(map(Journal, paths))).read().begin_push("", writers)
    naming = {attached: Naming("a.png"), unanswered: Naming("a-d2.png", before=2)}
    memory.note(Attaching(naming))
    memory.note(Attached((attached,)))
    memory.note(Stepped({7: "s1"}))
    for writer in writers:
        writer.close()

    for path in paths:
        contents = Run((Journal(path),)).read()
        remembered = contents.memory("")

        assert remembered.attaching == naming
        assert remembered.attached == {attached}
        assert remembered.stepped == {7: "s1"}
        assert remembered.journals == (path,)
        assert contents.unreadable == {}
