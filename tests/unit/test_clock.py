"""Wall time and time budgets."""

from __future__ import annotations

import time

import pytest

from pytest_zephyr import clock
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms
from pytest_zephyr.origin import System


def test_now_is_in_milliseconds(monkeypatch):
    """Fractions of a millisecond are cut, not rounded."""
    monkeypatch.setattr(System, "monotonic", lambda: 0.123_999)
    monkeypatch.setattr(clock, "WALL_OFFSET", 1_700_000_000.0)

    assert now_ms() == 1_700_000_000_123


def test_replaced_functions_of_time_are_not_called(monkeypatch):
    """Libraries such as freezegun replace them for tests."""
    calls = []
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"):
        monkeypatch.setattr(time, name, lambda name=name: calls.append(name))
    for function in (now_ms, clock.monotonic, clock.elapsed):
        function()
    monkeypatch.undo()

    assert calls == []


@pytest.mark.parametrize(
    ("elapsed_s", "remaining_s", "spent"),
    [
        pytest.param(0.0, 10.0, False, id="fresh"),
        pytest.param(9.0, 1.0, False, id="nearly spent"),
        pytest.param(10.0, 0.0, True, id="just spent"),
        pytest.param(99.0, 0.0, True, id="spent long ago"),
    ],
)
def test_a_budget_runs_out_and_never_goes_below_zero(
    monkeypatch, elapsed_s, remaining_s, spent
):
    """The elapsed time is subtracted from the budget."""
    now = [1_000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    deadline = Deadline(10)
    now[0] += elapsed_s

    assert deadline.remaining() == remaining_s
    assert deadline.spent is spent
    assert deadline.seconds == 10
