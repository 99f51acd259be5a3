"""Entries that a push needs.

They are about the server, about other sessions of the run, and about what earlier pushes
wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from pytest_zephyr.results.records import CaseRef


@dataclass(slots=True)
class Receipt:
    """The receipt of a result, with its *digest* (see `results.plan.CaseResult`)."""

    case: CaseRef
    execution: int
    status_id: str
    digest: str


@dataclass(frozen=True)
class Server:
    """The server that all following lines are about, up to the next line of this kind."""

    url: str


@dataclass(frozen=True)
class Clock:
    """How many milliseconds the server's clock is *ahead* of that of the tests."""

    ahead: int


@dataclass(frozen=True)
class RunningSessions:
    """The names of the *sessions* of this run that still ran when this session ended."""

    sessions: tuple[str, ...]


@dataclass(frozen=True)
class Sending:
    """Results that are about to be written, with what the server had before.

    *rows* maps the id of an execution to its stamp, a digest of its state. Without a
    receipt it is unclear whether the result was written. *at* is when the write began,
    in milliseconds since the epoch.
    """

    rows: Mapping[int, str]
    at: int = 0


@dataclass(frozen=True)
class AttachmentKey:
    """A file for one execution; its *name* in Zephyr may be another, see `Naming`."""

    execution: int
    name: str
    digest: str


@dataclass(frozen=True)
class Naming:
    """The *name* that a file gets on its execution.

    *before* says how many files of this name and size the execution had already, perhaps
    from an older run.
    """

    name: str
    before: int = 0


@dataclass(frozen=True)
class Attaching:
    """Files that are about to be attached, each with the name it gets in Zephyr.

    Without an `attached` line it is unclear whether the server has them. *at* is when the
    write began, in milliseconds since the epoch.
    """

    rows: Mapping[AttachmentKey, Naming]
    at: int = 0


@dataclass(frozen=True)
class Attached:
    """The receipt of files: the server has attached them."""

    rows: tuple[AttachmentKey, ...]


@dataclass(frozen=True)
class Stepped:
    """The receipt of step results.

    *rows* maps the id of an execution to a digest of the steps whose results it has.
    """

    rows: Mapping[int, str]


LedgerEntry = Receipt | Sending | Attaching | Attached | Stepped


@dataclass
class Memory:
    """What earlier pushes of the same results to one server noted, and how to note more.

    - *receipts* are ids of executions, each with the digest of a result that it got.
    - *unanswered* maps the id of each execution whose last write has no receipt to the
      stamp that it had before.
    - *attached* are the files that have a receipt.
    - *attaching* has the names of all files that were sent, with or without a receipt.
    - *stepped* maps the id of an execution to the digest in its last `Stepped`.
    - *last_write* is when the last write began, in milliseconds since the epoch. In the
      memory of a run, only those of its journals count that are being sent and have a
      write without a receipt.
    - *journals* are the paths of the journals; attachments are next to them.
    - *note* writes entries to those journals that are being sent.
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
        """When the last write began, 0 if every write has a receipt."""
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
        """Add what *other*, the memory of a journal, has, but not its *last_write*."""
        self.receipts |= other.receipts
        self.unanswered |= other.unanswered
        self.attached |= other.attached
        self.attaching |= other.attaching
        self.stepped |= other.stepped
