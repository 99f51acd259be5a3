"""Queries that lists are answered from: few statements, however many rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.queries import EXECUTION_ATTACHMENT
from pytest_zephyr.sandbox.data.repository import chunks
from pytest_zephyr.sandbox.wire import Page


Json = dict[str, Any]
# Select has other type parameters in SQLAlchemy 2.0 than in 2.1.
Query = Any


def placements_query() -> Query:
    return (
        select(Placement, Case, Node.release_id)
        .join(Case, Case.id == Placement.case_id)
        .join(Node, Node.id == Placement.node_id)
    )


def executions_query() -> Query:
    return (
        select(Execution, Placement, Case, Node.release_id)
        .join(Placement, Placement.id == Execution.placement_id)
        .join(Case, Case.id == Placement.case_id)
        .join(Node, Node.id == Placement.node_id)
    )


def total(session: Session, query: Query) -> int:
    return (
        session.scalar(
            query.with_only_columns(func.count(), maintain_column_froms=True)
        )
        or 0
    )


def envelope(
    session: Session,
    query: Query,
    column: Any,
    shape: Callable[[Session, Query], list[Json]],
    kind: str,
    page: Page,
) -> Json:
    """Return one page of what *query* finds, in the order of *column*."""
    order = column.asc() if page.ascending else column.desc()
    part = query.order_by(order).offset(page.offset)
    return {
        "firstResult": page.offset,
        "resultSize": total(session, query),
        "pageNumber": page.size,
        "results": shape(session, part.limit(page.size) if page.size else part),
        "type": kind,
    }


def placements_json(session: Session, query: Query) -> list[Json]:
    rows = session.execute(query).all()
    mapped = requirements_of(session, [case.testcase_id for _, case, _ in rows])
    return [
        as_json.placement(placement, case, release, mapped[case.testcase_id])
        for placement, case, release in rows
    ]


def requirements_of(session: Session, testcases: Iterable[int]) -> dict[int, list[int]]:
    """Ids of the requirements that each test case is mapped to."""
    by_case: dict[int, list[int]] = defaultdict(list)
    for some in chunks(testcases):
        for link in session.scalars(
            select(RequirementLink)
            .where(RequirementLink.testcase_id.in_(some))
            .order_by(RequirementLink.requirement_id)
        ):
            by_case[link.testcase_id].append(link.requirement_id)
    return by_case


def placements_json_by_id(session: Session, ids: Iterable[int]) -> list[Json]:
    """Shapes of the placements with *ids*, in the order of their ids."""
    result: list[Json] = []
    for some in chunks(ids):
        result += placements_json(
            session,
            placements_query().where(Placement.id.in_(some)).order_by(Placement.id),
        )
    return result


def executions_json(session: Session, query: Query) -> list[Json]:
    rows = session.execute(query).all()
    ids = [row[0].id for row in rows]
    mapped = requirements_of(session, [row[2].testcase_id for row in rows])
    testers = tester_names(session)
    attachments = attachment_counts(session, ids)
    defects: dict[int, list[Defect]] = defaultdict(list)
    for some in chunks(ids):
        for defect in session.scalars(
            select(Defect).where(Defect.execution_id.in_(some)).order_by(Defect.id)
        ):
            defects[defect.execution_id].append(defect)
    return [
        as_json.execution(
            execution,
            as_json.placement(placement, case, release, mapped[case.testcase_id]),
            case.estimated_time,
            testers,
            attachments.get(execution.id, 0),
            defects.get(execution.id, ()),
        )
        for execution, placement, case, release in rows
    ]


def executions_json_by_id(session: Session, ids: Iterable[int]) -> list[Json]:
    """Shapes of the executions with *ids*, in the order of their ids."""
    result: list[Json] = []
    for some in chunks(dict.fromkeys(ids)):
        result += executions_json(
            session,
            executions_query().where(Execution.id.in_(some)).order_by(Execution.id),
        )
    return result


def tester_names(session: Session) -> dict[int, str]:
    return {row.id: row.full_name for row in session.scalars(select(User))}


def attachment_counts(session: Session, executions: Sequence[int]) -> dict[int, int]:
    return {
        item: count
        for some in chunks(executions)
        for item, count in session.execute(
            select(Attachment.item_id, func.count())
            .where(
                Attachment.item_type == EXECUTION_ATTACHMENT,
                Attachment.item_id.in_(some),
            )
            .group_by(Attachment.item_id)
        )
    }


def nodes_json(
    session: Session, *where: Any, roots: Iterable[int] | None = None
) -> list[Json]:
    """Trees of the nodes that meet *where*, from *roots* or from the top."""
    nodes = session.scalars(select(Node).where(*where).order_by(Node.id)).all()
    sizes = session.execute(
        select(Placement.node_id, func.count())
        .join(Node, Node.id == Placement.node_id)
        .where(*where)
        .group_by(Placement.node_id)
    )
    counts: dict[int, int] = {row[0]: row[1] for row in sizes}
    children: dict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.parent_id is not None:
            children[node.parent_id].append(node)

    def shape(node: Node) -> Json:
        subtree = [shape(child) for child in children[node.id]]
        return as_json.node(node, subtree, counts.get(node.id, 0))

    chosen = None if roots is None else set(roots)
    return [
        shape(node)
        for node in nodes
        if (node.parent_id is None if chosen is None else node.id in chosen)
    ]
