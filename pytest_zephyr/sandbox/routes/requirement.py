"""Requirements and the test cases they are mapped to."""

from __future__ import annotations

from flask import Blueprint
from flask import Response
from sqlalchemy import or_
from sqlalchemy import select

from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Requirement
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.shapes import present
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_batch
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import want_ids
from pytest_zephyr.sandbox.wire import want_int


routes = Blueprint("requirement", __name__)


@routes.get("/requirement/<int:requirement_id>")
def requirement(requirement_id: int) -> Response:
    """Answer what clients read of a requirement; there is nothing else to know here."""
    with store().database.reading() as session:
        row = get(session, Requirement, requirement_id)
        return answer(
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
    """Answer no folders: requirements have none here, and clients take an empty list."""
    return answer([])


@routes.post("/requirement/bulk")
def map_cases() -> Response:
    messages = []
    with store().database.writing() as session:
        for row in body_batch():
            testcase_id = want_int(row, "testcaseId")
            want_int(row, "releaseId")
            if testcase_id not in repository.known_testcases(session, [testcase_id]):
                messages.append(f"Test case {testcase_id} does not exist.")
                continue
            chosen = session.scalars(
                select(Requirement).where(
                    or_(
                        Requirement.id.in_(want_ids(row.get("requirementId", []))),
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
    return answer(messages)
