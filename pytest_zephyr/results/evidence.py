"""What a test said about itself, as plain data: comments, files, steps, defects, fields.

A process that runs tests writes it to the journal as it is said, one line each, so
that it survives whatever ends the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
import re
from typing import Any


#: What a field may hold: plain JSON.
FieldValue = str | int | float | bool

# Both become headers of a request: a line break would begin another one.
_CONTENT_TYPE = re.compile(
    r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+(?: *; *[ -~]*)?", re.ASCII
)
_NOT_IN_NAMES = re.compile(r"[\r\n\0]")

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Comment:
    text: str


@dataclass(frozen=True)
class Defect:
    """The key of a defect, as the tracker shows it."""

    key: str


@dataclass(frozen=True)
class Field:
    name: str
    value: FieldValue


@dataclass(frozen=True)
class File:
    """An attachment; *digest* (SHA-256) is the name of its copy beside the journal."""

    name: str
    type: str
    digest: str
    size: int


@dataclass(frozen=True)
class Step:
    """A step that began; it is written again with its *outcome* when it ends.

    *number* counts the steps of an attempt in the order they began. *label* is a text
    or the number of the case's own step. *at* is in milliseconds since the epoch.
    """

    number: int
    label: str | int
    depth: int = 0
    outcome: str = ""
    comment: str = ""
    at: int = 0


@dataclass(frozen=True)
class LeftOut:
    """An attachment that was not taken, and why."""

    name: str
    size: int
    reason: str


Saying = Comment | Defect | Field | File | Step | LeftOut

KINDS: Mapping[str, type[Saying]] = {
    "comment": Comment,
    "defect": Defect,
    "field": Field,
    "attachment": File,
    "step": Step,
    "left_out": LeftOut,
}

_NAMES = {kind: name for name, kind in KINDS.items()}


@dataclass(frozen=True)
class Said:
    """One saying, with the attempt of the test and the worker that it belongs to."""

    nodeid: str
    what: Saying
    attempt: int = 0
    worker: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that the last attempt of a test said."""

    comments: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    fields: tuple[tuple[str, FieldValue], ...] = ()
    files: tuple[File, ...] = ()
    steps: tuple[Step, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __bool__(self) -> bool:
        return self != NOTHING


NOTHING = Evidence()


def gather(sayings: Iterable[Saying]) -> Evidence:
    """Return *sayings* by kind: repetitions once, the last value of a field."""
    by_kind: dict[type[Saying], dict[object, Any]] = {kind: {} for kind in _NAMES}
    for each in sayings:
        key: object = each
        if isinstance(each, Step):
            key = each.number
        elif isinstance(each, Field):
            key = each.name
        by_kind[type(each)][key] = each
    if not any(by_kind.values()):
        return NOTHING
    return Evidence(
        comments=tuple(each.text for each in by_kind[Comment].values()),
        defects=tuple(each.key for each in by_kind[Defect].values()),
        fields=tuple((each.name, each.value) for each in by_kind[Field].values()),
        files=tuple(by_kind[File].values()),
        steps=tuple(by_kind[Step].values()),
        left_out=tuple(by_kind[LeftOut].values()),
    )


def said_line(said: Said) -> dict[str, Any]:
    line = {"kind": _NAMES[type(said.what)], "nodeid": said.nodeid}
    where = {"attempt": said.attempt, "worker": said.worker}
    return line | {k: v for k, v in where.items() if v} | asdict(said.what)


def read_said(line: Mapping[str, Any]) -> Said:
    """Read what `said_line` wrote. Raises KeyError, TypeError or ValueError."""
    kind = KINDS[line["kind"]]
    values = {name: _checked(name, line[name]) for name in kind.__dataclass_fields__}
    what = kind(**values)
    if isinstance(what, File) and not (
        is_file_name(what.name) and is_content_type(what.type)
    ):
        raise ValueError(what)
    return Said(
        nodeid=_text(line["nodeid"]),
        what=what,
        attempt=_count(line.get("attempt", 0)),
        worker=_text(line.get("worker", "")),
    )


def is_content_type(text: str) -> bool:
    """Return whether *text* is a type and a subtype, perhaps with parameters."""
    return _CONTENT_TYPE.fullmatch(text) is not None


def is_file_name(text: str) -> bool:
    """Return whether *text* can be the name of an attachment."""
    return bool(text) and _NOT_IN_NAMES.search(text) is None


def read_value(value: object) -> FieldValue:
    """Read the value of a field. Raises TypeError."""
    if isinstance(value, str | int | float):
        return value
    raise TypeError


def _checked(name: str, value: object) -> Any:
    if name == "value":
        return read_value(value)
    if name == "label":
        return value if isinstance(value, str) else _count(value)
    if name in {"size", "number", "depth", "at"}:
        return _count(value)
    text = _text(value)
    if name == "digest" and not _DIGEST.fullmatch(text):
        # It becomes the name of a file that is read and sent.
        raise ValueError(text)
    return text


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
