"""What a push notes in a journal, so that the next one knows what the server has."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from pytest_zephyr.results.records import CaseRef


@dataclass(slots=True)
class Receipt:
    """One delivered result; *digest* identifies it (see `plan.CaseResult`)."""

    case: CaseRef
    execution: int
    status: str
    digest: str


@dataclass(frozen=True)
class Server:
    """The server of all that follows, if it is another than before."""

    url: str


@dataclass(frozen=True)
class Clock:
    """How many milliseconds the server's clock is *ahead* of that of the tests."""

    ahead: int


@dataclass(frozen=True)
class RunningSessions:
    """The *names* of the sessions of the same run that still ran when this one ended."""

    names: tuple[str, ...] = field(metadata={"key": "runs"})


@dataclass(frozen=True)
class Sending:
    """Results that are about to be written, with what the server had before.

    *rows* maps the id of an execution to the fingerprint of its state. Without a
    receipt it is unclear whether the write happened. *at* is when it began, in
    milliseconds since the epoch.
    """

    rows: Mapping[int, str]
    at: int = 0


@dataclass(frozen=True)
class AttachmentKey:
    """A file of one execution; *name* is the one that the test gave it."""

    execution: int
    name: str
    digest: str


@dataclass(frozen=True)
class Naming:
    """The *name* that a file gets on its execution.

    *before* says how many of this name and size the execution had already, which an
    older run may have attached.
    """

    name: str
    before: int = 0


@dataclass(frozen=True)
class Attaching:
    """Attachments that are about to be made, each with the name it gets in Zephyr.

    Without an `Attached` it is unclear whether they were. *at* as in `Sending`.
    """

    rows: Mapping[AttachmentKey, Naming]
    at: int = 0


@dataclass(frozen=True)
class Attached:
    """Attachments that the server has taken."""

    rows: tuple[AttachmentKey, ...]


@dataclass(frozen=True)
class Stepped:
    """The executions whose step results the server has taken, with their digests."""

    rows: Mapping[int, str]


LedgerEntry = Receipt | Sending | Attaching | Attached | Stepped


@dataclass
class Memory:
    """What earlier pushes of the same results to one server noted, and how to note more.

    *receipts* are executions with the digests of their results, *unanswered* the
    fingerprints of executions before a write without an answer. *attached* and *stepped*
    is the evidence that was delivered; *attaching* maps attachments to their names.
    *last_write* is when the last write began, in milliseconds since the epoch. *journals*
    are the paths of the journals; attachments are next to them.
    """

    receipts: set[tuple[int, str]] = field(default_factory=set)
    unanswered: dict[int, str] = field(default_factory=dict)
    attached: set[AttachmentKey] = field(default_factory=set)
    attaching: dict[AttachmentKey, Naming] = field(default_factory=dict)
    stepped: dict[int, str] = field(default_factory=dict)
    last_write: int = 0
    journals: tuple[Path, ...] = ()
    note: Callable[..., None] = lambda *_entries: None

    @property
    def open_since(self) -> int:
        """When the last write without an answer began; 0 if all have one."""
        attaching = self.attaching.keys() - self.attached
        return self.last_write if self.unanswered or attaching else 0

    def add(self, entry: LedgerEntry) -> None:
        if isinstance(entry, Receipt):
            self.receipts.add((entry.execution, entry.digest))
            self.unanswered.pop(entry.execution, None)
        elif isinstance(entry, Attached):
            self.attached.update(entry.rows)
        elif isinstance(entry, Stepped):
            self.stepped.update(entry.rows)
        else:
            if isinstance(entry, Sending):
                self.unanswered.update(entry.rows)
            else:
                self.attaching.update(entry.rows)
            self.last_write = max(self.last_write, entry.at)

    def merge(self, other: Memory) -> None:
        """Add what another journal says, except for its last write."""
        self.receipts |= other.receipts
        self.unanswered |= other.unanswered
        self.attached |= other.attached
        self.attaching |= other.attaching
        self.stepped |= other.stepped
