"""Rules for executing: statuses, results and their history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import json
from typing import Any

from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.database import chunks
from pytest_zephyr.sandbox.data.database import next_ids
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Preference
from pytest_zephyr.sandbox.data.model import Result
from pytest_zephyr.sandbox.data.model import Step
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import unknown_id


#: The preferences that list the statuses of executions and of steps.
STATUS_PREFERENCE = "testresult.testresultStatus.LOV"
STEP_STATUS_PREFERENCE = "testresult.teststepresultStatus.LOV"
#: Id of the status of executions without a result, which the preferences do not list.
NOT_EXECUTED = "10"


@dataclass(frozen=True)
class NewResult:
    """The new values of one execution.

    `None` leaves *notes* and *actual_time* unchanged, and sets *executed_on* to now.
    """

    execution: int
    tester: int
    status: str
    notes: str | None = None
    actual_time: int | None = None
    executed_on: int | None = None


@dataclass(frozen=True)
class NewStepResult:
    """The new values of one step result; *order_id* is the number of the step.

    `None` leaves *comment* unchanged, and sets *executed_on* to now.
    """

    execution: int
    order_id: int
    status: str
    comment: str | None = None
    executed_on: int | None = None


def statuses(
    session: Session, preference: str = STATUS_PREFERENCE
) -> list[dict[str, Any]]:
    row = session.get(Preference, preference)
    entries: list[dict[str, Any]] = json.loads(row.value) if row else []
    return entries


def status_names(
    session: Session, preference: str = STATUS_PREFERENCE
) -> dict[str, str]:
    """Return the name of each status by its id, "Not executed" included."""
    entries = statuses(session, preference)
    listed = {str(entry["id"]): str(entry["value"]) for entry in entries}
    return {NOT_EXECUTED: "Not executed", **listed}


def check_statuses(session: Session, given: set[str], preference: str) -> None:
    active = {
        str(entry["id"])
        for entry in statuses(session, preference)
        if str(entry.get("active", True)).lower() == "true"
    }
    for status in sorted(given - active - {NOT_EXECUTED}):
        raise bad_request(f"Status {status} is not an active status.", "122z04")


def executions_by_id(session: Session, ids: Sequence[int]) -> dict[int, Execution]:
    """Return the executions with *ids*, by id; raise ApiError for an unknown id."""
    executions: dict[int, Execution] = {}
    for chunk in chunks(set(ids)):
        rows = session.scalars(select(Execution).where(Execution.id.in_(chunk)))
        executions.update((row.id, row) for row in rows)
    for identifier in ids:
        if identifier not in executions:
            raise unknown_id("ReleaseTestSchedule", identifier)
    return executions


def execute(session: Session, actor: int, new_results: Sequence[NewResult]) -> None:
    """Apply *new_results*, all or none; each becomes a row of its execution's history."""
    check_statuses(
        session, {new_result.status for new_result in new_results}, STATUS_PREFERENCE
    )
    ids = [new_result.execution for new_result in new_results]
    executions = executions_by_id(session, ids)
    now = now_ms()
    results = []
    result_ids = next_ids(session, Result, len(new_results))
    for result_id, new_result in zip(result_ids, new_results, strict=True):
        execution = executions[new_result.execution]
        execution.status = new_result.status
        if new_result.notes is not None:
            execution.comment = new_result.notes
        if new_result.actual_time is not None:
            execution.actual_time = new_result.actual_time
        execution.executed_on = (
            now if new_result.executed_on is None else new_result.executed_on
        )
        execution.executed_by = actor
        execution.modified_on = now
        execution.last_result_id = result_id
        execution.last_tester_id = new_result.tester
        results.append(
            {
                "id": result_id,
                "execution_id": execution.id,
                "status": new_result.status,
                "comment": execution.comment,
                "actual_time": execution.actual_time,
                "executed_on": execution.executed_on,
                "executed_by": actor,
            }
        )
    session.flush()
    if results:
        session.execute(insert(Result), results)


def set_all_steps(session: Session, executions: Sequence[int], status: str) -> None:
    """Give every step of *executions* the same status."""
    rows = session.execute(
        select(Execution.id, Step.order_id)
        .select_from(Execution)
        .join(Placement)
        .join(Case)
        .join(Step)
        .where(Execution.id.in_(executions))
    ).all()
    save_step_results(
        session, [NewStepResult(execution, order, status) for execution, order in rows]
    )


def save_step_results(
    session: Session, new_results: Sequence[NewStepResult]
) -> list[int]:
    """Add step results, or update those that exist; return their ids in order."""
    check_statuses(
        session,
        {new_result.status for new_result in new_results},
        STEP_STATUS_PREFERENCE,
    )
    execution_ids = {new_result.execution for new_result in new_results}
    executions_by_id(session, list(execution_ids))
    present: dict[tuple[int, int], StepResult] = {}
    for chunk in chunks(execution_ids):
        rows = session.scalars(
            select(StepResult).where(StepResult.execution_id.in_(chunk))
        )
        present.update(((row.execution_id, row.order_id), row) for row in rows)
    now = now_ms()
    for new_result in new_results:
        key = new_result.execution, new_result.order_id
        if key not in present:
            present[key] = StepResult(execution_id=key[0], order_id=key[1])
            session.add(present[key])
        row = present[key]
        row.status = new_result.status
        row.executed_on = (
            now if new_result.executed_on is None else new_result.executed_on
        )
        if new_result.comment is not None:
            row.comment = new_result.comment
    session.flush()
    return [
        present[new_result.execution, new_result.order_id].id
        for new_result in new_results
    ]


def unassign(session: Session, ids: Sequence[int]) -> None:
    for row in executions_by_id(session, ids).values():
        session.delete(row)


def reassign(session: Session, ids: Sequence[int], tester: int) -> None:
    for chunk in chunks(ids):
        session.execute(
            update(Execution)
            .where(Execution.id.in_(chunk))
            .values(tester_id=tester, modified_on=now_ms())
        )
