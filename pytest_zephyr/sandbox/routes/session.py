"""Users, logging in, API tokens, and facts about the server."""

from __future__ import annotations

from flask import Blueprint
from flask import Response
from sqlalchemy import delete

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import auth
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import seeding
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Token
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import to_iso


routes = Blueprint("session", __name__)


@routes.get("/user/current")
def current_user() -> Response:
    return wire.answer(as_json.user(wire.user()))


@routes.get("/user/filter")
@routes.get("/user/project/<int:project_id>")
def users(project_id: int | None = None) -> Response:
    """Answer all users: each of them is in every project."""
    with wire.reading() as session:
        if project_id is not None:
            get(session, Project, project_id)
        return wire.answer([as_json.user(row) for row in list_rows(session, User)])


@routes.get("/user/<signed:user_id>")
def one_user(user_id: int) -> Response:
    with wire.reading() as session:
        return wire.answer(as_json.user(get(session, User, user_id)))


@routes.get("/manifest")
def log_in() -> Response:
    return auth.log_in(wire.user())


@routes.get("/usertoken")
def list_tokens() -> Response:
    with wire.reading() as session:
        tokens = list_rows(session, Token, Token.user_id == wire.user().id)
        return wire.answer(
            [
                {"id": token.id, "label": token.label, "createdBy": wire.user().id}
                for token in tokens
            ]
        )


@routes.post("/usertoken")
def create_token() -> Response:
    label = wire.require_text(wire.body_object(), "label")
    with wire.writing() as session:
        token = seeding.add_token(session, wire.user().id, label)
        return wire.answer(
            {
                "id": token.id,
                "label": label,
                "token": token.value,
                "createdBy": wire.user().username,
            }
        )


@routes.delete("/usertoken/<int:token_id>")
def delete_token(token_id: int) -> Response:
    with wire.writing() as session:
        session.delete(get(session, Token, token_id))
    return wire.answer_text("deleted")


@routes.delete("/usertoken/all")
def delete_tokens() -> Response:
    with wire.writing() as session:
        session.execute(delete(Token).where(Token.user_id == wire.user().id))
    return wire.answer_text("deleted")


@routes.get("/system/info/servertime")
def server_time() -> Response:
    return wire.answer_text(f"{to_iso(now_ms())} UTC")


@routes.get("/info/license")
def license_info() -> Response:
    return wire.answer({"licenseType": "Sandbox", "valid": True, "userCount": 1})
