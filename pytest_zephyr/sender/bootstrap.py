"""The sender as a process: its pipes, and that it ends when the test process does."""

from __future__ import annotations

import gc
import os
from queue import SimpleQueue
import sys
import threading
import time
from typing import NoReturn

from pytest_zephyr.protocol.messages import encode
from pytest_zephyr.protocol.messages import Message
from pytest_zephyr.sender.serve import serve


#: Seconds between two looks whether the test process is still there.
_PAUSE = 0.5


def main(parent: int) -> NoReturn:
    """Serve the process *parent* over stdin and stdout, and end.

    What ends is gone at once: neither what a library registered with `atexit` nor a
    thread that is in the middle of something keeps it.
    """
    # It ends soon, and next to nothing of what it makes has to be looked for.
    gc.disable()
    answers = os.dup(1)
    # Whatever a library prints is no message; what it has printed is a line of its own.
    os.dup2(2, 1)
    os.write(answers, b"\n")
    lines: SimpleQueue[bytes] = SimpleQueue()
    for watch in (_read, _watch):
        threading.Thread(target=watch, args=(lines, parent), daemon=True).start()

    def say(message: Message) -> None:
        line = encode(message)
        while line:
            line = line[os.write(answers, line) :]

    try:
        serve(iter(lines.get, b""), say)
    finally:
        os._exit(0)


def _read(lines: SimpleQueue[bytes], _parent: int) -> None:
    """Take what the test process says; that it says no more ends us."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(1)


def _watch(_lines: SimpleQueue[bytes], parent: int) -> None:
    """End when the test process has; a process that it forked may hold our pipe open."""
    while os.name == "nt" or os.getppid() == parent:
        time.sleep(_PAUSE)
    os._exit(1)
