"""The entities of Zephyr, and how they are read from the server's JSON."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import date
import json
from typing import Any
from typing import NewType

from pytest_zephyr.client import decode
from pytest_zephyr.results.status import Status
from pytest_zephyr.text import short_digest


#: The most levels of folders to read; Zephyr itself has far fewer.
_MAX_DEPTH = 200


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

    *tree* is the id of the root node of its own tree. *created* is in milliseconds since
    the epoch.
    """

    id: int
    name: str
    tree: int | None = None
    free_form: bool = True
    created: int | None = None


@dataclass(frozen=True)
class Cycle:
    """A cycle with its phases, its dates, and the id of its release."""

    id: int
    name: str
    phases: tuple[Phase, ...] = ()
    start: date | None = None
    end: date | None = None
    release: int | None = None


@dataclass(frozen=True)
class Folder:
    """A node of a release's test repository, or of a phase's own tree.

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

    *folder* and *release* are ids, `None` if unknown. *script* names the automated test.
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

    *phase* and *cycle* are `None` if they are still to be created, *release* if only
    the id of a phase or cycle was given. *path* and *remarks* are for messages.
    """

    path: str
    phase: Phase | None = None
    cycle: Cycle | None = None
    release: Release | None = None
    project: Project | None = None
    remarks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class Execution:
    """A test case scheduled in a phase.

    *status* is the id of the last result's status, empty if there is none.
    *milliseconds* is how long the tests took. *executed_on* is in milliseconds since the
    epoch. *stamp* is a digest of the state. If *stamp_is_reliable*, it changes with every
    result; this needs a server that returns ids or times of results or changes.
    *attachments* is a number, *name* is that of the test case. `None` means unknown.
    """

    id: int
    case: int | None
    alt: str
    version: VersionId | None
    status: str
    comment: str
    milliseconds: int | None
    executed_on: int | None
    stamp: str
    stamp_is_reliable: bool
    attachments: int | None = None
    name: str = ""


@dataclass(slots=True)
class ExecutionState:
    """The state of an execution after a write; *status* as in `Execution`."""

    id: int
    status: str
    comment: str


