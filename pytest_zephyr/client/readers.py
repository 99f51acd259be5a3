"""Read entities from the server's JSON; a row without a required number is `None`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
import json
from typing import Any

from pytest_zephyr.client import decode
from pytest_zephyr.client import entities
from pytest_zephyr.results.status import Status
from pytest_zephyr.text import short_digest


#: The most levels of folders to read; Zephyr itself has far fewer.
_MAX_DEPTH = 200


def user(row: Mapping[str, Any]) -> entities.User | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    names = map(decode.text, map(row.get, ("fullName", "username", "loginName")))
    return entities.User(number, next(filter(None, names), f"user {number}"))


def project(row: Mapping[str, Any]) -> entities.Project | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    name = decode.text(row.get("name"))
    return entities.Project(number, name, *_span(row, "project"))


def release(row: Mapping[str, Any]) -> entities.Release | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    hidden = decode.boolean(row.get("projectRelease"), default=False)
    name = decode.text(row.get("name"))
    return entities.Release(number, name, hidden, *_span(row, "release"))


def phase(row: Mapping[str, Any]) -> entities.Phase | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    return entities.Phase(
        number,
        decode.text(row.get("name")),
        tree=decode.integer(row.get("tcrCatalogTreeId")),
        free_form=decode.boolean(row.get("freeForm"), default=True),
        created=decode.integer(row.get("createdOn")),
    )


def cycle(row: Mapping[str, Any]) -> entities.Cycle | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    return entities.Cycle(
        number,
        decode.text(row.get("name")),
        tuple(decode.entities(row.get("cyclePhases"), phase) or ()),
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


def folder(row: Mapping[str, Any], depth: int = _MAX_DEPTH) -> entities.Folder | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    below = row.get("categories") if depth else None
    return entities.Folder(
        number,
        decode.text(row.get("name")),
        tuple(decode.entities(below, lambda each: folder(each, depth - 1)) or ()),
        release=decode.integer(row.get("releaseId")),
    )


def placement(row: Mapping[str, Any]) -> entities.Placement | None:
    """Read a placement; returns `None` unless it has all three ids of its test case."""
    case = decode.mapping(row.get("testcase"))
    number = decode.integer(row.get("id"))
    visible = decode.integer(case.get("testcaseId"))
    version = decode.integer(case.get("id"))
    if number is None or visible is None or version is None:
        return None
    return entities.Placement(
        entities.PlacementId(number),
        entities.VisibleId(visible),
        entities.VersionId(version),
        folder=decode.integer(row.get("tcrCatalogTreeId")),
        release=decode.integer(row.get("releaseId")),
        name=decode.text(case.get("name")),
        alt=decode.text(case.get("externalId")).strip(),
        automated=decode.boolean(case.get("automated"), default=False),
        script=decode.text(case.get("scriptName")),
    )


def phase_row(row: Mapping[str, Any]) -> entities.PhaseRow | None:
    """Read a row of a phase; the test case may be inside its placement or next to it."""
    tct = decode.mapping(row.get("tct"))
    placed = placement({"testcase": row.get("testcase"), **tct})
    assigned = decode.integer(decode.mapping(row.get("rts")).get("id")) is not None
    return None if placed is None else entities.PhaseRow(placed, assigned)


def execution(row: Mapping[str, Any]) -> entities.Execution | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    case = decode.mapping(decode.mapping(row.get("tcrTreeTestcase")).get("testcase"))
    last = decode.mapping(row.get("lastTestResult"))
    status_id = _status_id_of(row)
    dates = [last.get("executionDate"), last.get("execDate")]
    if status_id:
        # Without a date of the result that can be read, take that of the last change.
        dates.append(row.get("lastModifiedOn"))
    version = decode.integer(case.get("id"))
    # If the server returns one of these, it changes with every result.
    result_marks = (
        last.get("id"),
        last.get("executionDate"),
        row.get("lastModifiedOn"),
    )
    state = (*result_marks, *map(row.get, ("status", "comment", "actualTime")))
    return entities.Execution(
        id=number,
        case=decode.integer(case.get("testcaseId")),
        alt=decode.text(case.get("externalId")).strip(),
        version=None if version is None else entities.VersionId(version),
        status_id=status_id,
        notes=decode.text(row.get("comment")),
        milliseconds=decode.integer(row.get("actualTime")),
        executed_on=next(filter(None, map(decode.integer, dates)), None),
        stamp=short_digest(repr(state), 12),
        stamp_is_reliable=result_marks != (None, None, None),
        attachments=decode.integer(row.get("attachmentCount")),
        name=decode.text(case.get("name")),
    )


def execution_state(row: Mapping[str, Any]) -> entities.ExecutionState | None:
    number = decode.integer(row.get("id"))
    if number is None:
        return None
    notes = decode.text(row.get("comment"))
    return entities.ExecutionState(number, _status_id_of(row), notes)


def _status_id_of(row: Mapping[str, Any]) -> str:
    last = decode.mapping(row.get("lastTestResult"))
    return decode.text(row.get("status")) or decode.text(last.get("executionStatus"))


def case_step(row: Mapping[str, Any]) -> entities.CaseStep | None:
    number = decode.integer(row.get("orderId"))
    if number is None:
        return None
    return entities.CaseStep(number, decode.text(row.get("step")))


def uploaded(row: Mapping[str, Any]) -> entities.UploadedFile:
    return entities.UploadedFile(
        field=decode.text(row.get("fieldName")),
        name=decode.text(row.get("fileName")),
        path=decode.text(row.get("tempFilePath")),
    )


def attachment(row: Mapping[str, Any]) -> entities.Attachment:
    return entities.Attachment(
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
