"""The line in the notes from which jobs of one run learn about each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.push.diff import compute
from pytest_zephyr.push.diff import decide
from pytest_zephyr.push.diff import DiffRules
from pytest_zephyr.results import tags
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Status
from pytest_zephyr.results.tags import Finding
from pytest_zephyr.results.tags import Tag
from tests.unit.make import BLOCKED
from tests.unit.make import deterministic
from tests.unit.make import execution
from tests.unit.make import FAIL
from tests.unit.make import node
from tests.unit.make import PASS
from tests.unit.make import result


A = JobMark("aaaaaaaa", "0001")
B = JobMark("bbbbbbbb", "0002")

HEX = "0123456789abcdef"
FINDINGS = st.builds(
    Finding,
    st.builds(
        JobMark,
        st.text(HEX, min_size=8, max_size=8),
        st.sampled_from(["", "3e4f"]),
        st.integers(0, 10**12),
    ),
    st.sampled_from(["1", "2", "4", "12"]),
    st.integers(0, 10**13),
)
TAGS = st.builds(
    Tag,
    st.text(HEX, min_size=8, max_size=8),
    st.integers(0, 10**13),
    st.lists(FINDINGS, max_size=3),
)


@deterministic
@given(TAGS, st.text(), st.text())
def test_a_tag_is_read_back_from_any_notes(tag, before, after):
    """This holds also if the server adds markup to the notes."""
    notes = f"{before}\n{tag}</p>" if after else f"{before}\n{tag}"
    found = tags.find(notes)

    assert found is not None
    assert (found.run, found.at) == (tag.run, tag.at)
    assert set(found.findings) == set(tag.findings)
    assert str(tag) not in tags.strip(notes)


@pytest.mark.parametrize("at", [-5, 10**19])
def test_a_tag_of_an_absurd_time_can_be_read(at):
    found = tags.find(str(Tag("12345678", at, [Finding(A, "2", at)])))

    assert found is not None
    assert len(found.findings) == 1


def test_a_tag_that_is_too_long_leaves_out_whole_jobs():
    """Those with the worst results stay."""
    many = [
        Finding(JobMark(f"{n:08x}", "3e4f", 123456789012), "2" if n > 44 else "4", n)
        for n in range(50)
    ]
    text = str(Tag("12345678", 1, many))
    found = tags.find(text)

    assert len(text) <= tags.MAX_TAG_LENGTH
    assert found is not None
    assert set(found.findings) <= set(many)
    assert {*many[45:]} <= {*found.findings}


def test_the_last_tag_counts():
    """A test may have printed the notes of another run."""
    first, last = Tag("11111111", 1), Tag("22222222", 2)

    assert tags.find(f"{first}\nassert 1\n{last}") == replace(last, findings=())


# What a job makes of a tag


def of(
    job: JobMark,
    status: Status,
    at: int = 1000,
    *,
    run: str = "K",
    started: int | None = None,
    idle: bool = False,
    notes: str | None = "",
) -> CaseResult:
    """Return what a session of 10 ms found for test case 101, its tests over *at*.

    If it is *idle*, another test of the test case did not run.
    """
    outcome = Outcome.PASSED if status is PASS else Outcome.FAILED
    origin = Origin(
        run=run,
        journal=f"{job.kind}{job.place}{job.attempt}{at}",
        job=job,
        started=at - 10 if started is None else started,
    )
    nodes = [node(outcome, cases=(101,), origin=origin, at=at)]
    if idle:
        nodes.append(node(Outcome.SKIPPED, "other", cases=(101,), origin=origin))
    text = None if status is PASS else "failed t (0.00 s)"
    return replace(
        result(101, status),
        at=at,
        notes=text if notes == "" else notes,
        nodes=tuple(nodes),
        statuses=(status.id, "")[: len(nodes)],
    )


def terms(*results: CaseResult, **values: Any) -> DiffRules:
    ended = {each.nodes[0].origin.journal: each.at for each in results}
    return DiffRules(ended, **{"now": 10**6, **values})


def write(each: CaseResult, held: Execution, **values: Any) -> Execution:
    """Return the execution *held* after the result *each* was written to it."""
    change = decide(each, held, terms(each), **values)
    if change is None:
        return held
    text = change.text
    comment = held.comment if text is None else text
    return replace(held, status=change.status, comment=comment)


def after(*results: CaseResult) -> tuple[str, str]:
    """Write *results* one after the other; return status and notes afterwards."""
    held = execution(1, 101, status="", comment="")
    for each in results:
        held = write(each, held)
    return held.status, held.comment


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([of(A, FAIL), of(B, PASS)], FAIL),
        ([of(A, PASS), of(B, FAIL)], FAIL),
        ([of(A, FAIL), of(A, PASS, 2000)], PASS),
        ([of(A, FAIL), of(B, FAIL)], FAIL),
        ([of(A, FAIL), of(B, FAIL), of(B, PASS, 2000)], FAIL),
        ([of(A, FAIL), of(B, FAIL), of(B, PASS, 2000), of(A, PASS, 3000)], PASS),
        ([of(A, BLOCKED), of(B, FAIL), of(B, PASS, 2000)], BLOCKED),
        ([of(A, FAIL), of(B, BLOCKED), of(A, PASS, 2000)], BLOCKED),
        ([of(A, FAIL), of(B, PASS, run="L")], PASS),
        # An older attempt that is sent later changes nothing, as far as a tag tells.
        ([of(A, FAIL, 2000), of(A, PASS, 1000)], FAIL),
        ([of(A, PASS, 2000, notes="passed t (0.00 s)"), of(A, FAIL, 1000)], PASS),
        # Side by side they are two jobs.
        ([of(A, FAIL, 1000), of(A, PASS, 1005)], FAIL),
        # What did not run replaces nothing.
        ([of(A, FAIL), of(A, PASS, 2000, idle=True)], FAIL),
        # The same session once more.
        ([of(A, FAIL), of(B, FAIL), of(A, FAIL)], FAIL),
    ],
)
def test_the_worst_job_of_a_run_decides(results, status):
    """An attempt replaces only findings of its own job; another run starts anew."""
    assert after(*results)[0] == status.id


def test_an_attempt_that_could_not_collect_everything_replaces_nothing():
    """The tests that failed may be in the file that was not collected."""
    _, notes = after(of(A, FAIL))
    held = execution(1, 101, status=FAIL.id, comment=notes)
    mine = of(A, PASS, 2000)
    incomplete = {mine.nodes[0].origin.journal}
    change = decide(mine, held, terms(mine, incomplete=incomplete))

    assert change is not None
    assert change.status == FAIL.id


FIRST = replace(A, attempt=1)
ELSEWHERE = JobMark(A.kind, "0009", 2)
THIRD = JobMark(A.kind, "0007", 1)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([of(FIRST, FAIL), of(ELSEWHERE, PASS)], PASS),
        ([of(ELSEWHERE, FAIL), of(FIRST, PASS, 2000)], FAIL),
        ([of(A, FAIL), of(ELSEWHERE, PASS)], FAIL),
        # One repetition replaces one of two jobs that look alike.
        ([of(FIRST, FAIL), of(THIRD, FAIL), of(ELSEWHERE, PASS, 2000)], FAIL),
        ([of(FIRST, PASS), of(THIRD, FAIL), of(ELSEWHERE, PASS, 2000)], PASS),
    ],
)
def test_attempts_elsewhere_that_the_service_counts(results, status):
    assert after(*results)[0] == status.id


def test_notes_of_a_failure_are_removed_when_it_passes():
    """The result of another job counts again, and its notes are lost."""
    status, notes = after(of(A, FAIL), of(B, BLOCKED), of(A, PASS, 2000))

    assert status == BLOCKED.id
    assert notes.startswith("another job of this run found this")
    held = execution(1, 101, status=status, comment=notes)
    again = decide(of(B, PASS, 3000), held, terms())
    assert again is not None
    assert (again.text or "").startswith("passed")


def test_a_status_that_a_person_changed_makes_the_tag_invalid():
    """The tag belongs to a result that is not on the server any more."""
    _, notes = after(of(A, FAIL))
    corrected = execution(1, 101, status=PASS.id, comment=notes)
    decided = decide(of(B, BLOCKED), corrected, terms())

    assert decided is not None
    assert (decided.status, decided.overruled_by) == (BLOCKED.id, "")


def test_a_worse_result_that_a_pass_has_overwritten_is_restored():
    """The server keeps notes that a write does not name, and with them the tag."""
    _, notes = after(of(A, FAIL))
    covered = execution(1, 101, status=PASS.id, comment=notes)
    decided = decide(of(B, PASS), covered, terms(), written=True)

    assert decided is not None
    assert decided.status == FAIL.id
    assert tags.strip(decided.text or "") == tags.strip(notes)


@pytest.mark.parametrize("status", [FAIL, PASS])
def test_notes_of_people_stay_if_none_are_to_be_written(status):
    quiet = of(A, status, notes=None)
    held = write(quiet, execution(1, 101, status="", comment="foreign"))

    assert tags.strip(held.comment) == "foreign"
    assert (tags.find(held.comment) is not None) is (status is FAIL)
    assert write(of(A, PASS, 2000), held).comment == "foreign"


@pytest.mark.parametrize(
    ("run", "at", "values", "older"),
    [
        ("K", 5000, {}, False),
        ("L", 5000, {}, True),
        ("L", 500, {}, False),
        ("L", 5000, {"force": True}, False),
        ("L", 5000, {"now": 1001}, True),
    ],
)
def test_a_later_result_of_another_run_is_not_overwritten(run, at, values, older):
    """The tag decides, not the dates of the server."""
    held = write(of(B, BLOCKED, at, run=run), execution(1, 101, comment=""))
    mine = of(A, FAIL)
    there = replace(held, executed_on=1)
    changes = compute([mine], [there], "phase P", rules=terms(mine, **values))

    assert bool(changes.older) is older
    assert bool(changes.writes) is not older


def test_dates_count_only_between_runs():
    """Jobs of one run are compared by what they found."""
    held = write(of(B, BLOCKED, 5000), execution(1, 101, comment=""))
    mine = of(A, FAIL)
    there = replace(held, executed_on=5000)
    changes = compute([mine], [there], "phase P", rules=terms(mine))

    assert [each.status for each in changes.writes] == [FAIL.id]


def test_a_clock_that_is_ahead_does_not_stop_later_runs():
    """No tag has a time that is in the future for the server."""
    future = of(A, FAIL, 10**9)
    change = decide(future, execution(1, 101, comment=""), terms(future, now=2000))
    assert change is not None
    found = tags.find(change.text or "")

    assert found is not None
    assert found.at == 2000
    assert [each.at for each in found.findings] == [2000]
