"""Reading test cases: by folder, by id, by version."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import shapes
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import no_id
from pytest_zephyr.sandbox.data.values import unknown
from pytest_zephyr.sandbox.rows import envelope
from pytest_zephyr.sandbox.rows import placement_shapes
from pytest_zephyr.sandbox.rows import placements_query
from pytest_zephyr.sandbox.rows import requirements_of
from pytest_zephyr.sandbox.rows import total
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import page
from pytest_zephyr.sandbox.wire import query_int
from pytest_zephyr.sandbox.wire import query_ints
from pytest_zephyr.sandbox.wire import store


routes = Blueprint("testcase_lists", __name__)


@routes.get("/testcase/tree/<int:node_id>")
def cases_of_node(node_id: int) -> Response:
    query = placements_query().where(Placement.node_id == node_id)
    with store().database.reading() as session:
        get(session, Node, node_id)
        return answer(
            envelope(session, query, Placement.id, placement_shapes, "testcase", page())
        )


@routes.get("/testcase/nodes")
def cases_of_nodes() -> Response:
    """Answer the placements in some nodes, and not in those below them."""
    nodes = query_ints("treeids")
    if not nodes:
        raise no_id()
    query = placements_query().where(Placement.node_id.in_(nodes))
    with store().database.reading() as session:
        return answer(placement_shapes(session, query.order_by(Placement.id)))


@routes.get("/testcase/count")
def count_cases() -> Response:
    """Answer a bare number, as clients read it: the cases in a node and below it."""
    node_id, release_id = query_int("tcrcatalogtreeid"), query_int("releaseid")
    query = placements_query()
    with store().database.reading() as session:
        if node_id is not None:
            get(session, Node, node_id)
            below = repository.below(session, node_id)
            query = query.where(Placement.node_id.in_(below))
        else:
            query = query.where(Node.phase_id.is_(None))
        if release_id is not None:
            get(session, Release, release_id)
            query = query.where(Node.release_id == release_id)
        return answer(total(session, query))


@routes.get("/testcase/<int:either_id>")
@routes.get("/testcase/detail/<int:either_id>")
def one_case(either_id: int) -> Response:
    """Answer a placement, by its id or by that of a version of its test case.

    What the real server answers for a detail is not documented; clients read the same
    fields of it.
    """
    with store().database.reading() as session:
        by_id = placements_query().where(Placement.id == either_id)
        matches = placement_shapes(session, by_id)
        return answer(matches[0] if matches else _by_version(session, either_id))


def _by_version(session: Session, version_id: int) -> dict[str, Any]:
    """Shape of a version of a test case, at the place where the newest one is."""
    case = session.get(Case, version_id)
    if case is None:
        raise unknown("Testcase", version_id)
    place = session.execute(
        placements_query()
        .where(Case.testcase_id == case.testcase_id)
        .order_by(Node.phase_id.is_not(None), Case.version.desc(), Placement.id)
    ).first()
    if place is None:
        raise unknown("TCRCatalogTreeTestcase", version_id)
    placement, _newest, release_id = place
    mapped = requirements_of(session, [case.testcase_id])
    return shapes.placement(placement, case, release_id, mapped[case.testcase_id])


@routes.get("/testcase/versions")
def versions() -> Response:
    """Answer the versions of a test case by its visible id, the newest last."""
    testcase_id = query_int("testcaseid")
    if testcase_id is None:
        raise no_id()
    query = select(Case).where(Case.testcase_id == testcase_id)
    with store().database.reading() as session:
        mapped = requirements_of(session, [testcase_id])[testcase_id]
        return answer(
            [
                shapes.case(row, None, mapped)
                for row in session.scalars(query.order_by(Case.version))
            ]
        )


@routes.get("/testcase/altid")
def cases_by_alt() -> Response:
    alts = {
        alt.strip()
        for text in request.args.getlist("altids")
        for alt in (text, *text.split(","))
    }
    query = (
        placements_query()
        .where(Case.alt.in_(alts), Node.phase_id.is_(None))
        .order_by(Placement.id)
    )
    with store().database.reading() as session:
        return answer(placement_shapes(session, query))
