"""The messages of one talk: a request, what is said meanwhile, and an answer.

A message is one line of JSON. The sender says `Hello` first, of its own accord.
"""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

from pytest_zephyr.config.settings import Settings
from pytest_zephyr.protocol.codec import from_json
from pytest_zephyr.protocol.codec import to_json
from pytest_zephyr.results.records import CaseRef


#: Version of the messages; both sides have the same or do not talk.
VERSION = 1


class ProtocolError(Exception):
    """A line that is no message of this version."""


@dataclass(frozen=True)
class Hello:
    """The sender has started and speaks *version*."""

    version: int = VERSION


# What the test process says.


@dataclass(frozen=True)
class Check:
    """Look at the server before the first test, which has so many *seconds*.

    Answered with `Checked`.
    """

    settings: Settings
    seconds: float


@dataclass(frozen=True)
class LookUp:
    """After `Checked`: look whether Zephyr has these test cases. So many seconds again.

    Answered with `LookedUp`.
    """

    cases: tuple[CaseRef, ...]


@dataclass(frozen=True)
class Push:
    """Send a journal at the end of its session; answered with `Pushed`.

    *kept* are lines that the disk refused. *facts* are those that `LookedUp` gave, handed
    back as they are. *seconds* are its time budget.
    """

    settings: Settings
    journal: Path
    kept: tuple[str, ...]
    facts: str
    seconds: float


# What the sender says.


@dataclass(frozen=True)
class Checked:
    """What was found before the tests.

    *lines* are for people; *failed* says that some of them name a mistake of the user.
    *planned* are the names of the test cases of the phase if only their tests are to
    run. *ahead* is by how many milliseconds the server's clock is ahead.
    """

    lines: tuple[str, ...] = ()
    failed: bool = False
    planned: tuple[CaseRef, ...] | None = None
    ahead: int = 0


@dataclass(frozen=True)
class LookedUp:
    """What is wrong with test cases that were looked up: each with a text for people.

    *facts* are what a push need not ask again, as JSON that only senders understand.
    """

    problems: tuple[tuple[Any, ...], ...] = ()
    facts: str = ""


@dataclass(frozen=True)
class Progress:
    """So many results or files are done."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Pushed:
    """What became of the results: *lines* for people, and whether something *failed*."""

    lines: tuple[str, ...]
    failed: bool


@dataclass(frozen=True)
class Broken:
    """The sender ends without an answer; a *bug* is to be reported."""

    error: str
    bug: bool = False


Message = (
    Hello | Check | LookUp | Push | Checked | LookedUp | Progress | Pushed | Broken
)

_KINDS: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        *(Hello, Check, LookUp, Push),
        *(Checked, LookedUp, Progress, Pushed, Broken),
    )
}


def encode(message: Message) -> bytes:
    """Return *message* as one line."""
    document = {"kind": type(message).__name__, **to_json(message)}
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ProtocolError."""
    try:
        document = json.loads(line)
        found: Message = from_json(_KINDS[document.pop("kind")], document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The line may hold a credential.
        raise ProtocolError(f"no message of version {VERSION}: {error!r}") from None
    return found
