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
_EQUALITY_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": eq,
    "!=": lambda column, value: column.is_distinct_from(value),
}
_NUMBER_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    **_EQUALITY_OPERATORS,
    ">": gt,
    ">=": ge,
    "<": lt,
    "<=": le,
}

Condition = Any


def conditions(session: Session, text: str, entity: str) -> list[Condition]:
    """Return the conditions of *text*; raise the server's 400 for unsupported ZQL."""
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
    """Return one condition.

    Raise LookupError, ValueError or ApiError if it is not supported.
    """
    if name == "id":
        # It is not documented which of the ids this is, so any of them matches.
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
        return _EQUALITY_OPERATORS[operator](Case.automated, _BOOLEANS[flag.lower()])
    if name in _REFERENCES:
        column, table, name_column = _REFERENCES[name]
        named = _text(name_column, operator, values)
        return column.in_(select(table.id).where(named))
    if name in _TEXT_COLUMNS:
        return _text(_TEXT_COLUMNS[name], operator, values)
    numbers = _EXECUTION_NUMBER_COLUMNS if entity == "execution" else _NUMBER_COLUMNS
    return _number(numbers[name], operator, values)


_TEXT_COLUMNS: Mapping[str, Any] = {
    "name": Case.name,
    "altid": Case.alt,
    "contents": Case.description,
    "comment": Case.comments,
    "priority": Case.priority,
    "folder": Node.name,
}
#: Column with the id of a row, the table of that row, and the column of its name.
_REFERENCES: Mapping[str, tuple[Any, Any, Any]] = {
    "creator": (Case.creator_id, User, User.username),
    "release": (Node.release_id, Release, Release.name),
    "project": (Case.project_id, Project, Project.name),
}
_BOOLEANS = {"true": True, "false": False}
_NUMBER_COLUMNS: Mapping[str, Any] = {
    "testcaseid": Case.testcase_id,
    "version": Case.version,
    "versionid": Case.id,
    "estimatedtime": Case.estimated_time,
}
_EXECUTION_NUMBER_COLUMNS: Mapping[str, Any] = {
    **_NUMBER_COLUMNS,
    "cyclephaseid": Execution.phase_id,
}


def _number(column: Any, operator: str, values: list[str]) -> Condition:
    numbers = [long_int(value) for value in values]
    if operator == "in":
        return column.in_(numbers)
    (number,) = numbers
    return _NUMBER_OPERATORS[operator](column, number)


def _text(column: Any, operator: str, values: list[str]) -> Condition:
    if operator == "in":
        return column.in_(values)
    (value,) = values
    if operator == "~":
        return column.icontains(value, autoescape=True)
    return _EQUALITY_OPERATORS[operator](column, value)


def _tag(operator: str, values: list[str]) -> Condition:
    """Return a condition on tags, the words of a text; ``~`` finds parts of the text."""
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
