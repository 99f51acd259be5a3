"""The line in the notes from which jobs of one run learn about each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.client.entities import Execution
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
from tests.unit.make import changes_of
from tests.unit.make import deterministic
from tests.unit.make import diff_rules
from tests.unit.make import execution
from tests.unit.make import FAIL
from tests.unit.make import node
from tests.unit.make import PASS
from tests.unit.make import result


JOB_A = JobMark("aaaaaaaa", "0001")
JOB_B = JobMark("bbbbbbbb", "0002")

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
@given(TAGS, st.text(), st.booleans())
def test_a_tag_is_read_back_from_any_notes(tag, before, has_markup):
    """This holds also if the server adds markup to the notes."""
    notes = f"{before}\n{tag}</p>" if has_markup else f"{before}\n{tag}"
    parsed = tags.find(notes)

    assert parsed is not None
    assert (parsed.run_digest, parsed.at) == (tag.run_digest, tag.at)
    assert set(parsed.findings) == set(tag.findings)
    assert str(tag) not in tags.strip(notes)


@pytest.mark.parametrize("at", [-5, 10**19])
def test_a_tag_with_a_time_out_of_range_can_be_read(at):
    parsed = tags.find(str(Tag("12345678", at, [Finding(JOB_A, "2", at)])))

    assert parsed is not None
    assert len(parsed.findings) == 1


def test_a_tag_that_is_too_long_leaves_out_whole_jobs():
    """Those with the worst results stay."""
    many = [
        Finding(JobMark(f"{n:08x}", "3e4f", 123456789012), "2" if n > 44 else "4", n)
        for n in range(50)
    ]
    text = str(Tag("12345678", 1, many))
    parsed = tags.find(text)

    assert len(text) <= tags.MAX_TAG_LENGTH
    assert parsed is not None
    assert set(parsed.findings) <= set(many)
    assert {*many[45:]} <= {*parsed.findings}


def test_the_last_tag_counts():
    """A test may have printed the notes of another run."""
    first, last = Tag("11111111", 1), Tag("22222222", 2)

    assert tags.find(f"{first}\nassert 1\n{last}") == last


# Findings of several jobs


def job_result(
    job: JobMark,
    status: Status,
    at: int = 1000,
    *,
    run: str = "K",
    partial: bool = False,
    notes: str | None = "",
) -> CaseResult:
    """Return the result of a session for test case 101.

    The session took 10 ms and ended at *at*, in milliseconds. If it is *partial*, it
    skipped another test of the test case. Empty *notes* stand for none if the *status* is
    Pass, and otherwise for those of a failure.
    """
    outcome = Outcome.PASSED if status is PASS else Outcome.FAILED
    origin = Origin(
        run=run,
        session=f"{job.kind}{job.location}{job.attempt}{at}",
        job=job,
        started=at - 10,
    )
    nodes = [node(outcome, cases=(101,), origin=origin, at=at)]
    if partial:
        nodes.append(node(Outcome.SKIPPED, "other", cases=(101,), origin=origin))
    text = None if status is PASS else "failed t (0.00 s)"
    return replace(
        result(101, status),
        at=at,
        notes=text if notes == "" else notes,
        nodes=tuple(nodes),
        status_ids=(status.id, "")[: len(nodes)],
    )


def rules_for(*results: CaseResult, **values: Any) -> DiffRules:
    """Return rules that know the ends of the sessions of *results*, with other *values*."""
    ended = {each.nodes[0].origin.session: each.at for each in results}
    return diff_rules(ended, **{"now": 10**6, **values})


def write(case_result: CaseResult, row: Execution) -> Execution:
    """Return the execution *row* after the *case_result* was written to it."""
    change = decide(case_result, row, rules_for(case_result))
    if change is None:
        return row
    text = change.tagged_notes
    notes = row.notes if text is None else text
    return replace(row, status_id=change.status_id, notes=notes)


def status_and_notes_after(*results: CaseResult) -> tuple[str, str]:
    """Write *results* one after the other; return status and notes afterwards."""
    row = execution(1, 101, status_id="", notes="")
    for each in results:
        row = write(each, row)
    return row.status_id, row.notes


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([job_result(JOB_A, FAIL), job_result(JOB_B, PASS)], FAIL),
        ([job_result(JOB_A, PASS), job_result(JOB_B, FAIL)], FAIL),
        ([job_result(JOB_A, FAIL), job_result(JOB_A, PASS, 2000)], PASS),
        ([job_result(JOB_A, FAIL), job_result(JOB_B, FAIL)], FAIL),
        (
            [
                job_result(JOB_A, FAIL),
                job_result(JOB_B, FAIL),
                job_result(JOB_B, PASS, 2000),
            ],
            FAIL,
        ),
        (
            [
                job_result(JOB_A, FAIL),
                job_result(JOB_B, FAIL),
                job_result(JOB_B, PASS, 2000),
                job_result(JOB_A, PASS, 3000),
            ],
            PASS,
        ),
        (
            [
                job_result(JOB_A, BLOCKED),
                job_result(JOB_B, FAIL),
                job_result(JOB_B, PASS, 2000),
            ],
            BLOCKED,
        ),
        (
            [
                job_result(JOB_A, FAIL),
                job_result(JOB_B, BLOCKED),
                job_result(JOB_A, PASS, 2000),
            ],
            BLOCKED,
        ),
        ([job_result(JOB_A, FAIL), job_result(JOB_B, PASS, run="L")], PASS),
        ([job_result(JOB_A, FAIL, 2000), job_result(JOB_A, PASS, 1000)], FAIL),
        (
            [
                job_result(JOB_A, PASS, 2000, notes="passed t (0.00 s)"),
                job_result(JOB_A, FAIL, 1000),
            ],
            PASS,
        ),
        ([job_result(JOB_A, FAIL, 1000), job_result(JOB_A, PASS, 1005)], FAIL),
        ([job_result(JOB_A, FAIL), job_result(JOB_A, PASS, 2000, partial=True)], FAIL),
        (
            [job_result(JOB_A, FAIL), job_result(JOB_B, FAIL), job_result(JOB_A, FAIL)],
            FAIL,
        ),
    ],
    ids=[
        "fail, other job passes",
        "pass, other job fails",
        "fail, same job passes",
        "both jobs fail",
        "both fail, one passes later",
        "both fail, both pass later",
        "blocked, other job fails and passes",
        "fail, other job is blocked, first passes",
        "fail, other run passes",
        "older pass is sent later",
        "older failure is sent later",
        "side by side are two jobs",
        "later session with a skipped test",
        "same session is sent again",
    ],
)
def test_the_worst_job_of_a_run_decides(results, status):
    """A later, complete attempt replaces its job's finding; another run replaces all."""
    assert status_and_notes_after(*results)[0] == status.id


