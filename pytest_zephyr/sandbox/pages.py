"""Web pages that show what the server holds."""

from __future__ import annotations

from collections import Counter
import html
from typing import cast

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import undefer

from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import holdings
from pytest_zephyr.sandbox.data.executing import STEP_STATUSES
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import Problem
from pytest_zephyr.sandbox.data.values import to_iso
from pytest_zephyr.sandbox.routes.attachment import file_response
from pytest_zephyr.sandbox.rows import tester_names
from pytest_zephyr.sandbox.wire import store


routes = Blueprint("pages", __name__)


@routes.get("/")
def overview() -> str:
    with store().database.reading() as session:
        projects = [
            {
                "project": project,
                "releases": [
                    {
                        "release": release,
                        "cycles": [
                            {
                                "cycle": cycle,
                                "phases": holdings.phases(session, cycle.id),
                            }
                            for cycle in holdings.cycles(session, release.id)
                        ],
                    }
                    for release in holdings.releases(session, project.id)
                    if not release.hidden
                ],
            }
            for project in holdings.projects(session)
        ]
    return render_template("overview.html", projects=projects)


@routes.get("/phase/<int:phase_id>")
def phase(phase_id: int) -> str:
    with store().database.reading() as session:
        row = session.get(Phase, phase_id)
        if row is None:
            raise Problem(404)
        cycle = session.get(Cycle, row.cycle_id)
        release = session.get(Release, cycle.release_id) if cycle else None
        project = session.get(Project, release.project_id) if release else None
        executions = holdings.executions(session, phase_id)
        names = {str(e["id"]): str(e["value"]) for e in executing.statuses(session)}
        step_names = {
            str(e["id"]): str(e["value"])
            for e in executing.statuses(session, STEP_STATUSES)
        }
        files: dict[int, list[Attachment]] = {}
        for file in session.scalars(
            select(Attachment)
            .where(
                Attachment.item_type == holdings.EXECUTION_ATTACHMENT,
                Attachment.item_id.in_(
                    select(Execution.id).where(Execution.phase_id == phase_id)
                ),
            )
            .order_by(Attachment.id)
        ):
            files.setdefault(file.item_id, []).append(file)
        step_texts = holdings.step_texts(session, phase_id)
        waiting = len(holdings.waiting(session, phase_id))
        testers = tester_names(session)
    counts = Counter(
        names.get(execution.status or "", execution.status or "Not executed")
        for execution in executions
    )
    return render_template(
        "phase.html",
        phase=row,
        cycle=cycle,
        release=release,
        project=project,
        executions=executions,
        names=names,
        step_names=step_names,
        step_texts=step_texts,
        # Clients escape notes, since Zephyr's own page shows them as HTML.
        unescape=html.unescape,
        testers=testers,
        files=files,
        counts=counts,
        waiting=waiting,
        when=to_iso,
    )


@routes.get("/file/<ref_id>")
def file(ref_id: str) -> Response:
    with store().database.reading() as session:
        row = session.scalar(
            select(Attachment)
            .options(undefer(Attachment.data))
            .where(Attachment.ref_id == ref_id)
        )
    if row is None:
        raise Problem(404)
    return file_response(row)


@routes.get("/flex/html5")
@routes.get("/flex/html5/<path:_rest>")
def old_overview(_rest: str = "") -> Response:
    return cast(Response, redirect("/"))


@routes.get("/flex/html5/release/<int:release_id>")
def old_release(release_id: int) -> Response:
    return cast(Response, redirect(f"/#release-{release_id}"))
