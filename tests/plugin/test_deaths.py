"""Processes that die: nothing finished is lost, what was running is crashed, and once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import needs_xdist
from tests.conftest import World


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")

CRASHES = """
    import os
    import signal
    import pytest

    def die(): os.kill(os.getpid(), signal.SIGKILL)

    @pytest.mark.zephyr(101)
    def test_before(): pass

    @pytest.fixture
    def dies_in_setup(): die()

    @pytest.fixture
    def dies_in_teardown():
        yield
        die()

    @pytest.mark.zephyr(102)
    def test_victim({fixture}): {body}

    @pytest.mark.zephyr(103)
    def test_after(): pass

    @pytest.mark.zephyr(104)
    def test_last(): pass
"""

WAYS = {
    "call": {"fixture": "", "body": "die()"},
    "setup": {"fixture": "dies_in_setup", "body": "pass"},
    "teardown": {"fixture": "dies_in_teardown", "body": "pass"},
    "after a failure": {"fixture": "dies_in_teardown", "body": "assert False"},
}


@needs_xdist
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_test_of_a_killed_worker_is_crashed_and_the_others_are_right(
    pytester, run_zephyr, world, way, workers
):
    pytester.makepyfile(CRASHES.format(**WAYS[way]))
    ran = run_zephyr(workers, subprocess=True, same_exit=False)

    assert {c: world.statuses()[c] for c in (101, 102, 103, 104)} == {
        101: "1", 102: "2", 103: "1", 104: "1"
    }  # fmt: skip
    assert world.execution(102).comment.startswith(("crashed", "failed"))
    assert len(world.writes) == 1
    assert "INTERNALERROR" not in ran.text


@pytest.mark.parametrize("way", WAYS)
def test_push_after_a_kill_finishes_the_job(pytester, run_zephyr, world, way):
    """What ran before the kill has its outcome, the victim is crashed, the rest unrun."""
    pytester.makepyfile(CRASHES.format(**WAYS[way]))
    ran = run_zephyr("-p", "no:randomly", subprocess=True, same_exit=False)
    assert world.writes == []

    first = pytester.run("pytest-zephyr", "push", *ran.journals)
    second = pytester.run("pytest-zephyr", "push", *ran.journals)

    assert first.ret == second.ret == 0
    assert {c: world.statuses()[c] for c in (101, 102, 103, 104)} == {
        101: "1", 102: "2", 103: None, 104: None
    }  # fmt: skip
    assert {world.execution(c).results for c in (101, 102)} == {1}
    assert len(world.writes) == 1


MANY = """
    import pytest

    @pytest.mark.parametrize(
        "n", [pytest.param(n, marks=pytest.mark.zephyr(1000 + n)) for n in range(300)]
    )
    def test_many(n, record):
        assert n % 7

    @pytest.fixture
    def record(request):
        yield
        with open("finished.txt", "a") as file:
            file.write(f"{request.node.callspec.params['n']}\\n")
"""


@pytest.fixture
def many(pytester: pytest.Pytester, world: World) -> None:
    world.sandbox.store.adopt(world.phase, range(1000, 1300))
    pytester.makepyfile(test_many=MANY)


def run_and_kill(pytester: pytest.Pytester, delay: float, *args: str) -> None:
    """Start pytest, wait for a number of tests rather than of seconds, and kill it."""
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
    while process.poll() is None and not log.exists():
        time.sleep(0.005)
    time.sleep(delay)
    # The whole group: a CI service kills workers, too.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.usefixtures("many", "run_zephyr")
@pytest.mark.parametrize("delay", [0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
def test_kill_at_any_moment_loses_nothing_and_doubles_nothing(pytester, world, delay):
    """After a push every finished outcome stands once, in whatever moment the kill came."""
    run_and_kill(pytester, delay)
    finished = (pytester.path / "finished.txt").read_text(encoding="utf-8").split()

    pushed = pytester.run("pytest-zephyr", "push")
    again = pytester.run("pytest-zephyr", "push")

    assert pushed.ret == again.ret == 0
    held = {
        each.testcase_id: each for each in world.sandbox.store.executions(world.phase)
    }
    # The last one may have been recorded by the test and not yet by pytest.
    wrong = {
        n: held[1000 + n].status
        for n in map(int, finished)
        if held[1000 + n].status != ("1" if n % 7 else "2")
    }
    assert set(wrong) <= {int(finished[-1])}
    assert all(each.results <= 1 for each in held.values())


@needs_xdist
@pytest.mark.usefixtures("many", "run_zephyr")
@pytest.mark.parametrize("delay", [0.05, 0.3])
def test_kill_of_a_distributed_run_doubles_nothing(pytester, world, delay):
    run_and_kill(pytester, delay, "-n2")

    pushed = pytester.run("pytest-zephyr", "push")

    assert pushed.ret == 0
    held = [
        each
        for each in world.sandbox.store.executions(world.phase)
        if each.testcase_id >= 1000
    ]
    # What the controller has heard of is right; what only a worker knew is crashed.
    right = [
        n for n in held if n.status == ("1" if (n.testcase_id - 1000) % 7 else "2")
    ]
    crashed = [n for n in held if n.comment and n.comment.startswith("crashed")]
    assert len(right) + len(crashed) >= len([n for n in held if n.status])
    assert all(each.results <= 1 for each in held)


def test_timeout_by_thread_leaves_a_journal(pytester, run_zephyr, world):
    """pytest-timeout's thread method ends the process; a push tells of the test."""
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
    run_zephyr(subprocess=True, same_exit=False)
    pushed = pytester.run("pytest-zephyr", "push")

    assert pushed.ret == 0
    assert world.statuses()[101] == "1"
    assert world.statuses()[102] == "2"
    assert world.execution(102).comment.startswith("crashed")
