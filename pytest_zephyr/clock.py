"""Wall time that a frozen clock in a test cannot bend, and time budgets."""

from __future__ import annotations

from collections.abc import Callable
import time


def now_ms(_clock: Callable[[], int] = time.time_ns) -> int:
    """Return milliseconds since the epoch.

    The clock is held as a default value: libraries that freeze time for a test
    replace `time.time_ns` while our hooks run.
    """
    return _clock() // 1_000_000


def monotonic(_clock: Callable[[], float] = time.monotonic) -> float:
    """Return seconds of a clock that only moves forward."""
    return _clock()


class Deadline:
    """A budget of *seconds*, counted on a monotonic clock from its creation.

    *name* is what people call it, who may want to change it.
    """

    def __init__(self, seconds: float, name: str = "zephyr_deadline") -> None:
        self.seconds = seconds
        self.name = name
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that remain, never below zero."""
        return max(0.0, self._end - monotonic())

    @property
    def spent(self) -> bool:
        return self.left() <= 0.0
