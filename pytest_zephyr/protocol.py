"""The messages between the test process and the sender, each one line of JSON.

The sender starts with `Hello`. Then it answers one request, `Check` or `Push`, and the
`LookUp` that may follow a check. While it pushes, it sends `Progress` messages. Secrets are
readable in a message: it is for a pipe between two processes of one user, never for a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import is_dataclass
from datetime import date
import functools
import json
from pathlib import Path
import types
import typing
from typing import Any
from typing import TypeVar

from pytest_zephyr.config.settings import Settings
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.secret import Secret


#: The version of the messages, which must be the same on both sides.
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
    """Check the server before the first test; answered with `Checked`.

    The check, and a look-up after it, take at most *seconds* each.
    """

    settings: Settings
    seconds: float


@dataclass(frozen=True)
class LookUp:
    """After `Checked`: look up test cases in Zephyr; answered with `LookedUp`.

    With *all* there is no maximum number, and test cases that are not in the phase are
    problems, too.
    """

    cases: tuple[CaseRef, ...]
    all: bool = False


@dataclass(frozen=True)
class Push:
    """Send a journal at the end of its session; answered with `Pushed`.

    *unwritten* are lines of the journal that could not be written to disk. *facts* are
    those of `LookedUp`, unchanged.
    """

    settings: Settings
    journal: Path
    unwritten: tuple[str, ...]
    facts: str


# Messages of the sender.


@dataclass(frozen=True)
class Checked:
    """The result of the check.

    *lines* are for people; *failed* says that some of them are about a mistake of the
    user. *planned* are the test cases of the phase, `None` if they were not read.
    *clock_offset* is how many milliseconds the server's clock is ahead of ours, negative
    if it is behind.
    """

    lines: tuple[str, ...] = ()
    failed: bool = False
    planned: tuple[CaseRef, ...] | None = None
    clock_offset: int = 0


@dataclass(frozen=True)
class LookedUp:
    """The *problems* with test cases that were looked up: case, text for people, and code.

    *error* says why they could not be looked up. *facts* is what the sender has read
    from the server, as JSON, so that a push need not read it again.
    """

    problems: tuple[tuple[Any, ...], ...] = ()
    facts: str = ""
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How many of the *total* results or attachments are *done*; *what* names them."""

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
    """The sender ends without an answer because of *error*; a *bug* should be reported."""

    error: str
    bug: bool = False


Message = (
    Hello | Check | LookUp | Push | Checked | LookedUp | Progress | Pushed | Broken
)

_KINDS = {kind.__name__: kind for kind in typing.get_args(Message)}


def encode(message: Message) -> bytes:
    """Return the line for *message*."""
    document = {"kind": type(message).__name__, **_to_json(message)}
    return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ProtocolError."""
    try:
        document = json.loads(line)
        message: Message = _reader(_KINDS[document.pop("kind")])(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The line may hold a credential.
        raise ProtocolError(f"no message of version {VERSION}: {error!r}") from None
    return message


# Dataclasses as JSON, and back by their type hints.

Kind = TypeVar("Kind")

#: The plain types of JSON.
_PLAIN = (str, int, float, bool, type(None))

#: Types that become a text, and how each is read from it.
_TEXTS: Mapping[type, Any] = {Path: Path, date: date.fromisoformat, Secret: Secret}


def dump(value: object) -> str:
    """Return *value* as JSON on one line, in ASCII. Raises TypeError."""
    return json.dumps(_to_json(value), separators=(",", ":"))


def load(kind: type[Kind], text: str) -> Kind:
    """Return the value that `dump` got. Raises ValueError, KeyError or TypeError."""
    reader: Any = _reader
    value: Kind = reader(kind)(json.loads(text))
    return value


def _to_json(value: object) -> Any:
    """Return *value* in the types of JSON; a mapping becomes a list of pairs."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path | date):
        return str(value)
    if is_dataclass(value):
        return {
            field.name: _to_json(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, Mapping):
        return [[_to_json(key), _to_json(content)] for key, content in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(map(_to_json, value))
    raise TypeError(f"{type(value).__name__} cannot be sent")


@functools.cache
def _reader(kind: Any) -> Any:
    """Return the function that reads a value of *kind*; it raises TypeError for another."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, typing.NewType):
        return _reader(kind.__supertype__)
    if kind in (Any, object) or origin is typing.Literal:
        return lambda data: data
    if origin in (typing.Union, types.UnionType):
        return functools.partial(_read_union, args)
    if kind in _TEXTS:
        return lambda data: _TEXTS[kind](_read_plain(str, data))
    if kind in _PLAIN:
        return functools.partial(_read_plain, kind)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
        make: Any = kind
        return lambda data: make(
            **{name: read(data[name]) for name, read in readers.items()}
        )
    if origin is not None and issubclass(origin, Mapping):
        read_key, read_value = map(_reader, args)
        return lambda data: {read_key(key): read_value(value) for key, value in data}
    read_item = _reader(args[0])
    gather = origin if origin in (tuple, frozenset) else list
    return lambda data: gather(map(read_item, data))


def _read_union(kinds: tuple[Any, ...], data: Any) -> Any:
    literals = [kind for kind in kinds if typing.get_origin(kind) is typing.Literal]
    if type(data) in kinds or any(data in typing.get_args(kind) for kind in literals):
        return data
    others = [kind for kind in kinds if kind not in (*_PLAIN, *literals)]
    if data is None or len(others) != 1:
        raise TypeError(f"expected one of {kinds}, got {type(data).__name__}")
    return _reader(others[0])(data)


def _read_plain(kind: type, data: Any) -> Any:
    if type(data) is not kind and not (kind is float and type(data) is int):
        raise TypeError(f"expected {kind.__name__}, got {type(data).__name__}")
    return data
