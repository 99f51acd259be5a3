"""Executions: listing them, executing them, their steps."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import lists
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.executing import NewResult
from pytest_zephyr.sandbox.data.executing import NewStepResult
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import missing_id
from pytest_zephyr.sandbox.routes.attachment import attach_request_files


routes = Blueprint("execution", __name__)


@routes.get("/execution")
def executions() -> Response:
    return wire.answer(list_executions())


@routes.get("/execution/user/project")
def executions_of_project() -> Response:
    """Answer as `executions` does, for one project if the query has its id."""
    project = wire.query_int("projectid")
    return wire.answer(
        list_executions()
        if project is None
        else list_executions(Case.project_id == project)
    )


def list_executions(*where: Any) -> dict[str, Any]:
    """Return a page of the executions that the query asks for and that meet *where*."""
    phase, release = wire.query_int("cyclephaseid"), wire.query_int("releaseid")
    parent, tester = wire.query_int("parentid"), wire.query_int("testerid")
    query = lists.executions_query().where(*where)
    if phase is not None:
        query = query.where(Execution.phase_id == phase)
    if release is not None:
        query = query.where(Node.release_id == release)
    if tester is not None:
        mine = Execution.tester_id == tester
        anyone = Execution.tester_id == planning.ANYONE
        query = query.where(
            or_(mine, anyone) if wire.query_bool("includeanyoneuser") else mine
        )
    with wire.reading() as session:
        if parent is not None:
            nodes = repository.subtree(session, parent)
            query = query.where(Placement.node_id.in_(nodes))
        return lists.envelope(
            session,
            query,
            Execution.id,
            lists.executions_json,
            "execution",
            wire.page(),
        )


@routes.get("/execution/<int:execution_id>")
def execution(execution_id: int) -> Response:
    with wire.reading() as session:
        # This answers 500 for an unknown id.
        executing.executions_by_id(session, [execution_id])
        return wire.answer(lists.executions_json_by_id(session, [execution_id])[0])


def result_from_query(execution_id: int, notes: str | None = None) -> NewResult:
    """Read the new result of an execution from the query."""
    status = request.args.get("status")
    if not status:
        raise bad_request("status cannot be null.")
    tester = wire.query_int("testerid")
    return NewResult(
        execution=execution_id,
        tester=wire.user().id if tester is None else tester,
        status=status,
        notes=notes,
        actual_time=wire.query_int("time"),
    )


def save_results(
    new_results: list[NewResult],
    step_status: str | None = None,
    after_saving: Callable[[Session], None] | None = None,
) -> list[dict[str, Any]]:
    """Save results of executions, and *step_status* for all of their steps if given.

    Return the executions as JSON.
    """
    with wire.writing() as session:
        for tester in {new_result.tester for new_result in new_results}:
            planning.check_tester(session, tester)
        executing.execute(session, wire.user().id, new_results)
        ids = [new_result.execution for new_result in new_results]
        if step_status is not None:
            executing.set_all_steps(session, ids, step_status)
        if after_saving is not None:
            after_saving(session)
        return lists.executions_json_by_id(session, ids)


def read_step_status(given: Mapping[str, Any]) -> str | None:
    """Return the status for all steps, if any; the vendor's clients misspell its key."""
    if not wire.read_bool(given.get("teststepUpdate")):
        return None
    return wire.optional_text(given, "teststepStausId") or wire.optional_text(
        given, "teststepStatusId"
    )


@routes.put("/execution/<int:execution_id>")
def execute_one(execution_id: int) -> Response:
    given = wire.body_object() if request.get_data() else {}
    if not request.args.get("status") and "notes" in given:
        return wire.answer(_set_notes(execution_id, wire.optional_text(given, "notes")))
    new_result = result_from_query(execution_id, wire.optional_text(given, "notes"))
    return wire.answer(save_results([new_result], read_step_status(given))[0])


def _set_notes(execution_id: int, notes: str | None) -> dict[str, Any]:
    """Change the notes of an execution without executing it."""
    with wire.writing() as session:
        row = executing.executions_by_id(session, [execution_id])[execution_id]
        row.comment = notes
        session.flush()
        return lists.executions_json_by_id(session, [execution_id])[0]


@routes.put("/execution/bulk")
def execute_with_one_status() -> Response:
    given = wire.body_object()
    ids = wire.check_batch_size(wire.require_ids(given.get("ids")))
    new_results = [result_from_query(identifier) for identifier in dict.fromkeys(ids)]
    return wire.answer(save_results(new_results, read_step_status(given)))


@routes.put("/execution/bulk/execute")
def execute_with_own_values() -> Response:
    new_results = [
        NewResult(
            execution=wire.require_int(row, "rtsId"),
            tester=wire.require_int(row, "testerId"),
            status=wire.require_text(row, "status"),
            notes=wire.optional_text(row, "notes"),
            actual_time=wire.optional_int(row, "actualTime"),
            executed_on=wire.optional_milliseconds(row, "executedOn"),
        )
        for row in wire.body_batch()
    ]
    return wire.answer(save_results(new_results))


@routes.put("/execution/statusandattachment/<int:execution_id>")
def execute_with_file(execution_id: int) -> Response:
    new_result = result_from_query(execution_id)

    def attach(session: Session) -> None:
        attach_request_files(session, execution_id)

    return wire.answer(save_results([new_result], after_saving=attach)[0])


@routes.delete("/execution")
def unassign() -> Response:
    ids = wire.query_ints("ids")
    if not ids:
        raise bad_request("ids cannot be null.")
    with wire.writing() as session:
        executing.unassign(session, ids)
    return wire.answer_text("deleted")


@routes.post("/execution/teststepresult/saveorupdate")
def save_step_results() -> Response:
    rows = wire.body_batch()
    for row in rows:
        # The server needs the phase, too.
        wire.require_int(row, "cyclePhaseId")
    new_results = [
        NewStepResult(
            execution=wire.require_int(row, "releaseTestScheduleId"),
            order_id=wire.require_int(row, "testStepId"),
            status=wire.require_text(row, "status"),
            comment=wire.optional_text(row, "comment"),
            executed_on=wire.optional_milliseconds(row, "executionDate"),
        )
        for row in rows
    ]
    with wire.writing() as session:
        ids = executing.save_step_results(session, new_results)
        executions = {new_result.execution for new_result in new_results}
        saved = {row["id"]: row for row in step_results_json(session, executions)}
        return wire.answer([saved[identifier] for identifier in ids])


def step_results_json(session: Session, executions: set[int]) -> list[dict[str, Any]]:
    rows = session.execute(
        select(StepResult, Execution.phase_id)
        .join(Execution)
        .where(StepResult.execution_id.in_(executions))
        .order_by(StepResult.execution_id, StepResult.order_id)
    )
    return [as_json.step_result(row, phase) for row, phase in rows]


@routes.get("/execution/teststepresult")
def step_results() -> Response:
    executions = set(wire.query_ints("sids"))
    if not executions or wire.query_int("cyclephaseid") is None:
        raise missing_id()
    with wire.reading() as session:
        return wire.answer(step_results_json(session, executions))
