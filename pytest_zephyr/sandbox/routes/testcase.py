"""Creating, changing and removing test cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import bad
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import unknown
from pytest_zephyr.sandbox.routes.steps import read_steps
from pytest_zephyr.sandbox.rows import placement_shapes
from pytest_zephyr.sandbox.rows import placements_by_id
from pytest_zephyr.sandbox.rows import placements_query
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_batch
from pytest_zephyr.sandbox.wire import body_object
from pytest_zephyr.sandbox.wire import limited
from pytest_zephyr.sandbox.wire import maybe_int
from pytest_zephyr.sandbox.wire import maybe_text
from pytest_zephyr.sandbox.wire import query_bool
from pytest_zephyr.sandbox.wire import query_int
from pytest_zephyr.sandbox.wire import read_bool
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import user
from pytest_zephyr.sandbox.wire import want_ids
from pytest_zephyr.sandbox.wire import want_int
from pytest_zephyr.sandbox.wire import want_rows


routes = Blueprint("testcase", __name__)

TEXTS = {
    "description": "description",
    "externalId": "alt",
    "tag": "tag",
    "priority": "priority",
    "scriptName": "script_name",
    "scriptPath": "script_path",
    "comments": "comments",
}


def read_fields(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a test case that were sent."""
    fields: dict[str, Any] = {
        column: maybe_text(given, key) for key, column in TEXTS.items() if key in given
    }
    if "name" in given:
        fields["name"] = catalog.check_name(given["name"], "testcase")
    if "automated" in given:
        fields["automated"] = read_bool(given["automated"])
    if "estimatedTime" in given:
        fields["estimated_time"] = want_int(given, "estimatedTime")
    if "customProperties" in given:
        if not isinstance(given["customProperties"], dict):
            raise bad("customProperties must be an object.")
        fields["properties"] = repository.read_properties(
            session,
            given["customProperties"],
            by_display_name=read_bool(given.get("fromJenkins")),
        )
    return fields


@routes.post("/testcase")
def create_case() -> Response:
    return answer(create([body_object()])[0])


@routes.post("/testcase/bulk")
def create_cases() -> Response:
    return answer(create(body_batch()))


def create(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create all of the test cases, or none."""
    with store().database.writing() as session:
        created: list[int] = []
        folders: dict[int, list[dict[str, Any]]] = {}
        for row in given:
            if row.get("tcrCatalogTreeId") is None:
                raise bad("getTcrCatalogTreeId is null")
            if not isinstance(row.get("testcase"), dict):
                raise bad("testcase cannot be null.")
            folder = want_int(row, "tcrCatalogTreeId")
            folders.setdefault(folder, []).append(row["testcase"])
        for folder, cases in folders.items():
            node = planning.repository_node(session, folder)
            release = get(session, Release, node.release_id)
            catalog.check_unlocked(release)
            columns = []
            for case in cases:
                catalog.check_name(case.get("name"), "testcase")
                fields = read_fields(session, case)
                repository.check_mandatory(session, fields.get("properties", {}))
                columns.append(fields)
            versions, placements = repository.add_cases(
                session, node, release.project_id, user().id, columns
            )
            for version, case in zip(versions, cases, strict=True):
                block = case.get("testSteps")
                if isinstance(block, dict):
                    steps = read_steps(block.get("steps", []))
                    repository.set_steps(session, version, steps)
            created += placements
        return placements_by_id(session, created)


@routes.delete("/testcase")
def delete_cases() -> Response:
    """Remove placements from one folder; other ids in the list are ignored.

    A selection of 0 without ids is all of the folder, as a client sends it.
    """
    given = body_object()
    ids = limited(want_ids(given.get("ids", [])))
    folder = query_int("tcrCatalogTreeId")
    if folder is None:
        raise bad("getTcrCatalogTreeId is null")
    with store().database.writing() as session:
        node = planning.repository_node(session, folder)
        catalog.check_unlocked(get(session, Release, node.release_id))
        if not ids and maybe_int(given, "selectedAll") == 0:
            here = select(Placement.id).where(Placement.node_id == node.id)
            ids = list(session.scalars(here))
        repository.remove_placements(session, node, ids)
    return answer({})


@routes.put("/testcase")
def update_case() -> Response:
    given = body_object()
    fields = given.get("testcase")
    if not isinstance(fields, dict):
        raise bad("testcase cannot be null.")
    testcase_id = want_int(fields, "testcaseId")
    release_id = want_int(given, "releaseId")
    with store().database.writing() as session:
        case = repository.known_testcases(session, [testcase_id]).get(testcase_id)
        if case is None:
            raise unknown("Testcase", testcase_id)
        if query_bool("forceCreateNewVersion"):
            case = repository.new_version(session, case)
        for column, value in read_fields(session, fields).items():
            setattr(case, column, value)
        case.modified_on = now_ms()
        session.flush()
        shapes_of_case = placement_shapes(
            session,
            placements_query().where(
                Placement.case_id == case.id,
                Node.phase_id.is_(None),
                Node.release_id == release_id,
            ),
        )
        if not shapes_of_case:
            raise unknown("Release", release_id)
        return answer(shapes_of_case[0])


@routes.put("/testcase/update")
def update_cases() -> Response:
    placements: list[int] = []
    with store().database.writing() as session:
        for row in body_batch():
            properties = row.get("customFields") or {}
            if not isinstance(properties, dict):
                raise bad("customFields must be an object.")
            properties = repository.read_properties(
                session, properties, by_display_name=False
            )
            pairs = row.get("tctTestcaseVersionParam") or []
            for pair in want_rows(pairs, "tctTestcaseVersionParam must be a list."):
                placement = get(session, Placement, want_int(pair, "tctId"))
                case = get(session, Case, want_int(pair, "testcaseVersionId"))
                if placement.case_id != case.id:
                    raise unknown("TCRCatalogTreeTestcase", placement.id)
                tag = maybe_text(row, "tag")
                case.tag = case.tag if tag is None else tag
                case.properties = {**case.properties, **properties}
                case.modified_on = now_ms()
                placements.append(placement.id)
        session.flush()
        return answer(placements_by_id(session, placements))
