"""Everything about one execution, for its page."""

from __future__ import annotations

from dataclasses import dataclass
import re

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.attachments import EXECUTION_ITEM_TYPE
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.executing import STEP_STATUS_PREFERENCE
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Requirement
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import Result
from pytest_zephyr.sandbox.data.model import Step
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.lists import user_names
from pytest_zephyr.sandbox.views import first_line
from pytest_zephyr.sandbox.views import Place
from pytest_zephyr.sandbox.views import place
from pytest_zephyr.sandbox.views import Status
from pytest_zephyr.sandbox.views import Statuses
from pytest_zephyr.sandbox.views import unescaped


#: Content types of the images that browsers show, by a pattern for the first bytes.
_IMAGE_TYPES = {
    rb"\x89PNG\r\n\x1a\n": "image/png",
    rb"\xff\xd8\xff": "image/jpeg",
    rb"GIF8[79]a": "image/gif",
    rb"(?s)RIFF.{4}WEBP": "image/webp",
}


@dataclass(frozen=True)
class StepLine:
    number: int
    text: str
    data: str
    expected: str
    status: Status
    comment: str


@dataclass(frozen=True)
class Details:
    place: Place
    execution: Execution
    case: Case
    status: Status
    notes: str
    tester: str
    steps: list[StepLine]
    #: Each with whether it is an image that browsers show.
    attachments: list[tuple[Attachment, bool]]
    defects: list[Defect]
    requirements: list[Requirement]
    #: Status, first line of the notes, duration in milliseconds, date in milliseconds
    #: since the epoch, and name of the user; the newest result first.
    history: list[tuple[Status, str, int | None, int, str]]


def read_details(session: Session, execution_id: int) -> Details | None:
    """Return what the page of an execution shows; `None` if there is no such execution."""
    row_and_case = session.execute(
        select(Execution, Case)
        .select_from(Execution)
        .join(Placement)
        .join(Case)
        .where(Execution.id == execution_id)
    ).first()
    if row_and_case is None:
        return None
    execution, case = row_and_case
    execution_place = place(session, execution.phase_id)
    if execution_place is None:
        return None
    statuses = Statuses(session)
    people = user_names(session)
    results = list_rows(session, Result, Result.execution_id == execution.id)
    mapped = select(RequirementLink.requirement_id).where(
        RequirementLink.testcase_id == case.testcase_id
    )
    # Attachments may be large: only their first bytes are read.
    attachments = session.execute(
        select(Attachment, func.substr(Attachment.data, 1, 12))
        .where(
            Attachment.item_type == EXECUTION_ITEM_TYPE,
            Attachment.item_id == execution.id,
        )
        .order_by(Attachment.id)
    )
    return Details(
        place=execution_place,
        execution=execution,
        case=case,
        status=statuses[execution.status],
        notes=unescaped(execution.comment),
        tester=people.get(execution.tester_id, "Anyone"),
        steps=_steps(session, execution, case),
        attachments=[
            (row, image_type(start) is not None) for row, start in attachments
        ],
        defects=list_rows(session, Defect, Defect.execution_id == execution.id),
        requirements=list_rows(session, Requirement, Requirement.id.in_(mapped)),
        history=[
            (
                statuses[row.status],
                first_line(row.comment),
                row.actual_time,
                row.executed_on,
                people.get(row.executed_by, ""),
            )
            for row in reversed(results)
        ],
    )


def image_type(start: bytes) -> str | None:
    """Return the type of an image by its first bytes; `None` for any other file."""
    return next(
        (kind for magic, kind in _IMAGE_TYPES.items() if re.match(magic, start)), None
    )


def _steps(session: Session, execution: Execution, case: Case) -> list[StepLine]:
    """Return all steps of *case*, and results of steps that it does not have."""
    statuses = Statuses(session, STEP_STATUS_PREFERENCE)
    steps = {
        step.order_id: step
        for step in list_rows(session, Step, Step.case_id == case.id)
    }
    results = {
        result.order_id: result
        for result in list_rows(
            session, StepResult, StepResult.execution_id == execution.id
        )
    }
    lines = []
    for number in sorted(steps.keys() | results.keys()):
        step, result = steps.get(number), results.get(number)
        lines.append(
            StepLine(
                number=number,
                text=unescaped(step.text) if step else "",
                data=unescaped(step.data) if step else "",
                expected=unescaped(step.expected) if step else "",
                status=statuses[result.status if result else None],
                comment=unescaped(result.comment) if result else "",
            )
        )
    return lines
