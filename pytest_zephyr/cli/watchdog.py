"""End the program if a server keeps it longer than its time budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import sys
import threading

from pytest_zephyr.cli.output import complain
from pytest_zephyr.clock import Deadline


#: Seconds after the time budget, in which nearly everything ends by itself.
GRACE = 2.0


@contextmanager
def watchdog(deadline: Deadline, exit_code: int) -> Iterator[None]:
    """End the program with *exit_code* if the block outlasts the *deadline*.

    Nothing else stops the look-up of a host name, or a server that sends a byte now and
    then.
    """

    def end() -> None:
        complain(
            f"the time budget of {deadline.seconds:g} s ({deadline.name}) is spent;"
            f" delivered results are noted in their journals."
        )
        sys.stdout.flush()
        os._exit(exit_code)

    timer = threading.Timer(deadline.remaining() + GRACE, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
