"""Searching test cases and executions."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import rows
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import bad
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_object
from pytest_zephyr.sandbox.wire import envelope
from pytest_zephyr.sandbox.wire import query_bool
from pytest_zephyr.sandbox.wire import query_int
from pytest_zephyr.sandbox.wire import read_bool
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import want_int
from pytest_zephyr.sandbox.wire import want_text


routes = Blueprint("search", __name__)

LIMIT = 100
BY_TESTCASE = re.compile(
    r"\s*testcaseId\s*(?:=\s*(\d+)|in\s*\(\s*(\d+(?:\s*,\s*\d+)*)\s*\))\s*", re.ASCII
)


@routes.get("/advancesearch")
def search() -> Response:
    word = request.args.get("word")
    release = query_int("releaseid")
    if not word or release is None:
        raise bad("Insufficient parameters. word and zqlquery both cannot be null")
    return answer(
        [
            found(
                word,
                request.args.get("entitytype", ""),
                release,
                zql=query_bool("zql"),
                first=query_int("firstresult") or 0,
                limit=query_int("maxresults") or 10,
                ascending=query_bool("isascorder", True),
            )
        ]
    )


@routes.post("/advancesearch/zql")
def search_zql() -> Response:
    given = body_object()
    return answer(
        [
            found(
                want_text(given, "word"),
                want_text(given, "entitytype"),
                want_int(given, "releaseid"),
                zql=read_bool(given.get("zql")),
                first=want_int(given, "firstresult"),
                limit=want_int(given, "maxresults"),
                ascending=read_bool(given.get("isascorder"), True),
            )
        ]
    )


def found(
    word: str,
    entity: str,
    release: int,
    *,
    zql: bool,
    first: int,
    limit: int,
    ascending: bool,
) -> dict[str, Any]:
    """Envelope of what was found in the whole project of *release*."""
    first, limit = max(first, 0), min(max(limit, 1), LIMIT)
    with store().database.reading() as session:
        where = [_condition(word, zql), *_scope(session, release)]
        if entity == "testcase":
            query = rows.placements_query().where(*where, Node.phase_id.is_(None))
            results = rows.placement_shapes(
                session,
                rows.paged(
                    query, Placement.id, ascending=ascending, offset=first, size=limit
                ),
            )
        elif entity == "execution":
            query = rows.executions_query().where(*where)
            results = rows.execution_shapes(
                session,
                rows.paged(
                    query, Execution.id, ascending=ascending, offset=first, size=limit
                ),
            )
        elif entity == "requirement":
            raise bad("Search of requirements is not available.")
        else:
            raise bad(f"Unknown entity type {entity}.")
        kind = "testSchedule" if entity == "execution" else entity
        return envelope(
            results,
            total=rows.total(session, query),
            kind=kind,
            offset=first,
            size=limit,
        )


def _scope(session: Session, release: int) -> list[Any]:
    if release == 0:
        return []
    return [Case.project_id == get(session, Release, release).project_id]


def _condition(word: str, zql: bool) -> Any:
    if not zql:
        return Case.name.contains(word, autoescape=True)
    match = BY_TESTCASE.fullmatch(word)
    if match is None:
        raise bad(f"ZQL is not valid: {word}")
    one, many = match.groups()
    return Case.testcase_id.in_([int(text) for text in (one or many).split(",")])
