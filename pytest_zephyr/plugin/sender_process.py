"""Starts the process that talks to Zephyr, exchanges messages with it, and ends it.

Tests may replace parts of the standard library; callers restore them first, with
`origin.originals_restored`.
"""

from __future__ import annotations

from _queue import Empty  # `queue` may be a module of the tests
from _queue import SimpleQueue
import _thread
from collections.abc import Callable
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
from typing import Any
from typing import cast
from typing import final
from typing import IO
from typing import TypeVar

from pytest_zephyr import origin
from pytest_zephyr import protocol
from pytest_zephyr.clock import Deadline


#: Seconds to wait for an answer beyond the time that the request gives the sender.
GRACE = 2.0

#: The most seconds to wait for the sender's `Hello`.
_HELLO_TIMEOUT = 15.0

#: Seconds for a sender that has answered, or was killed, to end.
_END_TIMEOUT = 2.0

#: The most bytes of the sender's stderr that are kept, and the most characters of it that
#: a message shows.
_MAX_STDERR = 64 * 1024
_MAX_SHOWN = 500

#: The beginnings of environment variables that would change how the sender runs, or
#: measure its coverage.
_REMOVED_PREFIXES = (
    "PYTHONWARNINGS",
    "PYTHONINSPECT",
    "COV_CORE_",
    "COVERAGE_PROCESS_",
)

#: What the sender runs first. `-c` adds the directory in which the sender starts to
#: `sys.path`, and PYTHONPATH may name the directory of the tests: neither may come before
#: the standard library. Our own package is imported from where this process has it.
_BOOT = """
import sys, _signal
_signal.signal(_signal.SIGINT, _signal.SIG_IGN)
import os
named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
named = {os.path.abspath(path) for path in named if path}
last = [path for path in sys.path if path and os.path.abspath(path) in named]
sys.path[:] = [path for path in sys.path if path and path not in last] + last
import json, typing
start = json.loads(sys.stdin.buffer.readline())
sys.path.insert(0, start["home"])
import pytest_zephyr
del sys.path[0]
sys.path += [path for path in start["path"] if path and path not in sys.path]
from pytest_zephyr.sender.serve import main
main(start["parent"])
"""


#: The name of the sender in messages.
SENDER_NAME = "the process that talks to Zephyr"


Answer = TypeVar("Answer")


class SenderError(Exception):
    """The sender could not be started, or gave no valid answer.

    The text is a line for users.
    """


class SenderTimeout(SenderError):
    """The sender did not answer in time."""


class SenderBug(SenderError):
    """The sender had an internal error."""


