"""The messages between the test process and the sender, each one line of JSON.

The sender starts with `Hello`. Then it answers one request at a time, after any number of
`Progress` messages.
"""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any
from typing import get_args

from pytest_zephyr.config.settings import Settings
from pytest_zephyr.protocol.codec import from_json
from pytest_zephyr.protocol.codec import to_json
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.records import CaseRef


#: Version of the messages; both sides must have the same.
VERSION = 1


class ProtocolError(Exception):
    """A line is not a message of this version."""


@dataclass(frozen=True)
class Hello:
    """The sender has started and speaks *version*."""

    version: int = VERSION


# Messages of the test process.


@dataclass(frozen=True)
class Check:
    """Check the server before the first test, within *seconds*; answered with `Checked`."""

    settings: Settings
    seconds: float


@dataclass(frozen=True)
class LookUp:
    """After `Checked`: look up test cases in Zephyr; answered with `LookedUp`.

    With *all* each is looked up, in the phase as well, however long that takes.
    """

    cases: tuple[CaseRef, ...]
    all: bool = False


@dataclass(frozen=True)
class Push:
    """Send a journal at the end of its session; answered with `Pushed`.

    *unwritten* are lines that the disk refused. *facts* are those of `LookedUp`, unchanged.
    *seconds* is the time budget.
    """

    settings: Settings
    journal: Path
    unwritten: tuple[str, ...]
    facts: str
    seconds: float


# Messages of the sender.


@dataclass(frozen=True)
class Checked:
    """The result of the check.

    *lines* are for people; *failed* says that some of them name a mistake of the user.
    *planned* are the test cases of the phase if only their tests are to run. *clock_offset* is by
    how many milliseconds the server's clock is ahead.
    """

    lines: tuple[str, ...] = ()
    failed: bool = False
    planned: tuple[CaseRef, ...] | None = None
    clock_offset: int = 0


@dataclass(frozen=True)
class LookedUp:
    """The *problems* with test cases that were looked up: case, text for people, and code.

    An *error* says why not all of them could be looked up. *facts* are what a push need not request again, as JSON for the sender.
    """

    problems: tuple[tuple[Any, ...], ...] = ()
    facts: str = ""
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How many results or files are done."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Pushed:
    """The result of a push: *lines* for people, and whether something *failed*."""

    lines: tuple[Line, ...]
    failed: bool


@dataclass(frozen=True)
class Broken:
    """The sender ends without an answer; a *bug* should be reported."""

    error: str
    bug: bool = False


Message = (
    Hello | Check | LookUp | Push | Checked | LookedUp | Progress | Pushed | Broken
)

_KINDS: dict[str, type[Any]] = {each.__name__: each for each in get_args(Message)}


def encode(message: Message) -> bytes:
    document = {"kind": type(message).__name__, **to_json(message)}
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ProtocolError."""
    try:
        document = json.loads(line)
        message: Message = from_json(_KINDS[document.pop("kind")], document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The line may hold a credential.
        raise ProtocolError(f"no message of version {VERSION}: {error!r}") from None
    return message
