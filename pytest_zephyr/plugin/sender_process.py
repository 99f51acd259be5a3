"""The process that talks to Zephyr: started for one talk, bounded, and ended for sure.

Tests may do what they like to their own process: whoever uses this puts back what they have
replaced, with `origin.as_it_was`.
"""

from __future__ import annotations

from _queue import Empty  # `queue` may be a module of the tests
from _queue import SimpleQueue
import _thread
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import io
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any
from typing import cast
from typing import IO
from typing import TYPE_CHECKING

from pytest_zephyr import origin
from pytest_zephyr.clock import Deadline
from pytest_zephyr.protocol.messages import Broken
from pytest_zephyr.protocol.messages import decode
from pytest_zephyr.protocol.messages import encode
from pytest_zephyr.protocol.messages import Hello
from pytest_zephyr.protocol.messages import Message
from pytest_zephyr.protocol.messages import ProtocolError


if TYPE_CHECKING:
    from typing_extensions import Self


#: Seconds for a sender to end by itself when its time is over.
GRACE = 2.0

#: Seconds in which the sender must have said hello.
GREETING = 15.0

#: Seconds for a sender that has answered, or was killed, to be gone.
_PARTING = 2.0

#: Bytes of what it wrote to stderr that are kept, and characters that a message shows.
_STDERR = 64 * 1024
_SHOWN = 500

#: Variables that would make the sender another program than it is, or record it.
_REMOVED = ("PYTHONWARNINGS", "PYTHONINSPECT", "COV_CORE_", "COVERAGE_PROCESS_")

#: What the sender runs first. The directory that it starts in comes with `-c`, and
#: PYTHONPATH may name that of the tests: nothing there may come before the standard
#: library. Our own package comes from where this process has it.
_BOOT = """
import sys, _signal
_signal.signal(_signal.SIGINT, _signal.SIG_IGN)
import os
named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
named = {os.path.abspath(each) for each in named if each}
late = [each for each in sys.path if each and os.path.abspath(each) in named]
sys.path[:] = [each for each in sys.path if each and each not in late] + late
import json, typing
start = json.loads(sys.stdin.buffer.readline())
sys.path.insert(0, start["home"])
import pytest_zephyr
del sys.path[0]
sys.path += [each for each in start["path"] if each and each not in sys.path]
from pytest_zephyr.sender.bootstrap import main
main(start["parent"])
"""


#: What people read of the sender.
NAME = "the process that talks to Zephyr"


class SenderError(Exception):
    """The sender could not be started, or ended without an answer; a line for people."""


class SenderLate(SenderError):
    """The sender did not answer in time."""


class SenderBug(SenderError):
    """The sender had an error of its own."""


