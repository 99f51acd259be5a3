"""Ctrl-C while results are sent ends the push; the journal keeps the unsent results."""

from __future__ import annotations

from collections.abc import Callable
import os
import signal
import subprocess
import sys
import time

import pytest

from pytest_zephyr.cli import main
from tests.conftest import HANGING_WRITE
from tests.conftest import SandboxTarget


pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="SIGINT cannot be sent to a process on Windows"
)

SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass

    @pytest.mark.zephyr(102)
    def test_b(): {body}
"""


def interrupt(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    """Send the signal of Ctrl-C as soon as *until* returns true."""
    while not until():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)


@pytest.fixture
def start(pytester, target, target_variables):
    """Return a function that starts ``python -m`` with given arguments.

    The server does not answer when results are written.
    """
    target.sandbox.faults.add(HANGING_WRITE)

    def start(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *args],
            cwd=pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    return start


def push_unsent(
    target: SandboxTarget, pytester: pytest.Pytester, runs: int = 1
) -> dict[int, str | None]:
    """Push without the fault; return the statuses of executed test cases.

    Each of these test cases must have *runs* results.
    """
    target.sandbox.faults.clear()
    assert main(["push", str(pytester.path / ".zephyr")]) == 0
    executions = [
        each for each in target.sandbox.store.executions(target.phase) if each.status
    ]
    assert {each.result_count for each in executions} == {runs}
    return {each.testcase_id: each.status for each in executions}


def test_ctrl_c_ends_a_push_at_once_and_keeps_the_journal(pytester, target, start):
    """The exit code is that of the tests, which had passed."""
    pytester.makepyfile(SUITE.format(body="pass"))
    process = start("pytest", "--zephyr")
    interrupt(process, target.has_met_fault)
    output, _ = process.communicate()

    assert process.returncode == 0
    assert "zephyr: interrupted while sending." in output
    assert "zephyr: results kept in .zephyr" in output
    assert "2 passed" in output
    assert "Traceback" not in output
    assert push_unsent(target, pytester) == {101: "1", 102: "1"}


def test_a_second_ctrl_c_ends_the_push_of_a_run_that_was_interrupted(
    pytester, target, start
):
    """The first one ends the tests; then the results of finished tests are sent."""
    pytester.makepyfile(
        SUITE.format(body="open('begun', 'w').close(); import time; time.sleep(60)")
    )
    process = start("pytest", "--zephyr")
    interrupt(process, (pytester.path / "begun").exists)
    interrupt(process, target.has_met_fault)
    output, _ = process.communicate()

    assert process.returncode == 2
    assert "zephyr: interrupted while sending." in output
    assert "KeyboardInterrupt" in output
    assert "INTERNALERROR" not in output
    assert push_unsent(target, pytester) == {101: "1"}


@pytest.mark.parametrize("runs", [1, 3])
def test_ctrl_c_ends_the_command_and_keeps_the_journals(pytester, target, start, runs):
    """One Ctrl-C is enough: no other run is sent after it."""
    pytester.makepyfile(SUITE.format(body="pass"))
    for _ in range(runs):
        ended = start("pytest", "--zephyr", "--zephyr-push=never")
        ended.communicate()
        assert ended.returncode == 0
    process = start("pytest_zephyr", "push")
    interrupt(process, target.has_met_fault)
    output, _ = process.communicate()

    assert process.returncode == 1
    assert output.count("zephyr: interrupted while sending.") == 1
    assert output.count("nothing sent: interrupted before it was sent.") == runs - 1
    assert "Traceback" not in output
    assert push_unsent(target, pytester, runs) == {101: "1", 102: "1"}
