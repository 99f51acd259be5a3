"""Reading test cases: by folder, id, version or Alt ID; counting them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import lists
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import missing_id
from pytest_zephyr.sandbox.data.values import unknown_id


routes = Blueprint("testcase_lists", __name__)


@routes.get("/testcase/tree/<int:node_id>")
def cases_of_node(node_id: int) -> Response:
    query = lists.placements_query().where(Placement.node_id == node_id)
    with wire.reading() as session:
        get(session, Node, node_id)
        return wire.answer(
            lists.envelope(
                session,
                query,
                Placement.id,
                lists.placements_json,
                "testcase",
                wire.page(),
            )
        )


@routes.get("/testcase/nodes")
def cases_of_nodes() -> Response:
    """Answer the placements in the given nodes, without those in nodes below them."""
    nodes = wire.query_ints("treeids")
    if not nodes:
        raise missing_id()
    query = lists.placements_query().where(Placement.node_id.in_(nodes))
    with wire.reading() as session:
        return wire.answer(lists.placements_json(session, query.order_by(Placement.id)))


@routes.get("/testcase/count")
def count_cases() -> Response:
    """Answer the number of test cases in a node and below it, or in one or all releases.

    Clients read a bare number.
    """
    node_id, release_id = (
        wire.query_int("tcrcatalogtreeid"),
        wire.query_int("releaseid"),
    )
    query = lists.placements_query()
    with wire.reading() as session:
        if node_id is not None:
            get(session, Node, node_id)
            subtree = repository.subtree(session, node_id)
            query = query.where(Placement.node_id.in_(subtree))
        else:
            query = query.where(Node.phase_id.is_(None))
        if release_id is not None:
            get(session, Release, release_id)
            query = query.where(Node.release_id == release_id)
        return wire.answer(lists.count_rows(session, query))


@routes.get("/testcase/<int:either_id>")
@routes.get("/testcase/detail/<int:either_id>")
def one_case(either_id: int) -> Response:
    """Answer a placement, by its id or by that of a version of its test case.

    What the real server answers for ``detail`` is not documented; clients read the same
    fields of it.
    """
    with wire.reading() as session:
        by_id = lists.placements_query().where(Placement.id == either_id)
        matches = lists.placements_json(session, by_id)
        return wire.answer(matches[0] if matches else _by_version(session, either_id))


def _by_version(session: Session, version_id: int) -> dict[str, Any]:
    """Return a version of a test case, with the placement of the newest version."""
    case = session.get(Case, version_id)
    if case is None:
        raise unknown_id("Testcase", version_id)
    place = session.execute(
        lists.placements_query()
        .where(Case.testcase_id == case.testcase_id)
        .order_by(Node.phase_id.is_not(None), Case.version.desc(), Placement.id)
    ).first()
    if place is None:
        raise unknown_id("TCRCatalogTreeTestcase", version_id)
    placement, _newest, release_id = place
    mapped = lists.requirements_of(session, [case.testcase_id])
    return as_json.placement(placement, case, release_id, mapped[case.testcase_id])


@routes.get("/testcase/versions")
def versions() -> Response:
    """Answer the versions of a test case by its visible id, the newest last."""
    testcase_id = wire.query_int("testcaseid")
    if testcase_id is None:
        raise missing_id()
    query = select(Case).where(Case.testcase_id == testcase_id)
    with wire.reading() as session:
        mapped = lists.requirements_of(session, [testcase_id])[testcase_id]
        return wire.answer(
            [
                as_json.case(row, None, mapped)
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
        lists.placements_query()
        .where(Case.alt.in_(alts), Node.phase_id.is_(None))
        .order_by(Placement.id)
    )
    with wire.reading() as session:
        return wire.answer(lists.placements_json(session, query))
