"""What a push writes down, so that the next one knows what the server has."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

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
    """The server that all of the following was brought to, if it is another than before."""

    url: str


@dataclass(frozen=True)
class Clock:
    """How many milliseconds the server's clock is *ahead* of that of the tests."""

    ahead: int


@dataclass(frozen=True)
class RunningSessions:
    """The sessions of the same run that were still running when this one ended."""

    runs: tuple[str, ...]


@dataclass(frozen=True)
class Sending:
    """Results that are about to be written, with what the server held before.

    *rows* maps the id of an execution to the fingerprint of its state. A sending
    without receipts means that it is unclear whether the write happened. *at* is when it
    began, in milliseconds since the epoch.
    """

    rows: Mapping[int, str]
    at: int = 0


class AttachmentKey(NamedTuple):
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

    Without a receipt it is unclear whether they were. *at* as in `Sending`.
    """

    rows: Mapping[AttachmentKey, Naming]
    at: int = 0


@dataclass(frozen=True)
class Attached:
    """Attachments that the server has taken."""

    rows: tuple[AttachmentKey, ...]


@dataclass(frozen=True)
class Stepped:
    """Executions whose step results the server has taken, with what these were."""

    rows: Mapping[int, str]


#: What a push notes of the server that it sends to.
Noted = Receipt | Sending | Attaching | Attached | Stepped


@dataclass
class Ledger:
    """What the pushes of one journal noted of one server."""

    receipts: list[Receipt] = field(default_factory=list)
    uncertain: dict[int, str] = field(default_factory=dict)
    attached: set[AttachmentKey] = field(default_factory=set)
    attaching: dict[AttachmentKey, Naming] = field(default_factory=dict)
    stepped: dict[int, str] = field(default_factory=dict)
    began: int = 0

    @property
    def open_since(self) -> int:
        """When the last write began of which nobody knows how it ended; 0 without any."""
        attaching = self.attaching.keys() - self.attached
        return self.began if self.uncertain or attaching else 0

    def take(self, noted: Noted) -> None:
        if isinstance(noted, Receipt):
            self.receipts.append(noted)
            self.uncertain.pop(noted.execution, None)
        elif isinstance(noted, Sending):
            self.uncertain.update(noted.rows)
            self.began = max(self.began, noted.at)
        elif isinstance(noted, Attaching):
            self.attaching.update(noted.rows)
            self.began = max(self.began, noted.at)
        elif isinstance(noted, Attached):
            self.attached.update(noted.rows)
        else:
            self.stepped.update(noted.rows)


@dataclass(frozen=True)
class Memory:
    """What earlier pushes of the same results wrote down, and where to go on writing.

    *receipts* are the executions with the digests of what they got, *uncertain* the stamps that
    executions had before a write without an answer. *attached* and *stepped* is the
    evidence that was delivered, *attaching* maps what was about to be to the names it
    should get. *open_since* is when a write of ours began, in milliseconds since the
    epoch, of which nobody knows how it ended. *places* are the journals, which the files
    lie beside.
    """

    receipts: frozenset[tuple[int, str]] = frozenset()
    uncertain: dict[int, str] = field(default_factory=dict)
    attached: frozenset[AttachmentKey] = frozenset()
    attaching: Mapping[AttachmentKey, Naming] = field(default_factory=dict)
    stepped: Mapping[int, str] = field(default_factory=dict)
    open_since: int = 0
    places: tuple[Path, ...] = ()
    note_attaching: Callable[[Attaching], None] = lambda _attaching: None
    note_attached: Callable[[Attached], None] = lambda _attached: None
    note_stepped: Callable[[Stepped], None] = lambda _stepped: None
    note_sending: Callable[[Sending], None] = lambda _sending: None
    note_receipts: Callable[[Sequence[Receipt]], None] = lambda _receipts: None
