"""Rules for putting test cases into phases and giving them to testers."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.catalog import release_of_phase
from pytest_zephyr.sandbox.data.catalog import root_of
from pytest_zephyr.sandbox.data.database import next_ids
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.repository import add_folder
from pytest_zephyr.sandbox.data.repository import chunks
from pytest_zephyr.sandbox.data.repository import subtree
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import to_ms
from pytest_zephyr.sandbox.data.values import today
from pytest_zephyr.sandbox.data.values import unknown_id


ANYONE = -10
UNASSIGNED = -1


@dataclass(frozen=True)
class Selection:
    """Cases of a repository folder.

    With *only*, the chosen versions; without it, the folder except for them.
    """

    node: int
    versions: frozenset[int]
    only: bool


def check_tester(session: Session, tester: int) -> None:
    if tester != ANYONE and session.get(User, tester) is None:
        raise unknown_id("User", tester)


def add_to_node(session: Session, node_id: int, versions: Sequence[int]) -> range:
    """Put case versions into a node; a version that is there already is added again."""
    now = now_ms()
    placements = next_ids(session, Placement, len(versions))
    if versions:
        session.execute(
            insert(Placement),
            [
                {
                    "id": placement,
                    "node_id": node_id,
                    "case_id": case,
                    "created_on": now,
                }
                for placement, case in zip(placements, versions, strict=True)
            ],
        )
    return placements


def assign(
    session: Session, phase_id: int, placements: Sequence[int], testers: Sequence[int]
) -> range:
    """Make executions of *placements*, for the tester at the same position."""
    now = now_ms()
    midnight = to_ms(today())
    executions = next_ids(session, Execution, len(placements))
    if placements:
        session.execute(
            insert(Execution),
            [
                {
                    "id": execution,
                    "phase_id": phase_id,
                    "placement_id": placement,
                    "tester_id": tester,
                    "assigned_on": midnight,
                    "modified_on": now,
                }
                for execution, placement, tester in zip(
                    executions, placements, testers, strict=True
                )
            ],
        )
    return executions


def unassigned(session: Session, nodes: Iterable[int]) -> list[tuple[int, int]]:
    """Placement and creator of every unassigned case below *nodes*."""
    pairs: list[tuple[int, int]] = []
    for some in chunks(nodes):
        rows = session.execute(
            select(Placement.id, Case.creator_id)
            .join(Case, Case.id == Placement.case_id)
            .outerjoin(Execution, Execution.placement_id == Placement.id)
            .where(Placement.node_id.in_(some), Execution.id.is_(None))
            .order_by(Placement.id)
        )
        pairs.extend((placement, creator) for placement, creator in rows)
    return pairs


def phase_node(session: Session, phase: Phase, node_id: int) -> Node:
    node = session.get(Node, node_id)
    if node is None or node.phase_id != phase.id:
        raise unknown_id("TCRCatalogTree", node_id)
    return node


def repository_node(session: Session, node_id: int) -> Node:
    node = session.get(Node, node_id)
    if node is None or node.phase_id is not None:
        raise unknown_id("TCRCatalogTree", node_id)
    return node


def add_selected(
    session: Session,
    phase: Phase,
    target: Node,
    selections: Iterable[Selection],
    *,
    hierarchy: bool,
) -> int:
    """Copy selected repository cases below *target*; returns how many."""
    if not phase.free_form:
        raise bad_request("Test cases can only be added to a free form phase.")
    added = 0
    for selection in selections:
        source = repository_node(session, selection.node)
        whole = not selection.only and hierarchy
        for node_id in subtree(session, source.id) if whole else [source.id]:
            versions = list(
                session.scalars(
                    select(Placement.case_id)
                    .where(Placement.node_id == node_id)
                    .order_by(Placement.id)
                )
            )
            chosen = [
                v for v in versions if (v in selection.versions) == selection.only
            ]
            if not chosen:
                continue
            node = phase_folder(session, target, node_id) if hierarchy else target
            add_to_node(session, node.id, chosen)
            added += len(chosen)
    return added


def add_placements(
    session: Session, phase: Phase, target: Node, placements: Iterable[int]
) -> int:
    """Put the cases of repository *placements* into *target*; returns how many."""
    if not phase.free_form:
        raise bad_request("Test cases can only be added to a free form phase.")
    ids = list(placements)
    case_ids: dict[int, int] = {}
    for some in chunks(ids):
        rows = session.execute(
            select(Placement.id, Placement.case_id)
            .join(Node, Node.id == Placement.node_id)
            .where(Placement.id.in_(some), Node.phase_id.is_(None))
        )
        case_ids.update((placement, case) for placement, case in rows)
    add_to_node(session, target.id, [case_ids[p] for p in ids if p in case_ids])
    return len(case_ids)


def phase_folder(session: Session, target: Node, source_id: int) -> Node:
    """Return the folder of the phase for a repository folder, created if missing."""
    path: list[Node] = []
    node = session.get(Node, source_id)
    while node is not None:
        path.insert(0, node)
        node = session.get(Node, node.parent_id) if node.parent_id else None
    here = target
    for folder in path:
        there = session.scalar(
            select(Node).where(Node.parent_id == here.id, Node.name == folder.name)
        )
        if there is None:
            phase = session.get(Phase, target.phase_id)
            assert phase is not None
            there = add_folder(
                session,
                release_of_phase(session, phase),
                folder.name,
                parent=here,
                phase_id=phase.id,
                description=folder.description,
            )
        here = there
    return here


def copy_tree(session: Session, phase: Phase, source: Node) -> None:
    """Fill a structured phase: the folders and cases below *source*."""
    root = root_of(session, phase.id)
    root.description = source.description
    release = release_of_phase(session, phase)
    waiting = [(source.id, root)]
    while waiting:
        node_id, copy = waiting.pop()
        versions = session.scalars(
            select(Placement.case_id)
            .where(Placement.node_id == node_id)
            .order_by(Placement.id)
        ).all()
        add_to_node(session, copy.id, versions)
        children = session.scalars(
            select(Node).where(Node.parent_id == node_id).order_by(Node.id)
        ).all()
        waiting.extend(
            (
                child.id,
                add_folder(
                    session,
                    release,
                    child.name,
                    parent=copy,
                    phase_id=phase.id,
                    description=child.description,
                ),
            )
            for child in children
        )
