"""Requirements and the test cases they are mapped to."""

from __future__ import annotations

from flask import Blueprint
from flask import Response
from sqlalchemy import or_
from sqlalchemy import select

from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.as_json import present
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Requirement
from pytest_zephyr.sandbox.data.model import RequirementLink


routes = Blueprint("requirement", __name__)


@routes.get("/requirement/<int:requirement_id>")
def requirement(requirement_id: int) -> Response:
    """Answer the fields of a requirement that clients read."""
    with wire.reading() as session:
        row = get(session, Requirement, requirement_id)
        return wire.answer(
            {
                "id": row.id,
                "name": row.name,
                **present(externalId=row.alt),
                "details": "",
                "releaseIds": [row.release_id],
                "reqCreationDate": "",
            }
        )


@routes.get("/requirementtree")
def trees() -> Response:
    """Answer no folders: requirements have none here; clients accept an empty list."""
    return wire.answer([])


@routes.post("/requirement/bulk")
def map_cases() -> Response:
    messages = []
    with wire.writing() as session:
        for row in wire.body_batch():
            testcase_id = wire.require_int(row, "testcaseId")
            wire.require_int(row, "releaseId")
            if testcase_id not in repository.known_testcases(session, [testcase_id]):
                messages.append(f"Test case {testcase_id} does not exist.")
                continue
            chosen = session.scalars(
                select(Requirement).where(
                    or_(
                        Requirement.id.in_(
                            wire.require_ids(row.get("requirementId", []))
                        ),
                        Requirement.alt.in_(map(str, row.get("requirementAltId", []))),
                    )
                )
            ).all()
            for requirement in chosen:
                session.merge(
                    RequirementLink(
                        requirement_id=requirement.id, testcase_id=testcase_id
                    )
                )
            messages.append(
                f"Test case {testcase_id} is mapped to {len(chosen)} requirements."
            )
    return wire.answer(messages)
