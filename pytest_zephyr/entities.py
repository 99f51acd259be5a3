"""Zephyr's things as we need them: read from the server's JSON, in our own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
import json
from typing import Any

from pytest_zephyr import decode
from pytest_zephyr.status import Status


@dataclass(frozen=True)
class User:
    """The user a credential belongs to (API 4.1); *id* is the tester of executions."""

    id: int
    name: str


@dataclass(frozen=True)
class Named:
    """A project, release, cycle or phase.

    *hidden* marks the release that holds the project's test repository (API 4.3).
    """

    id: int
    name: str
    hidden: bool = False


@dataclass(frozen=True)
class Cycle:
    """A cycle with its phases (API 4.4)."""

    id: int
    name: str
    phases: tuple[Named, ...] = ()


@dataclass(frozen=True)
class Target:
    """The phase that takes the results.

    *release* is `None` if only the phase's id was given. *path* is the way to the
    phase for people, *remarks* what they should know about how it was found.
    """

    phase: int
    release: int | None
    path: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Execution:
    """A test case scheduled in a phase (API 4.10).

    *status* is the id of the last result's status, empty if there is none.
    *executed_on* is in milliseconds since the epoch, `None` if unknown. *stamp*
    identifies the state: it differs after every execution, if *dated*. A server that
    tells neither the id nor the time of a result leaves it undated. *version* is that
    of the test case.
    """

    id: int
    phase: int | None
    case: int | None
    alt: str
    status: str
    comment: str
    milliseconds: int | None
    executed_on: int | None
    stamp: str
    dated: bool
    version: int | None = None


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
    """A file that the execution *item* has; *size* is `None` if unknown."""

    item: int | None
    name: str
    size: int | None


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


def named(row: Mapping[str, Any]) -> Named | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    hidden = decode.boolean(row.get("projectRelease"), default=False)
    return Named(number, decode.text(row.get("name")), hidden)


def cycle(row: Mapping[str, Any]) -> Cycle | None:
    found = named(row)
    if found is None:
        return None
    phases = decode.rows(row.get("cyclePhases")) or []
    return Cycle(found.id, found.name, tuple(filter(None, map(named, phases))))


def execution(row: Mapping[str, Any]) -> Execution | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    case = decode.mapping(decode.mapping(row.get("tcrTreeTestcase")).get("testcase"))
    last = decode.mapping(row.get("lastTestResult"))
    status = decode.text(row.get("status")) or decode.text(last.get("executionStatus"))
    executed_on = last.get("executionDate") or last.get("execDate")
    return Execution(
        id=number,
        phase=decode.integer(row.get("cyclePhaseId")),
        case=decode.integer(case.get("testcaseId")),
        alt=decode.text(case.get("externalId")).strip(),
        status=status,
        comment=decode.text(row.get("comment")),
        milliseconds=decode.integer(row.get("actualTime")),
        executed_on=decode.integer(executed_on),
        stamp=_digest(last, row),
        dated=any(each is not None for each in _marks(last, row)),
        version=decode.integer(case.get("id")),
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
    )


def _marks(last: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[object, ...]:
    return (last.get("id"), last.get("executionDate"), row.get("lastModifiedOn"))


def _digest(last: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    state = [*_marks(last, row), row.get("status"), row.get("comment")]
    text = json.dumps([*state, row.get("actualTime")], default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]


def statuses(preference: object) -> list[Status]:
    """Read the status list: JSON inside the text of a preference (API 4.11)."""
    value = decode.mapping(preference).get("value")
    try:
        entries = json.loads(value) if isinstance(value, str) else value
    except ValueError:
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
