"""Converts values to JSON and back by type hints, for messages and journal lines.

A dataclass becomes an object without the fields that have their defaults. When the object
is read, missing fields get their defaults, and keys that are not fields are ignored. A
mapping becomes an object if all its keys become texts, otherwise a list of pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import fields
from dataclasses import is_dataclass
from dataclasses import MISSING
from datetime import date
import functools
import json
from pathlib import Path
import types
import typing
from typing import Any
from typing import TypeVar

from pytest_zephyr.origin import System
from pytest_zephyr.secret import Secret


Kind = TypeVar("Kind")

#: Converts parsed JSON to a value. Raises TypeError or ValueError.
Reader = Callable[[Any], Any]

#: The plain types of JSON.
_PLAIN_TYPES = (str, int, float, bool, type(None))

#: The readers of the types, other than `str`, that are written as texts.
_TEXT_READERS: Mapping[type, Reader] = {
    Path: Path,
    date: date.fromisoformat,
    Secret: Secret,
}


def dump(value: object) -> str:
    """Return *value* as JSON on one line, in ASCII. Raises TypeError."""
    return System.encode(to_json(value))


def load(kind: type[Kind], text: str) -> Kind:
    """Return the value of type *kind* that `dump` wrote. Raises ValueError or TypeError."""
    hint: Any = kind
    value: Kind = reader(hint)(json.loads(text))
    return value


def to_json(value: object) -> Any:
    """Return *value* in the types of JSON. Raises TypeError."""
    if isinstance(value, _PLAIN_TYPES):
        return value
    if is_dataclass(value):
        kind: Any = type(value)
        # Most values are texts, which need no call.
        return {
            name: content if type(content) is str else to_json(content)
            for name, default in _defaults(kind)
            if (content := getattr(value, name)) != default
        }
    if isinstance(value, (list, tuple, frozenset)):
        return list(map(to_json, value))
    if isinstance(value, Mapping):
        pairs = [(to_json(key), to_json(content)) for key, content in value.items()]
        return dict(pairs) if all(isinstance(key, str) for key, _ in pairs) else pairs
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, (Path, date)):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


@functools.cache
def _defaults(kind: Any) -> list[tuple[str, object]]:
    """Return the name and the default of each field of a dataclass.

    The default is `MISSING` if the field has none.
    """
    return [
        (
            field.name,
            field.default
            if field.default_factory is MISSING
            else field.default_factory(),
        )
        for field in fields(kind)
    ]


@functools.cache
def field_readers(kind: Any) -> dict[str, Reader]:
    """Return the reader of each field of a dataclass, by the name of the field."""
    hints = typing.get_type_hints(kind)
    return {field.name: reader(hints[field.name]) for field in fields(kind)}


@functools.cache
def reader(kind: Any) -> Reader:
    """Return the reader of values of *kind*, a type or another type hint."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, typing.NewType):
        return reader(kind.__supertype__)
    if kind is Any or origin is typing.Literal:
        return lambda data: data
    if origin in (typing.Union, types.UnionType):
        return _union_reader(args)
    if kind in _TEXT_READERS:
        return lambda data: _TEXT_READERS[kind](_checked(str, data))
    if kind is int:
        return _read_int
    if kind in _PLAIN_TYPES:
        return functools.partial(_checked, kind)
    if is_dataclass(kind):
        return _dataclass_reader(kind)
    if origin is not None and issubclass(origin, Mapping):
        read_key, read_value = map(reader, args)
        return lambda data: {
            read_key(key): read_value(value)
            for key, value in (data.items() if type(data) is dict else data)
        }
    if origin is tuple and args[-1] is not Ellipsis:
        readers = list(map(reader, args))
        return lambda data: tuple(
            [
                read(part)
                for read, part in zip(readers, _checked(list, data), strict=True)
            ]
        )
    read_item = reader(args[0])
    collection = origin if origin in (tuple, frozenset) else list
    return lambda data: collection([read_item(item) for item in _checked(list, data)])


def _union_reader(kinds: tuple[Any, ...]) -> Reader:
    literals = [
        value
        for kind in kinds
        if typing.get_origin(kind) is typing.Literal
        for value in typing.get_args(kind)
    ]
    others = [
        reader(kind)
        for kind in kinds
        if kind not in _PLAIN_TYPES and typing.get_origin(kind) is not typing.Literal
    ]

    def read(data: Any) -> Any:
        if type(data) in kinds or data in literals:
            return data
        if data is None or len(others) != 1:
            raise TypeError(f"expected one of {kinds}, got {type(data).__name__}")
        return others[0](data)

    return read


def _dataclass_reader(kind: Any) -> Reader:
    readers = field_readers(kind)

    def read(data: Any) -> Any:
        values = {
            name: readers[name](value)
            for name, value in _checked(dict, data).items()
            if name in readers
        }
        return kind(**values)

    return read


def _read_int(data: Any) -> int:
    if type(data) is not int:
        raise TypeError(f"expected int, got {type(data).__name__}")
    if not -(2**63) <= data < 2**63:
        raise ValueError("an integer of more than 64 bits")
    return data


def _checked(kind: type, data: Any) -> Any:
    if type(data) is not kind and not (kind is float and type(data) is int):
        raise TypeError(f"expected {kind.__name__}, got {type(data).__name__}")
    return data
