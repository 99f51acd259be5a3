"""Answer the test process: one request, and the look-up that may follow a check."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator

from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.protocol.codec import dump
from pytest_zephyr.protocol.messages import Broken
from pytest_zephyr.protocol.messages import Check
from pytest_zephyr.protocol.messages import Checked
from pytest_zephyr.protocol.messages import decode
from pytest_zephyr.protocol.messages import Hello
from pytest_zephyr.protocol.messages import LookedUp
from pytest_zephyr.protocol.messages import LookUp
from pytest_zephyr.protocol.messages import Message
from pytest_zephyr.protocol.messages import Progress
from pytest_zephyr.protocol.messages import ProtocolError
from pytest_zephyr.protocol.messages import Push


Say = Callable[[Message], None]


def serve(lines: Iterator[bytes], say: Say) -> None:
    """Answer the first request in *lines*, with `Broken` if that fails."""
    say(Hello())
    try:
        request = next(lines, None)
        if request is not None:
            _answer(decode(request), lines, say)
    except ZephyrError as error:
        say(Broken(str(error)))
    except Exception as error:  # noqa: BLE001 - the test process reports it
        say(Broken(repr(error), bug=True))


def _answer(request: Message, lines: Iterator[bytes], say: Say) -> None:
    # Modules are imported late, because the test process waits for the greeting.
    if isinstance(request, Check):
        _check(request, lines, say)
    elif isinstance(request, Push):
        from pytest_zephyr.sender.session import push_session

        def progress(done: int, total: int, what: str = "results") -> None:
            say(Progress(done, total, what))

        say(push_session(request, progress))
    else:
        msg = f"{type(request).__name__} is not a request"
        raise ProtocolError(msg)


def _check(request: Check, lines: Iterator[bytes], say: Say) -> None:
    from pytest_zephyr.push import preflight

    with preflight.check_server(request.settings, request.seconds) as checked:
        snapshot, failed = checked.snapshot, bool(checked.problems)
        offset = snapshot.clock_offset if snapshot else 0
        say(Checked(checked.lines, failed, checked.planned, offset))
        for line in lines:
            follow_up = decode(line)
            assert isinstance(follow_up, LookUp), "only a look-up follows a check"
            if follow_up.all:
                try:
                    problems = checked.look_up_all(follow_up.cases, request.seconds)
                    say(LookedUp(tuple(problems)))
                except ZephyrError as error:
                    say(LookedUp(error=str(error)))
                return
            problems = checked.look_up(follow_up.cases, request.seconds)
            say(LookedUp(tuple(problems), dump(snapshot) if snapshot else ""))
            return
