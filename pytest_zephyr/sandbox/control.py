"""Faults over HTTP: a small JSON interface and a page with a form."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from typing import cast
from typing import get_args

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import request
from flask import Response

from pytest_zephyr.sandbox.faults import EFFECTS
from pytest_zephyr.sandbox.faults import Fault
from pytest_zephyr.sandbox.faults import Faults
from pytest_zephyr.sandbox.faults import Kind
from pytest_zephyr.sandbox.values import bad
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import read_bool


def create_routes(faults: Faults) -> Blueprint:
    routes = Blueprint("control", __name__)

    @routes.get("/sandbox")
    def page() -> str:
        return render_template(
            "faults.html", faults=faults.listed(), effects=EFFECTS, host=request.host
        )

    @routes.get("/sandbox/faults")
    def listed() -> Response:
        return answer(faults.listed())

    @routes.post("/sandbox/faults")
    def add() -> Response:
        by_form = not request.is_json
        given = request.form.to_dict() if by_form else request.get_json()
        faults.add(read_fault(given))
        if by_form:
            return cast(Response, redirect("/sandbox/", 303))
        return answer(faults.listed())

    @routes.delete("/sandbox/faults")
    def clear() -> Response:
        faults.clear()
        return answer([])

    @routes.post("/sandbox/faults/clear")
    def clear_by_form() -> Response:
        faults.clear()
        return cast(Response, redirect("/sandbox/", 303))

    return routes


def read_fault(given: Any) -> Fault:
    """Fault from JSON or from a form, where all is text and blank is unset."""
    if not isinstance(given, dict):
        raise bad("A fault is an object.")
    given = {key: value for key, value in given.items() if value != ""}
    forever = read_bool(given.pop("for_ever", None))
    known = {field.name for field in fields(Fault)}
    for key in given:
        if key not in known:
            raise bad(f"A fault has no {key}.")
    if given.get("kind", "status") not in get_args(Kind):
        raise bad(f"There is no fault {given['kind']}.")
    for key in ("method", "path", "body", "location"):
        if not isinstance(given.get(key, ""), str | None):
            raise bad(f"The {key} of a fault is a text.")
    try:
        for key in ("status", "times", "after", "rows"):
            if given.get(key) is not None:
                given[key] = int(given[key])
        if "seconds" in given:
            given["seconds"] = float(given["seconds"])
        given["headers"] = tuple(
            (str(name), str(value)) for name, value in given.get("headers", ())
        )
    except (TypeError, ValueError):
        raise bad("A number of the fault is none.") from None
    if forever:
        given["times"] = None
    return Fault(**given)
