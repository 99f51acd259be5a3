"""Which results of a test count, and what makes sessions attempts of one job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.config import job as config_job
from pytest_zephyr.config.job import identify_job
from pytest_zephyr.config.job import note_added_variables
from pytest_zephyr.config.job import significant_arguments
from pytest_zephyr.config.job import without_added_variables
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.results.jobs import merge_sessions
from pytest_zephyr.results.jobs import Session
from pytest_zephyr.results.records import Outcome
from tests.unit.make import deterministic
from tests.unit.make import failure
from tests.unit.make import node


PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
SKIPPED, UNRUN = Outcome.SKIPPED, Outcome.UNRUN

JOB = Job("/w:/w", "python 3.11", "a1", {"BROWSER": "b1"}, host="h", checkout="")


def session(
    name: str, outcome: Outcome, started: int, job: Job | None = JOB, **values: Any
) -> Session:
    """Return a session of one test that takes 10 ms; *started* is in milliseconds."""
    nodes = [node(outcome, "t.py::test_a", cases=(101,), **values)]
    return Session(name, job, started, started + 10, nodes)


def outcomes(*sessions: Session) -> list[Outcome]:
    """Return the outcomes of the results that count, sorted by name."""
    return sorted((each.outcome for each in merge_sessions(sessions).nodes), key=str)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (FAILED, PASSED, PASSED),
        (PASSED, FAILED, FAILED),
        (Outcome.CRASHED, PASSED, PASSED),
        (UNRUN, PASSED, PASSED),
        (PASSED, SKIPPED, PASSED),
        (FAILED, UNRUN, FAILED),
        (SKIPPED, UNRUN, UNRUN),
    ],
    ids=lambda outcome: outcome.value,
)
def test_the_last_attempt_of_a_job_counts(first, second, expected):
    """A skipped or unrun test does not replace the result of a test that ran."""
    assert outcomes(session("a", first, 0), session("b", second, 10)) == [expected]


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, environment={"BROWSER": "b2"}),
        replace(JOB, environment={}),
        replace(JOB, arguments="a2"),
        replace(JOB, interpreter="python 3.12"),
        replace(JOB, directory="/w:/w/sub"),
        replace(JOB, host="other"),
        replace(JOB, checkout="/w@2"),
        None,
    ],
    ids=[
        *("other value", "missing variable", "arguments", "interpreter", "directory"),
        *("host", "checkout", "unknown job"),
    ],
)
def test_a_difference_makes_another_job(other):
    """Both results stay, in any order."""
    failed_session, passed_session = (
        session("a", FAILED, 0, other),
        session("b", PASSED, 10),
    )

    assert outcomes(failed_session, passed_session) == [FAILED, PASSED]
    assert outcomes(passed_session, replace(failed_session, started=20, ended=30)) == [
        FAILED,
        PASSED,
    ]


def test_sessions_side_by_side_are_two_jobs():
    merged = merge_sessions([session("a", FAILED, 0), session("b", PASSED, 9)])

    assert len(merged.nodes) == 2
    assert merged.separate_jobs == {("a", "b"): "they ran side by side"}


def test_a_session_that_was_killed_after_another_ended_is_another_job():
    """The journal of a killed session ends with its last record, not with the kill."""
    failed_session, passed_session = session("a", FAILED, 0), session("b", PASSED, 20)

    assert outcomes(failed_session, replace(passed_session, still_running={"a"})) == [
        FAILED,
        PASSED,
    ]


@pytest.mark.parametrize(
    ("first", "second", "is_repetition"),
    [(1, 2, True), (1, 3, True), (2, 1, True), (1, 1, False), (0, 2, False)],
    ids=["next", "after a gap", "higher began first", "equal", "not numbered"],
)
def test_an_attempt_that_the_ci_service_numbers_may_run_on_another_host(
    first, second, is_repetition
):
    """The higher number is the later attempt, even if it started earlier."""
    failed_session = session("a", FAILED, 0, replace(JOB, host="x", attempt=first))
    passed_session = session("b", PASSED, 5, replace(JOB, host="y", attempt=second))
    expected = [FAILED] if first > second > 0 else [PASSED]

    assert outcomes(failed_session, passed_session) == (
        expected if is_repetition else [FAILED, PASSED]
    )


def test_a_repetition_replaces_one_of_several_jobs_that_look_alike():
    """It replaces a failed job, and only one if two have failed."""
    jobs = [replace(JOB, host=host, attempt=1) for host in ("x", "y")]
    again = replace(JOB, host="z", attempt=2)
    passed = session("c", PASSED, 50, again)

    one_failed = session("a", PASSED, 0, jobs[0]), session("b", FAILED, 0, jobs[1])
    assert outcomes(*one_failed, passed) == [PASSED, PASSED]
    both_failed = session("a", FAILED, 0, jobs[0]), session("b", FAILED, 0, jobs[1])
    assert outcomes(*both_failed, passed) == [FAILED, PASSED]
    assert outcomes(*both_failed, passed, session("d", PASSED, 55, again)) == [
        PASSED,
        PASSED,
    ]


def test_a_repetition_replaces_all_tests_of_one_job():
    """It does not replace results of another job that looks the same."""

    def shard(
        name: str, host: str, attempt: int, first: Outcome, second: Outcome
    ) -> Session:
        nodes = [node(first, "t.py::x"), node(second, "t.py::y")]
        job = replace(JOB, host=host, attempt=attempt)
        return Session(name, job, attempt * 100, attempt * 100 + 10, nodes)

    merged = merge_sessions(
        [
            shard("a", "h1", 1, FAILED, PASSED),
            shard("b", "h2", 1, PASSED, FAILED),
            shard("c", "h3", 2, PASSED, PASSED),
        ]
    )
    failed_tests = [each.nodeid for each in merged.nodes if each.outcome is FAILED]

    assert len(failed_tests) == 1
    assert len(merged.nodes) == 4


def test_the_merged_result_counts_all_attempts_and_has_their_first_failure():
    """Its outcome is that of the last attempt."""
    first = failure("call", "one")
    sessions = [
        session("a", FAILED, 0, failures=(first,)),
        session("b", FAILED, 10, failures=(failure("call", "two"),), attempts=2),
        session("c", PASSED, 20),
    ]
    (merged,) = merge_sessions(sessions).nodes

    assert (merged.outcome, merged.attempts) == (PASSED, 4)
    assert merged.earlier_failure == first
    assert merge_sessions(sessions).replaced == {("a", "b"): 1, ("b", "c"): 1}


def test_two_nodes_of_one_session_are_not_attempts():
    """They are results of different tests, so both count."""
    nodes = [node(FAILED, "a"), node(PASSED, "b")]

    assert len(merge_sessions([Session("s", JOB, 0, 1, nodes)]).nodes) == 2


def test_the_differences_between_two_jobs_are_named():
    other = replace(JOB, host="x", environment={"BROWSER": "b2", "CI": "1"})
    merged = merge_sessions([session("a", FAILED, 0, other), session("b", PASSED, 10)])

    assert merged.separate_jobs == {
        ("a", "b"): "they differ in the host, the variable BROWSER, the variable CI"
    }


SESSIONS = st.lists(
    st.builds(
        session,
        st.uuids().map(str),
        st.sampled_from(Outcome),
        st.integers(0, 50),
        st.builds(
            lambda host, attempt, browser: replace(
                JOB, host=host, attempt=attempt, environment={"BROWSER": browser}
            ),
            st.sampled_from(["x", "y"]),
            st.integers(0, 2),
            st.sampled_from(["chrome", "firefox"]),
        ),
    ),
    min_size=1,
    max_size=6,
)


@deterministic
@given(SESSIONS, st.randoms(use_true_random=False))
def test_order_of_reading_makes_no_difference(sessions, chance):
    """If the test ran in any session, one of its results from such a session counts."""
    shuffled = list(sessions)
    chance.shuffle(shuffled)

    assert outcomes(*shuffled) == outcomes(*sessions)
    ran = [each.nodes[0].ran for each in sessions]
    assert any(found.ran for found in merge_sessions(sessions).nodes) is any(ran)


# The properties of a job


def job(environ: dict[str, str]) -> Job:
    return identify_job(environ, root=Path("/w"), cwd=Path("/w"), arguments=())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["tests"], ["--lf", "tests"]),
        (["tests"], ["tests", "--last-failed", "--lfnf=none", "-n", "4", "-vv"]),
        (["-n4", "--ff"], ["--nf", "--sw", "-qq", "--verbosity=2"]),
        (["-p", "no:cacheprovider"], []),
        (["-vx"], ["--lf", "-x"]),
        (["-sv", "-vrA"], ["-s", "-rA", "--ff"]),
        (["-n2", "--dist=load"], ["--lf"]),
        (["--zephyr", "--zephyr-url", "https://a"], ["--no-zephyr", "-pno:x"]),
        (["--zephyr-dry-run", "tests"], ["tests", "--zephyr-comment=never"]),
    ],
    ids=" ".join,
)
def test_arguments_that_may_differ_between_attempts_do_not_count(first, second):
    assert significant_arguments(first) == significant_arguments(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["tests/a.py"], ["tests/b.py"]),
        (["-k", "a"], ["-k", "b"]),
        (["--browser=chrome"], ["--browser=firefox"]),
        (["--splits=2", "--group=1"], ["--splits=2", "--group=2"]),
        ([], ["-x"]),
    ],
    ids=" ".join,
)
def test_other_arguments_make_another_job(first, second):
    assert significant_arguments(first) != significant_arguments(second)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("CI_JOB_ID", "900"),
        ("CI_RUNNER_ID", "9"),
        ("SYSTEM_JOBATTEMPT", "2"),
        ("JENKINS_SERVER_COOKIE", "durable-1"),
        ("HOSTNAME", "runner-2"),
        ("SHLVL", "3"),
        ("PYTHONHASHSEED", "7"),
        ("ZEPHYR_TOKEN", "abc"),
        ("ZEPHYR_PHASE", "7"),
        ("PYTEST_ADDOPTS", "--lf -vv"),
    ],
)
def test_variables_that_may_differ_between_attempts_do_not_count(name, value):
    """PYTEST_ADDOPTS is compared by its arguments, and these may differ."""
    first = {} if name == "PYTEST_ADDOPTS" else {name: "1"}
    assert job(first).mark.kind == job({name: value}).mark.kind


@pytest.mark.parametrize(
    "name",
    [
        *("BROWSER", "TOX_ENV_NAME", "CI_NODE_INDEX", "DB_URL", "HOST", "FF_CHECKOUT"),
        *("AGENT_MODEL", "TASK_QUEUE", "ZEPHYR_TEST_USER", "PYTEST_ADDOPTS"),
        "PYTEST_PLUGINS",
    ],
)
def test_other_variables_make_another_job(name):
    """So do other arguments in PYTEST_ADDOPTS."""
    first, second = job({name: "1"}), job({name: "2"})

    assert first.mark.kind != second.mark.kind
    assert first.differences(second)


def test_a_checkout_elsewhere_is_the_same_job_in_another_location():
    """A second runner of the CI service has its checkout in another directory."""
    marks = []
    for root in ("/runner/1/work", "/runner/2/work"):
        environ = {"GITHUB_WORKSPACE": root, "PATH": f"{root}/.venv/bin:/bin"}
        identified = identify_job(
            environ, Path(root), Path(root, "api"), [f"{root}/tests"]
        )
        marks.append(identified.mark)

    assert marks[0].kind == marks[1].kind
    assert marks[0].location != marks[1].location


def test_a_job_has_no_values_of_variables():
    """Variables that may hold secrets share one digest."""
    identified = job({"DB_PASSWORD": "swordfish", "BROWSER": "chrome"})

    assert "DB_PASSWORD" not in identified.environment
    assert "swordfish" not in repr(identified)
    assert "chrome" not in repr(identified)


def test_an_attempt_without_the_name_of_its_job_is_ignored():
    """GitLab repeats a job as a new job, so its attempt number is the job's id.

    Only the name of the job says which jobs are attempts of the same one.
    """
    assert job({"CI_JOB_ID": "7"}).attempt == 0
    assert job({"CI_JOB_ID": "7", "CI_JOB_NAME": "e2e"}).attempt == 7


def test_variables_that_tests_add_to_the_environment_are_left_out(monkeypatch):
    """A changed variable stays: the caller of pytest.main may have changed it."""
    monkeypatch.setattr(config_job, "_added_variables", {})
    note_added_variables({"A": "1"}, {"A": "2", "_MPLBACKEND": "Agg"})

    assert without_added_variables({"A": "2", "_MPLBACKEND": "Agg"}) == {"A": "2"}
    assert without_added_variables({"_MPLBACKEND": "svg"}) == {"_MPLBACKEND": "svg"}
