"""Putting test cases into phases, and assigning them to testers."""

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
from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import chunks
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.planning import Selection
from pytest_zephyr.sandbox.data.values import unknown_id


routes = Blueprint("planning", __name__)


@routes.get("/testcase/planning/<int:node_id>")
def planning_rows(node_id: int) -> Response:
    query = lists.placements_query().where(Placement.node_id == node_id)
    name = request.args.get("tcname")
    if name:
        query = query.where(Case.name.contains(name, autoescape=True))
    with wire.reading() as session:
        if get(session, Node, node_id).phase_id is None:
            raise unknown_id("CyclePhase", node_id)
        return wire.answer(
            lists.envelope(
                session, query, Placement.id, planning_json, "planning", wire.page()
            )
        )


def planning_json(session: Session, query: Any) -> list[dict[str, Any]]:
    """Return the placements of *query* with their test cases and executions, if any."""
    placements = lists.placements_json(session, query)
    scheduled = {
        execution["tcrTreeTestcase"]["id"]: execution
        for chunk in chunks(row["id"] for row in placements)
        for execution in lists.executions_json(
            session, lists.executions_query().where(Placement.id.in_(chunk))
        )
    }
    return [
        {
            "testcase": row.pop("testcase"),
            "tct": row,
            **as_json.present(rts=scheduled.get(row["id"])),
        }
        for row in placements
    ]


@routes.get("/assignmenttree/<int:phase_id>")
def phase_tree(phase_id: int) -> Response:
    with wire.reading() as session:
        catalog.root_of(session, phase_id)
        return wire.answer(lists.nodes_json(session, Node.phase_id == phase_id)[0])


def _require_unlocked_phase(session: Session, phase_id: int) -> Phase:
    phase = get(session, Phase, phase_id)
    root = catalog.root_of(session, phase_id)
    catalog.require_unlocked(session, root.release_id)
    return phase


@routes.post("/assignmenttree/<int:phase_id>/assign/bytree/<int:node_id>")
def add_by_tree(phase_id: int, node_id: int) -> Response:
    selections = [
        Selection(
            node=wire.require_int(row, "treeid"),
            versions=frozenset(wire.require_ids(row.get("tctIds", []))),
            # Despite its name, isExclusion means that only these are chosen.
            only=wire.read_bool(row.get("isExclusion")),
        )
        for row in wire.body_list()
    ]
    wire.check_batch_size([version for row in selections for version in row.versions])
    with wire.writing() as session:
        phase = _require_unlocked_phase(session, phase_id)
        added = planning.add_selected(
            session,
            phase,
            planning.phase_node(session, phase, node_id),
            selections,
            with_folders=wire.query_bool("includehierarchy"),
        )
    return wire.answer_text(f"{added} test cases added")


@routes.post("/assignmenttree/<int:phase_id>/assign/bysearch/<int:node_id>")
def add_by_search(phase_id: int, node_id: int) -> Response:
    ids = wire.check_batch_size(wire.require_ids(wire.body_object().get("ids")))
    with wire.writing() as session:
        phase = _require_unlocked_phase(session, phase_id)
        added = planning.add_by_placement(
            session, phase, planning.phase_node(session, phase, node_id), ids
        )
    return wire.answer_text(f"{added} test cases added")


@routes.post("/assignmenttree/<int:phase_id>/assign")
def assign_to_creators(phase_id: int) -> Response:
    with wire.writing() as session:
        catalog.root_of(session, phase_id)
        rows = planning.unassigned(session, Node.phase_id == phase_id)
        creators = {placement: creator for placement, (_, creator) in rows.items()}
        planning.assign(session, phase_id, creators)
    return wire.answer(len(creators))


@routes.put(
    "/assignmenttree/<int:phase_id>/bulk/tree/<int:node_id>"
    "/from/<signed:source>/to/<signed:tester>"
)
def assign_tree(phase_id: int, node_id: int, source: int, tester: int) -> Response:
    with wire.writing() as session:
        phase = get(session, Phase, phase_id)
        node = planning.phase_node(session, phase, node_id)
        planning.check_tester(session, tester)
        nodes = (
            repository.subtree(session, node.id)
            if wire.query_bool("cascade")
            else [node.id]
        )
        if source == planning.UNASSIGNED:
            rows = planning.unassigned(session, Placement.node_id.in_(nodes))
            planning.assign(session, phase_id, dict.fromkeys(rows, tester))
            return wire.answer(len(rows))
        executions = session.scalars(
            select(Execution.id)
            .join(Placement)
            .where(Placement.node_id.in_(nodes), Execution.tester_id == source)
        ).all()
        executing.reassign(session, executions, tester)
        return wire.answer(len(executions))


@routes.post("/execution/modify")
def assign_placements() -> Response:
    """Assign placements to testers; change the tester of those that are assigned."""
    given = wire.body_object().get("createRTSList")
    rows = wire.check_batch_size(
        wire.require_objects(given, "createRTSList cannot be null.")
    )
    with wire.writing() as session:
        ids: list[int] = []
        for row in rows:
            phase = get(session, Phase, wire.require_int(row, "cyclePhaseId"))
            tester = wire.require_int(row, "testerId")
            planning.check_tester(session, tester)
            placement = get(session, Placement, wire.require_int(row, "tctId"))
            planning.phase_node(session, phase, placement.node_id)
            execution = session.scalar(
                select(Execution).where(Execution.placement_id == placement.id)
            )
            if execution is None:
                ids += planning.assign(session, phase.id, {placement.id: tester})
            else:
                execution.tester_id = tester
                ids.append(execution.id)
        session.flush()
        return wire.answer(lists.executions_json_by_id(session, ids))
