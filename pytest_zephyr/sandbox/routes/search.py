"""Searching test cases and executions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import lists
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox import zql
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import bad_request


routes = Blueprint("search", __name__)

MAX_PAGE_SIZE = 100


@routes.get("/testcase")
def search_cases() -> Response:
    """Search by a part of the name, or by ZQL."""
    args = request.args
    query = args.get("zqlquery")
    word = query or args.get("word") or args.get("keyword")
    if not word:
        raise bad_request(
            "Insufficient parameters. word and zqlquery both cannot be null"
        )
    return wire.answer(
        run_search(
            word, "testcase", wire.query_int("releaseid"), bool(query), page=wire.page()
        )
    )


@routes.get("/advancesearch")
def search() -> Response:
    return _answer_search(
        request.args.get("word"),
        request.args.get("entitytype", ""),
        wire.query_int,
        is_zql=wire.query_bool("zql"),
        ascending=wire.query_bool("isascorder", True),
    )


@routes.post("/advancesearch/zql")
def search_zql() -> Response:
    given = wire.body_object()
    return _answer_search(
        wire.require_text(given, "word"),
        wire.require_text(given, "entitytype"),
        partial(wire.optional_int, given),
        is_zql=wire.read_bool(given.get("zql"), True),
        ascending=wire.read_bool(given.get("isascorder"), True),
    )


def _answer_search(
    word: str | None,
    entity: str,
    read_number: Callable[[str], int | None],
    *,
    is_zql: bool,
    ascending: bool,
) -> Response:
    """Answer a page of at most a hundred matches; *read_number* reads a parameter."""
    release, project = read_number("releaseid"), read_number("projectid")
    offset = max(read_number("firstresult") or 0, 0)
    size = min(
        max(read_number("maxresults") or wire.DEFAULT_PAGE_SIZE, 1), MAX_PAGE_SIZE
    )
    page = wire.Page(offset, size, ascending)
    return wire.answer(
        [run_search(word, entity, release, is_zql, project=project, page=page)]
    )


def run_search(
    word: str | None,
    entity: str,
    release: int | None,
    is_zql: bool,
    *,
    project: int | None = None,
    page: wire.Page,
) -> dict[str, Any]:
    """Return one page of the matches, in an envelope.

    *word* is ZQL if *is_zql* is set, else a part of the name. The whole project of
    *release* is searched for it; without a word, or with ``*``, all rows of the release
    match. Without a release, all projects are searched. In each case, only rows of
    *project* match if it is given.
    """
    with wire.reading() as session:
        where = _scope(session, release, everything=word in (None, "", "*"))
        if project:
            where.append(Case.project_id == project)
        if word and is_zql and word != "*":
            where += zql.conditions(session, word, entity)
        elif word and word != "*":
            where.append(Case.name.contains(word, autoescape=True))
        if entity == "testcase":
            query = lists.placements_query().where(*where, Node.phase_id.is_(None))
            return lists.envelope(
                session, query, Placement.id, lists.placements_json, entity, page
            )
        if entity == "execution":
            query = lists.executions_query().where(*where)
            return lists.envelope(
                session,
                query,
                Execution.id,
                lists.executions_json,
                "testSchedule",
                page,
            )
        if entity == "requirement":
            raise bad_request("Search of requirements is not available.")
        raise bad_request(f"Unknown entity type {entity}.")


def _scope(session: Session, release: int | None, *, everything: bool) -> list[Any]:
    """Return the conditions that limit a search.

    It is limited to *release* if *everything* in it matches, else to the project of
    *release*; without a release it is not limited.
    """
    if not release:
        return []
    row = get(session, Release, release)
    if everything:
        return [Node.release_id == release]
    return [Case.project_id == row.project_id]
