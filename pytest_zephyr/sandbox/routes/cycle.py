"""Cycles and their phases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask import Blueprint
from flask import Response
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import unknown_id


routes = Blueprint("cycle", __name__)


def require_dates(row: Mapping[str, Any], prefix: str) -> tuple[date, date]:
    start, end = wire.read_date_fields(row, prefix)
    if start is None or end is None:
        which = "start" if start is None else "end"
        raise bad_request(f"cycle {prefix} {which} date cannot be null.", "122z04")
    return start, end


def cycle_json(session: Session, row: Cycle) -> dict[str, Any]:
    return as_json.cycle(row, catalog.phases_of(session, [row.id])[row.id])


@routes.get("/cycle/release/<int:release_id>")
def cycles(release_id: int) -> Response:
    with wire.reading() as session:
        get(session, Release, release_id)
        rows = list_rows(session, Cycle, Cycle.release_id == release_id)
        phases = catalog.phases_of(session, [row.id for row in rows])
        return wire.answer([as_json.cycle(row, phases[row.id]) for row in rows])


@routes.post("/cycle")
def create_cycle() -> Response:
    given = wire.body_object()
    with wire.writing() as session:
        release_id = wire.require_int(given, "releaseId")
        release = catalog.require_unlocked(session, release_id)
        name = catalog.check_name(given.get("name"), "cycle")
        environment = wire.optional_text(given, "environment") or ""
        catalog.check_environment(session, environment)
        start, end = require_dates(given, "cycle")
        row = catalog.add_cycle(
            session,
            release,
            name,
            start=start,
            end=end,
            build=wire.optional_text(given, "build") or "",
            environment=environment,
            status=wire.optional_int(given, "status") or 0,
        )
        if given.get("cyclePhases"):
            raise bad_request("Tree phase id not found cannot be null.")
        return wire.answer(cycle_json(session, row))


@routes.get("/cycle/<int:cycle_id>")
def cycle(cycle_id: int) -> Response:
    with wire.reading() as session:
        return wire.answer(cycle_json(session, get(session, Cycle, cycle_id)))


@routes.put("/cycle/<int:cycle_id>")
def update_cycle(cycle_id: int) -> Response:
    given = wire.body_object()
    with wire.writing() as session:
        row = get(session, Cycle, cycle_id)
        release = catalog.require_unlocked(session, row.release_id)
        # Values that were not sent stay as they are.
        whole = {**cycle_json(session, row), **_short_date_names(given, "cycle")}
        span = require_dates(whole, "cycle")
        catalog.check_cycle_dates(session, span, release)
        environment = wire.optional_text(whole, "environment") or ""
        catalog.check_environment(session, environment)
        row.name = catalog.check_name(whole["name"], "cycle")
        row.build = wire.optional_text(whole, "build") or ""
        row.environment = environment
        row.start, row.end = span
        row.status = wire.optional_int(whole, "status") or 0
        row.revision += 1
        session.flush()
        return wire.answer(cycle_json(session, row))


def _require_unlocked_cycle(session: Session, cycle_id: int) -> Cycle:
    row = get(session, Cycle, cycle_id)
    catalog.require_unlocked(session, row.release_id)
    return row


def _short_date_names(given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return *given* with each date under its short name only."""
    short = dict(given)
    for which in ("Start", "End"):
        long = short.pop(f"{prefix}{which}Date", None)
        if long is not None:
            short.setdefault(f"{which.lower()}Date", long)
    return short


@routes.delete("/cycle/<int:cycle_id>")
def delete_cycle(cycle_id: int) -> Response:
    with wire.writing() as session:
        session.delete(_require_unlocked_cycle(session, cycle_id))
    return wire.answer_text("deleted")


@routes.post("/cycle/<int:cycle_id>/phase")
def create_phase(cycle_id: int) -> Response:
    given = wire.body_object()
    with wire.writing() as session:
        row = _require_unlocked_cycle(session, cycle_id)
        start, end = require_dates(given, "phase")
        free_form = wire.read_bool(given.get("freeForm"))
        source = None
        name = given.get("name")
        if not free_form:
            source = planning.repository_node(
                session, wire.require_int(given, "tcrCatalogTreeId")
            )
            if source.parent_id is not None:
                raise bad_request("Tree phase id not found cannot be null.")
            name = name or source.name
        phase = catalog.add_phase(
            session,
            row,
            catalog.check_name(name, "phase"),
            start=start,
            end=end,
            free_form=free_form,
        )
        if source is not None:
            planning.copy_tree(session, phase, source)
        root = catalog.root_of(session, phase.id)
        return wire.answer(as_json.phase(phase, root.id))


@routes.put("/cycle/<int:cycle_id>/phase")
def update_phase(cycle_id: int) -> Response:
    given = wire.body_object()
    with wire.writing() as session:
        row = _require_unlocked_cycle(session, cycle_id)
        phase = _phase_of(session, cycle_id, wire.require_int(given, "id"))
        root = catalog.root_of(session, phase.id)
        whole = {**as_json.phase(phase, root.id), **_short_date_names(given, "phase")}
        span = require_dates(whole, "phase")
        catalog.check_within("phase", span, "cycle", (row.start, row.end))
        phase.name = root.name = catalog.check_name(whole["name"], "phase")
        phase.start, phase.end = span
        session.flush()
        return wire.answer(as_json.phase(phase, root.id))


@routes.delete("/cycle/<int:cycle_id>/phase/<int:phase_id>")
def delete_phase(cycle_id: int, phase_id: int) -> Response:
    with wire.writing() as session:
        _require_unlocked_cycle(session, cycle_id)
        session.delete(_phase_of(session, cycle_id, phase_id))
    return wire.answer_text("deleted")


def _phase_of(session: Session, cycle_id: int, phase_id: int) -> Phase:
    phase = get(session, Phase, phase_id)
    if phase.cycle_id != cycle_id:
        raise unknown_id("CyclePhase", phase_id)
    return phase
