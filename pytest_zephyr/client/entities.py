"""Zephyr's things as we need them: read from the server's JSON, in our own words."""

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


#: Levels of folders that are read; a tree that has more is none of Zephyr's.
_DEEPEST = 200


#: The numbers of one test case (API 1.1): what people see in the ID column, one for
#: each version of it, and one for each folder that holds it.
VisibleId = NewType("VisibleId", int)
VersionId = NewType("VersionId", int)
PlacementId = NewType("PlacementId", int)


@dataclass(frozen=True)
class User:
    """The user a credential belongs to (API 4.1); *id* is the tester of executions."""

    id: int
    name: str


@dataclass(frozen=True)
class Project:
    """A project; what it contains lies between its dates, where it has any."""

    id: int
    name: str
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Release:
    """A release with its dates, where it has any.

    *hidden* marks the one that holds the project's test repository (API 4.3).
    """

    id: int
    name: str
    hidden: bool = False
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Phase:
    """A phase of a cycle (API 4.5).

    *tree* is the root node of its own tree, *created* in milliseconds since the epoch.
    """

    id: int
    name: str
    tree: int | None = None
    free_form: bool = True
    created: int | None = None


@dataclass(frozen=True)
class Cycle:
    """A cycle with its phases (API 4.4), its dates, and the id of its release."""

    id: int
    name: str
    phases: tuple[Phase, ...] = ()
    start: date | None = None
    end: date | None = None
    release: int | None = None


@dataclass(frozen=True)
class Folder:
    """A node of a release's test repository, or of a phase's own tree."""

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
    """A test case in a folder: of the repository, or of a phase where it is planned."""

    id: PlacementId
    case: VisibleId
    version: VersionId
    folder: int | None = None
    release: int | None = None
    name: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Planned:
    """A row of a phase: a test case, and whether somebody has it (API 1.3)."""

    placement: Placement
    assigned: bool


@dataclass(frozen=True)
class Target:
    """The phase that takes the results, and the way to it as far as it is known.

    *phase* is `None` if it is still to be created, as is *cycle* if that is. *release*
    is `None` if only the id of a phase or cycle was given. *path* is the way for
    people, *remarks* what they should know about how it was found.
    """

    path: str
    phase: Phase | None = None
    cycle: Cycle | None = None
    release: Release | None = None
    project: Project | None = None
    remarks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class Execution:
    """A test case scheduled in a phase (API 4.10).

    *status* is the id of the last result's status, empty if there is none.
    *executed_on* is in milliseconds since the epoch, `None` if unknown. *stamp*
    identifies the state: it differs after every execution, if *dated*. A server that
    tells neither the id nor the time of a result leaves it undated. *version* is that
    of the test case. *attachments* counts them, `None` if unknown.
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
    dated: bool
    attachments: int | None = None


@dataclass(frozen=True)
class CaseStep:
    """A step that a test case has (API 4.9); its *number* counts from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Uploaded:
    """A file that waits on the server to be attached (API 4.13)."""

    part: str
    name: str
    path: str
    type: str


@dataclass(frozen=True)
class Attachment:
    """A file that the execution *item* has.

    *size* is `None`, and *file*, the id that its content is read by, empty if unknown.
    """

    item: int | None
    name: str
    size: int | None
    file: str = ""


def user(payload: object) -> User | None:
    found = decode.mapping(payload)
    number = decode.integer(found.get("id"))
    if number is None:
        return None
    names = (found.get(key) for key in ("fullName", "username", "loginName"))
    name = next(
        (text for each in names if (text := decode.text(each))), f"user {number}"
    )
    return User(number, name)


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
    """Read the two dates; the text goes first, for a number needs a time zone."""
    start, end = (
        decode.date(row.get(f"{kind}{which}Date"))
        or decode.date(row.get(f"{which.lower()}Date"))
        for which in ("Start", "End")
    )
    return start, end


def folder(row: Mapping[str, Any], depth: int = _DEEPEST) -> Folder | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    children = decode.rows(row.get("categories")) or [] if depth else []
    return Folder(
        number,
        decode.text(row.get("name")),
        tuple(found for each in children if (found := folder(each, depth - 1))),
        release=decode.integer(row.get("releaseId")),
    )


def placement(row: Mapping[str, Any]) -> Placement | None:
    """Read a placement (API 4.8); `None` unless all three ids of its case are there."""
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
    )


def planned(row: Mapping[str, Any]) -> Planned | None:
    """Read a planning row; it names its case inside the placement or beside it."""
    tct = decode.mapping(row.get("tct"))
    found = placement({"testcase": row.get("testcase"), **tct})
    if found is None:
        return None
    return Planned(
        found, decode.integer(decode.mapping(row.get("rts")).get("id")) is not None
    )


def execution(row: Mapping[str, Any]) -> Execution | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    case = decode.mapping(decode.mapping(row.get("tcrTreeTestcase")).get("testcase"))
    last = decode.mapping(row.get("lastTestResult"))
    status = decode.text(row.get("status")) or decode.text(last.get("executionStatus"))
    executed_on = last.get("executionDate") or last.get("execDate")
    if executed_on is None and status:
        # A server that tells no date of the result tells that of the last change.
        executed_on = row.get("lastModifiedOn")
    version = decode.integer(case.get("id"))
    marks = (last.get("id"), last.get("executionDate"), row.get("lastModifiedOn"))
    state = (*marks, *map(row.get, ("status", "comment", "actualTime")))
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
        dated=marks != (None, None, None),
        attachments=decode.integer(row.get("attachmentCount")),
    )


def case_step(row: Mapping[str, Any]) -> CaseStep | None:
    number = decode.integer(row.get("orderId"))
    return None if number is None else CaseStep(number, decode.text(row.get("step")))


def uploaded(row: Mapping[str, Any]) -> Uploaded:
    return Uploaded(
        part=decode.text(row.get("fieldName")),
        name=decode.text(row.get("fileName")),
        path=decode.text(row.get("tempFilePath")),
        type=decode.text(row.get("contentType")),
    )


def attachment(row: Mapping[str, Any]) -> Attachment:
    return Attachment(
        item=decode.integer(row.get("itemId")),
        name=decode.text(row.get("name")),
        size=decode.integer(row.get("fileSize")),
        file=decode.text(row.get("refId")),
    )


def statuses(preference: object) -> list[Status]:
    """Read the status list: JSON inside the text of a preference (API 4.11)."""
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
