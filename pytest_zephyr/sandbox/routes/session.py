"""Users, who of them is logged in, and API tokens."""

from __future__ import annotations

import secrets

from flask import Blueprint
from flask import Response
from sqlalchemy import delete
from sqlalchemy import select

from pytest_zephyr.sandbox import auth
from pytest_zephyr.sandbox import shapes
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Token
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import to_iso
from pytest_zephyr.sandbox.wire import answer
from pytest_zephyr.sandbox.wire import body_object
from pytest_zephyr.sandbox.wire import plain
from pytest_zephyr.sandbox.wire import store
from pytest_zephyr.sandbox.wire import user
from pytest_zephyr.sandbox.wire import want_text


routes = Blueprint("session", __name__)


@routes.get("/user/current")
def current_user() -> Response:
    return answer(shapes.user(user()))


@routes.get("/user/filter")
@routes.get("/user/project/<int:project_id>")
def users(project_id: int | None = None) -> Response:
    """Answer all users: each of them is in every project."""
    with store().database.reading() as session:
        if project_id is not None:
            get(session, Project, project_id)
        rows = session.scalars(select(User).order_by(User.id))
        return answer([shapes.user(row) for row in rows])


@routes.get("/user/<signed:user_id>")
def one_user(user_id: int) -> Response:
    with store().database.reading() as session:
        return answer(shapes.user(get(session, User, user_id)))


@routes.get("/manifest")
def log_in() -> Response:
    return auth.log_in(user())


@routes.get("/usertoken")
def list_tokens() -> Response:
    with store().database.reading() as session:
        tokens = session.scalars(
            select(Token).where(Token.user_id == user().id).order_by(Token.id)
        )
        return answer(
            [
                {"id": token.id, "label": token.label, "createdBy": user().id}
                for token in tokens
            ]
        )


@routes.post("/usertoken")
def create_token() -> Response:
    label = want_text(body_object(), "label")
    with store().database.writing() as session:
        token = Token(user_id=user().id, label=label, value=secrets.token_hex(20))
        session.add(token)
        session.flush()
        return answer(
            {
                "id": token.id,
                "label": label,
                "token": token.value,
                "createdBy": user().username,
            }
        )


@routes.delete("/usertoken/<int:token_id>")
def delete_token(token_id: int) -> Response:
    with store().database.writing() as session:
        session.delete(get(session, Token, token_id))
    return plain("deleted")


@routes.delete("/usertoken/all")
def delete_tokens() -> Response:
    with store().database.writing() as session:
        session.execute(delete(Token).where(Token.user_id == user().id))
    return plain("deleted")


@routes.get("/system/info/servertime")
def server_time() -> Response:
    return plain(f"{to_iso(now_ms())} UTC")


@routes.get("/info/license")
def license_info() -> Response:
    return answer({"licenseType": "Sandbox", "valid": True, "userCount": 1})
