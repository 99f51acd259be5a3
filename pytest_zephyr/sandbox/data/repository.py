"""Rules for folders, test cases and their steps."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import itertools
from typing import Any

from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.database import chunks
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.database import next_ids
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Field
from pytest_zephyr.sandbox.data.model import FirstId
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import RemovedCase
from pytest_zephyr.sandbox.data.model import RequirementLink
from pytest_zephyr.sandbox.data.model import Step
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import now_ms


def subtree(session: Session, node_id: int) -> list[int]:
    """Return the ids of a node and of every node below it."""
    tree = select(Node.id).where(Node.id == node_id).cte(recursive=True)
    tree = tree.union_all(select(Node.id).join(tree, Node.parent_id == tree.c.id))
    return list(session.scalars(select(tree.c.id)))


def next_testcase_id(session: Session) -> int:
    """Return a visible id that is higher than all that were ever used."""
    highest = (
        session.scalar(select(func.max(table.testcase_id))) or 0
        for table in (Case, RemovedCase)
    )
    return max(int(FirstId.TESTCASE), *(used + 1 for used in highest))


def known_testcases(session: Session, testcase_ids: Iterable[int]) -> dict[int, Case]:
    """Return the newest version of each test case that exists, by visible id."""
    newest: dict[int, Case] = {}
    for chunk in chunks(set(testcase_ids)):
        rows = session.scalars(
            select(Case).where(Case.testcase_id.in_(chunk)).order_by(Case.version)
        )
        newest.update((case.testcase_id, case) for case in rows)
    return newest


def add_cases(
    session: Session,
    node: Node,
    project_id: int,
    creator_id: int,
    cases: Sequence[Mapping[str, Any]],
) -> tuple[range, range]:
    """Insert *cases*, which are values by column name, into *node*.

    Return their version ids and placement ids.
    """
    now = now_ms()
    versions = next_ids(session, Case, len(cases))
    if cases:
        free_ids = itertools.count(next_testcase_id(session))
        defaults: dict[str, Any] = {
            "version": 1,
            "project_id": project_id,
            "creator_id": creator_id,
            "created_on": now,
            "modified_on": now,
            "description": "",
            "alt": None,
            "tag": "",
            "priority": None,
            "automated": False,
            "script_name": None,
            "script_path": None,
            "comments": None,
            "estimated_time": 0,
            "properties": {},
        }
        rows = []
        for version, case in zip(versions, cases, strict=True):
            row = {"id": version, **defaults, **case}
            if row.get("testcase_id") is None:
                row["testcase_id"] = next(free_ids)
            rows.append(row)
        session.execute(insert(Case), rows)
    return versions, add_placements(session, node.id, versions)


def add_placements(session: Session, node_id: int, versions: Sequence[int]) -> range:
    """Put case versions into a node; return the placement ids.

    A version that is in the node already is put there again.
    """
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


def versions_in(session: Session, node_id: int) -> list[int]:
    """Return the ids of the case versions in a node, without those in nodes below it."""
    query = select(Placement.case_id).where(Placement.node_id == node_id)
    return list(session.scalars(query.order_by(Placement.id)))


def remove_placements(session: Session, node: Node, ids: Iterable[int]) -> None:
    """Remove placements from *node*, and test cases that are then in no folder."""
    for chunk in chunks(ids):
        chosen = Placement.node_id == node.id, Placement.id.in_(chunk)
        version_ids = list(session.scalars(select(Placement.case_id).where(*chosen)))
        session.execute(delete(Placement).where(*chosen))
        _remove_unplaced(session, version_ids)


def remove_folder(session: Session, node: Node) -> None:
    """Remove *node* with all below it, and test cases that are then in no folder."""
    inside = Placement.node_id.in_(subtree(session, node.id))
    version_ids = list(session.scalars(select(Placement.case_id).where(inside)))
    session.delete(node)
    session.flush()
    _remove_unplaced(session, version_ids)


def _remove_unplaced(session: Session, version_ids: Iterable[int]) -> None:
    """Remove the test cases of *version_ids* that have no version in a folder."""
    placed = select(Case.testcase_id).join(Placement)
    for chunk in chunks(version_ids):
        gone = session.scalars(
            select(Case.testcase_id)
            .where(Case.id.in_(chunk), Case.testcase_id.not_in(placed))
            .distinct()
        ).all()
        for table, condition in (
            (Case, Case.testcase_id.in_(gone)),
            (RequirementLink, RequirementLink.testcase_id.in_(gone)),
            (
                Attachment,
                (Attachment.item_type == "testcase") & Attachment.item_id.in_(gone),
            ),
        ):
            session.execute(delete(table).where(condition))
        for testcase_id in gone:
            session.merge(RemovedCase(testcase_id=testcase_id))


def new_version(session: Session, case: Case) -> Case:
    """Copy *case* as its next version, which replaces it in repository folders."""
    values = {
        column.key: getattr(case, column.key)
        for column in Case.__table__.columns
        if column.key != "id"
    }
    copy = Case(**{**values, "version": case.version + 1, "modified_on": now_ms()})
    session.add(copy)
    session.flush()
    set_steps(
        session,
        copy.id,
        [
            {
                "orderId": step.order_id,
                "step": step.text,
                "data": step.data,
                "result": step.expected,
            }
            for step in steps_of(session, case.id)
        ],
    )
    for placement in session.scalars(
        select(Placement)
        .join(Node)
        .where(Placement.case_id == case.id, Node.phase_id.is_(None))
    ):
        placement.case_id = copy.id
    return copy


def read_properties(
    session: Session, given: Mapping[str, Any], *, by_display_name: bool
) -> dict[str, Any]:
    """Return *given* keyed by field name; 400 for an unknown custom field.

    With *by_display_name*, a key may also be a display name.
    """
    names = {field.field_name: field.field_name for field in _custom_fields(session)}
    if by_display_name:
        for field in _custom_fields(session):
            names[field.display_name] = field.field_name
    for name in given:
        if name not in names:
            raise bad_request(f"Custom field {name} does not exist.")
    return {names[name]: value for name, value in given.items()}


def check_mandatory(session: Session, properties: Mapping[str, Any]) -> None:
    for field in _custom_fields(session):
        if field.mandatory and properties.get(field.field_name) in (None, ""):
            raise bad_request(f"Custom field {field.display_name} is mandatory.")


def _custom_fields(session: Session) -> list[Field]:
    return list_rows(
        session, Field, Field.entity == "testcase", Field.system.is_(False)
    )


def steps_of(session: Session, case_id: int) -> list[Step]:
    return list(
        session.scalars(
            select(Step).where(Step.case_id == case_id).order_by(Step.order_id)
        )
    )


def set_steps(
    session: Session, case_id: int, steps: Sequence[Mapping[str, Any]]
) -> None:
    """Make *steps* the steps of a test case version."""
    session.execute(delete(Step).where(Step.case_id == case_id))
    for position, step in enumerate(steps, 1):
        add_step(session, case_id, {"orderId": position, **step})


def add_step(session: Session, case_id: int, step: Mapping[str, Any]) -> None:
    session.add(
        Step(
            case_id=case_id,
            order_id=step["orderId"],
            text=step.get("step", ""),
            data=step.get("data", ""),
            expected=step.get("result", ""),
        )
    )
    session.flush()
