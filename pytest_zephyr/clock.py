"""Wall time that tests cannot change, and time budgets.

`origin` reads the wall clock once, before the first conftest is loaded, and stores the
function of the monotonic clock, from which the time since then comes. It does not store
that of the wall clock, because time-machine changes the function itself.
"""

from __future__ import annotations

from pytest_zephyr.origin import IMPORTED_AT
from pytest_zephyr.origin import System
from pytest_zephyr.origin import WALL_OFFSET


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return int((WALL_OFFSET + System.monotonic()) * 1000)


def monotonic() -> float:
    """Return the seconds of a clock that never goes back."""
    return System.monotonic()


def elapsed() -> float:
    """Return the seconds since the plugin was imported; no test can have taken longer."""
    return System.monotonic() - IMPORTED_AT


class Deadline:
    """A budget of *seconds*, counted on a monotonic clock from its creation.

    *reason* says where the budget comes from; messages show it.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        self.seconds = seconds
        self.reason = reason
        self._end = monotonic() + seconds

    def __str__(self) -> str:
        return f"the time budget of {self.seconds:g} s ({self.reason})"

    def remaining(self) -> float:
        """Return the remaining seconds, never below zero."""
        return max(0.0, self._end - monotonic())

    @property
    def spent(self) -> bool:
        return self.remaining() <= 0.0
