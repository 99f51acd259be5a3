"""Processes that die: finished tests keep their results, the running test is crashed.

A test that had already failed when its process died in teardown is failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import needs_xdist
from tests.conftest import SandboxTarget


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")

BEFORE = """
    import os
    import signal
    import pytest

    def die(): os.kill(os.getpid(), signal.SIGKILL)

    @pytest.fixture
    def dies_in_setup(): die()

    @pytest.fixture
    def dies_in_teardown():
        yield
        die()

    @pytest.mark.zephyr(101)
    def test_before(): pass
"""

DEADLY_TEST = """
    @pytest.mark.zephyr({case})
    def test_deadly_{case}({fixture}): {body}
"""

AFTER = """
    @pytest.mark.zephyr(106)
    def test_after(): pass
"""

#: When the test process dies, and the parts of the `DEADLY_TEST` that kills it.
DEATHS = {
    "call": {"case": 102, "fixture": "", "body": "die()"},
    "setup": {"case": 103, "fixture": "dies_in_setup", "body": "pass"},
    "teardown": {"case": 104, "fixture": "dies_in_teardown", "body": "pass"},
    "after a failure": {
        "case": 105, "fixture": "dies_in_teardown", "body": "assert False"
    },
}  # fmt: skip


@needs_xdist
@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_tests_of_killed_workers_are_crashed_or_failed(
    pytester, run_zephyr, target, workers
):
    """A new worker takes the place of each, so the remaining tests run."""
    deadly_tests = [DEADLY_TEST.format(**death) for death in DEATHS.values()]
    pytester.makepyfile("".join([BEFORE, *deadly_tests, AFTER]))
    ran = run_zephyr(workers, subprocess=True, check_exit_code=False)

    assert target.statuses() == {
        101: "1", 102: "2", 103: "2", 104: "2", 105: "2", 106: "1"
    }  # fmt: skip
    outcomes = [target.execution(case).comment.split()[0] for case in range(102, 106)]
    assert outcomes == ["crashed", "crashed", "crashed", "failed"]
    assert len(target.writes) == 1
    assert "INTERNALERROR" not in ran.text


@pytest.mark.parametrize("death", DEATHS)
def test_push_after_a_kill_sends_each_result_once(
    run_command, pytester, run_zephyr, target, death
):
    """The test case of a test that had not started stays as it was."""
    pytester.makepyfile(BEFORE + DEADLY_TEST.format(**DEATHS[death]) + AFTER)
    ran = run_zephyr("-p", "no:randomly", subprocess=True, check_exit_code=False)
    assert target.writes == []

    first = run_command("push", *ran.journals)
    second = run_command("push", *ran.journals)

    assert first.ret == second.ret == 0
    deadly = DEATHS[death]["case"]
    assert {c: target.statuses()[c] for c in (101, deadly, 106)} == {
        101: "1", deadly: "2", 106: None
    }  # fmt: skip
    assert {target.execution(c).result_count for c in (101, deadly)} == {1}
    assert len(target.writes) == 1


MANY_TESTS = """
    import pytest

    @pytest.mark.parametrize(
        "n", [pytest.param(n, marks=pytest.mark.zephyr(1000 + n)) for n in range(300)]
    )
    def test_many(n, note_end):
        assert n % 7

    @pytest.fixture
    def note_end(request):
        yield
        with open("finished.txt", "a") as file:
            file.write(f"{request.node.callspec.params['n']}\\n")
"""


@pytest.fixture
def many_tests(
    pytester: pytest.Pytester, target: SandboxTarget, target_variables: None
) -> None:
    """Write 300 tests, each with a test case in the phase; every seventh fails."""
    target.sandbox.store.schedule_all(target.phase, range(1000, 1300))
    pytester.makepyfile(test_many=MANY_TESTS)


def run_and_kill(pytester: pytest.Pytester, count: int, *args: str) -> None:
    """Start pytest with `many_tests`; kill it when at least *count* have finished."""
    log = pytester.path / "finished.txt"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "--zephyr",
            "-q",
            "-p",
            "no:cacheprovider",
            *args,
        ],
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        if log.exists() and len(log.read_bytes().splitlines()) >= count:
            break
        time.sleep(0.001)
    # The whole group: a CI service kills workers, too.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.usefixtures("many_tests")
@pytest.mark.parametrize("count", [1, 2, 30, 100, 200, 299])
def test_finished_results_survive_a_kill_and_are_sent_once(
    run_command, pytester, target, count
):
    run_and_kill(pytester, count)
    finished = (pytester.path / "finished.txt").read_text(encoding="utf-8").split()

    pushed = run_command("push")
    again = run_command("push")

    assert pushed.ret == again.ret == 0
    executions = {
        each.testcase_id: each for each in target.sandbox.store.executions(target.phase)
    }
    # The last test may have written its line before pytest reported it.
    wrong = {
        n: executions[1000 + n].status
        for n in map(int, finished)
        if executions[1000 + n].status != ("1" if n % 7 else "2")
    }
    assert set(wrong) <= {int(finished[-1])}
    assert all(each.result_count <= 1 for each in executions.values())


@needs_xdist
@pytest.mark.usefixtures("many_tests")
@pytest.mark.parametrize("count", [10, 200])
def test_killed_xdist_run_is_sent_once(run_command, pytester, target, count):
    run_and_kill(pytester, count, "-n2")
    finished = (pytester.path / "finished.txt").read_text(encoding="utf-8").split()

    pushed = run_command("push")
    again = run_command("push")

    assert pushed.ret == again.ret == 0
    executions = [
        each
        for each in target.sandbox.store.executions(target.phase)
        if each.testcase_id >= 1000
    ]
    wrong = [
        each
        for each in executions
        if each.status not in {None, "1" if (each.testcase_id - 1000) % 7 else "2"}
    ]
    # Each worker may have been killed while it ran a test.
    assert len(wrong) <= 2
    assert all(each.comment.startswith("crashed") for each in wrong)
    counts = {each.testcase_id - 1000: each.result_count for each in executions}
    assert {counts[n] for n in map(int, finished)} == {1}
    assert set(counts.values()) <= {0, 1}


def test_timeout_by_thread_leaves_a_journal(run_command, pytester, run_zephyr, target):
    """pytest-timeout's thread method ends the process; a push reports the test as crashed."""
    pytest.importorskip("pytest_timeout")
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.zephyr(101)
        def test_before(): pass

        @pytest.mark.zephyr(102)
        @pytest.mark.timeout(0.2, method="thread")
        def test_slow(): time.sleep(30)
        """
    )
    run_zephyr(subprocess=True, check_exit_code=False)
    pushed = run_command("push")

    assert pushed.ret == 0
    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "2"
    assert target.execution(102).comment.startswith("crashed")
