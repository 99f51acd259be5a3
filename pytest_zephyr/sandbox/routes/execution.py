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

from pytest_zephyr.sandbox import shapes
from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.executing import StepVerdict
from pytest_zephyr.sandbox.data.executing import Verdict
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.data.values import bad
from pytest_zephyr.sandbox.data.values import no_id
from pytest_zephyr.sandbox.routes.attachment import attach_sent
from pytest_zephyr.sandbox.rows import envelope
from pytest_zephyr.sandbox.rows import execution_shapes
from pytest_zephyr.sandbox.rows import executions_query
from pytest_zephyr.sandbox.rows import shapes_of_executions
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_batch
from pytest_zephyr.sandbox.wire import body_object
from pytest_zephyr.sandbox.wire import limited
from pytest_zephyr.sandbox.wire import maybe_int
from pytest_zephyr.sandbox.wire import maybe_moment
from pytest_zephyr.sandbox.wire import maybe_text
from pytest_zephyr.sandbox.wire import page
from pytest_zephyr.sandbox.wire import plain
from pytest_zephyr.sandbox.wire import query_bool
from pytest_zephyr.sandbox.wire import query_int
from pytest_zephyr.sandbox.wire import query_ints
from pytest_zephyr.sandbox.wire import read_bool
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import user
from pytest_zephyr.sandbox.wire import want_ids
from pytest_zephyr.sandbox.wire import want_int
from pytest_zephyr.sandbox.wire import want_text


routes = Blueprint("execution", __name__)


@routes.get("/execution")
def executions() -> Response:
    return answer(listed())


@routes.get("/execution/user/project")
def executions_of_project() -> Response:
    """Answer as `executions` does, for one project."""
    project = query_int("projectid")
    return answer(listed() if project is None else listed(Case.project_id == project))


def listed(*where: Any) -> dict[str, Any]:
    """Envelope of the executions that the query asks for and that meet *where*."""
    phase, release = query_int("cyclephaseid"), query_int("releaseid")
    parent, tester = query_int("parentid"), query_int("testerid")
    query = executions_query().where(*where)
    if phase is not None:
        query = query.where(Execution.phase_id == phase)
    if release is not None:
        query = query.where(Node.release_id == release)
    if tester is not None:
        mine = Execution.tester_id == tester
        anyone = Execution.tester_id == planning.ANYONE
        query = query.where(
            or_(mine, anyone) if query_bool("includeanyoneuser") else mine
        )
    with store().database.reading() as session:
        if parent is not None:
            nodes = repository.below(session, parent)
            query = query.where(Placement.node_id.in_(nodes))
        return envelope(
            session, query, Execution.id, execution_shapes, "execution", page()
        )


@routes.get("/execution/<int:execution_id>")
def execution(execution_id: int) -> Response:
    with store().database.reading() as session:
        executing.executions_by_id(session, [execution_id])
        return answer(shapes_of_executions(session, [execution_id])[0])


def from_query(execution_id: int, notes: str | None = None) -> Verdict:
    """Return what the query says about one execution."""
    status = request.args.get("status")
    if not status:
        raise bad("status cannot be null.")
    tester = query_int("testerid")
    return Verdict(
        execution=execution_id,
        tester=user().id if tester is None else tester,
        status=status,
        notes=notes,
        actual_time=query_int("time"),
    )


def carry_out(
    verdicts: list[Verdict],
    step_status: str | None = None,
    then: Callable[[Session], None] | None = None,
) -> list[dict[str, Any]]:
    with store().database.writing() as session:
        for tester in {verdict.tester for verdict in verdicts}:
            planning.check_tester(session, tester)
        executing.execute(session, user().id, verdicts)
        ids = [verdict.execution for verdict in verdicts]
        if step_status is not None:
            executing.set_all_steps(session, ids, step_status)
        if then is not None:
            then(session)
        return shapes_of_executions(session, ids)


def step_status(given: Mapping[str, Any]) -> str | None:
    """Status for all steps, under either spelling of its name."""
    if not read_bool(given.get("teststepUpdate")):
        return None
    return maybe_text(given, "teststepStausId") or maybe_text(given, "teststepStatusId")


@routes.put("/execution/<int:execution_id>")
def execute_one(execution_id: int) -> Response:
    given = body_object() if request.get_data() else {}
    if not request.args.get("status") and "notes" in given:
        return answer(_set_notes(execution_id, maybe_text(given, "notes")))
    verdict = from_query(execution_id, maybe_text(given, "notes"))
    return answer(carry_out([verdict], step_status(given))[0])


def _set_notes(execution_id: int, notes: str | None) -> dict[str, Any]:
    """Change the notes of an execution without executing it."""
    with store().database.writing() as session:
        row = executing.executions_by_id(session, [execution_id])[execution_id]
        row.comment = notes
        session.flush()
        return shapes_of_executions(session, [execution_id])[0]


@routes.put("/execution/bulk")
def execute_same() -> Response:
    given = body_object()
    ids = limited(want_ids(given.get("ids")))
    verdicts = [from_query(identifier) for identifier in dict.fromkeys(ids)]
    return answer(carry_out(verdicts, step_status(given)))


@routes.put("/execution/bulk/execute")
def execute_each() -> Response:
    verdicts = [
        Verdict(
            execution=want_int(row, "rtsId"),
            tester=want_int(row, "testerId"),
            status=want_text(row, "status"),
            notes=maybe_text(row, "notes"),
            actual_time=maybe_int(row, "actualTime"),
            executed_on=maybe_moment(row, "executedOn"),
        )
        for row in body_batch()
    ]
    return answer(carry_out(verdicts))


@routes.put("/execution/statusandattachment/<int:execution_id>")
def execute_with_file(execution_id: int) -> Response:
    verdict = from_query(execution_id)

    def attach(session: Session) -> None:
        attach_sent(session, execution_id)

    return answer(carry_out([verdict], then=attach)[0])


@routes.delete("/execution")
def unassign() -> Response:
    ids = query_ints("ids")
    if not ids:
        raise bad("ids cannot be null.")
    with store().database.writing() as session:
        executing.unassign(session, ids)
    return plain("deleted")


@routes.post("/execution/teststepresult/saveorupdate")
def save_steps() -> Response:
    verdicts = [
        StepVerdict(
            execution=want_int(row, "releaseTestScheduleId"),
            order_id=want_int(row, "testStepId"),
            status=want_text(row, "status"),
            comment=maybe_text(row, "comment"),
            executed_on=maybe_moment(row, "executionDate"),
        )
        for row in body_batch()
        if want_int(row, "cyclePhaseId") >= 0
    ]
    with store().database.writing() as session:
        ids = executing.save_steps(session, verdicts)
        executions = {verdict.execution for verdict in verdicts}
        shape = {row["id"]: row for row in step_result_shapes(session, executions)}
        return answer([shape[identifier] for identifier in ids])


def step_result_shapes(session: Session, executions: set[int]) -> list[dict[str, Any]]:
    rows = session.execute(
        select(StepResult, Execution.phase_id)
        .join(Execution, Execution.id == StepResult.execution_id)
        .where(StepResult.execution_id.in_(executions))
        .order_by(StepResult.execution_id, StepResult.order_id)
    )
    return [shapes.step_result(row, phase) for row, phase in rows]


@routes.get("/execution/teststepresult")
def step_results() -> Response:
    executions = set(query_ints("sids"))
    if not executions or query_int("cyclephaseid") is None:
        raise no_id()
    with store().database.reading() as session:
        return answer(step_result_shapes(session, executions))
