"""Converts dataclasses to JSON and back, by their type hints.

Secrets are readable in it: it is for a pipe between two processes of one user, never for
a file.
"""

from __future__ import annotations

from collections.abc import Mapping
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

from pytest_zephyr.secret import Secret


Kind = TypeVar("Kind")

#: The plain types of JSON.
_PLAIN = (str, int, float, bool, type(None))

#: Types that become a text, and how each is read from it.
_TEXTS: Mapping[type, Any] = {Path: Path, date: date.fromisoformat, Secret: Secret}


def dump(value: object) -> str:
    """Return *value* as JSON on one line, in ASCII."""
    return json.dumps(to_json(value), separators=(",", ":"))


def load(kind: type[Kind], text: str | bytes) -> Kind:
    """Return the value that `dump` got. Raises ValueError, KeyError or TypeError."""
    return from_json(kind, json.loads(text))


def to_json(value: object) -> Any:
    """Return *value* in the types of JSON; a mapping becomes a list of pairs.

    Raises TypeError for any other type.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Path | date):
        return str(value)
    if is_dataclass(value):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return [[to_json(key), to_json(each)] for key, each in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(map(to_json, value))
    raise TypeError(f"{type(value).__name__} cannot be sent")


def from_json(kind: type[Kind], data: Any) -> Kind:
    """Return the value that `to_json` got. Raises TypeError if it is not a *kind*.

    >>> from_json(tuple[Path, ...], ["a", "b"])
    (PosixPath('a'), PosixPath('b'))
    """
    reader: Any = _reader
    value: Kind = reader(kind)(data)
    return value


@functools.cache
def _reader(kind: Any) -> Any:
    """Return the function that reads a value of *kind*."""
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
        readers = {each.name: _reader(hints[each.name]) for each in fields(kind)}
        make: Any = kind
        return lambda data: make(
            **{name: read(data[name]) for name, read in readers.items()}
        )
    if origin is not None and issubclass(origin, Mapping):
        key, value = map(_reader, args)
        return lambda data: {key(one): value(each) for one, each in data}
    each = _reader(args[0])
    gather = tuple if origin is tuple else frozenset if origin is frozenset else list
    return lambda data: gather(map(each, data))


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
