"""Projects and releases."""

from __future__ import annotations

import time

from flask import Blueprint
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import shapes
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import Problem
from pytest_zephyr.sandbox.rows import paged
from pytest_zephyr.sandbox.rows import total
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import envelope
from pytest_zephyr.sandbox.wire import page
from pytest_zephyr.sandbox.wire import query_bool
from pytest_zephyr.sandbox.wire import store


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
        rows = session.scalars(
            select(Release)
            .where(Release.project_id == project_id)
            .order_by(Release.order_id)
        )
        return answer([shapes.release(row) for row in rows])


@routes.get("/release/paged/project/<int:project_id>")
def releases_paged(project_id: int) -> Response:
    offset, size = page()
    query = select(Release).where(Release.project_id == project_id)
    with store().database.reading() as session:
        get(session, Project, project_id)
        rows = session.scalars(
            paged(
                query,
                Release.id,
                ascending=query_bool("isascorder", True),
                offset=offset,
                size=size,
            )
        )
        return answer(
            envelope(
                [shapes.release(row) for row in rows],
                total=total(session, query),
                kind="release",
                offset=offset,
                size=size,
            )
        )


@routes.get("/release")
def all_releases() -> Response:
    with store().database.reading() as session:
        rows = session.scalars(select(Release).order_by(Release.id))
        return answer([shapes.release(row) for row in rows])


@routes.get("/release/<int:release_id>")
def release(release_id: int) -> Response:
    with store().database.reading() as session:
        row = get(session, Release, release_id)
        if row.locked_until > time.time():
            raise Problem(
                403, "User does not have access to perform this operation", "Forbidden"
            )
        return answer(shapes.release(row))
