"""Rules for putting test cases into phases and assigning them to testers."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.catalog import add_folder
from pytest_zephyr.sandbox.data.catalog import root_of
from pytest_zephyr.sandbox.data.database import chunks
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.database import next_ids
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.repository import add_placements
from pytest_zephyr.sandbox.data.repository import subtree
from pytest_zephyr.sandbox.data.repository import versions_in
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import to_ms
from pytest_zephyr.sandbox.data.values import today
from pytest_zephyr.sandbox.data.values import unknown_id


#: The tester of executions that are assigned to no particular user.
ANYONE = -10
#: Stands for the tester of placements that have no execution yet.
UNASSIGNED = -1


@dataclass(frozen=True)
class Selection:
    """Test cases of a repository folder, chosen by version id.

    They are those with an id in *versions* if *only* is true, else all others.
    """

    node: int
    versions: frozenset[int]
    only: bool


def check_tester(session: Session, tester: int) -> None:
    if tester != ANYONE and session.get(User, tester) is None:
        raise unknown_id("User", tester)


def assign(session: Session, phase_id: int, testers: Mapping[int, int]) -> range:
    """Assign each placement in *testers* to its tester; return the execution ids."""
    now = now_ms()
    midnight = to_ms(today())
    executions = next_ids(session, Execution, len(testers))
    if testers:
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
                for execution, (placement, tester) in zip(
                    executions, testers.items(), strict=True
                )
            ],
        )
    return executions


def unassigned(session: Session, *where: Any) -> dict[int, tuple[int, int]]:
    """Return the unassigned placements that meet *where*.

    The values are the version id and the id of its creator, by placement id.
    """
    rows = session.execute(
        select(Placement.id, Placement.case_id, Case.creator_id)
        .select_from(Placement)
        .join(Case)
        .join(Node)
        .outerjoin(Execution)
        .where(Execution.id.is_(None), *where)
        .order_by(Placement.id)
    )
    return {placement: (version, creator) for placement, version, creator in rows}


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


def check_free_form(phase: Phase) -> None:
    if not phase.free_form:
        raise bad_request("Test cases can only be added to a free form phase.")


def add_selected(
    session: Session,
    phase: Phase,
    folder: Node,
    selections: Iterable[Selection],
    *,
    with_folders: bool,
) -> int:
    """Put selected test cases of the repository into *folder*; return how many.

    If *with_folders* is true, they are put into copies of their folders below *folder*,
    and a selection without *only* includes the folders below its own.
    """
    check_free_form(phase)
    added = 0
    for selection in selections:
        source = repository_node(session, selection.node)
        with_subfolders = not selection.only and with_folders
        nodes = subtree(session, source.id) if with_subfolders else [source.id]
        for node_id in nodes:
            chosen = [
                version
                for version in versions_in(session, node_id)
                if (version in selection.versions) == selection.only
            ]
            if not chosen:
                continue
            node = phase_folder(session, folder, node_id) if with_folders else folder
            add_placements(session, node.id, chosen)
            added += len(chosen)
    return added


def add_by_placement(
    session: Session, phase: Phase, folder: Node, placements: Sequence[int]
) -> int:
    """Put the test cases of repository *placements* into *folder*; return how many."""
    check_free_form(phase)
    case_ids: dict[int, int] = {}
    for chunk in chunks(placements):
        rows = session.execute(
            select(Placement.id, Placement.case_id)
            .join(Node)
            .where(Placement.id.in_(chunk), Node.phase_id.is_(None))
        )
        case_ids.update((placement, case) for placement, case in rows)
    versions = [case_ids[id] for id in placements if id in case_ids]
    add_placements(session, folder.id, versions)
    return len(versions)


def phase_folder(session: Session, folder: Node, source_id: int) -> Node:
    """Return the copy of a repository folder below *folder*, in copies of its parents.

    Copies that are missing are created.
    """
    path: list[Node] = []
    node = session.get(Node, source_id)
    while node is not None:
        path.insert(0, node)
        node = session.get(Node, node.parent_id) if node.parent_id else None
    for source in path:
        copies = list_rows(
            session, Node, Node.parent_id == folder.id, Node.name == source.name
        )
        folder = copies[0] if copies else _add_copy(session, folder, source)
    return folder


def copy_tree(session: Session, phase: Phase, source: Node) -> None:
    """Copy the test cases of *source*, and the folders below it, into a phase."""
    root = root_of(session, phase.id)
    root.description = source.description
    to_fill = [(source.id, root)]
    while to_fill:
        node_id, copy = to_fill.pop()
        add_placements(session, copy.id, versions_in(session, node_id))
        to_fill.extend(
            (child.id, _add_copy(session, copy, child))
            for child in list_rows(session, Node, Node.parent_id == node_id)
        )


def _add_copy(session: Session, parent: Node, source: Node) -> Node:
    return add_folder(
        session,
        parent.release_id,
        source.name,
        parent=parent,
        description=source.description,
    )
