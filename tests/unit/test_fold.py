"""The reports of pytest, folded into one outcome for each test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import random

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.results.fold import classify
from pytest_zephyr.results.fold import fold
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import Passed
from pytest_zephyr.results.records import Record
from pytest_zephyr.results.records import Report
from pytest_zephyr.results.records import Start
from pytest_zephyr.results.records import worst
from tests.unit.make import deterministic
from tests.unit.make import NODEID
from tests.unit.make import report


ITEM = Item(NODEID, (101,))
START = Start(NODEID)
END = End()

SETUP = report("setup")
CALL = report("call")
TEARDOWN = report("teardown")
SETUP_ERROR = report("setup", "failed")
FAILED_CALL = report("call", "failed")
TEARDOWN_ERROR = report("teardown", "failed")
RERUN = report("call", "rerun")
CRASH = report("???", "failed", worker="gw0")


def again(*reports: Report, attempt: int = 1) -> list[Report]:
    """Return *reports* as those of a later attempt."""
    return [replace(each, attempt=attempt) for each in reports]


def on(worker: str, *reports: Report) -> list[Report]:
    """Return *reports* as those of a *worker*."""
    return [replace(each, worker=worker) for each in reports]


#: The records of one test, and its outcome.
OUTCOMES: dict[str, tuple[Sequence[Record], Outcome]] = {
    "passed": ([ITEM, START, SETUP, CALL, TEARDOWN, END], Outcome.PASSED),
    "failed": ([ITEM, START, SETUP, FAILED_CALL, TEARDOWN, END], Outcome.FAILED),
    "setup error": ([START, SETUP_ERROR, TEARDOWN, END], Outcome.ERROR),
    "setup error and teardown error": (
        [START, SETUP_ERROR, TEARDOWN_ERROR, END],
        Outcome.ERROR,
    ),
    "teardown error after a pass": (
        [START, SETUP, CALL, TEARDOWN_ERROR, END],
        Outcome.ERROR,
    ),
    "teardown error after a failure": (
        [START, SETUP, FAILED_CALL, TEARDOWN_ERROR, END],
        Outcome.FAILED,
    ),
    "skipped in setup": (
        [START, report("setup", "skipped"), TEARDOWN, END],
        Outcome.SKIPPED,
    ),
    "skipped in the body": (
        [START, SETUP, report("call", "skipped"), TEARDOWN, END],
        Outcome.SKIPPED,
    ),
    "skipped, then a teardown error": (
        [START, SETUP, report("call", "skipped"), TEARDOWN_ERROR, END],
        Outcome.ERROR,
    ),
    "xfail": (
        [START, SETUP, report("call", "skipped", xfail=True), TEARDOWN, END],
        Outcome.XFAILED,
    ),
    "xfail without a run": (
        [START, report("setup", "skipped", xfail=True), TEARDOWN, END],
        Outcome.XFAILED,
    ),
    "xfail, then a teardown error": (
        [START, SETUP, report("call", "skipped", xfail=True), TEARDOWN_ERROR, END],
        Outcome.ERROR,
    ),
    "xpass": (
        [START, SETUP, report("call", xfail=True), TEARDOWN, END],
        Outcome.XPASSED,
    ),
    "rerun that passes": (
        [START, SETUP, RERUN, TEARDOWN, START, *again(SETUP, CALL, TEARDOWN), END],
        Outcome.PASSED,
    ),
    "rerun that passes, no teardown in between": (
        [START, SETUP, RERUN, START, *again(SETUP, CALL, TEARDOWN), END],
        Outcome.PASSED,
    ),
    "rerun that fails": (
        [START, SETUP, RERUN, TEARDOWN, *again(SETUP, FAILED_CALL, TEARDOWN), END],
        Outcome.FAILED,
    ),
    "rerun that ends in a setup error": (
        [START, SETUP, RERUN, TEARDOWN, *again(SETUP_ERROR, TEARDOWN), END],
        Outcome.ERROR,
    ),
    "rerun of a setup error": (
        [
            START,
            report("setup", "rerun"),
            TEARDOWN,
            *again(SETUP, CALL, TEARDOWN),
            END,
        ],
        Outcome.PASSED,
    ),
    "rerun whose first teardown failed as well": (
        [START, SETUP, RERUN, TEARDOWN_ERROR, *again(SETUP, CALL, TEARDOWN), END],
        Outcome.PASSED,
    ),
    "rerun that was interrupted": (
        [START, SETUP, RERUN, TEARDOWN, START, END],
        Outcome.UNRUN,
    ),
    "rerun that was killed": ([START, SETUP, RERUN, TEARDOWN, START], Outcome.CRASHED),
    "crash before any report": ([START, CRASH, END], Outcome.CRASHED),
    "crash after setup": ([START, *on("gw0", SETUP), CRASH, END], Outcome.CRASHED),
    "crash in teardown": (
        [START, *on("gw0", SETUP, CALL), CRASH, END],
        Outcome.CRASHED,
    ),
    "crash after a failure": (
        [START, *on("gw0", SETUP, FAILED_CALL), CRASH, END],
        Outcome.FAILED,
    ),
    "crash in the second attempt": (
        [
            START,
            *on("gw0", SETUP, RERUN, TEARDOWN),
            START,
            *on("gw0", *again(SETUP)),
            CRASH,
            END,
        ],
        Outcome.CRASHED,
    ),
    "crash in the second attempt, before any report of it": (
        [START, *on("gw0", SETUP, RERUN, TEARDOWN), START, CRASH, END],
        Outcome.CRASHED,
    ),
    "crash that another worker repeats": (
        [
            START,
            report("???", "rerun", worker="gw0"),
            START,
            *on("gw1", *again(SETUP, CALL, TEARDOWN)),
            END,
        ],
        Outcome.PASSED,
    ),
    "failed subtest, call passed": (
        [START, SETUP, replace(FAILED_CALL, subtest="[a]"), CALL, TEARDOWN, END],
        Outcome.FAILED,
    ),
    "failed subtest, call failed": (
        [START, SETUP, replace(FAILED_CALL, subtest="[a]"), FAILED_CALL, TEARDOWN, END],
        Outcome.FAILED,
    ),
    "passed subtests": (
        [START, SETUP, replace(CALL, subtest="[a]"), CALL, TEARDOWN, END],
        Outcome.PASSED,
    ),
    "skipped subtest": (
        [START, SETUP, report("call", "skipped", subtest="[a]"), CALL, TEARDOWN, END],
        Outcome.PASSED,
    ),
    "killed before any report": ([ITEM, START], Outcome.CRASHED),
    "killed after setup": ([ITEM, START, SETUP], Outcome.CRASHED),
    "killed in teardown": ([ITEM, START, SETUP, CALL], Outcome.CRASHED),
    "killed after a failure": ([ITEM, START, SETUP, FAILED_CALL], Outcome.FAILED),
    "killed after a setup error": ([ITEM, START, SETUP_ERROR], Outcome.CRASHED),
    "interrupted before any report": ([ITEM, START, END], Outcome.UNRUN),
    "interrupted after setup": ([ITEM, START, SETUP, END], Outcome.UNRUN),
    "interrupted after a failure": (
        [ITEM, START, SETUP, FAILED_CALL, END],
        Outcome.FAILED,
    ),
    "interrupted after a setup error": ([ITEM, START, SETUP_ERROR, END], Outcome.ERROR),
    "set up and taken down only": ([START, SETUP, TEARDOWN, END], Outcome.UNRUN),
    "set up and taken down only, then killed": (
        [START, SETUP, TEARDOWN],
        Outcome.UNRUN,
    ),
    "never started": ([ITEM, END], Outcome.UNRUN),
    "never started, and killed": ([ITEM], Outcome.UNRUN),
    "passed on each worker": (
        [
            START,
            START,
            *on("gw0", SETUP, CALL, TEARDOWN),
            *on("gw1", SETUP, CALL, TEARDOWN),
            END,
        ],
        Outcome.PASSED,
    ),
    "failed on one of two workers": (
        [
            START,
            START,
            *on("gw0", SETUP, FAILED_CALL, TEARDOWN),
            *on("gw1", SETUP, CALL, TEARDOWN),
            END,
        ],
        Outcome.FAILED,
    ),
    "one of two workers killed": (
        [START, START, *on("gw0", SETUP, CALL, TEARDOWN), *on("gw1", SETUP)],
        Outcome.CRASHED,
    ),
    "skipped on one of two workers": (
        [
            *on("gw0", report("setup", "skipped"), TEARDOWN),
            *on("gw1", SETUP, CALL, TEARDOWN),
            END,
        ],
        Outcome.PASSED,
    ),
}


@pytest.mark.parametrize(("records", "outcome"), OUTCOMES.values(), ids=OUTCOMES)
def test_records_of_a_test_fold_into_its_outcome(records, outcome):
    """All reports of a test together have one of eight outcomes."""
    (folded,) = fold(records)

    assert folded.outcome is outcome


@pytest.mark.parametrize(
    ("given_report", "outcome"),
    [
        pytest.param(SETUP, None, id="passed setup"),
        pytest.param(TEARDOWN, None, id="passed teardown"),
        pytest.param(RERUN, None, id="rerun"),
        pytest.param(report("???", "rerun"), None, id="crash that is repeated"),
        pytest.param(report("call", "nonsense"), None, id="unknown outcome"),
        pytest.param(CRASH, Outcome.CRASHED, id="crash"),
        pytest.param(report("collect", "failed"), Outcome.ERROR, id="unknown when"),
    ],
)
def test_passed_setups_and_teardowns_and_repeated_attempts_have_no_outcome(
    given_report, outcome
):
    """A crash has one, and so has a failure with an unknown *when*."""
    assert classify(given_report) is outcome


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param([], Outcome.UNRUN, id="none"),
        pytest.param([Outcome.UNRUN, Outcome.SKIPPED], Outcome.SKIPPED, id="skipped"),
        pytest.param([Outcome.PASSED, Outcome.SKIPPED], Outcome.PASSED, id="passed"),
        pytest.param([Outcome.XFAILED, Outcome.XPASSED], Outcome.XFAILED, id="xfail"),
        pytest.param([Outcome.ERROR, Outcome.XFAILED], Outcome.ERROR, id="error"),
        pytest.param([Outcome.CRASHED, Outcome.ERROR], Outcome.CRASHED, id="crashed"),
        pytest.param([Outcome.CRASHED, Outcome.FAILED], Outcome.FAILED, id="failed"),
    ],
)
def test_the_worst_of_several_outcomes_counts(outcomes, expected):
    """If there are none, it is unrun."""
    assert worst(outcomes) is expected


def test_failures_are_error_crashed_and_failed():
    """Each of them is worse than all other outcomes, such as an expected failure."""
    failures = {Outcome.ERROR, Outcome.CRASHED, Outcome.FAILED}

    assert {each for each in Outcome if each.is_failure} == failures
    for failure in failures:
        assert worst({*Outcome} - failures | {failure}) is failure


def test_the_last_attempt_counts_for_duration_and_failures():
    """Of the earlier attempts, only the first failure is kept."""
    (folded,) = fold(
        [
            report("setup", duration=1),
            report("call", "rerun", duration=10, short_text="first"),
            report("teardown", duration=100),
            *again(
                report("setup", duration=1_000),
                report("call", "rerun", duration=10_000, short_text="second"),
            ),
            *again(
                report("setup", duration=100_000, at=5),
                report("call", "failed", duration=200_000, at=7, short_text="third"),
                report("teardown", duration=300_000, at=9),
                attempt=2,
            ),
        ]
    )

    assert folded.attempts == 3
    assert folded.duration == 600_000
    assert folded.at == 9
    assert [each.short_text for each in folded.failures] == ["third"]
    assert folded.earlier_failure is not None
    assert folded.earlier_failure.short_text == "first"


@pytest.mark.parametrize(
    ("crashes", "attempts"),
    [
        pytest.param([CRASH], 2, id="not repeated"),
        pytest.param([replace(CRASH, outcome="rerun")], 2, id="repeated"),
        pytest.param([replace(CRASH, outcome="rerun"), CRASH], 3, id="two crashes"),
    ],
)
def test_a_crash_after_a_rerun_belongs_to_the_next_attempt(crashes, attempts):
    """The report of a crash has no attempt number."""
    (folded,) = fold([*on("gw0", SETUP, RERUN, TEARDOWN), START, *crashes, END])

    assert folded.attempts == attempts


def test_a_late_failure_of_an_earlier_attempt_changes_nothing():
    (folded,) = fold(
        [
            RERUN,
            *again(SETUP, CALL, TEARDOWN),
            replace(TEARDOWN_ERROR, short_text="late"),
        ]
    )

    assert folded.outcome is Outcome.PASSED
    assert folded.failures == ()
    assert folded.earlier_failure == RERUN


def test_all_failures_of_an_attempt_are_kept_in_order():
    """Two failed subtests and a teardown error are three failures."""
    (folded,) = fold(
        [
            SETUP,
            report("call", "failed", short_text="one", subtest="[a]"),
            report("call", "failed", short_text="two", subtest="[b]"),
            report("teardown", "failed", short_text="three", text="stack"),
        ]
    )

    assert [(each.short_text, each.subtest) for each in folded.failures] == [
        ("one", "[a]"),
        ("two", "[b]"),
        ("three", ""),
    ]
    assert folded.failures[-1].when == "teardown"
    assert folded.failures[-1].text == "stack"


def test_the_reason_of_a_skip_is_kept():
    """The report of the skip has the reason, that of the teardown has none."""
    (folded,) = fold([report("setup", "skipped", reason="no network"), TEARDOWN])

    assert folded.reason == "no network"


def test_a_test_that_crashed_has_the_cases_of_its_item():
    """A test that kills its process in setup still has its test cases."""
    (folded,) = fold([Item(NODEID, (101, "A-1")), START, CRASH])

    assert folded.cases == (101, "A-1")


def test_a_title_is_on_one_line():
    (folded,) = fold([Item("t.py::a\nb")])

    assert folded.title == "t.py::a\\nb"


def test_a_killed_test_has_the_time_of_its_start():
    """Without a report, the start is its last record."""
    (folded,) = fold([ITEM, Start(NODEID, at=70)])

    assert (folded.at, folded.attempts, folded.duration) == (70, 1, 0)


def test_each_worker_adds_its_time():
    """The time of a test that ran on two workers is the sum."""
    (folded,) = fold(
        [
            *on("gw0", report("call", duration=5), TEARDOWN),
            *on("gw1", report("call", duration=7), TEARDOWN),
        ]
    )

    assert folded.duration == 12


def test_every_node_has_a_result_of_its_own():
    """The results are in the order in which the nodes first appear."""
    folded = fold(
        [
            Item("a"),
            Item("b"),
            report("call", "failed", nodeid="b"),
            report("call", nodeid="a"),
            report("teardown", nodeid="b"),
            report("teardown", nodeid="a"),
            END,
        ]
    )

    assert [(each.nodeid, each.outcome) for each in folded] == [
        ("a", Outcome.PASSED),
        ("b", Outcome.FAILED),
    ]


# Properties that hold for any records

REPORTS_BY_NODE_AND_WORKER = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["", "gw0", "gw1"]),
        st.lists(
            st.builds(
                report,
                st.sampled_from(["setup", "call", "teardown", "???"]),
                st.sampled_from(["passed", "failed", "skipped", "rerun"]),
                attempt=st.integers(0, 2),
                duration=st.integers(0, 10),
                at=st.integers(0, 10),
                xfail=st.booleans(),
                reason=st.sampled_from(["", "later", "never"]),
                short_text=st.sampled_from(["", "here", "there"]),
            ),
            max_size=4,
        ),
    ),
    max_size=4,
    unique_by=lambda entry: entry[:2],
)


@deterministic
@given(REPORTS_BY_NODE_AND_WORKER, st.booleans(), st.randoms(use_true_random=False))
def test_order_between_workers_makes_no_difference(
    reports_by_node_and_worker: list[tuple[str, str, list[Report]]],
    ended: bool,
    chance: random.Random,
) -> None:
    """Only the order within one test on one worker counts; the rest may interleave."""
    queues: list[list[Record]] = [
        [replace(each, nodeid=nodeid, worker=worker) for each in reports]
        for nodeid, worker, reports in reports_by_node_and_worker
    ]
    queues += [[Item("a", (101,))], [Start("a")], [Start("b")]]
    queues += [[END]] if ended else []
    in_order = [record for queue in queues for record in queue]
    shuffled = interleave(queues, chance)

    assert by_nodeid(fold(shuffled)) == by_nodeid(fold(in_order))


def interleave(queues: list[list[Record]], chance: random.Random) -> list[Record]:
    waiting = [list(queue) for queue in queues if queue]
    mixed = []
    while waiting:
        queue = chance.choice(waiting)
        mixed.append(queue.pop(0))
        waiting = [each for each in waiting if each]
    return mixed


def by_nodeid(folded: list[NodeResult]) -> dict[str, NodeResult]:
    return {each.nodeid: each for each in folded}


TEXTS = st.text(max_size=3)
NUMBERS = st.integers()
RECORDS = st.one_of(
    st.builds(Item, TEXTS, st.tuples(NUMBERS | TEXTS)),
    st.builds(Start, TEXTS, NUMBERS, TEXTS),
    st.builds(Passed, TEXTS, NUMBERS, NUMBERS, TEXTS),
    st.builds(End, NUMBERS),
    st.builds(
        Report,
        TEXTS,
        TEXTS,
        TEXTS,
        duration=NUMBERS,
        at=NUMBERS,
        xfail=st.booleans(),
        attempt=NUMBERS,
        worker=TEXTS,
    ),
)


@deterministic
@given(st.lists(RECORDS))
def test_every_node_with_a_record_has_one_result(records: list[Record]) -> None:
    """With any records, no test is lost and none appears twice."""
    seen = {each.nodeid for each in records if not isinstance(each, End)}

    assert sorted(each.nodeid for each in fold(records)) == sorted(seen)


@deterministic
@given(st.lists(st.sampled_from([SETUP, CALL, TEARDOWN, FAILED_CALL, CRASH])))
def test_a_failure_without_a_rerun_is_never_lost(reports: list[Report]) -> None:
    """A failed report of the only attempt makes the test fail, with any other reports."""
    (folded,) = fold([START, *reports])
    has_failed = any(each.outcome == "failed" for each in reports)

    assert folded.outcome.is_failure or not has_failed
