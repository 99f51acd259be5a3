"""Projects and releases."""

from __future__ import annotations

import time

from flask import Blueprint
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import lists
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data.catalog import add_release
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import forbidden


routes = Blueprint("project", __name__)


@routes.get("/project/lite")
def projects_lite() -> Response:
    with wire.reading() as session:
        return wire.answer(
            [as_json.project_lite(row) for row in list_rows(session, Project)]
        )


@routes.get("/project")
@routes.get("/project/normal")
@routes.get("/project/details")
@routes.get("/project/user/<int:user_id>")
def projects(user_id: int | None = None) -> Response:
    """Answer all projects: every user is in each of them."""
    with wire.reading() as session:
        if user_id is not None:
            get(session, User, user_id)
        return wire.answer(
            [as_json.project(row) for row in list_rows(session, Project)]
        )


@routes.get("/project/project/<int:user_id>")
def project_ids_of_user(user_id: int) -> Response:
    with wire.reading() as session:
        get(session, User, user_id)
        return wire.answer([row.id for row in list_rows(session, Project)])


@routes.get("/project/<int:project_id>")
def project(project_id: int) -> Response:
    with wire.reading() as session:
        return wire.answer(as_json.project(get(session, Project, project_id)))


@routes.get("/release/project/<int:project_id>")
def releases(project_id: int) -> Response:
    with wire.reading() as session:
        get(session, Project, project_id)
        query = select(Release).where(Release.project_id == project_id)
        return wire.answer(releases_json(session, query.order_by(Release.order_id)))


def releases_json(session: Session, query: lists.Query) -> list[lists.Json]:
    return [as_json.release(row) for row in session.scalars(query)]


@routes.get("/release/paged/project/<int:project_id>")
def releases_paged(project_id: int) -> Response:
    query = select(Release).where(Release.project_id == project_id)
    with wire.reading() as session:
        get(session, Project, project_id)
        return wire.answer(
            lists.envelope(
                session, query, Release.id, releases_json, "release", wire.page()
            )
        )


@routes.get("/release")
def all_releases() -> Response:
    with wire.reading() as session:
        return wire.answer(releases_json(session, select(Release).order_by(Release.id)))


@routes.post("/release")
def create_release() -> Response:
    """Create a release.

    The real server locks it for minutes; here, tests do that with `Store.lock_release`.
    Its dates may lie outside those of the project: the real rule is not documented.
    """
    given = wire.body_object()
    start, end = wire.read_date_fields(given, "release")
    with wire.writing() as session:
        row = add_release(
            session,
            get(session, Project, wire.require_int(given, "projectId")),
            wire.require_text(given, "name"),
            start=start,
            end=end,
            description=wire.optional_text(given, "description"),
        )
        return wire.answer(as_json.release(row))


@routes.get("/release/<int:release_id>")
def release(release_id: int) -> Response:
    with wire.reading() as session:
        row = get(session, Release, release_id)
        if row.locked_until > time.time():
            raise forbidden()
        return wire.answer(as_json.release(row))
