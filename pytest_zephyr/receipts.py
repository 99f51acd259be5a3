"""What a push writes down, so that the next one knows what the server has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_zephyr.outcome import CaseRef


@dataclass(frozen=True)
class Receipt:
    """One delivered result; *digest* identifies it (see `plan.CaseResult`)."""

    case: CaseRef
    execution: int
    status: str
    digest: str


@dataclass(frozen=True)
class Sending:
    """Results that are about to be written, with what the server held before.

    *rows* maps the id of an execution to the fingerprint of its state. A sending
    without receipts means that it is unclear whether the write happened.
    """

    rows: Mapping[int, str]


@dataclass(frozen=True)
class AttachmentKey:
    """A file of one execution; *name* is the one that the test gave it."""

    execution: int
    name: str
    digest: str


@dataclass(frozen=True)
class Naming:
    """The *name* that a file gets on its execution.

    *before* says how many of this name and size the execution had: an older run may
    have attached them, and they say nothing about this one.
    """

    name: str
    before: int = 0


@dataclass(frozen=True)
class Attaching:
    """Attachments that are about to be made, each with the name it gets there.

    Without a receipt it is unclear whether they were.
    """

    names: Mapping[AttachmentKey, Naming]


@dataclass(frozen=True)
class Attached:
    """Attachments that the server has taken."""

    attachments: tuple[AttachmentKey, ...]


@dataclass(frozen=True)
class Stepped:
    """Executions whose step results the server has taken, with what these were."""

    digests: Mapping[int, str]
