"""The line in the notes by which jobs of one run know of each other."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.push.diff import compute
from pytest_zephyr.push.diff import decide
from pytest_zephyr.results import tags
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Status
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
JOBS = st.builds(
    JobMark,
    st.text(HEX, min_size=8, max_size=8),
    st.sampled_from(["", "3e4f"]),
    st.integers(0, 10**12),
)
TAGS = st.builds(
    Tag,
    st.text(HEX, min_size=8, max_size=8),
    st.integers(0, 10**13),
    st.dictionaries(JOBS, st.sampled_from(["2", "4", "12"]), max_size=4),
)


@deterministic
@given(TAGS, st.text(), st.text())
def test_a_tag_is_read_back_from_any_notes(tag, before, after):
    """Also if the server puts markup around them."""
    notes = f"{before}\n{tag}</p>" if after else f"{before}\n{tag}"

    assert tags.find(notes) == tag
    assert str(tag) not in tags.strip(notes)


def test_a_tag_has_a_limit_and_keeps_whole_jobs():
    many = {JobMark(f"{n:08x}", "3e4f", 123456789012): "2" for n in range(50)}
    text = str(Tag("12345678", 1, many))
    found = tags.find(text)

    assert len(text) <= tags.ROOM
    assert found is not None
    assert 5 <= len(found.jobs) < 50
    assert found.jobs.items() <= many.items()


def test_the_last_tag_counts():
    """A test may have printed the notes of another run."""
    first, last = Tag("11111111", 1), Tag("22222222", 2)

    assert tags.find(f"{first}\nassert 1\n{last}") == last


# What a job makes of a tag


def of(job: JobMark, status: Status, run: str = "K", at: int = 1000) -> CaseResult:
    """Return the result of one job for test case 101."""
    outcome = Outcome.PASSED if status is PASS else Outcome.FAILED
    done = node(outcome, cases=(101,), origin=Origin(run=run, job=job))
    return replace(
        result(101, status),
        at=at,
        notes=None if status is PASS else "failed t (0.00 s)",
        nodes=(done,),
        found=() if status is PASS else ((job, status.id),),
    )


def after(*results: CaseResult) -> tuple[str, str]:
    """Write *results* one after the other; return status and notes afterwards."""
    held = execution(1, 101, status="", comment="")
    for each in results:
        change = decide(each, held, 4000)
        text = change.text
        held = replace(
            held, status=change.status, comment=held.comment if text is None else text
        )
    return held.status, held.comment


@pytest.mark.parametrize(
    ("results", "status", "jobs"),
    [
        ([of(A, FAIL), of(B, PASS)], FAIL, {A: "2"}),
        ([of(A, PASS), of(B, FAIL)], FAIL, {B: "2"}),
        ([of(A, FAIL), of(A, PASS)], PASS, None),
        ([of(A, FAIL), of(B, FAIL)], FAIL, {A: "2", B: "2"}),
        ([of(A, FAIL), of(B, FAIL), of(B, PASS)], FAIL, {A: "2"}),
        ([of(A, FAIL), of(B, FAIL), of(B, PASS), of(A, PASS)], PASS, None),
        ([of(A, BLOCKED), of(B, FAIL), of(B, PASS)], BLOCKED, {A: "4"}),
        ([of(A, FAIL), of(B, BLOCKED)], FAIL, {A: "2", B: "4"}),
        ([of(A, FAIL), of(B, BLOCKED), of(A, PASS)], BLOCKED, {B: "4"}),
        ([of(A, FAIL, "K"), of(B, PASS, "L")], PASS, None),
        ([of(A, FAIL, "K"), of(B, FAIL, "L")], FAIL, {B: "2"}),
    ],
)
def test_the_worst_job_of_a_run_decides(results, status, jobs):
    """An attempt removes only what its own job said; another run begins anew."""
    found, notes = after(*results)
    tag = tags.find(notes)

    assert found == status.id
    assert (tag.jobs if tag else None) == jobs


def test_an_attempt_elsewhere_that_the_service_counts_replaces():
    first = replace(A, attempt=1)
    later = JobMark(A.kind, "0009", 2)

    assert after(of(first, FAIL), of(later, PASS))[0] == PASS.id
    assert after(of(A, FAIL), of(later, PASS))[0] == FAIL.id


def test_who_changed_the_status_by_hand_has_decided():
    """The tag is that of a result that does not stand any more."""
    change = decide(of(A, FAIL), execution(1, 101, status="", comment=""), 4000)
    corrected = execution(1, 101, status=PASS.id, comment=change.text)
    decided = decide(of(B, BLOCKED), corrected, 4000)

    assert decided.status == BLOCKED.id
    assert not decided.overruled


def test_what_was_covered_by_a_pass_meanwhile_is_brought_back():
    """The server keeps notes that a write does not name, and with them the tag."""
    failed = decide(of(A, FAIL), execution(1, 101, status="", comment=""), 4000)
    covered = execution(1, 101, status=PASS.id, comment=failed.text)
    decided = decide(of(B, PASS), covered, 4000, written=True)

    assert decided.status == FAIL.id
    assert decided.text == failed.text


@pytest.mark.parametrize(("kind", "expected"), [("mine", "foreign"), ("", None)])
def test_notes_of_people_stay_where_notes_are_not_wanted(kind, expected):
    quiet = replace(of(A, FAIL if kind else PASS), notes=None)
    change = decide(quiet, execution(1, 101, status="", comment="foreign"), 4000)

    assert (tags.strip(change.text) if change.text else None) == expected
    assert (change.text is not None and tags.find(change.text) is not None) is bool(
        kind
    )
    back = decide(of(A, PASS), execution(1, 101, comment=change.text or ""), 4000)
    assert back.text == ("foreign" if kind else None)


@pytest.mark.parametrize(
    ("run", "at", "options", "older"),
    [
        ("K", 5000, {}, False),
        ("L", 5000, {}, True),
        ("L", 500, {}, False),
        ("L", 5000, {"force": True}, False),
        ("L", 5000, {"newer_wins": True}, True),
    ],
)
def test_a_later_result_of_another_run_is_left(run, at, options, older):
    """The tag says so, whatever the dates of the server say."""
    held = decide(of(B, BLOCKED, run, at), execution(1, 101, comment=""), 4000)
    there = execution(1, 101, status=BLOCKED.id, comment=held.text, executed_on=1)
    changes = compute([of(A, FAIL)], [there], "phase P", **options)

    assert bool(changes.older) is older
    assert bool(changes.writes) is not older


def test_dates_count_only_between_runs():
    """Jobs of one run are compared by what they found."""
    held = decide(of(B, BLOCKED, at=5000), execution(1, 101, comment=""), 4000)
    there = execution(1, 101, status=BLOCKED.id, comment=held.text, executed_on=5000)
    changes = compute([of(A, FAIL)], [there], "phase P", newer_wins=True)

    assert [each.status for each in changes.writes] == [FAIL.id]
