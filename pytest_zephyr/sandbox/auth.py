"""Logins: API token, user and password, session cookie."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from datetime import timedelta
from datetime import timezone
import json
import uuid

from flask import g
from flask import request
from flask import Response
from sqlalchemy import select

from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data.model import Cookie
from pytest_zephyr.sandbox.data.model import Token
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import forbidden
from pytest_zephyr.sandbox.data.values import now_ms


COOKIE_NAME = "token"
COOKIE_SECONDS = 90 * 60
#: Ends of the paths of calls that a user without permissions may make.
OPEN_TO_ALL = ("/user/current", "/manifest")


class Unauthorized(Exception):
    """The credential is missing or wrong."""


def is_page(path: str) -> bool:
    """Return whether *path* is a web page, for which no login is needed."""
    return not path.startswith("/flex/") or path.startswith("/flex/html5")


def require_user() -> None:
    """Set the user of a request; raise an error for a user who may not make it.

    Web pages need no user.
    """
    path = request.path
    if is_page(path):
        return
    password_only = path.rstrip("/").endswith("/manifest")
    caller = _user_by_password() if password_only else _user_by_any_credential()
    if caller is None:
        raise Unauthorized
    g.user = caller
    if not caller.has_permissions and not path.rstrip("/").endswith(OPEN_TO_ALL):
        raise forbidden()


def refuse() -> Response:
    """Answer 401 as the server does: the message is itself JSON in a string."""
    message = json.dumps({"message": "Invalid credentials or authentication token."})
    return wire.answer({"message": message}, 401)


def log_in(user: User) -> Response:
    """Answer with a session cookie that lasts 90 minutes."""
    value = str(uuid.uuid4())
    with wire.writing() as session:
        expires = now_ms() + COOKIE_SECONDS * 1000
        session.add(Cookie(value=value, user_id=user.id, expires=expires))
    response = Response(status=200)
    until = datetime.now(timezone.utc) + timedelta(seconds=COOKIE_SECONDS)
    response.headers["Set-Cookie"] = (
        f"{COOKIE_NAME}={value}; Max-Age={COOKIE_SECONDS};"
        f" Expires={until:%a, %d-%b-%Y %H:%M:%S} GMT; Path=/flex; Secure; HttpOnly"
    )
    return response


def _user_by_any_credential() -> User | None:
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        return _user_by_token(header.removeprefix("Bearer ").strip())
    if header:
        return _user_by_password()
    return _user_by_cookie(request.cookies.get(COOKIE_NAME, ""))


def _user_by_token(value: str) -> User | None:
    with wire.reading() as session:
        return session.scalar(
            select(User)
            .join(Token, Token.user_id == User.id)
            .where(Token.value == value)
        )


def _user_by_password() -> User | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        # Headers are ASCII, so users with other names or passwords need a token.
        text = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return None
    username, _, password = text.partition(":")
    with wire.reading() as session:
        user = session.scalar(select(User).where(User.username == username))
    return user if user is not None and user.password == password else None


def _user_by_cookie(value: str) -> User | None:
    with wire.reading() as session:
        return session.scalar(
            select(User)
            .join(Cookie, Cookie.user_id == User.id)
            .where(Cookie.value == value, Cookie.expires > now_ms())
        )
