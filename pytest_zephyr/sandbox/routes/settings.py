"""Preferences, fields and parser templates."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy import func

from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.executing import NOT_EXECUTED
from pytest_zephyr.sandbox.data.model import Field
from pytest_zephyr.sandbox.data.model import Preference
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import unknown_id


routes = Blueprint("settings", __name__)


def _status_rule(element: str, status: str) -> dict[str, str]:
    """Return a rule: *element* means *status*, and its text becomes an attachment."""
    return {
        "status": f"${{exists(testsuite.testcase.{element})}}",
        "statusString": "true",
        "statusId": status,
        "attachmentText": f"${{testsuite.testcase.{element}}}",
    }


#: How clients read test cases from JUnit XML, in the vendor's template language.
JUNIT_TEMPLATE = [
    {
        "packageName": "${testsuite.testcase:classname}",
        "testcase": {"name": "${testsuite.testcase:name}"},
        "execution": {
            "actualTime": "${testsuite.testcase:time}",
            "actualTimeUnit": "SECONDS",
        },
        "statuses": [
            _status_rule("failure", "2"),
            _status_rule("error", "2"),
            _status_rule("skipped", NOT_EXECUTED),
            {"default": "true", "statusId": "1"},
        ],
    }
]
TEMPLATES = ({"id": 1, "name": "JUnit", "jsonTemplate": json.dumps(JUNIT_TEMPLATE)},)


@routes.get("/parsertemplate")
def templates() -> Response:
    return wire.answer(TEMPLATES)


@routes.get("/parsertemplate/<int:template_id>")
def template(template_id: int) -> Response:
    for known in TEMPLATES:
        if known["id"] == template_id:
            return wire.answer(known)
    raise unknown_id("ParserTemplate", template_id)


def _preference_json(row: Preference) -> dict[str, Any]:
    return {
        "name": row.name,
        "value": row.value,
        "defaultValue": row.default,
        "isCustomizable": True,
        "editable": True,
        "accessLevel": 0,
    }


def _field_json(row: Field) -> dict[str, Any]:
    return {
        "id": row.id,
        "entityName": row.entity,
        "systemField": row.system,
        "fieldTypeMetadata": 1,
        "fieldName": row.field_name,
        "displayName": row.display_name,
        "mandatory": row.mandatory,
        "importable": True,
        "isVisible": True,
    }


@routes.get("/admin/preference")
def preference() -> Response:
    with wire.reading() as session:
        row = session.get(Preference, request.args.get("key", ""))
        if row is None:
            raise bad_request("name cannot be null.", "141z05")
        return wire.answer(_preference_json(row))


@routes.get("/admin/preference/all")
@routes.get("/admin/preference/all/system")
def preferences() -> Response:
    return _preferences("")


@routes.get("/admin/preference/lov/all")
def lists_of_values() -> Response:
    return _preferences(".LOV")


def _preferences(ending: str) -> Response:
    with wire.reading() as session:
        rows = list_rows(session, Preference)
        return wire.answer(
            [_preference_json(row) for row in rows if row.name.endswith(ending)]
        )


@routes.get("/field/entity/<entity>")
def fields(entity: str) -> Response:
    where = [func.lower(Field.entity) == entity.lower()]
    if not wire.query_bool("includsystemfield"):
        where.append(Field.system.is_(False))
    with wire.reading() as session:
        rows = list_rows(session, Field, *where)
        return wire.answer([_field_json(row) for row in rows])
