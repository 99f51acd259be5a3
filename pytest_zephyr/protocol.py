"""The messages between the test process and the sender, each one line of JSON.

The sender starts with `Hello`. Then it answers one request, `Check` or `Push`, and the
`LookUp` that may follow a check. While it pushes, it sends `Progress` messages. If
it cannot answer, it sends `Broken` instead. Messages may hold secrets in plain text, so
they are written only to a pipe between two processes of one user, never to a file.
"""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
import typing

from pytest_zephyr import codec
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.origin import System
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.records import CaseRef


#: The version of the messages, which must be the same on both sides.
VERSION = 1


class ProtocolError(Exception):
    """A line is not a message of this version, or a message is not a request."""


@dataclass(frozen=True)
class Hello:
    """The sender has started and speaks *version*."""

    version: int = VERSION


# Messages of the test process.


@dataclass(frozen=True)
class Check:
    """Check the server before the first test; answered with `Checked`.

    The check, and a look-up after it, take at most *seconds* each.
    """

    settings: Settings
    seconds: float


@dataclass(frozen=True)
class LookUp:
    """After `Checked`: look up test cases in Zephyr; answered with `LookedUp`.

    Without *all* the answer has those that are unknown or ambiguous, if the settings do
    not ignore them; only a limited number may be looked up. With *all* it has every
    test case without an execution.
    """

    cases: tuple[CaseRef, ...]
    all: bool = False


@dataclass(frozen=True)
class Push:
    """Push the results in a journal at the end of its session; answered with `Pushed`.

    *unwritten* are lines of the journal that could not be written to disk. *snapshot* is
    that of `LookedUp`, unchanged, or empty if there is none.
    """

    settings: Settings
    journal: Path
    unwritten: tuple[str, ...]
    snapshot: str


# Messages of the sender.


@dataclass(frozen=True)
class Checked:
    """The result of the check.

    *texts* are for people; *has_mistakes* says that some of them are about mistakes of
    the user. *in_phase* has the ids and Alt IDs of the test cases in the phase, `None`
    if they were not read. *clock_offset* is how many milliseconds the server's clock is
    ahead of ours, negative if it is behind.
    """

    texts: tuple[str, ...] = ()
    has_mistakes: bool = False
    in_phase: tuple[CaseRef, ...] | None = None
    clock_offset: int = 0


def not_checked(reason: str, *, only_planned: bool = False) -> str:
    """Return the text for people that the server could not be checked because of *reason*.

    With *only_planned* the test cases of the phase were to be read, to select the tests.
    """
    what = "the server could not be checked before the tests"
    if only_planned:
        what = "the test cases of the phase, for --zephyr-only-planned, cannot be read"
    return f"{what}: {reason}"


#: A test case, the message about its problem, and the code of the problem, or `TO_ADD`.
CaseProblem = tuple[CaseRef, str, str]

#: The code of a test case that a push adds to the phase: it is not shown as a problem.
TO_ADD = "to-add"


@dataclass(frozen=True)
class LookedUp:
    """The *problems* with test cases that were looked up.

    With `LookUp.all`, *error* says why the test cases could not be looked up; it is
    empty if they were. Without `LookUp.all`, *snapshot* is the `Snapshot` of the server
    as JSON, so that a push need not read it again; it is empty if the server was not
    read. It is opaque to the test process, which does not import the class.
    """

    problems: tuple[CaseProblem, ...] = ()
    snapshot: str = ""
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How many of the *total* results or attachments (*what*) are *done*."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Pushed:
    """The result of a push.

    *lines* are for people. *undelivered* says that something was not delivered, or that
    the journal is damaged.
    """

    lines: tuple[Line, ...]
    undelivered: bool


@dataclass(frozen=True)
class Broken:
    """The sender ends without an answer because of *error*; *bug* says that it is a bug."""

    error: str
    bug: bool = False


Message = (
    Hello | Check | LookUp | Push | Checked | LookedUp | Progress | Pushed | Broken
)

_KINDS = {kind.__name__: kind for kind in typing.get_args(Message)}


def encode(message: Message) -> bytes:
    """Return the line for *message*."""
    document = {"kind": type(message).__name__, **codec.to_json(message)}
    return System.encode(document).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ProtocolError."""
    try:
        document = json.loads(line)
        message: Message = codec.reader(_KINDS[document["kind"]])(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        # The line may have a credential, and the original error a part of the line. So
        # only the type of that error is passed on.
        kind = type(error).__name__
        raise ProtocolError(f"no message of version {VERSION}: {kind}") from None
    return message
