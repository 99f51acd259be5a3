"""Steps of test cases."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import unknown_id


routes = Blueprint("steps", __name__)

ONE_STEP_PATH = "/testcase/<int:version_id>/teststep/detail/<int:placement_id>"


@routes.get("/testcase/<int:version_id>/teststep")
def steps(version_id: int) -> Response:
    with wire.reading() as session:
        case = session.get(Case, version_id)
        if case is None or not repository.steps_of(session, version_id):
            return Response(status=204)
        return wire.answer(_steps_json(session, case))


@routes.post("/testcase/<int:version_id>/teststep/<int:placement_id>")
def set_steps(version_id: int, placement_id: int) -> Response:
    new_steps = read_steps(wire.body_object().get("steps"))
    with wire.writing() as session:
        case = _placed_case(session, version_id, placement_id)
        repository.set_steps(session, version_id, new_steps)
        return wire.answer(_steps_json(session, case))


def read_steps(value: Any) -> list[dict[str, Any]]:
    return [
        _read_step(step)
        for step in wire.require_objects(value, "steps cannot be null.")
    ]


def _read_step(step: dict[str, Any]) -> dict[str, Any]:
    """Return the sent parts of a step, in the right types."""
    texts = {key: wire.optional_text(step, key) for key in ("step", "data", "result")}
    order = wire.optional_int(step, "orderId")
    return as_json.present(orderId=order, **texts)


@routes.post(ONE_STEP_PATH)
def add_step(version_id: int, placement_id: int) -> Response:
    """Add a step with the sent number, or at the end if none was sent.

    If the number is taken, all steps from it on get the next number.
    """
    step = _sent_step()
    with wire.writing() as session:
        case = _placed_case(session, version_id, placement_id)
        present_steps = repository.steps_of(session, version_id)
        order = step.get("orderId", len(present_steps) + 1)
        if order in [row.order_id for row in present_steps]:
            for row in present_steps:
                if row.order_id >= order:
                    row.order_id += 1
        repository.add_step(session, version_id, {**step, "orderId": order})
        return wire.answer(_steps_json(session, case))


@routes.put(ONE_STEP_PATH)
def change_step(version_id: int, placement_id: int) -> Response:
    """Change the step that has the sent number."""
    step = _sent_step()
    with wire.writing() as session:
        case = _placed_case(session, version_id, placement_id)
        for row in repository.steps_of(session, version_id):
            if row.order_id == step.get("orderId"):
                row.text = step.get("step", row.text)
                row.data = step.get("data", row.data)
                row.expected = step.get("result", row.expected)
                session.flush()
                return wire.answer(_steps_json(session, case))
    raise unknown_id("TestStep", step.get("orderId"))


def _sent_step() -> dict[str, Any]:
    step = wire.body_object().get("step")
    if not isinstance(step, dict):
        raise bad_request("step cannot be null.")
    return _read_step(step)


def _placed_case(session: Session, version_id: int, placement_id: int) -> Case:
    case = get(session, Case, version_id)
    if get(session, Placement, placement_id).case_id != version_id:
        raise unknown_id("TCRCatalogTreeTestcase", placement_id)
    return case


def _steps_json(session: Session, case: Case) -> dict[str, Any]:
    """Return all steps of *case* as one object, with its first placement.

    A placement in the repository comes before one in a phase.
    """
    placement = session.execute(
        select(Placement.id, Node.release_id)
        .join(Node)
        .where(Placement.case_id == case.id)
        .order_by(Node.phase_id.is_not(None), Placement.id)
    ).first()
    placement_id, release_id = (0, 0) if placement is None else placement
    return as_json.case_steps(
        case, release_id, placement_id, repository.steps_of(session, case.id)
    )
