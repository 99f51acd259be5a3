"""Searching test cases and executions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import rows
from pytest_zephyr.sandbox import zql
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import bad
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_object
from pytest_zephyr.sandbox.wire import DEFAULT_PAGE
from pytest_zephyr.sandbox.wire import maybe_int
from pytest_zephyr.sandbox.wire import Page
from pytest_zephyr.sandbox.wire import page
from pytest_zephyr.sandbox.wire import query_bool
from pytest_zephyr.sandbox.wire import query_int
from pytest_zephyr.sandbox.wire import read_bool
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import want_text


routes = Blueprint("search", __name__)

LIMIT = 100


@routes.get("/testcase")
def search_cases() -> Response:
    """Search by a word in the name, or by ZQL."""
    args = request.args
    query = args.get("zqlquery")
    word = query or args.get("word") or args.get("keyword")
    if not word:
        raise bad("Insufficient parameters. word and zqlquery both cannot be null")
    return answer(
        run_search(word, "testcase", query_int("releaseid"), bool(query), part=page())
    )


@routes.get("/advancesearch")
def search() -> Response:
    return answer(
        [
            run_search(
                request.args.get("word"),
                request.args.get("entitytype", ""),
                query_int("releaseid"),
                query_bool("zql"),
                project=query_int("projectid"),
                part=part(
                    query_int("firstresult"),
                    query_int("maxresults"),
                    ascending=query_bool("isascorder", True),
                ),
            )
        ]
    )


@routes.post("/advancesearch/zql")
def search_zql() -> Response:
    given = body_object()
    return answer(
        [
            run_search(
                want_text(given, "word"),
                want_text(given, "entitytype"),
                maybe_int(given, "releaseid"),
                read_bool(given.get("zql"), True),
                project=maybe_int(given, "projectid"),
                part=part(
                    maybe_int(given, "firstresult"),
                    maybe_int(given, "maxresults"),
                    ascending=read_bool(given.get("isascorder"), True),
                ),
            )
        ]
    )


def part(first: int | None, most: int | None, *, ascending: bool) -> Page:
    """Return the part of a search that is asked for, of at most a hundred rows."""
    size = min(max(most or DEFAULT_PAGE, 1), LIMIT)
    return Page(max(first or 0, 0), size, ascending)


def run_search(
    word: str | None,
    entity: str,
    release: int | None,
    is_zql: bool,
    *,
    project: int | None = None,
    part: Page,
) -> dict[str, Any]:
    """Return one page of the matches, in an envelope.

    A word is looked for in the whole project of *release*; without one all rows of the
    release are found. Without a release nothing limits the search.
    """
    with store().database.reading() as session:
        where = _scope(session, release, everything=word in (None, "", "*"))
        if project:
            where.append(Case.project_id == project)
        if word and is_zql and word != "*":
            where += zql.conditions(session, word, entity)
        elif word and word != "*":
            where.append(Case.name.contains(word, autoescape=True))
        if entity == "testcase":
            query = rows.placements_query().where(*where, Node.phase_id.is_(None))
            return rows.envelope(
                session, query, Placement.id, rows.placement_shapes, entity, part
            )
        if entity == "execution":
            query = rows.executions_query().where(*where)
            return rows.envelope(
                session,
                query,
                Execution.id,
                rows.execution_shapes,
                "testSchedule",
                part,
            )
        if entity == "requirement":
            raise bad("Search of requirements is not available.")
        raise bad(f"Unknown entity type {entity}.")


def _scope(session: Session, release: int | None, *, everything: bool) -> list[Any]:
    if not release:
        return []
    row = get(session, Release, release)
    if everything:
        return [Node.release_id == release]
    return [Case.project_id == row.project_id]
