"""How long a request may take: every wait for a server ends with the time budget.

A server that trickles, or a name that is looked up for ever, outlasts that: whoever runs
a client in a process ends the process.
"""

from __future__ import annotations

from urllib3.util import Timeout

from pytest_zephyr.clock import Deadline


class DeadlineTimeout(Timeout):
    """A timeout that is cut to what is left of a deadline at every single try."""

    def __init__(self, seconds: float, deadline: Deadline) -> None:
        super().__init__(connect=seconds, read=seconds)
        self._seconds = seconds
        self._deadline = deadline

    def clone(self) -> Timeout:
        seconds = max(0.05, min(self._seconds, self._deadline.left()))
        return Timeout(connect=seconds, read=seconds)
