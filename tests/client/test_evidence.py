"""Attachments and step results: each is delivered once, to the right execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import json
from pathlib import Path
import shutil
import signal
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_zephyr.client import base
from pytest_zephyr.client import transport
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.file_store import FILES_DIRECTORY
from pytest_zephyr.journal.file_store import FileStore
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push import summary
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.problems import describe_problems
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import Report
from pytest_zephyr.sandbox import Fault
from tests.client.calls import push
from tests.client.servers import settings_for
from tests.conftest import SandboxTarget
from tests.conftest import wait_until


UPLOAD = "/upload/document/genericattachment"
ATTACH = "/attachment/list"
SAVE = "/execution/teststepresult/saveorupdate"
ENDED_MS = 1_764_633_600_000


@dataclass
class RecordedRun:
    """A run of passed tests with evidence; its first push also writes its journal."""

    path: Path
    settings: Callable[..., Settings]
    entries: list[object] = field(default_factory=list)

    def add_test(
        self,
        case: int,
        *evidence_values: EvidenceValue,
        nodeid: str | None = None,
        at: int = ENDED_MS,
    ) -> None:
        nodeid = nodeid or f"test_a.py::test_{case}"
        self.entries.append(Item(nodeid, (case,)))
        self.entries += [EvidenceEntry(nodeid, each) for each in evidence_values]
        for when in ("setup", "call", "teardown"):
            report = Report(nodeid, when, "passed", duration=1000, at=at)
            self.entries.append(report)

    def another_run(self, name: str) -> RecordedRun:
        """Return another run, with its journal in the same directory."""
        return RecordedRun(self.path.with_name(f"{name}.jsonl"), self.settings)

    def copy(self) -> RecordedRun:
        """Return a run with a copy of the journal and its files."""
        directory = self.path.parent.with_name("copied")
        shutil.copytree(self.path.parent, directory)
        return RecordedRun(directory / self.path.name, self.settings)

    def file(self, name: str, content: bytes, type: str = "image/png") -> File:
        store = FileStore(self.path.parent / FILES_DIRECTORY, 10**9, 10**9)
        taken = store.take(content, "any", type)
        assert isinstance(taken, File)
        return replace(taken, name=name)

    def push(self, **options: Any) -> Delivery:
        """Push as the command does, with the receipts of earlier pushes."""
        if not self.path.exists():
            writer = JournalWriter.create(self.path, Header(self.path.stem))
            writer.append(*self.entries, End())
            writer.close()
        writer = JournalWriter.reopen(self.path)
        try:
            contents = Run((Journal(self.path),)).read()
            chosen = self.settings(**options)
            memory = contents.begin_push("", [writer])
            with Client(chosen) as client:
                return push(contents.merged, client, chosen, memory)
        finally:
            writer.close()


@pytest.fixture
def recorded_run(tmp_path: Path, make_settings: Callable[..., Settings]) -> RecordedRun:
    return RecordedRun(tmp_path / "journals" / "run.jsonl", make_settings)


def attachment_names(target: SandboxTarget, case: int) -> list[str]:
    return [name for name, _, _ in target.execution(case).attachments]


def contents_of(target: SandboxTarget, case: int, name: str) -> list[bytes]:
    return target.sandbox.store.attachment_bytes(target.phase, case, name)


# What is sent


@pytest.mark.parametrize(
    "name", ["shot 1.png", "größe & co.png", "50%.png", "a+b%20c.png", "日本.png"]
)
def test_any_name_arrives_as_it_is(target, recorded_run, name):
    """The server answers with an encoded name, which is sent back unchanged."""
    recorded_run.add_test(101, recorded_run.file(name, b"picture"))

    assert recorded_run.push().complete
    assert target.execution(101).attachments == ((name, "image/png", 7),)
    assert contents_of(target, 101, name) == [b"picture"]


def test_requests_are_split_at_about_one_megabyte(target, recorded_run):
    """Nine files of 300 KB and one of 2 MB need four requests of each kind."""
    for case in (101, 102, 103):
        files = [
            recorded_run.file(f"{n}.bin", bytes([case, n]) * 150_000) for n in range(3)
        ]
        recorded_run.add_test(case, *files)
    recorded_run.add_test(104, recorded_run.file("big.bin", b"x" * 2_000_000))

    assert recorded_run.push().evidence.files == 10
    assert target.count_requests(UPLOAD) == target.count_requests(ATTACH) == 4
    for case in (101, 102, 103):
        for n in range(3):
            assert contents_of(target, case, f"{n}.bin") == [bytes([case, n]) * 150_000]


def test_two_files_with_one_name_are_both_attached(target, recorded_run):
    """For example, each case of a parametrized test takes a screenshot.

    The third file here is equal to the first, so it is not attached again.
    """
    for n in range(3):
        shot = recorded_run.file("shot.png", b"%d" % (n % 2))
        recorded_run.add_test(101, shot, nodeid=f"test_a.py::test[{n}]")

    assert recorded_run.push().complete
    first, second = attachment_names(target, 101)
    assert first == "shot.png"
    assert second.startswith("shot-")
    assert contents_of(target, 101, first) == [b"0"]
    assert contents_of(target, 101, second) == [b"1"]


def test_a_second_push_sends_nothing(target, recorded_run):
    recorded_run.add_test(
        101, recorded_run.file("a.png", b"a"), Step(1, "Open", outcome="passed")
    )
    recorded_run.push()
    before = len(target.writes)

    delivery = recorded_run.push()

    assert delivery.complete
    assert delivery.evidence.files_before == 1
    assert len(target.writes) == before


@pytest.mark.parametrize("method", ["basic", "cookie"])
def test_files_are_sent_with_password_logins(target, recorded_run, method):
    target.sandbox.store.add_user("kim", "secret")
    recorded_run.add_test(101, recorded_run.file("a.png", b"a"))
    recorded_run.settings = lambda **_: settings_for(
        username="kim",
        password="secret",
        url=target.sandbox.url,
        phase=target.phase,
        auth=method,
    )
    target.sandbox.faults.add(Fault("POST", UPLOAD, kind="expire_cookie"))

    assert recorded_run.push().complete
    assert attachment_names(target, 101) == ["a.png"]


# What goes wrong

FAULT_OPTIONS: dict[str, dict[str, Any]] = {
    "cut before": {"kind": "cut_before"},
    "cut after": {"kind": "cut_after"},
    "502": {"status": 502},
    "504 after": {"kind": "status_after", "status": 504},
    "500 after": {"kind": "status_after", "status": 500},
    "500": {"status": 500},
    "no JSON": {"kind": "not_json"},
    "web page": {"kind": "html"},
    "rows left out": {"kind": "omit_rows", "rows": 2},
    "plain text": {"kind": "plain_text"},
}

FAULTS = [
    pytest.param(Fault("POST", path, **fault), id=f"{path.rsplit('/')[-1]} {name}")
    for path in (UPLOAD, ATTACH)
    for name, fault in FAULT_OPTIONS.items()
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_neither_loses_nor_doubles_a_file(target, recorded_run, fault):
    """The attachments of the execution show whether to send the file again."""
    for case in (101, 102, 103):
        recorded_run.add_test(case, recorded_run.file("a b.png", b"%d" % case))
    target.sandbox.faults.add(fault)

    first = recorded_run.push()
    second = recorded_run.push()

    assert len(first.changes.reported) == 3
    assert second.complete
    for case in (101, 102, 103):
        assert attachment_names(target, case) == ["a b.png"]
        assert contents_of(target, case, "a b.png") == [b"%d" % case]


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "hang_after"])
def test_an_unanswered_push_of_files_is_finished_by_the_next(
    target, recorded_run, kind
):
    """Without a receipt, the next push first reads which files are attached."""
    for case in (101, 102):
        recorded_run.add_test(case, recorded_run.file("größe 1.png", b"%d" % case))
    target.sandbox.faults.add(Fault("POST", ATTACH, kind=kind, seconds=3600, times=1))
    target.sandbox.faults.add(Fault("GET", "*/attachment", status=503, times=None))

    first = recorded_run.push(timeout=1 if kind == "hang_after" else 60, retries=0)
    assert not first.complete
    assert first.evidence.files_pending == 2
    target.sandbox.faults.clear()

    second = recorded_run.push()

    assert second.complete
    for case in (101, 102):
        assert attachment_names(target, case) == ["größe 1.png"]


@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_a_file_of_an_older_run_does_not_count_as_sent(target, recorded_run, kind):
    """Name and size are equal, so the push compares the contents."""
    recorded_run.add_test(101, recorded_run.file("out.txt", b"old"))
    assert recorded_run.push().complete
    later = recorded_run.another_run("later")
    later.add_test(101, later.file("out.txt", b"new"), at=ENDED_MS + 1)
    target.sandbox.faults.add(Fault("POST", ATTACH, kind=kind))

    assert later.push().complete
    assert contents_of(target, 101, "out.txt") == [b"old", b"new"]


@pytest.mark.parametrize("can_download", [True, False], ids=["contents", "number"])
@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_the_next_push_compares_contents_or_the_number_of_files(
    target, recorded_run, kind, can_download
):
    """The first push of the later run notes how many files of this name and size exist.

    Then it gets no answer to its write, and no second list of the files.
    """
    recorded_run.add_test(101, recorded_run.file("out.txt", b"old"))
    recorded_run.push()
    later = recorded_run.another_run("later")
    later.add_test(101, later.file("out.txt", b"new"), at=ENDED_MS + 1)
    target.sandbox.faults.add(Fault("POST", ATTACH, kind=kind))
    target.sandbox.faults.add(
        Fault("GET", "*/attachment", status=503, times=None, after=1)
    )

    assert not later.push(retries=0).complete
    target.sandbox.faults.clear()
    if not can_download:
        target.sandbox.faults.add(Fault("GET", "/download", status=404, times=None))

    assert later.push().complete
    assert contents_of(target, 101, "out.txt") == [b"old", b"new"]


def test_attachments_are_not_listed_for_executions_that_have_none(target, recorded_run):
    for case in (101, 102):
        recorded_run.add_test(case, recorded_run.file("a.png", b"a"))
    recorded_run.push()

    assert target.count_requests("/attachment") == 0


def test_an_equal_file_is_attached_once_across_runs(target, recorded_run):
    """Equal means name, size and content."""
    for number in range(12):
        run = recorded_run.another_run(f"run{number:02}")
        run.add_test(101, run.file("receipt.pdf", b"the same"), at=ENDED_MS + number)
        assert run.push().complete
    assert contents_of(target, 101, "receipt.pdf") == [b"the same"]
    assert target.count_requests("/flex/download") == 11
    other = recorded_run.another_run("other")
    other.add_test(101, other.file("receipt.pdf", b"another!"), at=ENDED_MS + 12)

    assert other.push().complete
    assert contents_of(target, 101, "receipt.pdf") == [b"the same", b"another!"]


@pytest.mark.parametrize(
    ("kind", "count"), [("status", 2), ("cut_before", 1)], ids=["404", "no answer"]
)
def test_an_attachment_that_cannot_be_downloaded_does_not_count_as_equal(
    target, recorded_run, kind, count
):
    """After 404 the file is sent; without an answer it waits for the next push."""
    target.sandbox.faults.add(
        Fault("GET", "/download", kind=kind, status=404, times=None)
    )
    first, second = (
        recorded_run.another_run("first"),
        recorded_run.another_run("second"),
    )
    for number, run in enumerate((first, second)):
        run.add_test(101, run.file("a.png", b"a"), at=ENDED_MS + number)
    assert first.push(retries=0).complete
    assert second.push(retries=0).complete == (kind == "status")
    target.sandbox.faults.clear()

    assert second.push().complete
    assert len(attachment_names(target, 101)) == count


def test_a_slow_server_gets_a_file_once(target, recorded_run, monkeypatch):
    """The server attaches the file after the timeout; the push waits and looks for it."""
    monkeypatch.setattr(transport, "time", time)
    recorded_run.add_test(101, recorded_run.file("a.png", b"a"))
    target.sandbox.faults.add(Fault("POST", ATTACH, kind="latency", seconds=0.6))

    assert recorded_run.push(timeout=0.4).complete
    assert attachment_names(target, 101) == ["a.png"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param(UPLOAD, "hang", id="with receipts for results"),
        pytest.param(
            "/execution/bulk/execute", "hang_after", id="without receipts for results"
        ),
    ],
)
def test_a_copy_of_a_journal_attaches_nothing_twice(
    target, recorded_run, path, kind, expire_deadlines_when
):
    """Without a receipt for a file, the push first lists the attachments."""
    recorded_run.add_test(101, recorded_run.file("a.png", b"a"))
    target.sandbox.faults.add(Fault("*", path, kind=kind, seconds=3600))
    expire_deadlines_when(target.has_met_fault)
    assert not recorded_run.push(timeout=0.3).complete
    target.sandbox.faults.clear()
    copy = recorded_run.copy()

    for each in (recorded_run, copy):
        assert each.push().complete
        assert attachment_names(target, 101) == ["a.png"]


def test_a_pending_file_is_sent_although_one_with_its_name_and_size_is_attached(
    target, recorded_run, expire_deadlines_when
):
    """An older run attached a file with other content."""
    recorded_run.add_test(101, recorded_run.file("a.png", b"a"))
    recorded_run.push()
    later = recorded_run.another_run("later")
    later.add_test(101, later.file("a.png", b"b"), at=ENDED_MS + 1)
    target.sandbox.faults.add(Fault("POST", UPLOAD, kind="hang", seconds=3600))
    expire_deadlines_when(target.has_met_fault)
    assert not later.push(timeout=0.3).complete
    target.sandbox.faults.clear()

    assert later.push().complete
    assert contents_of(target, 101, "a.png") == [b"a", b"b"]


def problem_texts(*args: Any) -> list[str]:
    return [text for line in describe_problems(*args) for text in line.terminal_lines]


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_file_without_its_copy_is_refused(target, recorded_run, change):
    """No later push could send it. A changed copy is not what the test attached."""
    file = recorded_run.file("a.png", b"a")
    recorded_run.add_test(101, file, recorded_run.file("b.png", b"b"))
    path = recorded_run.path.parent / FILES_DIRECTORY / file.digest
    path.write_bytes(b"x") if change == "changed" else path.unlink()

    delivery = recorded_run.push()

    (line,) = problem_texts(delivery, [recorded_run.path], recorded_run.settings())
    assert line.startswith("zephyr: a.png was refused (test_a.py::test_101): its copy")
    assert delivery.complete
    assert attachment_names(target, 101) == ["b.png"]


def test_a_refused_file_does_not_affect_results_or_other_files(target, recorded_run):
    """The batch is halved until the refused file is alone."""
    for case in (101, 102, 103, 104):
        recorded_run.add_test(case, recorded_run.file(f"{case}.png", b"%d" % case))
    gone = recorded_run.file("gone.png", b"gone")
    recorded_run.add_test(105, gone)
    (recorded_run.path.parent / FILES_DIRECTORY / gone.digest).unlink()
    target.sandbox.faults.add(Fault("POST", UPLOAD, status=413, body="{}", times=3))

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 5
    assert not delivery.complete
    assert delivery.undelivered
    lines = problem_texts(delivery, [recorded_run.path], recorded_run.settings())
    assert any(
        "gone.png was refused (test_a.py::test_105): its copy" in x for x in lines
    )
    assert any("101.png was refused" in x and "413" in x for x in lines)
    assert [attachment_names(target, case) for case in (101, 102, 103, 104)] == [
        [], ["102.png"], ["103.png"], ["104.png"]
    ]  # fmt: skip

    again = recorded_run.push()

    assert again.complete
    assert attachment_names(target, 101) == ["101.png"]


def test_a_server_that_refuses_attachments_is_not_asked_for_each_file(
    target, recorded_run
):
    for case in (101, 102):
        files = [recorded_run.file(f"{n}.png", b"%d" % n) for n in range(90)]
        recorded_run.add_test(case, *files)
    target.sandbox.faults.add(Fault("POST", UPLOAD, status=400, times=None))

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 2
    assert len(delivery.evidence.refused) == 180
    assert target.count_requests(UPLOAD) < 80
    lines = problem_texts(delivery, [recorded_run.path], recorded_run.settings())
    assert sum("was refused" in line for line in lines) == 1


def test_a_missing_permission_to_attach_is_reported_once(target, recorded_run):
    recorded_run.add_test(
        101, recorded_run.file("a.png", b"a"), recorded_run.file("b.png", b"b")
    )
    target.sandbox.faults.add(Fault("POST", UPLOAD, status=403, times=None))

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 1
    assert delivery.evidence.files_pending == 2
    assert "permission" in str(delivery.error)
    assert target.count_requests(UPLOAD) == 1


def test_files_that_miss_the_deadline_are_kept(
    target, recorded_run, expire_deadlines_when
):
    """Statuses are sent first; the next push sends the rest."""
    recorded_run.add_test(101, recorded_run.file("a.png", b"a"))
    target.sandbox.faults.add(Fault("POST", UPLOAD, kind="hang", seconds=3600))

    expire_deadlines_when(target.has_met_fault)
    delivery = recorded_run.push(timeout=0.3)
    target.sandbox.faults.clear()

    assert len(delivery.changes.reported) == 1
    assert delivery.evidence.files_pending == 1
    assert not delivery.complete
    assert any(
        "evidence kept in" in each
        for each in problem_texts(
            delivery, [recorded_run.path], recorded_run.settings()
        )
    )
    assert recorded_run.push().complete
    assert attachment_names(target, 101) == ["a.png"]


# Steps


@pytest.fixture
def target_with_steps(target: SandboxTarget) -> SandboxTarget:
    """Return *target* with test cases 7 and 8 added, which have three steps each."""
    for case in (7, 8):
        store = target.sandbox.store
        store.add_case(target.release, testcase_id=case, steps=["Open", "Fill", "Send"])
        store.schedule(target.phase, case)
    return target


def first_steps(*outcomes: str) -> list[Step]:
    """Return steps of a test that match the first ones of case 7 or 8."""
    labels: tuple[str | int, ...] = ("open", 2, "SEND")
    return [
        Step(
            n,
            label,
            outcome=outcome,
            at=ENDED_MS,
            comment="why" * (outcome == "failed"),
        )
        for n, (label, outcome) in enumerate(zip(labels, outcomes, strict=False))
    ]


def test_step_results_of_all_cases_are_written_in_one_request(
    target_with_steps, recorded_run
):
    recorded_run.add_test(7, *first_steps("passed", "failed"))
    recorded_run.add_test(8, *first_steps("passed", "skipped", "passed"))
    recorded_run.add_test(101)

    assert recorded_run.push().evidence.steps == 4
    assert target_with_steps.execution(7).steps == {1: ("1", None), 2: ("2", "why")}
    assert target_with_steps.execution(8).steps == {1: ("1", None), 3: ("1", None)}
    assert target_with_steps.count_requests(SAVE) == 1
    assert target_with_steps.count_requests("/teststep") == 2
    assert target_with_steps.execution(7).comment is None

    assert recorded_run.push().complete
    assert target_with_steps.count_requests("/teststep") == 2


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "not_json"])
def test_an_unanswered_write_of_steps_is_repeated(
    target_with_steps, recorded_run, kind
):
    recorded_run.add_test(7, *first_steps("passed"))
    target_with_steps.sandbox.faults.add(Fault("POST", SAVE, kind=kind))

    assert recorded_run.push().complete
    assert target_with_steps.execution(7).steps == {1: ("1", None)}
    assert target_with_steps.count_requests(SAVE) == 2


@pytest.mark.parametrize("path", [SAVE, ATTACH], ids=["steps", "files"])
def test_evidence_waits_for_a_locked_release(
    target_with_steps, recorded_run, monkeypatch, path
):
    waits: list[float] = []
    monkeypatch.setattr(base, "time", SimpleNamespace(sleep=waits.append))
    locked = json.dumps({"errorMsg": "Release Release 1 is locked."})
    fault = Fault("POST", path, status=400, body=locked, times=2)
    target_with_steps.sandbox.faults.add(fault)
    picture = recorded_run.file("a.png", b"picture")
    recorded_run.add_test(7, *first_steps("passed"), picture)
    delivery = recorded_run.push()

    assert delivery.complete
    assert waits == [base.LOCK_PAUSE] * 2
    assert (delivery.evidence.steps, delivery.evidence.files) == (1, 1)


def test_steps_that_could_not_be_written_are_written_later(
    target_with_steps, recorded_run
):
    recorded_run.add_test(7, *first_steps("passed"))
    target_with_steps.sandbox.faults.add(Fault("POST", SAVE, status=503, times=None))

    first = recorded_run.push(retries=0)
    assert (len(first.changes.reported), first.evidence.steps_pending) == (1, 1)
    assert not first.complete
    target_with_steps.sandbox.faults.clear()

    assert recorded_run.push().evidence.steps == 1
    assert target_with_steps.execution(7).steps == {1: ("1", None)}
    assert target_with_steps.execution(7).result_count == 1


def test_results_are_delivered_if_steps_cannot_be_read_now(
    target_with_steps, recorded_run
):
    """The next push writes the results of the steps."""
    for case in (7, 8):
        recorded_run.add_test(case, *first_steps("passed"))
    target_with_steps.sandbox.faults.add(
        Fault("GET", "*/teststep", status=503, times=None)
    )

    first = recorded_run.push(retries=0)
    assert (len(first.changes.reported), first.evidence.steps_pending) == (2, 2)
    target_with_steps.sandbox.faults.clear()

    assert recorded_run.push().complete
    assert [target_with_steps.execution(case).steps for case in (7, 8)] == [
        {1: ("1", None)}
    ] * 2
    assert target_with_steps.execution(7).result_count == 1


def test_results_are_delivered_if_the_steps_of_a_case_cannot_be_read(
    target_with_steps, recorded_run
):
    """The steps are attached in a file, not added to the notes; the reason is shown."""
    recorded_run.add_test(7, *first_steps("passed"))
    recorded_run.add_test(8, *first_steps("passed"))
    target_with_steps.sandbox.faults.add(Fault("GET", "*/teststep", status=400))

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 2
    (refused,) = delivery.evidence.refused
    assert "answered 400 to GET testcase/" in refused.reason
    (noted,) = [
        case for case in (7, 8) if target_with_steps.execution(case).attachments
    ]
    assert (
        "passed open" in contents_of(target_with_steps, noted, "notes.txt")[0].decode()
    )
    assert not target_with_steps.execution(noted).comment


def test_a_refused_step_is_named_and_the_others_are_written(
    target_with_steps, recorded_run
):
    recorded_run.add_test(7, *first_steps("passed", "passed", "passed"))
    target_with_steps.sandbox.faults.add(Fault("POST", SAVE, status=400, times=2))

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 1
    assert [each.name for each in delivery.evidence.refused] == ["step 1"]
    assert summary.details(delivery)[0].text == (
        "2 step results reported, 1 step result refused"
    )
    assert target_with_steps.execution(7).steps == {2: ("1", None), 3: ("1", None)}

    assert recorded_run.push().complete
    assert set(target_with_steps.execution(7).steps) == {1, 2, 3}


@pytest.mark.parametrize(
    ("body", "refused", "reason"),
    [
        ([{"testStepId": 1, "status": "1"}], ["step 2"], "answer left it out"),
        (
            [{"testStepId": 1, "status": 1}, {"testStepId": 2, "status": 3}],
            ["step 2"],
            "answered that its status is 3",
        ),
        ([], ["step 1", "step 2"], "answer left it out"),
        ([{"id": 7}, {"id": 8}], [], ""),
        ([{"testStepId": 901, "status": "1"}], [], ""),
        ({}, [], ""),
    ],
    ids=["left out", "other status", "empty list", "ids only", "other ids", "no list"],
)
def test_statuses_of_steps_in_the_answer_are_compared_with_those_sent(
    target_with_steps, recorded_run, body, refused, reason
):
    """An answer is not compared if it has no list, or only rows of other steps."""
    recorded_run.add_test(7, *first_steps("passed", "passed"))
    execution = target_with_steps.execution(7).id
    if isinstance(body, list):
        body = [
            {"releaseTestScheduleId": execution, **row} if "status" in row else row
            for row in body
        ]
    # The fault replaces the answer with *body*.
    fault = Fault("POST", SAVE, kind="not_json", body=json.dumps(body))
    target_with_steps.sandbox.faults.add(fault)
    evidence = recorded_run.push().evidence

    assert [each.name for each in evidence.refused] == refused
    assert all(reason in each.reason for each in evidence.refused)
    assert evidence.steps == 2 - len(refused)
    assert evidence.lost == bool(refused)


def test_results_are_delivered_if_a_read_of_steps_hangs(
    target_with_steps, recorded_run
):
    """Reading steps takes a part of the time budget; the next push sends the rest."""
    recorded_run.add_test(7, Step(1, "open", outcome="passed"), Step(2, "dance"))
    recorded_run.add_test(8, *first_steps("passed"))
    hang = Fault("GET", "*/teststep", kind="hang", seconds=3600, times=None)
    target_with_steps.sandbox.faults.add(hang)

    first = recorded_run.push(deadline=2)
    assert (len(first.changes.reported), first.evidence.steps_pending) == (2, 2)
    assert not target_with_steps.execution(7).comment
    target_with_steps.sandbox.faults.clear()

    assert recorded_run.push().complete
    assert [target_with_steps.execution(case).steps for case in (7, 8)] == [
        {1: ("1", None)}
    ] * 2
    assert [target_with_steps.execution(case).result_count for case in (7, 8)] == [1, 1]
    assert (
        "not finished dance"
        in contents_of(target_with_steps, 7, "notes.txt")[0].decode()
    )
    assert attachment_names(target_with_steps, 8) == []
    before = len(target_with_steps.writes)
    assert recorded_run.push().complete
    assert len(target_with_steps.writes) == before


def test_steps_that_are_missing_in_the_notes_are_sent_later(
    target_with_steps, recorded_run
):
    """Steps of the test case are written; others could not be attached at first."""
    recorded_run.add_test(7, Step(1, "open", outcome="passed"), Step(2, "dance"))
    target_with_steps.sandbox.faults.add(
        Fault("GET", "*/teststep", status=503, times=1)
    )
    target_with_steps.sandbox.faults.add(Fault("POST", UPLOAD, status=503, times=1))

    assert not recorded_run.push(retries=0).complete
    assert target_with_steps.execution(7).steps == {1: ("1", None)}
    assert attachment_names(target_with_steps, 7) == []

    assert recorded_run.push().complete
    assert "dance" in contents_of(target_with_steps, 7, "notes.txt")[0].decode()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_reading_of_steps_at_once(target_with_steps, recorded_run):
    recorded_run.add_test(7, *first_steps("passed"))
    recorded_run.add_test(8, *first_steps("passed"))
    hang = Fault("GET", "*/teststep", kind="hang", seconds=3600, times=None)
    target_with_steps.sandbox.faults.add(hang)
    main = threading.main_thread().ident or 0

    def interrupt() -> None:
        wait_until(target_with_steps.has_met_fault)
        signal.pthread_kill(main, signal.SIGINT)

    ctrl_c = threading.Thread(target=interrupt)
    ctrl_c.start()

    delivery = recorded_run.push(deadline=3600, timeout=3600)

    assert "interrupted" in str(delivery.error)
    ctrl_c.join()


@pytest.mark.parametrize(
    ("status", "max_calls"), [(400, 40), (403, 1), (404, 1), (405, 1), (401, 1)]
)
def test_a_server_that_refuses_step_results_is_not_asked_for_each_step(
    target, recorded_run, status, max_calls
):
    texts = [f"Step {n}" for n in range(100)]
    target.sandbox.store.add_case(target.release, testcase_id=7, steps=texts)
    target.sandbox.store.schedule(target.phase, 7)
    recorded_run.add_test(
        7, *(Step(n, n, outcome="passed", at=ENDED_MS) for n in range(1, 101))
    )
    target.sandbox.faults.add(Fault("POST", SAVE, status=status, times=None))

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 1
    assert not delivery.complete
    assert target.count_requests(SAVE) <= max_calls
    assert len(delivery.evidence.refused) == (0 if status == 401 else 100)
    assert (delivery.error is not None) == (status == 401)


def test_without_permission_steps_are_requested_once(target_with_steps, recorded_run):
    for case in (7, 8):
        recorded_run.add_test(case, *first_steps("passed"))
    target_with_steps.sandbox.faults.add(
        Fault("GET", "*/teststep", status=403, times=None)
    )

    delivery = recorded_run.push()

    assert len(delivery.changes.reported) == 2
    assert len(delivery.evidence.refused) == 2
    assert target_with_steps.count_requests("/teststep") == 1


def test_notes_that_steps_made_too_long_are_attached_whole(
    target_with_steps, recorded_run
):
    others = [Step(n, f"dance {n} {'x' * 60}", outcome="passed") for n in range(100)]
    recorded_run.add_test(7, Step(200, "open", outcome="passed", at=ENDED_MS), *others)

    assert recorded_run.push().complete
    assert len(target_with_steps.execution(7).comment) <= 4000
    (whole,) = contents_of(target_with_steps, 7, "notes.txt")
    for text in ("passed open", "passed dance 1 ", "passed dance 50 ", "dance 99 "):
        assert text in whole.decode()
    assert recorded_run.push().complete
    assert attachment_names(target_with_steps, 7) == ["notes.txt"]


def test_a_copy_of_a_journal_with_steps_changes_nothing(
    target_with_steps, recorded_run
):
    """The results of the copy count as delivered before."""
    recorded_run.add_test(7, *first_steps("passed"), Step(9, "dance", outcome="passed"))
    recorded_run.add_test(101, recorded_run.file("a.png", b"a"))
    recorded_run.push()
    notes = target_with_steps.execution(7).comment
    copy = recorded_run.copy()
    lines = copy.path.read_text(encoding="utf-8").splitlines(keepends=True)
    # The journal as it was before the push.
    end = next(n for n, line in enumerate(lines) if '"kind":"end"' in line)
    copy.path.write_text("".join(lines[: end + 1]), encoding="utf-8")
    delivery = copy.push()

    assert delivery.complete
    assert len(delivery.changes.reported_before) == 2
    assert delivery.changes.reported == []
    assert target_with_steps.execution(7).comment == notes
    assert target_with_steps.execution(7).result_count == 1
    assert attachment_names(target_with_steps, 7) == []
    assert attachment_names(target_with_steps, 101) == ["a.png"]
