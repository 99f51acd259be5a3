"""The entities of Zephyr, such as projects, test cases and executions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from typing import NewType


#: The ids of one test case: the one that people see in the ID column, one for each
#: version of it, and one for each folder that has it.
VisibleId = NewType("VisibleId", int)
VersionId = NewType("VersionId", int)
PlacementId = NewType("PlacementId", int)


@dataclass(frozen=True)
class User:
    """The user of a credential; results are written with *id* as the tester."""

    id: int
    name: str


@dataclass(frozen=True)
class Project:
    """A project; its releases and cycles lie between its dates, if it has any."""

    id: int
    name: str
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Release:
    """A release; a *hidden* one contains the test repository of its project."""

    id: int
    name: str
    hidden: bool = False
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Phase:
    """A phase of a cycle.

    Test cases can be added only to a *free_form* phase. *tree* is the id of the root
    folder of its own tree. *created* is in milliseconds since the epoch. `None` means unknown.
    """

    id: int
    name: str
    tree: int | None = None
    free_form: bool = True
    created: int | None = None


@dataclass(frozen=True)
class Cycle:
    """A cycle with its phases, and its dates and the id of its release if known."""

    id: int
    name: str
    phases: tuple[Phase, ...] = ()
    start: date | None = None
    end: date | None = None
    release: int | None = None


@dataclass(frozen=True)
class Folder:
    """A folder of a release's test repository, or of a phase's own tree.

    *release* is the id of its release, `None` if unknown.
    """

    id: int
    name: str
    children: tuple[Folder, ...] = ()
    release: int | None = None

    def walk(self) -> Iterator[Folder]:
        """Yield this folder and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Placement:
    """A test case in a folder of the repository or of a phase.

    *folder* and *release* are ids, `None` if unknown. *alt* is the Alt ID of the test
    case, *script* names its automated test.
    """

    id: PlacementId
    case: VisibleId
    version: VersionId
    folder: int | None = None
    release: int | None = None
    name: str = ""
    alt: str = ""
    automated: bool = False
    script: str = ""


@dataclass(frozen=True)
class PhaseRow:
    """A test case in a phase; only an *assigned* one has an execution."""

    placement: Placement
    assigned: bool


@dataclass(frozen=True)
class Target:
    """The phase for the results, and what is above it as far as it is known.

    *phase* is `None` if it is still to be created. *cycle* is `None` if it is still to be
    created, or if only the id of a phase was given. *release* and *project* are `None` if
    they are unknown. *path* and *remarks* are for messages.
    """

    path: str
    phase: Phase | None = None
    cycle: Cycle | None = None
    release: Release | None = None
    project: Project | None = None
    remarks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class Execution:
    """A test case that is assigned in a phase, and its last result.

    *status_id* is that of the last result, empty if there is none.
    *milliseconds* is how long the tests took. *executed_on* is in milliseconds since the
    epoch. *stamp* is a digest of the state. If *stamp_is_reliable*, *stamp* changes with
    every result: the server returns ids or times of results, or times of changes.
    *attachments* is the number of attached files. *case*, *alt* and *name* are the
    visible id, the Alt ID and the name of the test case. `None` means unknown.
    """

    id: int
    case: int | None
    alt: str
    version: VersionId | None
    status_id: str
    notes: str
    milliseconds: int | None
    executed_on: int | None
    stamp: str
    stamp_is_reliable: bool
    attachments: int | None = None
    name: str = ""


@dataclass(slots=True)
class ExecutionState:
    """The state of an execution after a write; *status_id* as in `Execution`."""

    id: int
    status_id: str
    notes: str


@dataclass(frozen=True)
class CaseStep:
    """A step of a test case; its *number* counts from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class UploadedFile:
    """A file on the server that is not attached yet; *field* is its form field."""

    field: str
    name: str
    path: str


@dataclass(frozen=True)
class Attachment:
    """A file attached to an *execution*; its *size* is in bytes.

    `None` and an empty *content_id* mean unknown.
    """

    execution: int | None
    name: str
    size: int | None
    content_id: str = ""
