"""Counts of what a project or a release has, as far as clients read them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import Response
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import lists
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.as_json import DEFECT_STATUS
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Requirement
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import User


routes = Blueprint("summary", __name__)


@routes.get("/summary/release/<int:release_id>")
def release(release_id: int) -> Response:
    here = Node.release_id == release_id
    requirements_query = select(Requirement).where(Requirement.release_id == release_id)
    mapped = Requirement.id.in_(select(RequirementLink.requirement_id))
    with wire.reading() as session:
        get(session, Release, release_id)
        requirement_count = lists.count_rows(session, requirements_query)
        covered_count = lists.count_rows(session, requirements_query.where(mapped))
        cases = lists.placements_query().where(here, Node.phase_id.is_(None))
        defects = session.scalars(
            select(Defect.key)
            .join(Execution)
            .join(Placement)
            .join(Node)
            .where(here)
            .order_by(Defect.id)
        ).all()
        return wire.answer(
            {
                "requirement": {
                    "totalRequirementCount": requirement_count,
                    "mappedRequirementCount": covered_count,
                    "unmappedRequirementCount": requirement_count - covered_count,
                },
                "testcase": {"totalTestcaseCount": lists.count_rows(session, cases)},
                "execution": {
                    "totalExecutionCount": lists.count_rows(
                        session, lists.executions_query().where(here)
                    )
                },
                "defect": {
                    "totalDefectCount": len(defects),
                    "totalDefectIds": list(defects),
                    "statuses": [
                        {"status": DEFECT_STATUS, "defectCount": len(defects)}
                    ],
                },
            }
        )


@routes.get("/summary/project/<int:project_id>")
def project(project_id: int) -> Response:
    here = Case.project_id == project_id
    releases = select(Release).where(Release.project_id == project_id)
    with wire.reading() as session:
        get(session, Project, project_id)
        case_count = _count_cases(session, here)
        automated_count = _count_cases(session, here, Case.automated)
        return wire.answer(
            {
                "testcaseCount": case_count,
                "executionCount": lists.count_rows(
                    session, lists.executions_query().where(here)
                ),
                "automatedTestCaseCount": automated_count,
                "manualTestCaseCount": case_count - automated_count,
                "automationPercentage": round(100 * automated_count / case_count)
                if case_count
                else 0,
                "teamCount": lists.count_rows(session, select(User)),
                "totalReleaseCount": lists.count_rows(session, releases),
                "visibleReleaseCount": lists.count_rows(
                    session, releases.where(Release.hidden.is_(False))
                ),
            }
        )


def _count_cases(session: Session, *where: Any) -> int:
    """Count the test cases, however many versions each has."""
    count = func.count(Case.testcase_id.distinct())
    return session.scalar(select(count).where(*where)) or 0
