"""Routes to control the sandbox: its faults and switches, as JSON and as a page.

They also list the calls that clients made and the sandbox does not support.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
import json
import re
from typing import Any
from typing import cast
from typing import get_args

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import request
from flask import Response

from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data.switches import SWITCHES
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.faults import EFFECTS
from pytest_zephyr.sandbox.faults import Fault
from pytest_zephyr.sandbox.faults import Kind


#: The smallest and the largest value of each number of a fault.
_RANGES = {
    "status": (100, 599),
    "seconds": (0, 86_400),
    "times": (0, 1_000_000_000),
    "after": (0, 1_000_000_000),
    "rows": (0, 4096),
}

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


routes = Blueprint("control", __name__)


@routes.get("/sandbox")
def control_page(error: str | None = None) -> str:
    return render_template(
        "faults.html",
        faults=wire.faults().listed(),
        effects={
            kind: (effect.replace("*", ""), re.findall(r"\*(\w+)\*", effect))
            for kind, effect in EFFECTS.items()
        },
        host=request.host,
        error=error,
        unsupported=wire.unsupported().listed(),
        switches={
            name: (wire.store().get_switch(name), effect)
            for name, effect in SWITCHES.items()
        },
    )


@routes.get("/sandbox/unsupported")
def unsupported_calls() -> Response:
    return wire.answer(wire.unsupported().listed())


@routes.get("/sandbox/switches")
def switches() -> Response:
    return wire.answer({name: wire.store().get_switch(name) for name in SWITCHES})


@routes.post("/sandbox/switches")
def set_switches() -> Response:
    if request.is_json:
        change_switches(wire.body_object())
        return switches()
    return _change_by_form(change_switches)


def _change_by_form(change: Callable[[dict[str, str]], None]) -> Response:
    """Make the change that a form describes, or show the page with what is wrong."""
    try:
        change(request.form.to_dict())
    except ApiError as error:
        return Response(control_page(error.message), error.status)
    return cast(Response, redirect("/sandbox/", 303))


def change_switches(given: dict[str, Any]) -> None:
    """Set the given switches; set none of them if one is wrong."""
    for name in given:
        if name not in SWITCHES:
            raise bad_request(f"There is no switch {name}.")
        if wire.require_int(given, name) < 0:
            raise bad_request(f"The switch {name} must be at least 0.")
    for name in given:
        wire.store().set_switch(name, wire.require_int(given, name))


@routes.get("/sandbox/faults")
def list_faults() -> Response:
    return wire.answer(wire.faults().listed())


@routes.post("/sandbox/faults")
def post_fault() -> Response:
    if request.is_json:
        add_fault(request.get_json())
        return list_faults()
    return _change_by_form(add_fault)


def add_fault(given: Any) -> None:
    wire.faults().add(read_fault(given))


@routes.delete("/sandbox/faults")
def clear_faults() -> Response:
    wire.faults().clear()
    return wire.answer([])


@routes.post("/sandbox/faults/clear")
def clear_faults_by_form() -> Response:
    wire.faults().clear()
    return cast(Response, redirect("/sandbox/", 303))


def read_fault(given: Any) -> Fault:
    """Read a fault from JSON or from a form, in which all values are text.

    An empty text counts as a missing key.
    """
    if not isinstance(given, dict):
        raise bad_request("A fault must be a JSON object.")
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise bad_request("A text of the fault is not valid Unicode.") from None
    given = {key: value for key, value in given.items() if value != ""}
    forever = wire.read_bool(given.pop("for_ever", None))
    known = {field.name for field in fields(Fault)}
    for key in given:
        if key not in known:
            raise bad_request(f"A fault has no key {key}.")
    if given.get("kind", "status") not in get_args(Kind):
        raise bad_request(f"There is no kind of fault {given['kind']}.")
    for key in ("method", "path"):
        if not isinstance(given.get(key, ""), str):
            raise bad_request(f"The {key} of a fault must be a text.")
    for key in ("body", "location"):
        if not isinstance(given.get(key, ""), str | None):
            raise bad_request(f"The {key} of a fault must be a text.")
    if not (given.get("location") or "").isprintable():
        raise bad_request("The location of a fault must be one line.")
    if given.get("times", 1) is None:
        del given["times"]
        forever = True
    for key in _RANGES.keys() & given.keys():
        given[key] = _number(key, given[key])
    given["headers"] = tuple(map(_header, _header_list(given.get("headers", []))))
    if forever:
        given["times"] = None
    return Fault(**given)


def _number(key: str, value: Any) -> float:
    lowest, highest = _RANGES[key]
    wrong = bad_request(
        f"The {key} of a fault must be a number from {lowest} to {highest}."
    )
    try:
        number = float(value) if key == "seconds" else int(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    # NaN compares as out of range, too.
    if not lowest <= number <= highest:
        raise wrong
    return number


def _header_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise bad_request("The headers of a fault must be a list.")
    return value


def _header(pair: object) -> tuple[str, str]:
    match pair:
        case [str(name), str(value)] if _HEADER_NAME.fullmatch(
            name
        ) and _is_header_value(value):
            return name, value
    raise bad_request(
        "A header of a fault must be a name and a value, each a text of one line."
    )


def _is_header_value(text: str) -> bool:
    return text.isascii() and text.isprintable()
