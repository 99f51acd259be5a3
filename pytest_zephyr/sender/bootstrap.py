"""Run the sender as a process, which ends when the test process does."""

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


#: Seconds between two checks that the test process is still there.
_PAUSE = 0.5


def main(parent: int) -> NoReturn:
    """Serve the process *parent* over stdin and stdout, and exit.

    Exits at once, without waiting for threads or for what libraries registered with
    `atexit`.
    """
    # The process ends soon and creates few circular references.
    gc.disable()
    answers = os.dup(1)
    # What libraries print must not be read as a message: it goes to stderr, and what was
    # printed before is ended by a newline.
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
    """Read the lines of the test process, and exit when there are no more."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(1)


def _watch(_lines: SimpleQueue[bytes], parent: int) -> None:
    """Exit when the test process has; a process it forked may keep our stdin open."""
    while os.name == "nt" or os.getppid() == parent:
        time.sleep(_PAUSE)
    os._exit(1)