def test_an_attempt_that_could_not_collect_everything_replaces_nothing():
    """The tests that failed may be in the file that was not collected."""
    _, notes = status_and_notes_after(job_result(JOB_A, FAIL))
    row = execution(1, 101, status_id=FAIL.id, notes=notes)
    mine = job_result(JOB_A, PASS, 2000)
    incomplete = {mine.nodes[0].origin.session}
    change = decide(mine, row, rules_for(mine, incomplete=incomplete))

    assert change is not None
    assert change.status_id == FAIL.id


FIRST = replace(JOB_A, attempt=1)
SECOND_ELSEWHERE = JobMark(JOB_A.kind, "0009", 2)
FIRST_ELSEWHERE = JobMark(JOB_A.kind, "0007", 1)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([job_result(FIRST, FAIL), job_result(SECOND_ELSEWHERE, PASS)], PASS),
        ([job_result(SECOND_ELSEWHERE, FAIL), job_result(FIRST, PASS, 2000)], FAIL),
        ([job_result(JOB_A, FAIL), job_result(SECOND_ELSEWHERE, PASS)], FAIL),
        (
            [
                job_result(FIRST, FAIL),
                job_result(FIRST_ELSEWHERE, FAIL),
                job_result(SECOND_ELSEWHERE, PASS, 2000),
            ],
            FAIL,
        ),
        (
            [
                job_result(FIRST, PASS),
                job_result(FIRST_ELSEWHERE, FAIL),
                job_result(SECOND_ELSEWHERE, PASS, 2000),
            ],
            PASS,
        ),
    ],
    ids=[
        "second attempt passes",
        "first attempt is sent later",
        "attempt without a number",
        "one of two equal jobs is repeated",
        "failed one of two equal jobs is repeated",
    ],
)
def test_a_later_attempt_of_the_ci_service_may_be_in_another_location(results, status):
    """It has a higher number than the attempt it repeats, and replaces one finding."""
    assert status_and_notes_after(*results)[0] == status.id


def test_notes_of_a_failure_are_removed_when_its_job_passes():
    """The result of another job counts again, and its notes are lost."""
    status, notes = status_and_notes_after(
        job_result(JOB_A, FAIL),
        job_result(JOB_B, BLOCKED),
        job_result(JOB_A, PASS, 2000),
    )

    assert status == BLOCKED.id
    assert notes.startswith("another job of this run found this")
    row = execution(1, 101, status_id=status, notes=notes)
    again = decide(job_result(JOB_B, PASS, 3000), row, rules_for())
    assert again is not None
    assert (again.tagged_notes or "").startswith("passed")


