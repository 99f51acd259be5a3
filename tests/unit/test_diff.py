"""The comparison of results with executions, which says what a push will write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import was_written
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Status
from tests.unit.make import changes_of
from tests.unit.make import deterministic
from tests.unit.make import diff_rules
from tests.unit.make import execution
from tests.unit.make import FAIL
from tests.unit.make import node
from tests.unit.make import PASS
from tests.unit.make import PLACE
from tests.unit.make import result


def refusal_reasons(changes: Changes) -> list[str]:
    return [each.reason for each in changes.refused]


def test_a_result_goes_to_the_execution_of_its_case():
    """The execution is found by the visible id, not by its position."""
    changes = changes_of([result(102)], [execution(1, 101), execution(2, 102)])

    assert changes == Changes(writes=[Change(result(102), execution(2, 102), None)])


def test_a_result_is_written_even_if_the_status_is_the_same():
    """A push also writes the time, which is new."""
    changes = changes_of([result()], [execution(status_id="1")])

    assert [each.execution.id for each in changes.writes] == [1]


def test_a_number_and_an_alt_id_of_the_same_digits_differ():
    """An Alt ID of digits is not a visible id."""
    rows = [execution(1, 101), execution(2, 102, alt="101")]
    changes = changes_of([result(101), result("101")], rows)

    assert [each.execution.id for each in changes.writes] == [1, 2]


def test_of_several_executions_the_one_with_the_lowest_id_is_used():
    """A case with two executions is written once, to the same one each time."""
    rows = [execution(9, 101, alt="A-1"), execution(4, 101, alt="A-1")]

    for case in (101, "A-1"):
        changes = changes_of([result(case)], rows)

        assert [each.execution.id for each in changes.writes] == [4]


def test_an_ambiguous_alt_id_is_refused_with_the_ids_to_use():
    """Alt IDs are not unique, and none of the test cases is preferred."""
    rows = [execution(1, 102, alt="A-1"), execution(2, 101, alt="A-1")]
    changes = changes_of([result("A-1")], rows)

    (reason,) = refusal_reasons(changes)

    assert reason == (
        f"the Alt ID 'A-1' belongs to several test cases in {PLACE} (101, 102);"
        f" mark the test with one of these ids"
    )
    assert changes.writes == []


@pytest.mark.parametrize("case", [7, "A-1", "{x}"])
def test_a_case_without_an_execution_is_missing(case):
    """A later step decides whether it can be added to the phase."""
    changes = changes_of([result(case)], [execution(1, 101)])

    assert [each.case for each in changes.missing] == [case]
    assert (changes.writes, changes.refused) == ([], [])


def test_a_result_with_a_problem_is_refused():
    """It is not sent, because its outcome has no status on this server."""
    changes = changes_of([result(status=None, problem="no such status")], [execution()])

    assert refusal_reasons(changes) == ["no such status"]
    assert (changes.writes, changes.skipped) == ([], [])


def test_a_result_without_a_status_is_skipped():
    """A skipped test changes no execution, and needs none."""
    changes = changes_of([result(7, status=None)], [execution()])

    assert changes == Changes(skipped=[result(7, status=None)])


def test_a_delivered_result_is_not_written_again():
    """A receipt is for one result on one execution; another execution gets the result."""
    delivered = {(1, result().digest)}
    changes = changes_of(
        [result(), result(102)], [execution(1), execution(2, 102)], delivered
    )

    assert [each.result for each in changes.reported_before] == [result()]
    assert [each.result.case for each in changes.writes] == [102]
    elsewhere = changes_of([result()], [execution(3)], delivered)
    assert [each.execution.id for each in elsewhere.writes] == [3]


@pytest.mark.parametrize(
    ("executed_on", "is_sent_late", "is_written"),
    [
        pytest.param(2_000, True, False, id="newer on the server"),
        pytest.param(1_000, True, True, id="of the same time"),
        pytest.param(999, True, True, id="older on the server"),
        pytest.param(None, True, True, id="never executed"),
        pytest.param(2_000, False, True, id="newer, but ours is not sent late"),
    ],
)
def test_a_newer_result_on_the_server_stays_if_ours_is_sent_late(
    executed_on, is_sent_late, is_written
):
    """A journal that is pushed late does not overwrite newer results."""
    row = execution(executed_on=executed_on)
    rules = diff_rules(ended={"": 1_000}, now=90_000 if is_sent_late else 2_000)
    ours = result(at=1_000, nodes=(node(Outcome.PASSED),))
    changes = changes_of([ours], [row], rules=rules)

    assert len(changes.writes) == is_written
    assert [each.execution for each in changes.older] == ([] if is_written else [row])


STATES_AFTER_A_WRITE = {
    "written status, new stamp": ("2", "after", True, True),
    "written status, old stamp": ("2", "before", True, False),
    "another status": ("1", "after", True, False),
    "no status": ("", "after", True, False),
    "written status, unreliable stamp": ("2", "before", False, True),
    "another status, unreliable stamp": ("1", "after", False, False),
}


@pytest.mark.parametrize(
    ("status", "stamp", "stamp_is_reliable", "found_on_server"),
    STATES_AFTER_A_WRITE.values(),
    ids=STATES_AFTER_A_WRITE,
)
def test_a_write_is_found_by_its_status_and_a_new_stamp(
    status, stamp, stamp_is_reliable, found_on_server
):
    """With the old stamp nothing was written, unless the stamp is not reliable."""
    row = execution(status_id=status, stamp=stamp, stamp_is_reliable=stamp_is_reliable)

    assert (
        was_written(Change(result(status=FAIL), row, None), "before") is found_on_server
    )


@pytest.mark.parametrize(
    ("status", "stamp", "stamp_is_reliable", "found_on_server"),
    STATES_AFTER_A_WRITE.values(),
    ids=STATES_AFTER_A_WRITE,
)
def test_an_unanswered_write_is_looked_up_before_it_is_repeated(
    status, stamp, stamp_is_reliable, found_on_server
):
    """A result that is on the server is not written again."""
    row = execution(status_id=status, stamp=stamp, stamp_is_reliable=stamp_is_reliable)
    changes = changes_of([result(status=FAIL)], [row], unanswered={row.id: "before"})

    assert len(changes.reported) == found_on_server
    assert len(changes.writes) == (not found_on_server)


def test_only_unanswered_writes_are_looked_up():
    """Other executions have their status from somebody else or from an older run."""
    row = execution(status_id="2", stamp="after")
    changes = changes_of([result(status=FAIL)], [row], unanswered={99: "before"})

    assert [each.execution.id for each in changes.writes] == [1]


@pytest.mark.parametrize(
    ("existing", "notes", "written"),
    [
        pytest.param("", None, None, id="none, and none to write"),
        pytest.param("by hand: ok", None, None, id="a person's notes"),
        pytest.param(
            "failed t.py::test_a (0.10 s)\n\nstack",
            None,
            "passed t.py::test_a (0.00 s)",
            id="ours from an earlier run",
        ),
        pytest.param(
            "failed: 1 of 2 tests\nfailed t",
            None,
            "passed t.py::test_a (0.00 s)",
            id="ours about several tests",
        ),
        pytest.param(
            "by hand: ok", "failed t", "failed t", id="notes are to be written"
        ),
        pytest.param("failed: 1 of 2 tests", "new", "new", id="new notes over ours"),
    ],
)
def test_old_notes_of_ours_are_replaced(existing, notes, written):
    """A line about the new result replaces them; only new notes replace a person's."""
    tested = node(Outcome.PASSED, "t.py::test_a")
    changes = changes_of(
        [result(nodes=(tested,), notes=notes)], [execution(notes=existing)]
    )

    assert [each.notes for each in changes.writes] == [written]


