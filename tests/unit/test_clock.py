"""Wall time and time budgets."""

from __future__ import annotations

import time

import pytest

from pytest_zephyr import clock
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms


def test_now_is_in_milliseconds():
    """What is less than a millisecond is cut, not rounded."""
    assert now_ms(lambda: 0.123_999, 1_700_000_000.0) == 1_700_000_000_123


def test_a_frozen_clock_does_not_bend_ours(monkeypatch):
    """What a test puts in the place of the time functions is not asked."""
    asked = []
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"):
        monkeypatch.setattr(time, name, lambda name=name: asked.append(name))
    told = [now_ms(), clock.monotonic(), clock.elapsed()]
    monkeypatch.undo()

    assert asked == []
    assert None not in told


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