def test_a_status_that_a_person_changed_makes_the_tag_invalid():
    """The tag belongs to a result that is not on the server any more."""
    _, notes = status_and_notes_after(job_result(JOB_A, FAIL))
    corrected = execution(1, 101, status_id=PASS.id, notes=notes)
    decided = decide(job_result(JOB_B, BLOCKED), corrected, rules_for())

    assert decided is not None
    assert (decided.status_id, decided.overruled_by) == (BLOCKED.id, "")


def test_a_worse_result_that_a_pass_has_overwritten_is_restored():
    """A write without notes leaves those on the server unchanged, also their tag."""
    _, notes = status_and_notes_after(job_result(JOB_A, FAIL))
    overwritten = execution(1, 101, status_id=PASS.id, notes=notes)
    decided = decide(job_result(JOB_B, PASS), overwritten, rules_for(), written=True)

    assert decided is not None
    assert decided.status_id == FAIL.id
    assert tags.strip(decided.tagged_notes or "") == tags.strip(notes)


@pytest.mark.parametrize("limit", [200, 600, 4000])
def test_notes_and_a_tag_of_many_jobs_keep_to_the_limit(limit):
    """The tag has at least one job, and only whole ones."""
    notes = "n" * (limit - tags.room_in(limit))
    ours = job_result(JOB_A, FAIL, notes=notes)
    others = [Finding(JobMark(f"{n:08x}"), FAIL.id, n) for n in range(50)]
    row = execution(status_id=FAIL.id, notes=str(Tag(ours.run_digest, 1, others)))
    change = decide(ours, row, rules_for(ours, notes_limit=limit))

    assert change is not None
    assert change.notes == notes
    assert change.tagged_notes is not None
    assert len(change.tagged_notes) <= limit
    parsed = tags.find(change.tagged_notes)
    assert parsed is not None
    assert parsed.findings
    assert set(parsed.findings) <= set(others)


@pytest.mark.parametrize("status", [FAIL, PASS], ids=lambda status: status.name)
def test_notes_of_people_stay_if_none_are_to_be_written(status):
    """Only a failure adds a tag to them, which a later pass removes."""
    without_notes = job_result(JOB_A, status, notes=None)
    row = write(without_notes, execution(1, 101, status_id="", notes="by hand: ok"))

    assert tags.strip(row.notes) == "by hand: ok"
    assert (tags.find(row.notes) is not None) is (status is FAIL)
    assert write(job_result(JOB_A, PASS, 2000), row).notes == "by hand: ok"


@pytest.mark.parametrize(
    ("run", "at", "rules", "is_older"),
    [
        pytest.param("K", 5000, {}, False, id="same run"),
        pytest.param("L", 5000, {}, True, id="other run, later"),
        pytest.param("L", 500, {}, False, id="other run, earlier"),
        pytest.param("L", 5000, {"force": True}, False, id="forced"),
        pytest.param("L", 5000, {"now": 1001}, True, id="sent at once"),
    ],
)
def test_a_later_result_of_another_run_is_not_overwritten(run, at, rules, is_older):
    """The tag decides, not the dates of the server."""
    row = write(job_result(JOB_B, BLOCKED, at, run=run), execution(1, 101, notes=""))
    mine = job_result(JOB_A, FAIL)
    dated_row = replace(row, executed_on=1)
    changes = changes_of([mine], [dated_row], rules=rules_for(mine, **rules))

    assert bool(changes.older) is is_older
    assert bool(changes.writes) is not is_older


def test_the_date_of_an_execution_does_not_count_within_a_run():
    """Jobs of one run are compared by their findings."""
    row = write(job_result(JOB_B, BLOCKED, 5000), execution(1, 101, notes=""))
    mine = job_result(JOB_A, FAIL)
    dated_row = replace(row, executed_on=5000)
    changes = changes_of([mine], [dated_row], rules=rules_for(mine))

    assert [each.status_id for each in changes.writes] == [FAIL.id]


def test_a_clock_that_is_ahead_does_not_stop_later_runs():
    """No tag has a time that is in the future for the server."""
    future = job_result(JOB_A, FAIL, 10**9)
    change = decide(future, execution(1, 101, notes=""), rules_for(future, now=2000))
    assert change is not None
    parsed = tags.find(change.tagged_notes or "")

    assert parsed is not None
    assert parsed.at == 2000
    assert [each.at for each in parsed.findings] == [2000]
