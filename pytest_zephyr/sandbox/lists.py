"""JSON of whole lists, read with few SQL statements however many rows there are."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox.data import attachments
from pytest_zephyr.sandbox.data.database import chunks
from pytest_zephyr.sandbox.data.database import count_by
from pytest_zephyr.sandbox.data.database import grouped
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import User
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


def count_rows(session: Session, query: Query) -> int:
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
    to_json: Callable[[Session, Query], list[Json]],
    kind: str,
    page: Page,
) -> Json:
    """Return one page of the rows of *query*, in the order of *column*.

    *to_json* makes JSON of the rows of a query.
    """
    order = column.asc() if page.ascending else column.desc()
    part = query.order_by(order).offset(page.offset)
    return {
        "firstResult": page.offset,
        "resultSize": count_rows(session, query),
        "pageNumber": page.size,
        "results": to_json(session, part.limit(page.size) if page.size else part),
        "type": kind,
    }


def placements_json(session: Session, query: Query) -> list[Json]:
    rows = session.execute(query).all()
    mapped = requirements_of(session, [case.testcase_id for _, case, _ in rows])
    return [
        as_json.placement(placement, case, release, mapped[case.testcase_id])
        for placement, case, release in rows
    ]


def requirements_of(
    session: Session, testcase_ids: Iterable[int]
) -> dict[int, list[int]]:
    """Return the ids of the requirements that each test case is mapped to."""
    return grouped(
        (link.testcase_id, link.requirement_id)
        for chunk in chunks(testcase_ids)
        for link in list_rows(
            session, RequirementLink, RequirementLink.testcase_id.in_(chunk)
        )
    )


def placements_json_by_id(session: Session, ids: Iterable[int]) -> list[Json]:
    """Return the placements with *ids*, in the order of their ids."""
    query = placements_query().order_by(Placement.id)
    return [
        row
        for chunk in chunks(ids)
        for row in placements_json(session, query.where(Placement.id.in_(chunk)))
    ]


def executions_json(session: Session, query: Query) -> list[Json]:
    rows = session.execute(query).all()
    ids = [row[0].id for row in rows]
    mapped = requirements_of(session, [row[2].testcase_id for row in rows])
    testers = user_names(session)
    files: dict[int, int] = {}
    for chunk in chunks(ids):
        files.update(count_attachments(session, chunk))
    defects = grouped(
        (defect.execution_id, defect)
        for chunk in chunks(ids)
        for defect in list_rows(session, Defect, Defect.execution_id.in_(chunk))
    )
    return [
        as_json.execution(
            execution,
            as_json.placement(placement, case, release, mapped[case.testcase_id]),
            case.estimated_time,
            testers,
            files.get(execution.id, 0),
            defects[execution.id],
        )
        for execution, placement, case, release in rows
    ]


def executions_json_by_id(session: Session, ids: Iterable[int]) -> list[Json]:
    """Return the executions with *ids*, in the order of their ids."""
    query = executions_query().order_by(Execution.id)
    return [
        row
        for chunk in chunks(dict.fromkeys(ids))
        for row in executions_json(session, query.where(Execution.id.in_(chunk)))
    ]


def user_names(session: Session) -> dict[int, str]:
    return {row.id: row.full_name for row in session.scalars(select(User))}


def count_attachments(session: Session, execution_ids: Any) -> dict[int, int]:
    """Count the attachments of each execution; *execution_ids* is a list or a query."""
    return count_by(
        session,
        Attachment.item_id,
        Attachment.item_type == attachments.EXECUTION_ITEM_TYPE,
        Attachment.item_id.in_(execution_ids),
    )


def nodes_json(
    session: Session, *where: Any, roots: Iterable[int] | None = None
) -> list[Json]:
    """Return the nodes that meet *where* as trees.

    The trees begin at the nodes with an id in *roots*; by default, at nodes without a
    parent.
    """
    nodes = list_rows(session, Node, *where)
    here = Placement.node_id.in_(select(Node.id).where(*where))
    sizes = count_by(session, Placement.node_id, here)
    children = grouped((node.parent_id, node) for node in nodes)

    def tree(node: Node) -> Json:
        subtrees = [tree(child) for child in children[node.id]]
        return as_json.node(node, subtrees, sizes.get(node.id, 0))

    chosen = None if roots is None else set(roots)
    return [
        tree(node)
        for node in nodes
        if (node.parent_id is None if chosen is None else node.id in chosen)
    ]
