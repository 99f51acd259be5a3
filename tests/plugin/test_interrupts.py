"""Ctrl-C while results are sent: the push ends, and the journal keeps what is left."""

from __future__ import annotations

from collections.abc import Callable
import os
import signal
import subprocess
import sys
import time

import pytest

from pytest_zephyr.cli import main
from pytest_zephyr.sandbox import Fault
from tests.conftest import World


pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Ctrl-C is sent as a signal"
)

SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass

    @pytest.mark.zephyr(102)
    def test_b(): {b}
"""

HANG = Fault("PUT", "bulk/execute", kind="hang", seconds=3600, times=None)


def interrupt(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    """Send what Ctrl-C sends, as soon as *until* holds."""
    while not until():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)


def met(world: World) -> bool:
    return bool(world.sandbox.faults.listed()[0]["met"])


@pytest.fixture
def start(pytester, world, phase_of_world):
    """Start a process that reports to the sandbox, which hangs as soon as it is written."""
    world.sandbox.faults.add(HANG)

    def popen(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *args],
            cwd=pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    return popen


def finish(
    world: World, pytester: pytest.Pytester, runs: int = 1
) -> dict[int, str | None]:
    """Push what is left on a better day and return what stands where."""
    world.sandbox.faults.clear()
    assert main(["push", str(pytester.path / ".zephyr")]) == 0
    held = world.sandbox.store.executions(world.phase)
    assert {each.results for each in held if each.status} == {runs}
    return {each.testcase_id: each.status for each in held if each.status}


def test_ctrl_c_ends_a_push_at_once_and_keeps_the_journal(pytester, world, start):
    """The tests had passed, and that stays the exit code."""
    pytester.makepyfile(SUITE.format(b="pass"))
    process = start("pytest", "--zephyr")
    interrupt(process, lambda: met(world))
    output, _ = process.communicate()

    assert process.returncode == 0
    assert "zephyr: interrupted while sending." in output
    assert "zephyr: results kept in .zephyr" in output
    assert "2 passed" in output
    assert "Traceback" not in output
    assert finish(world, pytester) == {101: "1", 102: "1"}


def test_a_second_ctrl_c_ends_the_push_of_a_run_that_was_interrupted(
    pytester, world, start
):
    """The first one ended the tests; what had finished was being sent."""
    pytester.makepyfile(
        SUITE.format(b="open('begun', 'w').close(); import time; time.sleep(60)")
    )
    process = start("pytest", "--zephyr")
    interrupt(process, (pytester.path / "begun").exists)
    interrupt(process, lambda: met(world))
    output, _ = process.communicate()

    assert process.returncode == 2
    assert "zephyr: interrupted while sending." in output
    assert "KeyboardInterrupt" in output
    assert "INTERNALERROR" not in output
    assert finish(world, pytester) == {101: "1"}


@pytest.mark.parametrize("runs", [1, 3])
def test_ctrl_c_ends_the_command_and_keeps_the_journals(pytester, world, start, runs):
    """One for all of the runs: none is begun after it."""
    pytester.makepyfile(SUITE.format(b="pass"))
    for _ in range(runs):
        ended = start("pytest", "--zephyr", "--zephyr-push=never")
        ended.communicate()
        assert ended.returncode == 0
    process = start("pytest_zephyr", "push")
    interrupt(process, lambda: met(world))
    output, _ = process.communicate()

    assert process.returncode == 1
    assert output.count("zephyr: interrupted while sending.") == 1
    assert output.count("nothing sent: interrupted before it was sent.") == runs - 1
    assert "Traceback" not in output
    assert finish(world, pytester, runs) == {101: "1", 102: "1"}
