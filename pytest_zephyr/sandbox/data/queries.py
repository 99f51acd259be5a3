"""Reads test cases and executions as `CaseState` and `ExecutionState`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data import attachments
from pytest_zephyr.sandbox.data.database import grouped
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import Result
from pytest_zephyr.sandbox.data.model import Step
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.data.states import CaseState
from pytest_zephyr.sandbox.data.states import ExecutionState


def folder_paths(session: Session, release: int) -> dict[int, str]:
    """Return the paths of the repository folders of *release*, by node id."""
    paths: dict[int, str] = {}
    # A parent is older than its children, so its path is there first.
    for node in list_rows(
        session, Node, Node.release_id == release, Node.phase_id.is_(None)
    ):
        parent_path = paths.get(node.parent_id or 0)
        paths[node.id] = f"{parent_path}/{node.name}" if parent_path else node.name
    return paths


def cases(session: Session, release: int) -> list[CaseState]:
    paths = folder_paths(session, release)
    steps = grouped(
        (step.case_id, step.text)
        for step in session.scalars(
            select(Step)
            .join(Placement, Placement.case_id == Step.case_id)
            .where(Placement.node_id.in_(paths))
            .order_by(Step.order_id)
        )
    )
    requirements = grouped(
        (link.testcase_id, link.requirement_id)
        for link in list_rows(session, RequirementLink)
    )
    rows = session.execute(
        select(Case, Placement.node_id)
        .join(Placement)
        .where(Placement.node_id.in_(paths))
        .order_by(Placement.id)
    )
    return [
        CaseState(
            id=case.testcase_id,
            name=case.name,
            description=case.description,
            alt=case.alt,
            folder=paths[node_id],
            tag=case.tag,
            automated=case.automated,
            script=case.script_name,
            requirements=tuple(requirements[case.testcase_id]),
            version=case.version,
            steps=tuple(steps[case.id]),
            properties=dict(case.properties),
        )
        for case, node_id in rows
    ]


def executions(session: Session, phase: int, *where: Any) -> list[ExecutionState]:
    """Return the executions of *phase* that meet *where*, in the order of assignment."""
    query = (
        select(Execution, Case)
        .select_from(Execution)
        .join(Placement)
        .join(Case)
        .where(Execution.phase_id == phase, *where)
        .order_by(Execution.id)
    )
    chosen = query.with_only_columns(Execution.id)
    history = grouped(
        (row[0], tuple(row[1:]))
        for row in session.execute(
            select(
                Result.execution_id,
                Result.status,
                Result.comment,
                Result.actual_time,
                Result.executed_on,
            )
            .where(Result.execution_id.in_(chosen))
            .order_by(Result.id)
        )
    )
    steps = grouped(
        (step.execution_id, (step.order_id, (step.status, step.comment)))
        for step in session.scalars(
            select(StepResult)
            .where(StepResult.execution_id.in_(chosen))
            .order_by(StepResult.order_id)
        )
    )
    files = grouped(
        (file.item_id, (file.name, file.content_type, file.size))
        for file in attachments.of_items(
            session, attachments.EXECUTION_ITEM_TYPE, chosen
        )
    )
    defects = grouped(
        (defect.execution_id, defect.key)
        for defect in list_rows(session, Defect, Defect.execution_id.in_(chosen))
    )
    return [
        ExecutionState(
            id=row.id,
            testcase_id=case.testcase_id,
            name=case.name,
            alt=case.alt,
            status=row.status,
            comment=row.comment,
            actual_time=row.actual_time,
            executed_on=row.executed_on,
            executed_by=row.executed_by,
            tester=row.tester_id,
            steps=dict(steps[row.id]),
            attachments=tuple(files[row.id]),
            history=tuple(history[row.id]),
            defects=tuple(defects[row.id]),
        )
        for row, case in session.execute(query)
    ]


def placements_in_phase(session: Session, phase: int) -> list[tuple[int, int]]:
    """Return visible id and version id of each placement in *phase*, assigned or not."""
    rows = session.execute(
        select(Case.testcase_id, Case.id)
        .join(Placement)
        .join(Node)
        .where(Node.phase_id == phase)
        .order_by(Placement.id)
    )
    return [(testcase_id, version_id) for testcase_id, version_id in rows]
