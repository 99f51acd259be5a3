"""Projects and releases."""

from __future__ import annotations

import time

from flask import Blueprint
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import shapes
from pytest_zephyr.sandbox.data.catalog import add_release
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import forbidden
from pytest_zephyr.sandbox.rows import envelope
from pytest_zephyr.sandbox.rows import Json
from pytest_zephyr.sandbox.rows import Query
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_object
from pytest_zephyr.sandbox.wire import maybe_text
from pytest_zephyr.sandbox.wire import page
from pytest_zephyr.sandbox.wire import read_twins
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import want_int
from pytest_zephyr.sandbox.wire import want_text


routes = Blueprint("project", __name__)


@routes.get("/project/lite")
def projects_lite() -> Response:
    with store().database.reading() as session:
        return answer([shapes.project_lite(row) for row in _projects(session)])


@routes.get("/project")
@routes.get("/project/normal")
@routes.get("/project/details")
def projects() -> Response:
    with store().database.reading() as session:
        return answer([shapes.project(row) for row in _projects(session)])


@routes.get("/project/user/<int:user_id>")
def projects_of_user(user_id: int) -> Response:
    """Answer all projects: every user is in each of them."""
    with store().database.reading() as session:
        get(session, User, user_id)
        return answer([shapes.project(row) for row in _projects(session)])


@routes.get("/project/project/<int:user_id>")
def project_ids_of_user(user_id: int) -> Response:
    with store().database.reading() as session:
        get(session, User, user_id)
        return answer([row.id for row in _projects(session)])


def _projects(session: Session) -> list[Project]:
    return list(session.scalars(select(Project).order_by(Project.id)))


@routes.get("/project/<int:project_id>")
def project(project_id: int) -> Response:
    with store().database.reading() as session:
        return answer(shapes.project(get(session, Project, project_id)))


@routes.get("/release/project/<int:project_id>")
def releases(project_id: int) -> Response:
    with store().database.reading() as session:
        get(session, Project, project_id)
        query = select(Release).where(Release.project_id == project_id)
        return answer(release_shapes(session, query.order_by(Release.order_id)))


def release_shapes(session: Session, query: Query) -> list[Json]:
    return [shapes.release(row) for row in session.scalars(query)]


@routes.get("/release/paged/project/<int:project_id>")
def releases_paged(project_id: int) -> Response:
    query = select(Release).where(Release.project_id == project_id)
    with store().database.reading() as session:
        get(session, Project, project_id)
        return answer(
            envelope(session, query, Release.id, release_shapes, "release", page())
        )


@routes.get("/release")
def all_releases() -> Response:
    with store().database.reading() as session:
        return answer(release_shapes(session, select(Release).order_by(Release.id)))


@routes.post("/release")
def create_release() -> Response:
    """Create a release.

    A new release of the real server is locked for minutes, which `Store.lock_release`
    plays. Whether the dates of the project limit it is not documented.
    """
    given = body_object()
    start, end = read_twins(given, "release")
    with store().database.writing() as session:
        row = add_release(
            session,
            get(session, Project, want_int(given, "projectId")),
            want_text(given, "name"),
            start=start,
            end=end,
            description=maybe_text(given, "description"),
        )
        return answer(shapes.release(row))


@routes.get("/release/<int:release_id>")
def release(release_id: int) -> Response:
    with store().database.reading() as session:
        row = get(session, Release, release_id)
        if row.locked_until > time.time():
            raise forbidden()
        return answer(shapes.release(row))
