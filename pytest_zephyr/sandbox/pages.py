"""Web pages that show what the server holds, and add projects and releases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from datetime import datetime
from datetime import timezone
from typing import Any
from typing import cast

from flask import abort
from flask import Blueprint
from flask import current_app
from flask import redirect
from flask import render_template
from flask import request
from flask import Response
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound

from pytest_zephyr.sandbox import views
from pytest_zephyr.sandbox.auth import is_page
from pytest_zephyr.sandbox.data import attachments
from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import read_date
from pytest_zephyr.sandbox.details import image_type
from pytest_zephyr.sandbox.details import read_details
from pytest_zephyr.sandbox.routes.attachment import file_response
from pytest_zephyr.sandbox.wire import store


routes = Blueprint("pages", __name__)

#: Pages load only what the sandbox serves; scripts inside the HTML do not run.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def refuse_foreign_forms() -> None:
    """Refuse a form that another web site has sent from the user's browser."""
    origin = request.headers.get("Sec-Fetch-Site", "none")
    if request.method != "GET" and origin not in ("none", "same-origin"):
        abort(403)


def add_headers(response: Response) -> Response:
    if response.mimetype == "text/html" and is_page(request.path):
        response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
    return response


def not_found(error: HTTPException) -> Response:
    why = error.description if error.description != NotFound.description else None
    return Response(render_template("not_found.html", why=why), 404)


@routes.app_template_filter("when")
def when(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


@routes.app_template_filter("duration")
def duration(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3g} s"
    minutes, rest = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {rest} s"


def live_page(render: Callable[[Session, str], str]) -> Response:
    """Answer with a page, or with 304 if nothing was written since it was sent.

    The script of a page asks for the page again, about every second.
    """
    version = store().database.version
    if request.if_none_match.contains(version):
        response = Response(status=304)
    else:
        with store().database.reading() as session:
            response = Response(render(session, version))
    response.set_etag(version)
    response.headers["Cache-Control"] = "no-cache"
    return response


@routes.get("/")
def overview() -> Response:
    return live_page(_overview)


def _overview(session: Session, version: str = "", error: str | None = None) -> str:
    return render_template(
        "overview.html",
        projects=views.overview(session),
        version=version,
        error=error,
    )


@routes.post("/projects")
def add_project() -> Response:
    return _add_from_form(
        lambda session, name, start, end: catalog.add_project(
            session, name, start=start, end=end
        )
    )


@routes.post("/project/<int:project_id>/releases")
def add_release(project_id: int) -> Response:
    def add(
        session: Session, name: str, start: date | None, end: date | None
    ) -> Release:
        project = session.get(Project, project_id)
        if project is None:
            abort(404, f"There is no project {project_id}.")
        return catalog.add_release(session, project, name, start=start, end=end)

    return _add_from_form(add)


def _add_from_form(
    add: Callable[[Session, str, date | None, date | None], Project | Release],
) -> Response:
    """Add what a form describes and redirect to it, or show what is wrong."""
    name, start, end = (
        request.form.get(field, "").strip() for field in ("name", "start", "end")
    )
    try:
        if not name:
            raise bad_request("Nothing was added: a name is needed.")
        catalog.check_name(name, "The")
        first = read_date(start, "The first day") if start else None
        last = read_date(end, "The last day") if end else None
        if first and last and last < first:
            raise bad_request("Nothing was added: the last day is before the first.")
        with store().database.writing() as session:
            row = add(session, name, first, last)
            anchor = f"{row.__tablename__}-{row.id}"
    except ApiError as problem:
        with store().database.reading() as session:
            page = _overview(session, error=problem.message)
        return Response(page, problem.status)
    return cast(Response, redirect(f"/#{anchor}", 303))


@routes.get("/phase/<int:phase_id>")
def phase(phase_id: int) -> Response:
    def render(session: Session, version: str) -> str:
        place = views.place(session, phase_id)
        if place is None:
            abort(404, f"There is no phase {phase_id}.")
        unassigned = planning.unassigned(session, Node.phase_id == phase_id)
        lines, tally = views.execution_lines(session, phase_id)
        return render_template(
            "phase.html",
            place=place,
            lines=lines,
            tally=tally,
            unassigned=len(unassigned),
            version=version,
        )

    return live_page(render)


@routes.get("/execution/<int:execution_id>")
def execution(execution_id: int) -> Response:
    def render(session: Session, version: str) -> str:
        details = read_details(session, execution_id)
        if details is None:
            abort(404, f"There is no execution {execution_id}.")
        return render_template("execution.html", details=details, version=version)

    return live_page(render)


@routes.get("/file/<ref_id>")
def file(ref_id: str) -> Response:
    return file_response(_attachment(ref_id))


@routes.get("/image/<ref_id>")
def image(ref_id: str) -> Response:
    """Answer with an attachment that is an image, to be shown in a page."""
    row = _attachment(ref_id)
    kind = image_type(row.data)
    if kind is None:
        abort(404, "This attachment is not an image.")
    response = Response(row.data, content_type=kind)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _attachment(ref_id: str) -> Attachment:
    with store().database.reading() as session:
        row = attachments.with_data(session, ref_id)
    if row is None:
        abort(404, "There is no such attachment.")
    return row


@routes.get("/favicon.ico")
def favicon() -> Response:
    return current_app.send_static_file("favicon.svg")


@routes.get("/flex/html5")
def start_page() -> Response:
    """Redirect to the phase with the newest result, for links that name no release."""
    return _to_latest_phase("/")


@routes.get("/flex/html5/release/<int:release_id>")
def release(release_id: int) -> Response:
    """Redirect to the phase of a release that has the newest result.

    Clients link to releases, because Zephyr has no links to phases.
    """
    with store().database.reading() as session:
        if session.get(Release, release_id) is None:
            abort(404, f"There is no release {release_id}.")
    return _to_latest_phase(f"/#release-{release_id}", Cycle.release_id == release_id)


def _to_latest_phase(fallback: str, *where: Any) -> Response:
    """Redirect to the phase with the newest result; to *fallback* if there is none."""
    with store().database.reading() as session:
        phase_id = views.latest_phase(session, *where)
    page = fallback if phase_id is None else f"/phase/{phase_id}"
    return cast(Response, redirect(page))


@routes.get("/flex/html5/<path:_rest>")
def other_page(_rest: str) -> Response:
    return cast(Response, redirect("/"))