@dataclass(frozen=True)
class CaseStep:
    """A step of a test case; its *number* counts from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Uploaded:
    """A file on the server that is not attached yet; *field* is its field in the upload."""

    field: str
    name: str
    path: str


@dataclass(frozen=True)
class Attachment:
    """A file attached to an *execution*; *content_id* is empty if unknown."""

    execution: int | None
    name: str
    size: int | None
    content_id: str = ""


def user(payload: object) -> User | None:
    row = decode.mapping(payload)
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    names = map(decode.text, map(row.get, ("fullName", "username", "loginName")))
    return User(number, next(filter(None, names), f"user {number}"))


def project(row: Mapping[str, Any]) -> Project | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    return Project(number, decode.text(row.get("name")), *_span(row, "project"))


def release(row: Mapping[str, Any]) -> Release | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    hidden = decode.boolean(row.get("projectRelease"), default=False)
    name = decode.text(row.get("name"))
    return Release(number, name, hidden, *_span(row, "release"))


def phase(row: Mapping[str, Any]) -> Phase | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    return Phase(
        number,
        decode.text(row.get("name")),
        tree=decode.integer(row.get("tcrCatalogTreeId")),
        free_form=decode.boolean(row.get("freeForm"), default=True),
        created=decode.integer(row.get("createdOn")),
    )


def cycle(row: Mapping[str, Any]) -> Cycle | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    phases = decode.rows(row.get("cyclePhases")) or []
    return Cycle(
        number,
        decode.text(row.get("name")),
        tuple(filter(None, map(phase, phases))),
        *_span(row, "cycle"),
        release=decode.integer(row.get("releaseId")),
    )


def _span(row: Mapping[str, Any], kind: str) -> tuple[date | None, date | None]:
    """Read start and end, from text if possible: a number depends on the time zone."""
    start, end = (
        decode.date(row.get(f"{kind}{which}Date"))
        or decode.date(row.get(f"{which.lower()}Date"))
        for which in ("Start", "End")
    )
    return start, end


def folder(row: Mapping[str, Any], depth: int = _MAX_DEPTH) -> Folder | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    children = decode.rows(row.get("categories")) or [] if depth else []
    return Folder(
        number,
        decode.text(row.get("name")),
        tuple(filter(None, (folder(each, depth - 1) for each in children))),
        release=decode.integer(row.get("releaseId")),
    )


def placement(row: Mapping[str, Any]) -> Placement | None:
    """Read a placement; returns `None` unless it has all three ids of its test case."""
    case = decode.mapping(row.get("testcase"))
    number = decode.integer(row.get("id"))
    visible = decode.integer(case.get("testcaseId"))
    version = decode.integer(case.get("id"))
    if number is None or visible is None or version is None:
        return None
    return Placement(
        PlacementId(number),
        VisibleId(visible),
        VersionId(version),
        folder=decode.integer(row.get("tcrCatalogTreeId")),
        release=decode.integer(row.get("releaseId")),
        name=decode.text(case.get("name")),
        alt=decode.text(case.get("externalId")).strip(),
        automated=decode.boolean(case.get("automated"), default=False),
        script=decode.text(case.get("scriptName")),
    )


def phase_row(row: Mapping[str, Any]) -> PhaseRow | None:
    """Read a planning row; the test case may be inside its placement or next to it."""
    tct = decode.mapping(row.get("tct"))
    place = placement({"testcase": row.get("testcase"), **tct})
    assigned = decode.integer(decode.mapping(row.get("rts")).get("id")) is not None
    return None if place is None else PhaseRow(place, assigned)


def execution(row: Mapping[str, Any]) -> Execution | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    case = decode.mapping(decode.mapping(row.get("tcrTreeTestcase")).get("testcase"))
    last = decode.mapping(row.get("lastTestResult"))
    status = _status_of(row)
    executed_on = last.get("executionDate") or last.get("execDate")
    if executed_on is None and status:
        # Without the date of the result, take that of the last change.
        executed_on = row.get("lastModifiedOn")
    version = decode.integer(case.get("id"))
    result_marks = (
        last.get("id"),
        last.get("executionDate"),
        row.get("lastModifiedOn"),
    )
    state = (*result_marks, *map(row.get, ("status", "comment", "actualTime")))
    return Execution(
        id=number,
        case=decode.integer(case.get("testcaseId")),
        alt=decode.text(case.get("externalId")).strip(),
        version=None if version is None else VersionId(version),
        status=status,
        comment=decode.text(row.get("comment")),
        milliseconds=decode.integer(row.get("actualTime")),
        executed_on=decode.integer(executed_on),
        stamp=short_digest(repr(state), 12),
        stamp_is_reliable=result_marks != (None, None, None),
        attachments=decode.integer(row.get("attachmentCount")),
        name=decode.text(case.get("name")),
    )


def execution_state(row: Mapping[str, Any]) -> ExecutionState | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    return ExecutionState(number, _status_of(row), decode.text(row.get("comment")))


def _status_of(row: Mapping[str, Any]) -> str:
    last = decode.mapping(row.get("lastTestResult"))
    return decode.text(row.get("status")) or decode.text(last.get("executionStatus"))


def case_step(row: Mapping[str, Any]) -> CaseStep | None:
    number = decode.integer(row.get("orderId"))
    return None if number is None else CaseStep(number, decode.text(row.get("step")))


def uploaded(row: Mapping[str, Any]) -> Uploaded:
    return Uploaded(
        field=decode.text(row.get("fieldName")),
        name=decode.text(row.get("fileName")),
        path=decode.text(row.get("tempFilePath")),
    )


def attachment(row: Mapping[str, Any]) -> Attachment:
    return Attachment(
        execution=decode.integer(row.get("itemId")),
        name=decode.text(row.get("name")),
        size=decode.integer(row.get("fileSize")),
        content_id=decode.text(row.get("refId")),
    )


def statuses(preference: object) -> list[Status]:
    """Read the status list from the value of a preference: JSON in a text, or a list.

    Returns an empty list if the value cannot be read.
    """
    value = decode.mapping(preference).get("value")
    try:
        entries = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return []
    return [
        Status(
            id=decode.text(decode.integer(row.get("id"))) or decode.text(row.get("id")),
            name=decode.text(row.get("value")),
            active=decode.boolean(row.get("active"), default=True),
        )
        for row in decode.rows(entries) or []
        if decode.text(row.get("id"))
    ]
