"""Plans: the worst of the tests of a test case decides its result."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.results.plan import build_plan
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.plan import Rules
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import choices
from pytest_zephyr.results.status import Status
from tests.unit.make import BLOCKED
from tests.unit.make import choices_of
from tests.unit.make import CUSTOM
from tests.unit.make import deterministic
from tests.unit.make import FAIL
from tests.unit.make import node
from tests.unit.make import notes_options
from tests.unit.make import PASS
from tests.unit.make import result


UNRUN, SKIPPED = Outcome.UNRUN, Outcome.SKIPPED
PASSED, XPASSED, XFAILED = Outcome.PASSED, Outcome.XPASSED, Outcome.XFAILED
ERROR, CRASHED, FAILED = Outcome.ERROR, Outcome.CRASHED, Outcome.FAILED


def one_case(outcomes: list[Outcome], **status_map: str) -> CaseResult:
    """Return the result of a test case with one test for each of *outcomes*."""
    nodes = [node(each, f"t{i}", cases=(101,)) for i, each in enumerate(outcomes)]
    (case_result,) = build_plan(
        nodes, Rules(choices_of(**status_map), notes_options())
    ).results
    return case_result


@pytest.mark.parametrize(
    ("outcomes", "status_map", "outcome", "status"),
    [
        pytest.param([PASSED] * 49 + [FAILED], {}, FAILED, FAIL, id="one of fifty"),
        pytest.param([PASSED, ERROR], {}, ERROR, FAIL, id="error"),
        pytest.param([CRASHED, PASSED], {}, CRASHED, FAIL, id="crash"),
        pytest.param([XFAILED, PASSED], {}, XFAILED, BLOCKED, id="xfail"),
        pytest.param([XFAILED, ERROR], {}, ERROR, FAIL, id="fail before blocked"),
        pytest.param([XPASSED, PASSED], {}, XPASSED, PASS, id="xpass"),
        pytest.param([PASSED, SKIPPED], {}, PASSED, PASS, id="skip decides nothing"),
        pytest.param([UNRUN, PASSED], {}, PASSED, PASS, id="unrun decides nothing"),
        pytest.param([SKIPPED, UNRUN], {}, SKIPPED, None, id="nothing ran"),
        pytest.param([UNRUN], {}, UNRUN, None, id="unrun alone"),
        pytest.param(
            [PASSED, SKIPPED], {"skipped": "Fail"}, PASSED, PASS, id="mapped skip"
        ),
        pytest.param(
            [UNRUN, SKIPPED],
            {"skipped": "Blocked"},
            SKIPPED,
            BLOCKED,
            id="mapped skip alone",
        ),
        pytest.param(
            [FAILED, ERROR],
            {"failed": "Needs a look"},
            ERROR,
            FAIL,
            id="fail before custom, whatever the outcome",
        ),
        pytest.param(
            [XFAILED, FAILED],
            {"failed": "Needs a look"},
            XFAILED,
            BLOCKED,
            id="blocked before custom",
        ),
        pytest.param(
            [PASSED, XFAILED],
            {"xfailed": "Needs a look"},
            XFAILED,
            CUSTOM,
            id="custom before pass",
        ),
        pytest.param(
            [PASSED, XFAILED],
            {"xfailed": "-"},
            PASSED,
            PASS,
            id="a dash decides nothing",
        ),
        pytest.param([XFAILED], {"xfailed": "-"}, XFAILED, None, id="a dash alone"),
        pytest.param(
            [FAILED, SKIPPED],
            {"failed": "-", "skipped": "Blocked"},
            SKIPPED,
            BLOCKED,
            id="a mapped skip before a dash",
        ),
        pytest.param(
            [FAILED, PASSED], {"failed": "Pass"}, FAILED, PASS, id="same status"
        ),
    ],
)
def test_the_worst_status_decides(outcomes, status_map, outcome, status):
    """The order is Fail, Blocked, any other status, Pass; then no status.

    `skipped` and `unrun` decide only if no other outcome has a status.
    """
    case_result = one_case(outcomes, **status_map)

    assert (case_result.outcome, case_result.status) == (outcome, status)
    assert case_result.problem == ""


@pytest.mark.parametrize(
    ("outcome", "status_map", "words"),
    [
        pytest.param(PASSED, {}, "Pass", id="status"),
        pytest.param(PASSED, {"passed": "-"}, "passed", id="passed without a status"),
        pytest.param(SKIPPED, {}, "skipped", id="skipped"),
        pytest.param(UNRUN, {}, "not run", id="not run"),
    ],
)
def test_a_result_in_doubt_names_the_status_that_is_not_reported(
    outcome, status_map, words
):
    """Without a status it names the outcome."""
    doubtful = node(outcome, cases=(101,), doubt="line 3 of a.jsonl cannot be read")
    rules = Rules(choices_of(**status_map), notes_options())
    (case_result,) = build_plan([doubtful], rules).results

    assert case_result.uncertain
    assert case_result.problem == (
        f"not reported as {words}: line 3 of a.jsonl cannot be read, so a test may have"
        f" failed."
    )


@pytest.mark.parametrize(
    ("outcomes", "status_map", "outcome"),
    [
        pytest.param([FAILED], {"failed": "Gone"}, FAILED, id="alone"),
        pytest.param(
            [FAILED, PASSED], {"failed": "Gone"}, FAILED, id="not hidden by a pass"
        ),
        pytest.param(
            [ERROR, FAILED], {"error": "Gone"}, ERROR, id="not hidden by a failure"
        ),
        pytest.param(
            [XFAILED, PASSED], {"xfailed": "Gone"}, XFAILED, id="xfail over pass"
        ),
    ],
)
def test_a_missing_status_is_named_and_nothing_sent(outcomes, status_map, outcome):
    """Otherwise the result could be better than the outcome with the missing status."""
    case_result = one_case(outcomes, **status_map)

    assert case_result.outcome is outcome
    assert case_result.status is None
    assert "'Gone'" in case_result.problem


@pytest.mark.parametrize(
    ("outcomes", "status_map", "status"),
    [
        pytest.param([PASSED], {"failed": "Gone"}, PASS, id="outcome not seen"),
        pytest.param(
            [FAILED, XFAILED], {"xfailed": "Gone"}, FAIL, id="something worse"
        ),
        pytest.param([PASSED, SKIPPED], {"skipped": "Gone"}, PASS, id="skip"),
    ],
)
def test_a_missing_status_is_a_problem_only_of_a_deciding_outcome(
    outcomes, status_map, status
):
    """An outcome that does not decide may map to a missing status."""
    case_result = one_case(outcomes, **status_map)

    assert case_result.status == status
    assert case_result.problem == ""


def test_times_are_added_and_the_last_end_counts():
    """The sum is rounded once, from microseconds to milliseconds."""
    nodes = [
        node(PASSED, "a", cases=(101,), duration=1_000_400, at=30),
        node(PASSED, "b", cases=(101,), duration=2_000_400, at=20),
    ]
    (case_result,) = build_plan(nodes, Rules(choices_of(), notes_options())).results

    assert (case_result.milliseconds, case_result.at) == (3_001, 30)


def test_a_test_may_verify_several_cases():
    """Each gets the result once; an id and an equal Alt ID are two test cases."""
    plan = build_plan(
        [node(FAILED, cases=(101, "101", 101))], Rules(choices_of(), notes_options())
    )

    assert [each.case for each in plan.results] == [101, "101"]
    assert [each.status for each in plan.results] == [FAIL, FAIL]
    assert [len(each.nodes) for each in plan.results] == [1, 1]


def test_tests_without_a_case_are_listed_apart():
    """They are in no result."""
    plan = build_plan(
        [node(PASSED, "a"), node(PASSED, "b", cases=(1,))],
        Rules(choices_of(), notes_options()),
    )

    assert [each.nodeid for each in plan.nodes_without_case] == ["a"]
    assert [each.case for each in plan.results] == [1]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(result(case=102), id="case"),
        pytest.param(result(case="101"), id="Alt ID"),
        pytest.param(result(status=FAIL), id="status"),
        pytest.param(result(status=None), id="no status"),
        pytest.param(result(milliseconds=121), id="milliseconds"),
        pytest.param(result(at=1_001), id="time of the end"),
        pytest.param(result(notes="passed"), id="notes"),
    ],
)
def test_another_result_has_another_digest(other):
    """The digest depends on test case, status, duration, end and notes."""
    assert other.digest != result().digest


def test_the_same_result_has_the_same_digest():
    """The tests of a result are not in its digest."""
    assert result(nodes=(node(PASSED),)).digest == result().digest


def test_a_digest_takes_any_text():
    """Captured output may hold half a surrogate pair."""
    assert result(notes="\ud800").digest


OUTCOMES = st.sampled_from(list(Outcome))
RAN_OUTCOMES = st.sampled_from(
    [each for each in Outcome if each not in {SKIPPED, UNRUN}]
)
OTHER_OUTCOMES = st.sampled_from([SKIPPED, UNRUN])
STATUS_MAPS = st.dictionaries(
    st.sampled_from([each.value for each in Outcome]),
    st.sampled_from(["Pass", "Fail", "Blocked", "7", "-"]),
)
BEST_TO_WORST = [None, PASS, CUSTOM, BLOCKED, FAIL]


@deterministic
@given(
    st.lists(RAN_OUTCOMES, min_size=1),
    st.lists(OTHER_OUTCOMES),
    RAN_OUTCOMES,
    STATUS_MAPS,
)
def test_one_more_test_never_improves_the_status(
    ran: list[Outcome],
    not_run: list[Outcome],
    added: Outcome,
    status_map: dict[str, str],
) -> None:
    """A test that ran, with any that did not, makes the status worse or keeps it."""
    before = one_case(ran, **status_map).status
    after = one_case([*not_run, *ran, added], **status_map).status

    assert BEST_TO_WORST.index(after) >= BEST_TO_WORST.index(before)


@deterministic
@given(st.lists(OUTCOMES, min_size=1))
def test_a_failed_test_fails_its_case_and_others_do_not(
    outcomes: list[Outcome],
) -> None:
    """By default, a failure of any kind is Fail, and nothing else is."""
    case_result = one_case(outcomes)

    assert (case_result.status == FAIL) is any(each.is_failure for each in outcomes)


@deterministic
@given(
    st.lists(OUTCOMES, min_size=1),
    STATUS_MAPS,
    st.sampled_from([set(), {"2"}, {"1", "4"}]),
)
def test_the_deciding_outcome_is_that_of_a_test_in_any_order(
    outcomes: list[Outcome], status_map: dict[str, str], inactive: set[str]
) -> None:
    """The reverse order has the same result."""
    known = [
        Status(each.id, each.name, active=each.id not in inactive)
        for each in (PASS, FAIL, BLOCKED, CUSTOM)
    ]
    chosen = choices(status_map, "from -o", known)
    nodes = [node(each, cases=(1,)) for each in outcomes]
    rules = Rules(chosen, notes_options())
    (case_result,) = build_plan(nodes, rules).results
    (backwards,) = build_plan(nodes[::-1], rules).results

    assert case_result.outcome in outcomes
    assert case_result.outcome is backwards.outcome
    assert case_result.status == backwards.status
    assert case_result.problem == backwards.problem


NODES = st.lists(
    st.builds(
        NodeResult,
        st.sampled_from(["a", "b", "c"]),
        OUTCOMES,
        cases=st.sampled_from([(1,), (1, 2), ("A",), ()]),
        duration=st.integers(0, 10**7),
        at=st.integers(0, 9),
        attempts=st.integers(1, 2),
        reason=st.sampled_from(["", "later"]),
    ),
    max_size=6,
    unique_by=lambda each: each.nodeid,
)


@deterministic
@given(NODES, st.randoms(use_true_random=False))
def test_order_of_tests_makes_no_difference(nodes, chance):
    """Status, time and notes of a case do not depend on the order of its tests."""
    shuffled = list(nodes)
    chance.shuffle(shuffled)

    assert planned_values(shuffled) == planned_values(nodes)


def planned_values(nodes: list[NodeResult]) -> dict[object, object]:
    """Return the planned values of each test case, by test case."""
    plan = build_plan(nodes, Rules(choices_of(), notes_options("always")))
    return {
        repr(each.case): (
            each.status,
            each.outcome,
            each.milliseconds,
            each.at,
            each.notes,
            each.digest,
        )
        for each in plan.results
    }
