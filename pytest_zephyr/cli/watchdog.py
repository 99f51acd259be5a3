"""What ends the program when a server keeps it longer than its time budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import sys
import threading

from pytest_zephyr.cli.output import say
from pytest_zephyr.clock import Deadline


#: Seconds after the time budget: nearly everything ends by itself before.
GRACE = 2.0


@contextmanager
def watchdog(deadline: Deadline, exit_code: int) -> Iterator[None]:
    """End the program with *exit_code* if the block outlasts the *deadline*.

    Nothing else bounds a server that sends a byte now and then, or the look-up of a name.
    """

    def end() -> None:
        say(
            f"zephyr: the time budget of {deadline.seconds:g} s ({deadline.name}) is"
            f" spent; what was delivered has its receipts.",
            sys.stderr.write,
        )
        sys.stdout.flush()
        os._exit(exit_code)

    timer = threading.Timer(deadline.left() + GRACE, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
