"""Wall time and time budgets."""

from __future__ import annotations

import time

import pytest

from pytest_zephyr import clock
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms
from pytest_zephyr.origin import System


def test_now_is_in_milliseconds(monkeypatch):
    """What is less than a millisecond is cut, not rounded."""
    monkeypatch.setattr(System, "monotonic", lambda: 0.123_999)
    monkeypatch.setattr(clock, "WALL_OFFSET", 1_700_000_000.0)

    assert now_ms() == 1_700_000_000_123


def test_a_frozen_clock_does_not_bend_ours(monkeypatch):
    """The functions that a test puts in the place of those of time are not called."""
    calls = []
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"):
        monkeypatch.setattr(time, name, lambda name=name: calls.append(name))
    times = [now_ms(), clock.monotonic(), clock.elapsed()]
    monkeypatch.undo()

    assert calls == []
    assert None not in times


@pytest.mark.parametrize(
    ("passed", "left", "spent"),
    [
        pytest.param(0.0, 10.0, False, id="fresh"),
        pytest.param(9.0, 1.0, False, id="nearly"),
        pytest.param(10.0, 0.0, True, id="just"),
        pytest.param(99.0, 0.0, True, id="long ago"),
    ],
)
def test_a_budget_runs_out_and_never_goes_below_zero(monkeypatch, passed, left, spent):
    """What is left is the budget without the time that went by."""
    now = [1_000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    deadline = Deadline(10)
    now[0] += passed

    assert deadline.remaining() == left
    assert deadline.spent is spent
    assert deadline.seconds == 10
