"""Creating, changing and removing test cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import lists
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import unknown_id
from pytest_zephyr.sandbox.routes.steps import read_steps


routes = Blueprint("testcase", __name__)

#: Columns of texts, by the key that the API has for them.
TEXT_COLUMNS = {
    "description": "description",
    "externalId": "alt",
    "tag": "tag",
    "priority": "priority",
    "scriptName": "script_name",
    "scriptPath": "script_path",
    "comments": "comments",
}


def read_fields(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a test case that were sent, by their columns."""
    fields: dict[str, Any] = {
        column: wire.optional_text(given, key)
        for key, column in TEXT_COLUMNS.items()
        if key in given
    }
    if "name" in given:
        fields["name"] = catalog.check_name(given["name"], "testcase")
    if "automated" in given:
        fields["automated"] = wire.read_bool(given["automated"])
    if "estimatedTime" in given:
        fields["estimated_time"] = wire.require_int(given, "estimatedTime")
    if "customProperties" in given:
        if not isinstance(given["customProperties"], dict):
            raise bad_request("customProperties must be an object.")
        fields["properties"] = repository.read_properties(
            session,
            given["customProperties"],
            by_display_name=wire.read_bool(given.get("fromJenkins")),
        )
    return fields


@routes.post("/testcase")
def create_case() -> Response:
    return wire.answer(create([wire.body_object()])[0])


@routes.post("/testcase/bulk")
def create_cases() -> Response:
    return wire.answer(create(wire.body_batch()))


def create(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create all of the test cases, or none; return their placements as JSON."""
    with wire.writing() as session:
        created: list[int] = []
        folders: dict[int, list[dict[str, Any]]] = {}
        for row in given:
            if row.get("tcrCatalogTreeId") is None:
                raise bad_request("getTcrCatalogTreeId is null")
            if not isinstance(row.get("testcase"), dict):
                raise bad_request("testcase cannot be null.")
            folder = wire.require_int(row, "tcrCatalogTreeId")
            folders.setdefault(folder, []).append(row["testcase"])
        for folder, cases in folders.items():
            node = planning.repository_node(session, folder)
            release = catalog.require_unlocked(session, node.release_id)
            columns = []
            for case in cases:
                catalog.check_name(case.get("name"), "testcase")
                fields = read_fields(session, case)
                repository.check_mandatory(session, fields.get("properties", {}))
                columns.append(fields)
            versions, placements = repository.add_cases(
                session, node, release.project_id, wire.user().id, columns
            )
            for version, case in zip(versions, cases, strict=True):
                given_steps = case.get("testSteps")
                if isinstance(given_steps, dict):
                    steps = read_steps(given_steps.get("steps", []))
                    repository.set_steps(session, version, steps)
            created += placements
        return lists.placements_json_by_id(session, created)


@routes.delete("/testcase")
def delete_cases() -> Response:
    """Remove placements from one folder; other ids in the list are ignored.

    With ``selectedAll`` of 0 and no ids, all placements of the folder are removed: one
    client empties folders with this call.
    """
    given = wire.body_object()
    ids = wire.check_batch_size(wire.require_ids(given.get("ids", [])))
    folder = wire.query_int("tcrCatalogTreeId")
    if folder is None:
        raise bad_request("getTcrCatalogTreeId is null")
    with wire.writing() as session:
        node = planning.repository_node(session, folder)
        catalog.require_unlocked(session, node.release_id)
        if not ids and wire.optional_int(given, "selectedAll") == 0:
            here = select(Placement.id).where(Placement.node_id == node.id)
            ids = list(session.scalars(here))
        repository.remove_placements(session, node, ids)
    return wire.answer({})


@routes.put("/testcase")
def update_case() -> Response:
    given = wire.body_object()
    fields = given.get("testcase")
    if not isinstance(fields, dict):
        raise bad_request("testcase cannot be null.")
    testcase_id = wire.require_int(fields, "testcaseId")
    release_id = wire.require_int(given, "releaseId")
    with wire.writing() as session:
        case = repository.known_testcases(session, [testcase_id]).get(testcase_id)
        if case is None:
            raise unknown_id("Testcase", testcase_id)
        if wire.query_bool("forceCreateNewVersion"):
            case = repository.new_version(session, case)
        for column, value in read_fields(session, fields).items():
            setattr(case, column, value)
        case.modified_on = now_ms()
        session.flush()
        placements = lists.placements_json(
            session,
            lists.placements_query().where(
                Placement.case_id == case.id,
                Node.phase_id.is_(None),
                Node.release_id == release_id,
            ),
        )
        if not placements:
            raise unknown_id("Release", release_id)
        return wire.answer(placements[0])


@routes.put("/testcase/update")
def update_cases() -> Response:
    placements: list[int] = []
    with wire.writing() as session:
        for row in wire.body_batch():
            properties = row.get("customFields") or {}
            if not isinstance(properties, dict):
                raise bad_request("customFields must be an object.")
            properties = repository.read_properties(
                session, properties, by_display_name=False
            )
            pairs = row.get("tctTestcaseVersionParam") or []
            for pair in wire.require_objects(
                pairs, "tctTestcaseVersionParam must be a list."
            ):
                placement = get(session, Placement, wire.require_int(pair, "tctId"))
                case = get(session, Case, wire.require_int(pair, "testcaseVersionId"))
                if placement.case_id != case.id:
                    raise unknown_id("TCRCatalogTreeTestcase", placement.id)
                tag = wire.optional_text(row, "tag")
                case.tag = case.tag if tag is None else tag
                case.properties = {**case.properties, **properties}
                case.modified_on = now_ms()
                placements.append(placement.id)
        session.flush()
        return wire.answer(lists.placements_json_by_id(session, placements))
