"""Reading what the server holds, as states."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.catalog import phases_of
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import Result
from pytest_zephyr.sandbox.data.model import Step
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.data.states import CaseState
from pytest_zephyr.sandbox.data.states import CycleState
from pytest_zephyr.sandbox.data.states import ExecutionState
from pytest_zephyr.sandbox.data.states import PhaseState
from pytest_zephyr.sandbox.data.states import ProjectState
from pytest_zephyr.sandbox.data.states import ReleaseState


EXECUTION_ATTACHMENT = "releaseTestSchedule"


def projects(session: Session) -> list[ProjectState]:
    return [
        ProjectState(row.id, row.name, row.start, row.end)
        for row in session.scalars(select(Project).order_by(Project.id))
    ]


def releases(session: Session, project: int) -> list[ReleaseState]:
    rows = session.scalars(
        select(Release).where(Release.project_id == project).order_by(Release.id)
    )
    return [
        ReleaseState(row.id, row.name, project, row.start, row.end, row.hidden)
        for row in rows
    ]


def cycles(session: Session, release: int) -> list[CycleState]:
    rows = session.scalars(
        select(Cycle).where(Cycle.release_id == release).order_by(Cycle.id)
    )
    return [
        CycleState(
            row.id, row.name, release, row.build, row.environment, row.start, row.end
        )
        for row in rows
    ]


def phases(session: Session, cycle: int) -> list[PhaseState]:
    return [
        PhaseState(row.id, row.name, cycle, row.free_form, row.start, row.end)
        for row, _root in phases_of(session, [cycle]).get(cycle, [])
    ]


def folder_paths(session: Session, release: int) -> dict[int, str]:
    """Repository folders of *release*, written as paths, by node id."""
    nodes = session.scalars(
        select(Node).where(Node.release_id == release, Node.phase_id.is_(None))
    ).all()
    paths: dict[int, str] = {}
    # A parent is older than its children, so its path is there first.
    for node in sorted(nodes, key=lambda node: node.id):
        above = paths.get(node.parent_id or 0)
        paths[node.id] = f"{above}/{node.name}" if above else node.name
    return paths


def cases(session: Session, release: int) -> list[CaseState]:
    paths = folder_paths(session, release)
    steps: dict[int, list[str]] = defaultdict(list)
    for step in session.scalars(
        select(Step)
        .join(Placement, Placement.case_id == Step.case_id)
        .where(Placement.node_id.in_(paths))
        .order_by(Step.order_id)
    ):
        steps[step.case_id].append(step.text)
    requirements: dict[int, list[int]] = defaultdict(list)
    for link in session.scalars(select(RequirementLink)):
        requirements[link.testcase_id].append(link.requirement_id)
    rows = session.execute(
        select(Case, Placement.node_id)
        .join(Placement, Placement.case_id == Case.id)
        .where(Placement.node_id.in_(paths))
        .order_by(Placement.id)
    )
    return [
        CaseState(
            id=case.testcase_id,
            name=case.name,
            description=case.description,
            alt=case.alt,
            folder=paths[node],
            tag=case.tag,
            automated=case.automated,
            script=case.script_name,
            requirements=tuple(requirements[case.testcase_id]),
            version=case.version,
            steps=tuple(steps[case.id]),
            properties=dict(case.properties),
        )
        for case, node in rows
    ]


def executions(
    session: Session, phase: int, testcase_id: int | None = None
) -> list[ExecutionState]:
    """Executions of *phase* in the order they were assigned, with all they carry."""
    query = (
        select(Execution, Case)
        .join(Placement, Placement.id == Execution.placement_id)
        .join(Case, Case.id == Placement.case_id)
        .where(Execution.phase_id == phase)
        .order_by(Execution.id)
    )
    chosen = select(Execution.id).where(Execution.phase_id == phase)
    if testcase_id is not None:
        query = query.where(Case.testcase_id == testcase_id)
        chosen = (
            chosen.join(Placement, Placement.id == Execution.placement_id)
            .join(Case, Case.id == Placement.case_id)
            .where(Case.testcase_id == testcase_id)
        )
    history: dict[int, list[tuple[str, str | None, int | None, int]]] = defaultdict(
        list
    )
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
    ):
        history[row[0]].append((row[1], row[2], row[3], row[4]))
    steps: dict[int, dict[int, tuple[str, str | None]]] = defaultdict(dict)
    for step in session.scalars(
        select(StepResult)
        .where(StepResult.execution_id.in_(chosen))
        .order_by(StepResult.order_id)
    ):
        steps[step.execution_id][step.order_id] = step.status, step.comment
    attachments: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for item in session.scalars(
        select(Attachment)
        .where(
            Attachment.item_type == EXECUTION_ATTACHMENT, Attachment.item_id.in_(chosen)
        )
        .order_by(Attachment.id)
    ):
        attachments[item.item_id].append((item.name, item.content_type, item.size))
    defects: dict[int, list[str]] = defaultdict(list)
    for defect in session.scalars(
        select(Defect).where(Defect.execution_id.in_(chosen)).order_by(Defect.id)
    ):
        defects[defect.execution_id].append(defect.key)
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
            steps=steps.get(row.id, {}),
            attachments=tuple(attachments.get(row.id, ())),
            history=tuple(history.get(row.id, ())),
            defects=tuple(defects.get(row.id, ())),
        )
        for row, case in session.execute(query)
    ]


def scheduled_ids(session: Session, phase: int) -> list[int]:
    """Visible ids of the cases in *phase*, assigned or not, once per row."""
    return list(
        session.scalars(
            select(Case.testcase_id)
            .join(Placement, Placement.case_id == Case.id)
            .join(Node, Node.id == Placement.node_id)
            .where(Node.phase_id == phase)
            .order_by(Placement.id)
        )
    )


def attachments(
    session: Session, item_type: str, item_ids: list[int]
) -> list[Attachment]:
    return list(
        session.scalars(
            select(Attachment)
            .where(Attachment.item_type == item_type, Attachment.item_id.in_(item_ids))
            .order_by(Attachment.id)
        )
    )


def placed(session: Session, phase: int) -> list[int]:
    """Version ids of the cases in *phase*, assigned or not."""
    return list(
        session.scalars(
            select(Placement.case_id)
            .join(Node, Node.id == Placement.node_id)
            .where(Node.phase_id == phase)
        )
    )


def unassigned(session: Session, phase: int) -> list[tuple[int, int]]:
    """Placement and version of the unassigned cases in *phase*."""
    rows = session.execute(
        select(Placement.id, Placement.case_id)
        .join(Node, Node.id == Placement.node_id)
        .outerjoin(Execution, Execution.placement_id == Placement.id)
        .where(Node.phase_id == phase, Execution.id.is_(None))
        .order_by(Placement.id)
    )
    return [(placement, case) for placement, case in rows]