RESULTS = st.lists(
    st.builds(
        result,
        st.sampled_from([101, 102, 103, "A-1", "A-2"]),
        st.sampled_from([None, PASS, FAIL]),
        problem=st.sampled_from(["", "no such status"]),
        notes=st.sampled_from([None, "notes"]),
        nodes=st.just((node(Outcome.PASSED),)),
    ).filter(lambda each: not (each.problem and each.status)),
    unique_by=lambda each: each.case,
)
EXECUTIONS = st.lists(
    st.builds(
        execution,
        st.integers(1, 9),
        st.sampled_from([None, 101, 102]),
        alt=st.sampled_from(["", "A-1", "A-2"]),
        status_id=st.sampled_from(["", "1", "2"]),
        stamp=st.sampled_from(["before", "after"]),
        executed_on=st.sampled_from([None, 1, 2_000]),
    ),
    unique_by=lambda each: each.id,
)


@deterministic
@given(
    RESULTS,
    EXECUTIONS,
    st.dictionaries(st.integers(1, 9), st.just("before")),
    st.booleans(),
)
def test_every_result_is_accounted_for(results, executions, unanswered, is_sent_late):
    """Each result is in exactly one list of the changes."""
    delivered = {
        (each.id, result.digest) for each in executions for result in results[::2]
    }
    rules = diff_rules(ended={"": 1_000}, now=90_000 if is_sent_late else 2_000)
    changes = changes_of(results, executions, delivered, unanswered, rules)
    not_overwritten = changes.older + changes.overruled
    cases = [
        *(
            each.result.case
            for each in changes.writes + changes.reported + not_overwritten
        ),
        *(each.result.case for each in changes.reported_before),
        *(each.case for each in changes.skipped + changes.missing),
        *(each.result.case for each in changes.refused),
    ]

    assert sorted(map(repr, cases)) == sorted(repr(each.case) for each in results)


@deterministic
@given(RESULTS, EXECUTIONS)
def test_a_second_push_writes_nothing(results, executions):
    """With the receipts of the first one there is nothing left to write."""
    first = changes_of(results, executions)
    receipts = {(each.execution.id, each.result.digest) for each in first.writes}
    second = changes_of(results, executions, receipts)

    assert second.writes == []
    assert second.refused == first.refused


@deterministic
@given(RESULTS, EXECUTIONS, st.randoms(use_true_random=False))
def test_order_of_executions_makes_no_difference(results, executions, chance):
    """The server may list the executions of a phase in any order."""
    shuffled = chance.sample(executions, len(executions))

    assert changes_of(results, shuffled) == changes_of(results, executions)


def test_a_status_is_compared_by_id_not_by_name():
    """A server may rename a status, and have several of one name."""
    row = execution(status_id=FAIL.id, stamp="after")
    renamed, namesake = Status(FAIL.id, "Broken"), Status("8", FAIL.name)

    assert was_written(Change(result(status=renamed), row), "before")
    assert not was_written(Change(result(status=namesake), row), "before")
