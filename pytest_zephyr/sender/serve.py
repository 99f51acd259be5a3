"""The sender process: answer one request, and the look-up that may follow a check."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import gc
import os
from queue import SimpleQueue
import sys
import threading
import time
from typing import NoReturn

from pytest_zephyr import codec
from pytest_zephyr import protocol
from pytest_zephyr.errors import ZephyrError


#: Seconds between two checks that the test process is still running.
_WATCH_INTERVAL = 0.5

_Send = Callable[[protocol.Message], None]


def main(parent_id: int) -> NoReturn:
    """Answer the process with the id *parent_id* over stdin and stdout, and exit.

    The exit neither waits for threads nor runs functions that libraries have registered
    with `atexit`.
    """
    # The process ends soon and creates few reference cycles.
    gc.disable()
    answers = os.dup(1)
    # Output of libraries must not be read as a message, so it goes to stderr. The newline
    # ends a line that was already begun on stdout.
    os.dup2(2, 1)
    os.write(answers, b"\n")
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    threading.Thread(target=_watch, args=(parent_id,), daemon=True).start()

    def send(message: protocol.Message) -> None:
        line = protocol.encode(message)
        while line:
            line = line[os.write(answers, line) :]

    try:
        serve(iter(lines.get, b""), send)
    finally:
        os._exit(0)


def _read(lines: SimpleQueue[bytes]) -> None:
    """Read the lines of the test process, and exit when there are no more."""
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(1)


def _watch(parent_id: int) -> None:
    """Exit after the test process, even if its child processes keep our stdin open.

    On Windows this never exits, because there the id of the parent does not change; only
    the end of stdin, which `_read` notices, ends this process there.
    """
    while os.name == "nt" or os.getppid() == parent_id:
        time.sleep(_WATCH_INTERVAL)
    os._exit(1)


def serve(lines: Iterator[bytes], send: _Send) -> None:
    """Answer the first request in *lines*, with `Broken` if that fails."""
    send(protocol.Hello())
    try:
        request = next(lines, None)
        if request is not None:
            _answer(protocol.decode(request), lines, send)
    except ZephyrError as error:
        send(protocol.Broken(str(error)))
    except Exception as error:  # noqa: BLE001 - the test process reports it
        send(protocol.Broken(repr(error), bug=True))


def _answer(request: protocol.Message, lines: Iterator[bytes], send: _Send) -> None:
    # Modules are imported late, because the test process waits for the greeting.
    if isinstance(request, protocol.Check):
        _check(request, lines, send)
    elif isinstance(request, protocol.Push):
        from pytest_zephyr.sender.session import deliver_session

        def progress(done: int, total: int, what: str = "results") -> None:
            send(protocol.Progress(done, total, what))

        send(deliver_session(request, progress))
    else:
        raise protocol.ProtocolError(f"{type(request).__name__} is not a request")


def _check(request: protocol.Check, lines: Iterator[bytes], send: _Send) -> None:
    from pytest_zephyr.push import preflight

    with preflight.check_server(request.settings, request.seconds) as check:
        snapshot, has_mistakes = check.snapshot, bool(check.problems)
        offset = snapshot.clock_offset if snapshot else 0
        send(protocol.Checked(check.texts, has_mistakes, check.in_phase, offset))
        line = next(lines, None)
        if line is None:
            return
        look_up = protocol.decode(line)
        assert isinstance(look_up, protocol.LookUp), "only a look-up follows a check"
        if not look_up.all:
            problems = tuple(check.look_up(look_up.cases))
            dumped = codec.dump(snapshot) if snapshot else ""
            send(protocol.LookedUp(problems, dumped))
            return
        try:
            send(protocol.LookedUp(tuple(check.look_up_all(look_up.cases))))
        except ZephyrError as error:
            send(protocol.LookedUp(error=str(error)))