@final
class SenderProcess:
    """A sender that runs in *directory*; leaving the ``with`` block ends or kills it.

    *on_progress* is called with each message about progress that comes before an answer.
    Raises SenderError if the sender cannot be started.
    """

    def __init__(
        self,
        directory: Path,
        on_progress: Callable[[protocol.Progress], None] = lambda _progress: None,
    ) -> None:
        self._on_progress = on_progress
        self._received: SimpleQueue[bytes] = SimpleQueue()
        self._unsent: SimpleQueue[bytes] = SimpleQueue()
        self._finished_threads: SimpleQueue[None] = SimpleQueue()
        self._stderr = b""
        self._threads = 0
        self._greeted = False
        self._process = _start(directory)
        start = {
            "home": origin.PACKAGE_PARENT,
            "path": origin.MODULE_PATH,
            "parent": os.getpid(),
        }
        self._write_now(json.dumps(start).encode("ascii") + b"\n")

    def __enter__(self) -> SenderProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self.close(0 if kind else _END_TIMEOUT)

    def send(self, request: protocol.Message) -> None:
        """Send *request*, without waiting for anything."""
        self._write_now(protocol.encode(request))

    def ask(
        self, request: protocol.Message, kind: type[Answer], seconds: float
    ) -> Answer:
        """Send *request* and return the answer within about *seconds*; see `answer`."""
        self.send(request)
        return self.answer(kind, Deadline(seconds + GRACE))

    def answer(self, kind: type[Answer], deadline: Deadline) -> Answer:
        """Return the answer of the sender, a message of this *kind*.

        Raises SenderTimeout when the time is over, and SenderError if the sender has
        not started, or ends without a valid answer.
        """
        self._start_threads()
        if not self._greeted:
            self._wait_for_hello(Deadline(min(_HELLO_TIMEOUT, deadline.remaining())))
            self._greeted = True
        while True:
            try:
                message = protocol.decode(self._next_line(deadline))
            except protocol.ProtocolError as error:
                raise SenderError(f"{SENDER_NAME}: {error}.") from error
            if isinstance(message, protocol.Broken):
                raise (SenderBug if message.bug else SenderError)(message.error)
            if not isinstance(message, protocol.Progress):
                assert isinstance(message, kind), f"the answer is a {kind.__name__}"
                return message
            self._on_progress(message)

    def _wait_for_hello(self, deadline: Deadline) -> None:
        """Wait for `Hello`; skip what other code in the sender's process prints before.

        Raises SenderError.
        """
        while True:
            try:
                line = self._next_line(deadline)
            except SenderTimeout:
                msg = f"{SENDER_NAME} did not start within {deadline.seconds:.0f} s."
                raise SenderError(msg) from None
            with suppress(protocol.ProtocolError):
                if protocol.decode(line) != protocol.Hello():
                    raise SenderError(f"{SENDER_NAME} is of another version.")
                return

    def close(self, seconds: float) -> None:
        """Wait up to *seconds* for the sender to end, then kill it; end the threads."""
        self._unsent.put(b"")
        deadline = Deadline(seconds)
        with suppress(SenderError):
            self._start_threads()
            while self._next_line(deadline):
                pass
        self._process.kill()
        deadline = Deadline(_END_TIMEOUT)
        while self._threads and not deadline.spent:
            with suppress(Empty):
                self._finished_threads.get(timeout=deadline.remaining())
                self._threads -= 1
        while self._process.poll() is None and not deadline.spent:
            # Only a pause: nothing comes. Unlike `time.sleep`, no test can replace this.
            with suppress(Empty):
                self._received.get(timeout=0.01)

    def _write_now(self, line: bytes) -> None:
        """Write as much of *line* as the pipe takes now, and leave the rest to a thread.

        On Windows all of it is left to the thread. No thread runs before a caller waits
        for an answer: `os.fork` warns about threads.
        """
        if self._threads or os.name == "nt" or not self._unsent.empty():
            self._unsent.put(line)
            return
        pipe = self._process.stdin
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        try:
            with _no_sigpipe():
                written = pipe.write(line) or 0
        except OSError:
            # The sender has ended; waiting for its answer raises the error.
            written = 0
        os.set_blocking(pipe.fileno(), True)
        if written < len(line):
            self._unsent.put(line[written:])

    def _start_threads(self) -> None:
        """Start a thread for each pipe, to read or write it and then to close it."""
        if self._threads:
            return
        process = self._process
        pipes = filter(None, (process.stdin, process.stdout, process.stderr))
        tasks = (self._write_stdin, self._read_stdout, self._read_stderr)
        pairs = tuple(zip(tasks, pipes, strict=True))
        try:
            for task, pipe in pairs:
                _thread.start_new_thread(self._run, (task, pipe))
                self._threads += 1
        except RuntimeError as error:
            process.kill()
            process.poll()
            for _task, pipe in pairs[self._threads :]:
                pipe.close()
            raise SenderError(f"{SENDER_NAME} cannot be started: {error}.") from error

    def _run(self, task: Callable[[IO[bytes]], None], pipe: IO[bytes]) -> None:
        # If the sender has ended, waiting for its answer raises the error.
        with suppress(OSError), pipe:
            task(pipe)
        self._finished_threads.put(None)

    def _write_stdin(self, pipe: IO[bytes]) -> None:
        with _no_sigpipe():
            while line := self._unsent.get():
                view = memoryview(line)
                while view:
                    view = view[pipe.write(view) :]

    def _read_stdout(self, pipe: IO[bytes]) -> None:
        try:
            with io.BufferedReader(cast("io.RawIOBase", pipe)) as lines:
                for line in lines:
                    # A kill may leave half a line.
                    if line.endswith(b"\n"):
                        self._received.put(line)
        finally:
            self._received.put(b"")

    def _read_stderr(self, pipe: IO[bytes]) -> None:
        while part := pipe.read(_MAX_STDERR):
            self._stderr = (self._stderr + part)[-_MAX_STDERR:]

    def _next_line(self, deadline: Deadline) -> bytes:
        """Return the next line of the sender.

        Raises SenderTimeout if none comes in time, and SenderError if the sender has
        ended.
        """
        while True:
            try:
                # In slices, between which Windows handles Ctrl-C.
                if line := self._received.get(timeout=min(0.5, deadline.remaining())):
                    return line
                break
            except Empty:
                if deadline.spent:
                    msg = f"{SENDER_NAME} did not answer within {deadline.seconds:g} s."
                    raise SenderTimeout(msg) from None
        errors = self._stderr.decode("utf-8", "backslashreplace").strip()[-_MAX_SHOWN:]
        more = f"; it printed {errors!r}" if errors else ""
        raise SenderError(f"{SENDER_NAME} ended without an answer{more}.")


@contextmanager
def _no_sigpipe() -> Iterator[None]:
    """Make a broken pipe an error, even if a test has made SIGPIPE end the process."""
    if sys.platform == "win32":
        yield
        return
    sigpipe = {signal.SIGPIPE}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, sigpipe)
    try:
        yield
    finally:
        if signal.SIGPIPE in signal.sigpending():
            signal.sigtimedwait(sigpipe, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(directory: Path) -> subprocess.Popen[bytes]:
    """Start the sender's process in *directory*. Raises SenderError."""
    if not origin.EXECUTABLE or getattr(sys, "frozen", False):
        msg = "sys.executable names no Python interpreter"
        raise SenderError(f"{SENDER_NAME} cannot be started: {msg}.")
    environ = {
        name: value
        for name, value in origin.ENVIRON.items()
        if not name.startswith(_REMOVED_PREFIXES)
    }
    # Ctrl-C must not reach the sender: this process decides whether the sender goes on.
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
        raise SenderError(f"{SENDER_NAME} cannot be started: {why}.") from error


@contextmanager
def _standard_descriptors_in_use() -> Iterator[None]:
    """Keep our pipes from becoming stdin, stdout or stderr if one of these is closed."""
    opened: list[int] = []
    try:
        while not opened or opened[-1] <= 2:
            opened.append(os.open(os.devnull, os.O_RDWR))
        yield
    finally:
        for number in opened:
            os.close(number)
