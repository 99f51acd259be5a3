"""ZQL, the query language of the search: conditions joined by ``and``."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from operator import eq
from operator import ge
from operator import gt
from operator import le
from operator import lt
import re
from typing import Any

from sqlalchemy import and_
from sqlalchemy import false
from sqlalchemy import func
from sqlalchemy import not_
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.executing import NOT_EXECUTED
from pytest_zephyr.sandbox.data.executing import status_names
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import read_date
from pytest_zephyr.sandbox.data.values import to_ms
from pytest_zephyr.sandbox.wire import long_int


_VALUE = r'"(?:[^"\\]|\\.)*"|[^\s,()"]+'
_LIST = rf"\(\s*(?:{_VALUE})(?:\s*,\s*(?:{_VALUE}))*\s*\)"
_CONDITION = re.compile(
    rf"\s*(\w+)\s*(>=|<=|!=|[=~<>]|in\b)\s*({_VALUE}|{_LIST})\s*(and\b|$)",
    re.IGNORECASE | re.ASCII,
)
_EQUAL: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": eq,
    "!=": lambda column, value: column.is_distinct_from(value),
}
_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    **_EQUAL,
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}

Condition = Any


def conditions(session: Session, text: str, entity: str) -> list[Condition]:
    """Return what rows of an entity must meet; raise the server's 400 for other ZQL."""
    parsed = []
    rest, more = text, "and"
    while more:
        match = _CONDITION.match(rest)
        if match is None:
            raise bad_request(f"ZQL is not valid: {text}")
        name, operator, value, more = match.groups()
        rest = rest[match.end() :]
        try:
            parsed.append(
                _condition(
                    session,
                    entity,
                    name.lower(),
                    operator.lower(),
                    [_unquoted(literal) for literal in re.findall(_VALUE, value)],
                )
            )
        except (LookupError, ValueError, ApiError):
            raise bad_request(f"ZQL is not valid: {text}") from None
    return parsed


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _condition(
    session: Session, entity: str, name: str, operator: str, values: list[str]
) -> Condition:
    """Return one condition; raise LookupError or ValueError if it is not supported."""
    if name == "id":
        # Which id is meant is not documented. Ids of different kinds differ here.
        columns = [Case.testcase_id, Case.id, Placement.id]
        columns += [Execution.id] if entity == "execution" else []
        either = and_ if operator == "!=" else or_
        return either(*(_number(column, operator, values) for column in columns))
    if name == "tag":
        return _tag(operator, values)
    if entity == "execution" and name == "status":
        ids = [_status(session, value) for value in values]
        return _text(func.coalesce(Execution.status, NOT_EXECUTED), operator, ids)
    if entity == "execution" and name == "executedon":
        dates = [str(to_ms(read_date(value, name))) for value in values]
        return _number(Execution.executed_on, operator, dates)
    if name == "automated":
        (flag,) = values
        return _EQUAL[operator](Case.automated, _FLAGS[flag.lower()])
    if name in _OWNERS:
        column, owner, label = _OWNERS[name]
        return column.in_(select(owner.id).where(_text(label, operator, values)))
    if name in _TEXTS:
        return _text(_TEXTS[name], operator, values)
    numbers = _EXECUTION_NUMBERS if entity == "execution" else _NUMBERS
    return _number(numbers[name], operator, values)


_TEXTS: Mapping[str, Any] = {
    "name": Case.name,
    "altid": Case.alt,
    "contents": Case.description,
    "comment": Case.comments,
    "priority": Case.priority,
    "folder": Node.name,
}
_OWNERS: Mapping[str, tuple[Any, Any, Any]] = {
    "creator": (Case.creator_id, User, User.username),
    "release": (Node.release_id, Release, Release.name),
    "project": (Case.project_id, Project, Project.name),
}
_FLAGS = {"true": True, "false": False}
_NUMBERS: Mapping[str, Any] = {
    "testcaseid": Case.testcase_id,
    "version": Case.version,
    "versionid": Case.id,
    "estimatedtime": Case.estimated_time,
}
_EXECUTION_NUMBERS: Mapping[str, Any] = {
    **_NUMBERS,
    "cyclephaseid": Execution.phase_id,
}


def _number(column: Any, operator: str, values: list[str]) -> Condition:
    numbers = [long_int(value) for value in values]
    if operator == "in":
        return column.in_(numbers)
    (number,) = numbers
    return _COMPARED[operator](column, number)


def _text(column: Any, operator: str, values: list[str]) -> Condition:
    if operator == "in":
        return column.in_(values)
    (value,) = values
    if operator == "~":
        return column.icontains(value, autoescape=True)
    return _EQUAL[operator](column, value)


def _tag(operator: str, values: list[str]) -> Condition:
    """Return a condition on tags, the words of a text; ``~`` finds a part of one, too."""
    if operator == "~":
        return _text(Case.tag, operator, values)
    negated = {"=": False, "in": False, "!=": True}[operator]
    words = " " + Case.tag + " "
    tagged = (words.contains(f" {value} ", autoescape=True) for value in values)
    matches = or_(false(), *tagged)
    return not_(matches) if negated else matches


def _status(session: Session, value: str) -> str:
    """Return the id of a status that is given by id or name."""
    names = {name.lower(): key for key, name in status_names(session).items()}
    named = {**names, "unexecuted": NOT_EXECUTED}
    return value if value in names.values() else named[value.lower()]
