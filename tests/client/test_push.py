"""Pushing results: the state of the server afterwards, and the messages."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import json
from shutil import copyfile
from typing import Any

import pytest
from sqlalchemy import delete

from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import TargetNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUnanswered
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.ledger import LedgerEntry
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.ledger import Receipt
from pytest_zephyr.journal.ledger import Sending
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from pytest_zephyr.sandbox.data.model import Execution
from tests.client.calls import push
from tests.client.calls import push_nodes
from tests.client.servers import answer
from tests.client.servers import Request
from tests.client.servers import settings_for
from tests.conftest import CASES
from tests.conftest import SandboxTarget
from tests.conftest import without_tag
from tests.unit.make import failure


BULK = "/execution/bulk/execute"
LIST = "*/execution"
ENDED_MS = 1_764_633_600_000
CASES_120 = tuple(range(1001, 1121))
CASES_1200 = tuple(range(1001, 2201))


def node(case: CaseRef, outcome: Outcome = Outcome.PASSED, **more: Any) -> NodeResult:
    """Return the result of one test that took a second and a half."""
    result = NodeResult(
        nodeid=f"test_a.py::test_{case}",
        outcome=outcome,
        cases=(case,),
        duration=1_500_000,
        at=ENDED_MS,
    )
    return replace(result, **more)


def failed_node(case: CaseRef, **more: Any) -> NodeResult:
    """Return the result of a failed test, whose failure is in the notes."""
    failures = (failure("call", "assert 1 == 2", "    assert 1 == 2"),)
    return node(case, Outcome.FAILED, failures=failures, **more)


def nodes_of(
    cases: Iterable[int], make: Callable[[int], NodeResult] = node
) -> list[NodeResult]:
    return [make(case) for case in cases]


@dataclass
class JournalMemory:
    """What a journal keeps from one push to the next."""

    receipts: list[Receipt] = field(default_factory=list)
    unanswered: dict[int, str] = field(default_factory=dict)

    @property
    def memory(self) -> Memory:
        return Memory(
            receipts={(each.execution, each.digest) for each in self.receipts},
            unanswered=dict(self.unanswered),
            note=self._note,
        )

    def _note(self, *entries: LedgerEntry) -> None:
        for entry in entries:
            if isinstance(entry, Sending):
                self.unanswered.update(entry.rows)
            elif isinstance(entry, Receipt):
                self.receipts.append(entry)
                self.unanswered.pop(entry.execution, None)


@pytest.fixture
def deliver(make_settings: Callable[..., Settings]) -> Callable[..., Delivery]:
    """Return a function that pushes nodes to the phase of *target*."""

    def deliver(
        nodes: Iterable[NodeResult],
        journal: JournalMemory | None = None,
        **options: Any,
    ) -> Delivery:
        memory = (journal or JournalMemory()).memory
        return push_nodes(make_settings(**options), nodes, memory)

    return deliver


@pytest.fixture
def target_120(target, monkeypatch):
    """The target with 120 more cases; a batch has at most 50 rows."""
    monkeypatch.setattr("pytest_zephyr.client.batch_writer.BATCH_SIZE", 50)
    target.sandbox.store.schedule_all(target.phase, CASES_120)
    return target


@pytest.fixture
def target_1200(target):
    """The target with 1,200 more cases."""
    target.sandbox.store.schedule_all(target.phase, CASES_1200)
    return target


def result_counts(target: SandboxTarget) -> dict[int, int]:
    """Return the number of results of each case."""
    executions = target.sandbox.store.executions(target.phase)
    return {each.testcase_id: each.result_count for each in executions}


def requests_to(
    target: SandboxTarget, path: str = BULK, method: str = "PUT"
) -> list[Any]:
    """Return the requests to *path*, also those without an answer."""
    return [
        each
        for each in target.sandbox.requests
        if each.method == method and each.path.endswith(path)
    ]


# What is written


def test_a_result_is_written_to_its_execution(target, deliver):
    """It has status, notes, duration, tester and date."""
    delivery = deliver([node(101), failed_node(102, duration=90_000)])

    assert delivery.complete
    assert len(delivery.changes.reported) == 2
    passed, failed = target.execution(101), target.execution(102)
    assert (passed.status, passed.comment, passed.actual_time) == ("1", None, 1500)
    assert (failed.status, failed.actual_time) == ("2", 90)
    assert without_tag(failed.comment) == (
        "failed test_a.py::test_102 (0.09 s)\n\nassert 1 == 2\n    assert 1 == 2"
    )
    assert passed.executed_on == failed.executed_on == ENDED_MS
    assert passed.executed_by == target.sandbox.store.user.id
    assert delivery.snapshot is not None
    assert delivery.snapshot.user.name == "Test Manager"


def test_cases_without_a_result_are_not_changed(target, deliver):
    deliver([node(101)])

    assert result_counts(target) == {101: 1} | dict.fromkeys(CASES[1:], 0)


def test_results_are_sent_in_batches_of_500(target_1200, deliver):
    journal = JournalMemory()
    delivery = deliver(nodes_of(CASES_1200), journal)

    assert delivery.complete
    assert len(delivery.changes.reported) == len(journal.receipts) == 1200
    batches = [len(json.loads(each.body)) for each in requests_to(target_1200)]
    assert batches == [500, 500, 200]
    counts = result_counts(target_1200)
    assert {counts[case] for case in CASES_1200} == {1}


def test_three_hundred_results_need_four_requests(target, deliver):
    target.sandbox.store.schedule_all(target.phase, range(1001, 1301))

    assert deliver(nodes_of(range(1001, 1301))).complete
    assert len(target.sandbox.requests) == 4


def test_three_hundred_results_for_a_phase_by_name_need_seven_requests(
    target, make_settings, deliver
):
    target.sandbox.store.schedule_all(target.phase, range(1001, 1301))
    names = {
        "project": "Payments",
        "release": "1.0",
        "cycle": "Nightly",
        "phase": "Smoke",
    }

    assert deliver(nodes_of(range(1001, 1301)), **names).complete
    assert len(target.sandbox.requests) == 7


def test_every_row_of_a_batch_has_its_own_values(target_120, deliver):
    """This holds for all batches."""

    def make(case: int) -> NodeResult:
        maker = failed_node if case % 2 else node
        return maker(case, duration=case * 1000, at=ENDED_MS + case)

    deliver(nodes_of(CASES_120, make))

    executions = {
        e.testcase_id: e for e in target_120.sandbox.store.executions(target_120.phase)
    }
    rows = [
        (
            case,
            executions[case].status,
            executions[case].actual_time,
            executions[case].executed_on,
        )
        for case in CASES_120
    ]
    assert rows == [(n, "2" if n % 2 else "1", n, ENDED_MS + n) for n in CASES_120]
    assert {bool(executions[n].comment) == bool(n % 2) for n in CASES_120} == {True}


def test_progress_counts_what_is_delivered(target_120, make_settings):
    seen: list[tuple[int, int]] = []
    push_nodes(
        make_settings(),
        nodes_of(CASES_120),
        progress=lambda done, total: seen.append((done, total)),
    )

    assert seen == [(50, 120), (100, 120), (120, 120)]


def test_a_push_of_skipped_tests_requests_nothing(target, deliver):
    delivery = deliver([node(101, Outcome.SKIPPED)])

    assert delivery.complete
    assert delivery.changes.unchanged == 1
    assert target.sandbox.requests == []


def test_a_case_is_found_by_alt_id(target, deliver):
    target.schedule(107, alt="AUTH-1")

    assert deliver([node("AUTH-1")]).complete
    assert target.execution(107).status == "1"


@pytest.mark.parametrize("first", [107, "AUTH-1"])
@pytest.mark.parametrize("bad", [107, "AUTH-1"])
def test_the_worst_result_of_a_case_by_id_and_alt_id_counts(
    target, deliver, first, bad
):
    """One test names the visible id, another the Alt ID of the same case."""
    target.schedule(107, alt="AUTH-1")
    second = "AUTH-1" if first == 107 else 107

    deliver([failed_node(ref) if ref == bad else node(ref) for ref in (first, second)])

    assert target.execution(107).status == "2"
    assert target.execution(107).result_count == 1


def test_an_unknown_case_is_refused_and_named(target, deliver):
    delivery = deliver([node(101), node(999), node("NONE-1")])

    assert target.execution(101).status == "1"
    assert (len(delivery.changes.reported), delivery.pending) == (1, 0)
    assert [(each.result.case, each.reason) for each in delivery.changes.refused] == [
        (999, "test case 999 is not known to Zephyr."),
        ("NONE-1", "test case 'NONE-1' is not known to Zephyr."),
    ]


def test_a_result_with_an_inactive_status_is_not_sent(target, deliver):
    """The other results are delivered."""
    target.sandbox.store.set_statuses(
        [("1", "Pass", True), ("2", "Fail", True), ("4", "Blocked", False)]
    )

    delivery = deliver([node(101), node(102, Outcome.XFAILED), failed_node(103)])

    assert (target.execution(101).status, target.execution(103).status) == ("1", "2")
    assert target.execution(102).status is None
    (refusal,) = delivery.changes.refused
    assert refusal.result.case == 102
    assert "inactive" in refusal.reason


# Servers without bulk/execute


@pytest.mark.parametrize("status", [404, 405, 410])
def test_an_older_server_gets_the_older_calls(target, deliver, status):
    """Each result is one entry in the history, with notes and times."""
    target.sandbox.faults.add(Fault("PUT", BULK, status=status, times=None))
    journal = JournalMemory()

    delivery = deliver(
        [node(101), failed_node(102), node(103), node(104, Outcome.XFAILED)], journal
    )

    assert delivery.complete
    assert target.statuses() == {
        101: "1", 102: "2", 103: "1", 104: "4", 105: None, 106: None
    }  # fmt: skip
    assert result_counts(target) == {101: 1, 102: 1, 103: 1, 104: 1, 105: 0, 106: 0}
    assert "assert 1 == 2" in (target.execution(102).comment or "")
    assert target.execution(102).actual_time == 1500
    assert len(journal.receipts) == 4


def test_the_newer_call_is_tried_once_on_an_older_server(target_120, deliver):
    target_120.sandbox.faults.add(Fault("PUT", BULK, kind="missing", times=None))

    delivery = deliver(nodes_of(CASES_120))

    assert delivery.complete
    assert len(requests_to(target_120)) == 1
    assert len(requests_to(target_120, "/execution/bulk")) == 3
    counts = result_counts(target_120)
    assert {counts[case] for case in CASES_120} == {1}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault("PUT", "*/execution/bulk", kind="cut_after"), id="many cut after"
        ),
        pytest.param(
            Fault("PUT", "*/execution/[0-9]*", kind="cut_after"), id="one cut after"
        ),
        pytest.param(
            Fault("PUT", "*/execution/[0-9]*", kind="cut_before"), id="one cut before"
        ),
        pytest.param(
            Fault("PUT", "*/execution/[0-9]*", kind="status_after", status=500),
            id="one 500 after",
        ),
        pytest.param(Fault("PUT", "*/execution/bulk", status=502), id="many 502"),
        pytest.param(
            Fault("PUT", "*/execution/bulk", kind="omit_rows"), id="many left out"
        ),
        pytest.param(
            Fault("PUT", "*/execution/bulk", kind="plain_text"), id="many text"
        ),
    ],
)
def test_an_older_server_with_a_fault_gets_every_result_once(target, deliver, fault):
    target.sandbox.faults.add(Fault("PUT", BULK, kind="missing", times=None))
    target.sandbox.faults.add(fault)

    delivery = deliver([node(101), failed_node(102), node(103), failed_node(104)])

    assert delivery.complete
    assert target.statuses() == {
        101: "1", 102: "2", 103: "1", 104: "2", 105: None, 106: None
    }  # fmt: skip
    assert result_counts(target) == {101: 1, 102: 1, 103: 1, 104: 1, 105: 0, 106: 0}


def test_rows_of_an_older_server_are_not_written_twice_after_a_refusal(target, deliver):
    """Unconfirmed rows are read before the rest is tried again."""
    target.sandbox.faults.add(Fault("PUT", BULK, kind="missing", times=None))
    target.sandbox.faults.add(Fault("PUT", "*/execution/bulk", kind="plain_text"))
    bad = f"*/execution/{target.execution(102).id}"
    target.sandbox.faults.add(Fault("PUT", bad, status=400, times=None))

    delivery = deliver([node(101), failed_node(102), node(103)])

    assert [each.result.case for each in delivery.changes.refused] == [102]
    assert result_counts(target) == {**dict.fromkeys(CASES, 0), 101: 1, 103: 1}


def test_the_first_reason_of_the_server_is_shown(target, deliver):
    """The older call, which this server does not have, would give another reason."""
    reason = "you may not execute in this phase"
    body = json.dumps({"errorMsg": reason})
    target.sandbox.faults.add(Fault("PUT", BULK, status=404, body=body, times=None))
    target.sandbox.faults.add(Fault("PUT", "*/execution/*", kind="missing", times=None))

    delivery = deliver([failed_node(101), node(102)])

    assert len(delivery.changes.refused) == 2
    assert {reason in each.reason for each in delivery.changes.refused} == {True}, (
        delivery.changes.refused
    )


def test_every_result_is_refused_if_the_server_has_no_call_for_writing(target, deliver):
    target.sandbox.faults.add(Fault("PUT", kind="missing", times=None))

    delivery = deliver(nodes_of(CASES))

    assert delivery.changes.reported == []
    assert {each.result.case for each in delivery.changes.refused} == set(CASES)
    assert {
        " answered 404 to " in each.reason for each in delivery.changes.refused
    } == {True}


# Writes that may have been carried out


WRITE_FAULTS = [
    pytest.param(Fault("PUT", BULK, kind="cut_after"), id="cut after"),
    pytest.param(Fault("PUT", BULK, kind="cut_before"), id="cut before"),
    pytest.param(Fault("PUT", BULK, kind="hang_after", seconds=3600), id="hang after"),
    pytest.param(Fault("PUT", BULK, kind="hang", seconds=3600), id="hang before"),
    pytest.param(Fault("PUT", BULK, status=502), id="502 before"),
    pytest.param(Fault("PUT", BULK, kind="status_after", status=502), id="502 after"),
    pytest.param(Fault("PUT", BULK, status=504), id="504 before"),
    pytest.param(Fault("PUT", BULK, kind="status_after", status=504), id="504 after"),
    pytest.param(Fault("PUT", BULK, kind="status_after", status=500), id="500 after"),
    pytest.param(Fault("PUT", BULK, kind="html"), id="web page"),
    pytest.param(Fault("PUT", BULK, kind="truncate"), id="truncated"),
    pytest.param(Fault("PUT", BULK, kind="not_json"), id="not JSON"),
    pytest.param(Fault("PUT", BULK, kind="not_utf8"), id="not UTF-8"),
    pytest.param(Fault("PUT", BULK, kind="plain_text"), id="plain text"),
    pytest.param(Fault("PUT", BULK, kind="plain_text", body=""), id="empty body"),
    pytest.param(Fault("PUT", BULK, kind="omit_rows", rows=2), id="rows left out"),
    pytest.param(Fault("PUT", BULK, kind="omit_rows", rows=99), id="no rows"),
    pytest.param(Fault("PUT", BULK, status=429), id="429"),
    pytest.param(Fault("PUT", BULK, status=503), id="503"),
]


@pytest.mark.parametrize("fault", WRITE_FAULTS)
def test_after_a_fault_every_result_is_there_once(target, deliver, fault):
    """Uncertain results are read, and not written again if they are there."""
    target.sandbox.faults.add(fault)
    journal = JournalMemory()

    timeout = 1 if "hang" in fault.kind else 60
    delivery = deliver(nodes_of(CASES, failed_node), journal, timeout=timeout)

    assert delivery.complete
    assert (len(delivery.changes.reported), len(journal.receipts)) == (6, 6)
    assert target.statuses() == dict.fromkeys(CASES, "2")
    assert result_counts(target) == dict.fromkeys(CASES, 1)


@pytest.mark.parametrize("fault", WRITE_FAULTS[:6])
def test_a_fault_of_the_second_batch_does_not_affect_the_others(
    target_120, deliver, fault
):
    target_120.sandbox.faults.add(replace(fault, after=1))

    timeout = 1 if "hang" in fault.kind else 60
    delivery = deliver(nodes_of(CASES_120), timeout=timeout)

    assert delivery.complete
    counts = result_counts(target_120)
    assert {counts[case] for case in CASES_120} == {1}


def test_a_result_that_was_there_before_is_not_taken_for_a_new_one(target, deliver):
    """A lost write is sent again, though the execution already has the same status."""
    deliver(nodes_of(CASES))
    target.sandbox.faults.add(Fault("PUT", BULK, kind="cut_before"))

    delivery = deliver(nodes_of(CASES, lambda case: node(case, at=ENDED_MS + 60_000)))

    assert delivery.complete
    assert result_counts(target) == dict.fromkeys(CASES, 2)
    assert target.execution(101).executed_on == ENDED_MS + 60_000


@pytest.mark.parametrize("kind", ["cut_before", "html", "truncate"])
def test_the_push_gives_up_on_a_server_without_usable_answers(target, deliver, kind):
    """The number of tries is limited, and results that were not written are kept."""
    target.sandbox.faults.add(Fault("PUT", BULK, kind=kind, times=None))

    delivery = deliver(nodes_of(CASES))

    assert len(requests_to(target)) <= 3
    assert max(result_counts(target).values()) <= 1
    assert len(delivery.changes.reported) + delivery.pending == 6
    if kind == "truncate":
        assert delivery.complete
    else:
        assert isinstance(delivery.error, ZephyrWriteUnanswered)
        assert delivery.pending == 6


def test_results_are_kept_if_an_unanswered_write_cannot_be_read_back(target, deliver):
    """They get no receipt and no second write."""
    target.sandbox.faults.add(Fault("PUT", BULK, kind="cut_after"))
    target.sandbox.faults.add(Fault("GET", LIST, status=500, times=None, after=1))
    journal = JournalMemory()

    delivery = deliver(nodes_of(CASES), journal)

    assert delivery.error is not None
    assert (delivery.changes.reported, journal.receipts) == ([], [])
    assert delivery.pending == 6
    assert result_counts(target) == dict.fromkeys(CASES, 1)


@pytest.mark.parametrize(
    ("kind", "more_writes"),
    [("cut_after", 0), ("cut_before", 1)],
    ids=["written", "lost"],
)
def test_the_next_push_finds_out_whether_an_unanswered_write_was_carried_out(
    target, deliver, kind, more_writes
):
    """The journal has the state of each execution before the write, to compare with."""
    target.sandbox.faults.add(Fault("PUT", BULK, kind=kind))
    target.sandbox.faults.add(Fault("GET", LIST, status=500, times=None, after=1))
    journal = JournalMemory()
    deliver(nodes_of(CASES), journal)
    target.sandbox.faults.clear()
    before = len(requests_to(target))

    delivery = deliver(nodes_of(CASES), journal)

    assert delivery.complete
    assert len(delivery.changes.reported) == 6
    assert len(requests_to(target)) - before == more_writes
    assert result_counts(target) == dict.fromkeys(CASES, 1)


def test_a_third_push_after_two_unanswered_ones_writes_nothing_twice(target, deliver):
    """The first write is lost, the second is carried out; neither gets an answer."""
    journal = JournalMemory()
    for kind in ("cut_before", "cut_after"):
        target.sandbox.faults.add(Fault("PUT", BULK, kind=kind))
        target.sandbox.faults.add(Fault("GET", LIST, status=500, times=None, after=1))
        deliver(nodes_of(CASES), journal)
        target.sandbox.faults.clear()

    delivery = deliver(nodes_of(CASES), journal)

    assert delivery.complete
    assert result_counts(target) == dict.fromkeys(CASES, 1)


def test_a_write_is_noted_before_it_is_sent(target, make_settings):
    """So the journal has it even if the process is killed before the answer."""
    order: list[str] = []

    def note(*entries: LedgerEntry) -> None:
        kind = type(entries[0]).__name__
        order.append(f"{kind} {len(entries)}, written {len(requests_to(target))}")

    push_nodes(make_settings(), nodes_of(CASES), Memory(note=note))

    assert order == ["Sending 1, written 0", "Receipt 6, written 1"]


# Receipts


def test_a_second_push_writes_nothing(target, deliver):
    journal = JournalMemory()
    deliver([*nodes_of(CASES[:3]), *nodes_of(CASES[3:], failed_node)], journal)
    writes = len(target.writes)

    delivery = deliver(
        [*nodes_of(CASES[:3]), *nodes_of(CASES[3:], failed_node)], journal
    )

    assert delivery.complete
    assert len(delivery.changes.reported_before) == 6
    assert delivery.changes.reported == []
    assert len(target.writes) == writes
    assert result_counts(target) == dict.fromkeys(CASES, 1)


def test_a_result_of_an_earlier_push_of_the_session_is_counted_once(deliver):
    """A session pushes again if another session of its run ended meanwhile."""
    journal = JournalMemory()
    first = deliver([node(101), node(102)], journal)
    second = deliver([node(101), node(102), node(103)], journal)
    second.add_earlier(first)

    assert (len(second.changes.reported), len(second.changes.reported_before)) == (3, 0)


def test_a_second_push_writes_what_the_first_could_not(target_120, deliver):
    journal = JournalMemory()
    target_120.sandbox.faults.add(Fault("PUT", BULK, status=503, times=None, after=1))
    first = deliver(nodes_of(CASES_120), journal, retries=0)
    target_120.sandbox.faults.clear()

    second = deliver(nodes_of(CASES_120), journal)

    assert (len(first.changes.reported), first.pending) == (50, 70)
    assert isinstance(first.error, ZephyrUnreachable)
    assert len(second.changes.reported_before) == 50
    assert len(second.changes.reported) == 70
    assert second.complete
    counts = result_counts(target_120)
    assert {counts[case] for case in CASES_120} == {1}


def test_a_new_run_is_written_even_without_a_difference(target, deliver):
    """So the server has the date of the last pass."""
    journal = JournalMemory()
    deliver(nodes_of(CASES), journal)

    deliver(nodes_of(CASES, lambda case: node(case, at=ENDED_MS + 1)), journal)

    assert result_counts(target) == dict.fromkeys(CASES, 2)
    assert target.execution(101).executed_on == ENDED_MS + 1


def test_a_delivered_result_does_not_hide_the_next_one(
    target, make_settings, tmp_path, request
):
    """The next result of the same case has another date and duration."""
    path = tmp_path / "run.jsonl"
    writer = JournalWriter.create(path, Header("run"))
    request.addfinalizer(writer.close)
    for result in (
        failed_node(101),
        failed_node(101, at=ENDED_MS + 1, duration=9_000),
    ):
        memory = Run((Journal(path),)).read().begin_push("", [writer])
        push_nodes(make_settings(), [result], memory)

    assert target.execution(101).result_count == 2
    assert target.execution(101).actual_time == 9
    assert target.execution(101).executed_on == ENDED_MS + 1


def test_a_receipt_has_the_status_and_the_execution(target, deliver):
    journal = JournalMemory()
    deliver([failed_node(101)], journal)

    (receipt,) = journal.receipts
    assert (receipt.case, receipt.status_id) == (101, "2")
    assert receipt.execution == target.execution(101).id


def test_a_pass_replaces_the_notes_of_our_failure(target, deliver):
    deliver([failed_node(101)])
    deliver([node(101, at=ENDED_MS + 1)])

    assert target.execution(101).comment == "passed test_a.py::test_101 (1.50 s)"


def test_a_pass_leaves_the_notes_of_a_person(target, client, deliver):
    user = client.current_user()
    execution = target.execution(101).id
    body = [{"rtsId": execution, "testerId": user.id, "status": "2", "notes": "Ada: ?"}]
    client.send("PUT", BULK.lstrip("/"), body=body)

    deliver([node(101)])

    assert target.execution(101).comment == "Ada: ?"


@pytest.mark.parametrize(
    ("run", "status", "notes"),
    [
        ("other", "1", "passed test_a.py::test_101 (1.50 s)"),
        ("same", "2", "failed test_a.py::test_101"),
    ],
    ids=["another run", "the same run"],
)
@pytest.mark.parametrize(
    "kind", ["", "plain_text", "cut_after"], ids=["no fault", "plain text", "cut after"]
)
def test_a_pass_replaces_a_failure_of_another_run_that_came_meanwhile(
    target, make_settings, deliver, run, status, notes, kind
):
    """A failure of another job in the same run is not replaced."""
    theirs = Origin(run=run, job=JobMark("b" * 8, "1"))
    ours = Origin(run="same", job=JobMark("a" * 8, "1"))

    def meanwhile(*_entries: LedgerEntry) -> None:
        if not target.execution(101).result_count:
            deliver([failed_node(101, origin=theirs)])
            if kind:
                target.sandbox.faults.add(Fault("PUT", BULK, kind=kind))

    delivery = push_nodes(
        make_settings(), [node(101, origin=ours)], Memory(note=meanwhile)
    )

    execution = target.execution(101)
    assert (execution.status, execution.comment[: len(notes)]) == (status, notes)
    if run == "same":
        assert "assert 1 == 2" in execution.comment
    else:
        assert execution.comment == notes
    counts = (
        len(delivery.changes.reported),
        delivery.changes.unchanged,
        len(delivery.changes.overruled),
        delivery.pending,
    )
    assert counts == ((1, 0, 0, 0) if run == "other" else (0, 1, 1, 0))


# Refusals


def unschedule(target: SandboxTarget, case: int) -> None:
    """Delete an execution, as somebody else may at any time."""
    execution = target.execution(case).id
    with target.sandbox.store.database.writing() as session:
        session.execute(delete(Execution).where(Execution.id == execution))


@pytest.fixture
def push_while_deleting(target_120, make_settings):
    """Return a function that pushes results of `CASES_120`.

    Just before the first write, it deletes the executions of the cases *gone*.
    """

    def deliver(gone: Iterable[int]) -> Delivery:
        def delete_executions(*_entries: LedgerEntry) -> None:
            for case in tuple(remaining):
                unschedule(target_120, case)
                remaining.remove(case)

        remaining = list(gone)
        memory = Memory(note=delete_executions)
        return push_nodes(make_settings(), nodes_of(CASES_120), memory)

    return deliver


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param([1001], id="first"),
        pytest.param([1043], id="in the middle"),
        pytest.param([1120], id="last"),
        pytest.param([1001, 1060, 1110], id="one in each batch"),
        pytest.param([1031, 1032, 1033], id="neighbours"),
    ],
)
def test_a_few_bad_rows_do_not_affect_the_others(target_120, push_while_deleting, gone):
    """The server answers 500 to a whole batch, and its bad rows are found."""
    delivery = push_while_deleting(gone)

    assert delivery.error is None
    assert [each.result.case for each in delivery.changes.refused] == gone
    assert (len(delivery.changes.reported), delivery.pending) == (120 - len(gone), 0)
    counts = result_counts(target_120)
    assert {counts[case] for case in CASES_120 if case not in gone} == {1}
    assert {
        "No row with the given identifier" in r.reason for r in delivery.changes.refused
    } == {True}


@pytest.mark.parametrize("max_bytes", [6000, 900], ids=["6000 bytes", "900 bytes"])
def test_a_batch_that_is_too_large_is_split(filled_database, tmp_path, max_bytes):
    """A proxy answers 413 to requests above its limit."""
    refused: list[int] = []

    def wrap(app: Any) -> Any:
        def limited(environ: Any, start_response: Any) -> Any:
            size = int(environ.get("CONTENT_LENGTH") or 0)
            if size <= max_bytes:
                return app(environ, start_response)
            refused.append(size)
            environ["wsgi.input"].read(size)
            start_response("413 Content Too Large", [("Content-Type", "text/html")])
            return [b"<html>too large</html>"]

        return limited

    path = tmp_path / "sandbox.db"
    copyfile(filled_database[0], path)
    with Sandbox(path, wrap=wrap) as sandbox:
        target = replace(filled_database[1], sandbox=sandbox)
        sandbox.store.schedule_all(target.phase, CASES_120)
        settings = settings_for(sandbox.token, url=sandbox.url, phase=target.phase)
        delivery = push_nodes(settings, nodes_of(CASES_120, failed_node))

        assert delivery.complete
        counts = result_counts(target)
        assert {counts[case] for case in CASES_120} == {1}
    assert refused


@pytest.mark.parametrize("status", [400, 409, 413, 417, 428, 500])
def test_only_the_refused_row_is_named_for_every_status(
    target, make_settings, monkeypatch, status
):
    """The batch is halved until the refused row is alone."""
    settings = make_settings()
    culprit = target.execution(104).id
    with Client(settings) as client:
        send = client.execute

        def execute(rows: Any, tester: int) -> Any:
            if any(row.execution == culprit for row in rows):
                msg = f"PUT {BULK}: {status} from there: no"
                raise ZephyrRefused(msg, http_status=status)
            return send(rows, tester)

        monkeypatch.setattr(client, "execute", execute)
        delivery = push(MergedResults(nodes_of(CASES)), client, settings, Memory())

    (refusal,) = delivery.changes.refused
    assert refusal.result.case == 104
    assert f"{status} from there" in refusal.reason
    assert len(delivery.changes.reported) == 5
    assert delivery.pending == 0


def test_a_result_with_a_status_that_the_server_refuses_is_named(target, deliver):
    """A server without a status list and without Blocked answers 400 to the batch."""
    target.sandbox.store.set_statuses([("1", "Pass", True), ("2", "Fail", True)])
    target.sandbox.faults.add(Fault("GET", "/admin/preference", status=403, times=None))

    delivery = deliver(
        [node(101), node(102), node(103, Outcome.XFAILED), failed_node(104)]
    )

    assert target.statuses() == {
        101: "1", 102: "1", 103: None, 104: "2", 105: None, 106: None
    }  # fmt: skip
    (refusal,) = delivery.changes.refused
    assert refusal.result.case == 103
    assert " answered 400 to " in refusal.reason
    assert "Status 4 is not an active status" in refusal.reason
    assert result_counts(target) == {101: 1, 102: 1, 103: 0, 104: 1, 105: 0, 106: 0}


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "older calls"])
@pytest.mark.parametrize("status", [400, 413, 500])
def test_the_writer_gives_up_on_a_server_that_refuses_everything(
    target_120, deliver, status, bulk
):
    """It sends fewer requests than there are results."""
    if not bulk:
        target_120.sandbox.faults.add(Fault("PUT", BULK, kind="missing", times=None))
    target_120.sandbox.faults.add(Fault("PUT", status=status, times=None))

    delivery = deliver(nodes_of(CASES_120, failed_node))

    assert delivery.changes.reported == []
    assert 0 < len(delivery.changes.refused) < 60
    assert {
        f"answered {status} to" in each.reason for each in delivery.changes.refused
    } == {True}
    assert delivery.pending == 120 - len(delivery.changes.refused)
    assert f"left {delivery.pending} results unsent" in str(delivery.error)
    assert len(target_120.sandbox.requests) < 120
    assert max(result_counts(target_120).values()) == 0


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(range(1461, 1502), id="neighbours"),
        pytest.param(range(1001, 1042), id="the first"),
        pytest.param(range(1960, 2001), id="the last"),
        pytest.param(range(1001, 2001, 24), id="scattered"),
    ],
)
def test_many_bad_rows_do_not_affect_the_good_ones(
    client, target, make_settings, monkeypatch, bad
):
    """The server refuses every batch with a bad row; unsent results are kept."""
    cases = range(1001, 2001)
    target.sandbox.store.schedule_all(target.phase, cases)
    case_of = {
        e.id: e.testcase_id for e in target.sandbox.store.executions(target.phase)
    }
    tried_alone: set[int] = set()
    requests = 0
    send = client.execute

    def execute(rows: Any, tester: int) -> Any:
        nonlocal requests
        requests += 1
        sent = {case_of[row.execution] for row in rows}
        if sent & set(bad):
            tried_alone.update(sent if len(sent) == 1 else ())
            raise ZephyrRefused("400 from there: no", http_status=400)
        return send(rows, tester)

    monkeypatch.setattr(client, "execute", execute)
    delivery = push(MergedResults(nodes_of(cases)), client, make_settings(), Memory())

    counts = result_counts(target)
    assert {counts[case] for case in cases if case not in bad} == {1}
    assert len(delivery.changes.reported) == 1000 - len(bad)
    assert {each.result.case for each in delivery.changes.refused} == tried_alone
    assert len(delivery.changes.refused) + delivery.pending == len(bad)
    assert requests < 11 * len(bad)


def test_a_second_push_tries_refused_results_again(target, deliver):
    """A refused result has no receipt."""
    journal = JournalMemory()
    target.sandbox.faults.add(Fault("PUT", status=400, times=None))
    deliver(nodes_of(CASES), journal)
    target.sandbox.faults.clear()

    assert len(deliver(nodes_of(CASES), journal).changes.reported) == 6
    assert result_counts(target) == dict.fromkeys(CASES, 1)


def test_a_row_that_the_answer_leaves_out_is_reported(start_server):
    """This server wrote one row of two, and its answer has only that row."""
    states: dict[int, dict[str, Any]] = {
        n: {"status": "", "lastTestResult": None} for n in (1, 2)
    }

    def rows() -> list[dict[str, Any]]:
        return [
            {
                "id": n,
                "cyclePhaseId": 7,
                "tcrTreeTestcase": {"testcase": {"testcaseId": 100 + n}},
                **state,
            }
            for n, state in states.items()
        ]

    def respond(request: Request) -> bytes:
        if request.path == "user/current":
            return answer({"id": 3, "fullName": "Ada"})
        if request.method == "PUT":
            states[1] = {"status": "1", "lastTestResult": {"id": 9}}
            return answer(rows()[:1])
        return answer(rows() if request.path == "execution" else {})

    server = start_server(respond)
    settings = settings_for("t0ken", url=server.url, phase=7)
    delivery = push_nodes(settings, [node(101), node(102)])

    assert len(delivery.changes.reported) == 1
    (refusal,) = delivery.changes.refused
    assert refusal.result.case == 102
    assert refusal.reason == "the server's answer left it out, and it was not written"
    assert sum(each.method == "PUT" for each in server.requests) == 1


# Errors that end a push


def test_a_401_in_the_middle_keeps_the_rest(target_120, deliver):
    journal = JournalMemory()
    target_120.sandbox.faults.add(Fault("PUT", BULK, status=401, times=None, after=1))

    delivery = deliver(nodes_of(CASES_120), journal)

    assert isinstance(delivery.error, ZephyrUnauthorized)
    assert (len(delivery.changes.reported), delivery.pending) == (50, 70)
    assert delivery.changes.refused == []
    assert len(journal.receipts) == 50
    assert len(requests_to(target_120)) == 2
    counts = result_counts(target_120)
    assert sum(counts[case] for case in CASES_120) == 50


def test_a_401_during_the_search_for_a_bad_row_keeps_the_rest(target_120, deliver):
    target_120.sandbox.faults.add(Fault("PUT", BULK, status=400, times=3))
    target_120.sandbox.faults.add(Fault("PUT", BULK, status=401, times=None))

    delivery = deliver(nodes_of(CASES_120))

    assert isinstance(delivery.error, ZephyrUnauthorized)
    assert (len(delivery.changes.reported), delivery.pending) == (0, 120)
    assert len(requests_to(target_120)) == 4


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(path="/user/current", status=503), id="user"),
        pytest.param(
            Fault("GET", "/admin/preference", kind="hang", seconds=3600), id="statuses"
        ),
        pytest.param(Fault("GET", LIST, kind="cut_before"), id="executions"),
        pytest.param(Fault("PUT", status=503), id="write"),
    ],
)
def test_results_are_kept_if_the_server_is_unreachable_at_any_call(
    target, deliver, fault
):
    target.sandbox.faults.add(replace(fault, times=None))

    delivery = deliver(nodes_of(CASES), timeout=0.3, retries=0)

    assert isinstance(delivery.error, ZephyrUnreachable)
    assert (len(delivery.changes.reported), delivery.pending) == (0, 6)
    assert target.statuses() == dict.fromkeys(CASES)


def test_an_unknown_phase_keeps_the_results_and_names_a_close_one(target, deliver):
    delivery = deliver(nodes_of(CASES), cycle=target.cycle, phase="Smoek")

    assert isinstance(delivery.error, TargetNotFound)
    assert "Did you mean 'Smoke'?" in str(delivery.error)
    assert delivery.pending == 6


def test_rows_of_another_phase_end_the_push_before_it_writes(target, deliver):
    target.sandbox.faults.add(Fault(kind="foreign_rows", times=None))

    delivery = deliver(nodes_of(CASES))

    assert "Nothing was written" in str(delivery.error)
    assert delivery.pending == 6
    assert target.writes == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("PUT", kind="hang", seconds=3600, times=None), id="hang"),
        pytest.param(Fault("PUT", status=502, times=None), id="502"),
        pytest.param(
            Fault("PUT", kind="retry_after", status=503, seconds=600, times=None),
            id="503",
        ),
        pytest.param(Fault(kind="latency", seconds=0.4, times=None), id="slow"),
    ],
)
def test_a_push_does_not_outlast_its_deadline(target_120, deliver, pauses, fault):
    """It reports why it ended, and never waits longer than the deadline."""
    target_120.sandbox.faults.add(fault)

    delivery = deliver(nodes_of(CASES_120), deadline=1, retries=100)

    assert delivery.error is not None
    assert all(each <= 1 for each in pauses)
    assert len(delivery.changes.reported) + delivery.pending == 120


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"id": 1, "a": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"id": 1e999}',
        b'{"id": NaN}',
        b'"\\ud800"',
    ],
    ids=["unclosed lists", "nested lists", "infinite id", "NaN id", "half surrogate"],
)
def test_odd_answers_become_the_error_of_a_delivery(start_server, body):
    """A push does not raise."""
    server = start_server(lambda _request: answer(body))
    settings = settings_for("t0ken", url=server.url, phase=7)
    delivery = push_nodes(settings, [node(101)])

    assert delivery.error is not None
    assert delivery.pending == 1


@pytest.mark.parametrize(
    "number",
    [b"1e999", b"NaN", b"-Infinity", b'"\xc2\xb2"', b'"--1"', b"1" * 4000],
    ids=["1e999", "NaN", "-Infinity", "superscript two", "two dashes", "long"],
)
def test_a_case_id_that_cannot_be_read_counts_as_missing(start_server, number):
    """It does not end the push."""
    listed = (
        b'[{"id": 1, "cyclePhaseId": 7, "tcrTreeTestcase": {"testcase": {"testcaseId": '
        + number
        + b'}}, "actualTime": '
        + number
        + b"}]"
    )

    def respond(request: Request) -> bytes:
        if request.path == "user/current":
            return answer({"id": 3})
        return answer(listed if request.path == "execution" else {})

    settings = settings_for("t0ken", url=start_server(respond).url, phase=7)
    delivery = push_nodes(settings, [node(101)])

    assert delivery.error is None
    assert [each.result.case for each in delivery.changes.refused] == [101]