class SenderProcess:
    """A talk with a sender of our own; leaving the block ends it, whatever it does.

    It starts in *directory*. Raises SenderError if it cannot be started.
    """

    def __init__(self, directory: Path) -> None:
        self._heard: SimpleQueue[bytes] = SimpleQueue()
        self._to_say: SimpleQueue[bytes] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._rest = b""
        self._stderr = b""
        self._pumps = 0
        self._greeted = False
        self._process = _start(directory)
        start = {"home": origin.HOME, "path": origin.PATH, "parent": os.getpid()}
        self._say(json.dumps(start).encode("ascii") + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(0 if kind else _PARTING)

    def ask(self, request: Message) -> None:
        """Say *request*, without waiting for anything."""
        self._say(encode(request))

    def answer(self, deadline: Deadline) -> Message:
        """Return what the sender says next.

        Raises SenderLate when the time is over, and SenderError if it says nothing.
        """
        self._pump()
        if not self._greeted:
            self._meet(Deadline(min(GREETING, deadline.left())))
            self._greeted = True
        message = self._next(deadline)
        if isinstance(message, Broken):
            raise (SenderBug if message.bug else SenderError)(message.error)
        return message

    def _meet(self, deadline: Deadline) -> None:
        """Wait for the greeting, whatever else something prints before it."""
        while True:
            try:
                line = self._hear(deadline)
            except SenderLate:
                msg = f"{NAME} did not start within {deadline.seconds:.0f} s."
                raise SenderError(msg) from None
            if not line:
                raise self._ended_silently()
            with suppress(ProtocolError):
                if decode(line) != Hello():
                    raise SenderError(f"{NAME} is of another version.")
                return

    def close(self, seconds: float = _PARTING) -> None:
        """End the sender, which has so many *seconds*, and all threads that talk to it."""
        self._to_say.put(b"")
        patience = Deadline(seconds)
        with suppress(SenderError):
            self._pump()
            while self._hear(patience):
                pass
        self._process.kill()
        patience = Deadline(_PARTING)
        while self._pumps and not patience.spent:
            with suppress(Empty):
                self._ended.get(timeout=patience.left())
                self._pumps -= 1
        while self._process.poll() is None and not patience.spent:
            # Nothing comes; it is a pause that no test can have taken away.
            with suppress(Empty):
                self._heard.get(timeout=0.01)

    def _say(self, line: bytes) -> None:
        """Hand *line* over as far as the pipe takes it now; a thread does the rest.

        As long as nobody waits there is no thread: what is forked meanwhile would be
        warned of it.
        """
        if self._pumps or self._rest or os.name == "nt":
            self._to_say.put(line)
            return
        pipe = self._process.stdin
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        try:
            with _no_signal_of_pipes():
                written = pipe.write(line) or 0
        except OSError:
            # It has ended; whoever waits for its answer is told.
            written = 0
        os.set_blocking(pipe.fileno(), True)
        self._rest = line[written:]
        if self._rest:
            self._to_say.put(self._rest)

    def _pump(self) -> None:
        """Have threads do all that may block; each closes its pipe."""
        if self._pumps:
            return
        process = self._process
        pipes = filter(None, (process.stdin, process.stdout, process.stderr))
        pumps = tuple(zip((self._write, self._read, self._drain), pipes, strict=True))
        try:
            for pump, pipe in pumps:
                _thread.start_new_thread(pump, (pipe,))
                self._pumps += 1
        except RuntimeError as error:
            process.kill()
            process.poll()
            for _pump, pipe in pumps[self._pumps :]:
                pipe.close()
            raise SenderError(f"{NAME} cannot be started: {error}.") from error

    def _write(self, pipe: IO[bytes]) -> None:
        # A sender that has ended is noticed by who waits for its answer.
        with suppress(OSError), _no_signal_of_pipes(), pipe:
            while line := self._to_say.get():
                view = memoryview(line)
                while view:
                    view = view[pipe.write(view) :]
        self._ended.put(None)

    def _read(self, pipe: IO[bytes]) -> None:
        with suppress(OSError), io.BufferedReader(cast("io.RawIOBase", pipe)) as lines:
            for line in lines:
                # Half a line is what a kill leaves behind.
                if line.endswith(b"\n"):
                    self._heard.put(line)
        self._heard.put(b"")
        self._ended.put(None)

    def _drain(self, pipe: IO[bytes]) -> None:
        with suppress(OSError), pipe:
            while part := pipe.read(_STDERR):
                self._stderr = (self._stderr + part)[-_STDERR:]
        self._ended.put(None)

    def _hear(self, deadline: Deadline) -> bytes:
        """Return the next line, empty at the end. Raises SenderLate."""
        while True:
            try:
                # In slices, between which Windows hears Ctrl-C.
                return self._heard.get(timeout=min(0.5, deadline.left()))
            except Empty:
                if deadline.spent:
                    msg = f"{NAME} did not answer within {deadline.seconds:g} s."
                    raise SenderLate(msg) from None

    def _next(self, deadline: Deadline) -> Message:
        line = self._hear(deadline)
        if not line:
            raise self._ended_silently()
        try:
            return decode(line)
        except ProtocolError as error:
            raise SenderError(f"{NAME}: {error}.") from error

    def _ended_silently(self) -> SenderError:
        said = self._stderr.decode("utf-8", "backslashreplace").strip()[-_SHOWN:]
        more = f" and said {said!r}" if said else ""
        return SenderError(f"{NAME} ended without an answer{more}.")


@contextmanager
def _no_signal_of_pipes() -> Iterator[None]:
    """Have a broken pipe be an error, and not the end of a process whose tests want that."""
    if sys.platform == "win32":
        yield
        return
    mine = {signal.SIGPIPE}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, mine)
    try:
        yield
    finally:
        if signal.SIGPIPE in signal.sigpending():
            signal.sigtimedwait(mine, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(directory: Path) -> subprocess.Popen[bytes]:
    """Start the sender's process in *directory*. Raises SenderError."""
    if not origin.EXECUTABLE or getattr(sys, "frozen", False):
        raise SenderError(f"{NAME} cannot be started: this Python names no program.")
    environ = {
        name: value
        for name, value in origin.ENVIRON.items()
        if not name.startswith(_REMOVED)
    }
    # Ctrl-C is for whoever waits, who may want the sender to go on.
    own_group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        own_group = {"creationflags": flags}
    try:
        with _standard_descriptors_in_use():
            return subprocess.Popen(  # noqa: S603 - our own program
                [origin.EXECUTABLE, *origin.FLAGS, "-c", _BOOT],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                env=environ,
                **own_group,
            )
    except OSError as error:
        why = error.strerror or error
        raise SenderError(f"{NAME} cannot be started: {why}.") from error


@contextmanager
def _standard_descriptors_in_use() -> Iterator[None]:
    """Keep our pipes from becoming stdin, stdout or stderr, where one of them is closed."""
    held: list[int] = []
    try:
        while not held or held[-1] <= 2:
            held.append(os.open(os.devnull, os.O_RDWR))
        yield
    finally:
        for each in held:
            os.close(each)
