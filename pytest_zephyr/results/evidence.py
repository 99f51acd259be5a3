"""Evidence of tests as plain values: comments, defects, fields, files and steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import re
from typing import Any
from typing import get_args


#: The value of a field: a text, a number or a boolean, as in JSON.
FieldValue = str | int | float | bool

# Types and names of files become parts of headers. A line break in them would start
# another header.
_CONTENT_TYPE = re.compile(
    r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+(?: *; *[ -~]*)?", re.ASCII
)
_INVALID_IN_NAMES = re.compile(r"[\r\n\0]")


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
    """A file to attach, with its content type, and its size in bytes.

    Its *digest* (SHA-256) names the copy in a directory next to the journal.
    """

    name: str
    type: str
    digest: str
    size: int


@dataclass(frozen=True)
class Step:
    """A step, recorded when it begins, and again with its *outcome* when it ends.

    *number* counts the steps of a test in the order they began. *label* is a text or
    the number of a step of the test case. *depth* is the number of steps around it.
    *comment* says which error ended it, if any. *at* is the time of the record in
    milliseconds since the epoch.
    """

    number: int
    label: str | int
    depth: int = 0
    outcome: str = ""
    comment: str = ""
    at: int = 0


@dataclass(frozen=True)
class LeftOut:
    """A file that was not copied, or another value that was not recorded, and why.

    *size* is in bytes, 0 if it is not known. *by_limit* says that a size limit is exceeded.
    """

    name: str
    size: int
    reason: str
    by_limit: bool = False


EvidenceValue = Comment | Defect | Field | File | Step | LeftOut


@dataclass(frozen=True)
class EvidenceEntry:
    """A piece of evidence, with its test, attempt and worker."""

    nodeid: str
    value: EvidenceValue
    attempt: int = 0
    worker: str = ""


@dataclass(frozen=True)
class Evidence:
    """The evidence of a test: from its markers and its last attempt on each worker."""

    comments: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    fields: tuple[tuple[str, FieldValue], ...] = ()
    files: tuple[File, ...] = ()
    steps: tuple[Step, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __bool__(self) -> bool:
        return self != NO_EVIDENCE


NO_EVIDENCE = Evidence()


def gather(evidence_values: Iterable[EvidenceValue]) -> Evidence:
    """Return *evidence_values* grouped by type, without repetitions.

    The last value of a field counts, and the last record of a step.
    """
    by_kind: dict[type[EvidenceValue], dict[object, Any]] = {
        kind: {} for kind in get_args(EvidenceValue)
    }
    for value in evidence_values:
        key: object = value
        if isinstance(value, Step):
            key = value.number
        elif isinstance(value, Field):
            key = value.name
        by_kind[type(value)][key] = value
    return Evidence(
        comments=tuple(each.text for each in by_kind[Comment].values()),
        defects=tuple(each.key for each in by_kind[Defect].values()),
        fields=tuple((each.name, each.value) for each in by_kind[Field].values()),
        files=tuple(by_kind[File].values()),
        steps=tuple(by_kind[Step].values()),
        left_out=tuple(by_kind[LeftOut].values()),
    )


def is_content_type(text: str) -> bool:
    """Return whether *text* is a type and a subtype, perhaps with parameters."""
    return _CONTENT_TYPE.fullmatch(text) is not None


def is_file_name(text: str) -> bool:
    """Return whether *text* can be the name of an attachment."""
    return bool(text) and _INVALID_IN_NAMES.search(text) is None
