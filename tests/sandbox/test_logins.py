"""Logins by API token, by user and password, and by cookie."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.sandbox.conftest import Api


@pytest.fixture
def get_current_user(sandbox: Sandbox) -> Any:
    """Return a function that asks who is logged in."""

    def ask(version: str = "latest", **kwargs: Any) -> requests.Response:
        url = f"{sandbox.url}/flex/services/rest/{version}/user/current"
        return requests.get(url, timeout=30, **kwargs)

    return ask


def log_in(sandbox: Sandbox) -> requests.Response:
    return requests.get(
        f"{sandbox.url}/flex/services/rest/latest/manifest",
        auth=(sandbox.username, sandbox.password),
        timeout=30,
    )


@pytest.mark.parametrize("version", ["latest", "v3", "v4"])
def test_token_is_accepted_by_every_version(
    sandbox: Sandbox, get_current_user: Any, version: str
) -> None:
    """The same token works for latest, v3 and v4."""
    answer = get_current_user(
        version, headers={"Authorization": f"Bearer {sandbox.token}"}
    )

    assert answer.status_code == 200
    assert answer.json()["username"] == "test.manager"
    assert answer.json()["id"] == sandbox.store.user.id


def test_token_is_forty_hex_characters(sandbox: Sandbox) -> None:
    """A token has the form of a real one."""
    assert len(sandbox.token) == 40
    assert int(sandbox.token, 16) >= 0


def test_user_and_password_are_accepted(
    sandbox: Sandbox, get_current_user: Any
) -> None:
    """They work in place of a token."""
    assert (
        get_current_user(auth=(sandbox.username, sandbox.password)).status_code == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no-credential"),
        pytest.param({"Authorization": "Bearer " + "0" * 40}, id="wrong-token"),
        pytest.param({"Authorization": "Basic bm8="}, id="no-colon"),
        pytest.param({"Authorization": "Basic !!"}, id="not-base64"),
        pytest.param({"Authorization": "Negotiate x"}, id="other-scheme"),
        pytest.param({"Cookie": "token=0"}, id="unknown-cookie"),
    ],
)
def test_401_has_json_inside_json(
    get_current_user: Any, headers: dict[str, str]
) -> None:
    """The message of a 401 is itself the text of a JSON object with a message."""
    answer = get_current_user(headers=headers)

    assert answer.status_code == 401
    assert "authentication" in json.loads(answer.json()["message"])["message"]


def test_password_that_is_not_ascii_is_refused(
    sandbox: Sandbox, get_current_user: Any
) -> None:
    """Basic authentication takes ASCII only, even if the password is right."""
    sandbox.store.add_user("jürgen", "pässword")

    answer = get_current_user(auth=("jürgen".encode(), "pässword".encode()))

    assert answer.status_code == 401


def test_cookie_lasts_ninety_minutes(sandbox: Sandbox) -> None:
    """The login sets a cookie named token with the attributes of the real one."""
    answer = log_in(sandbox)

    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 200
    assert cookie.startswith("token=")
    assert "Max-Age=5400; Expires=" in cookie
    assert "Path=/flex; Secure; HttpOnly" in cookie
    assert answer.cookies.get_dict() == {"token": cookie[6:42]}


def test_cookie_is_accepted_until_it_expires(
    sandbox: Sandbox, get_current_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 5,400 seconds, requests with it are answered with 401."""
    value = log_in(sandbox).cookies["token"]
    now = time.time_ns()

    assert get_current_user(headers={"Cookie": f"token={value}"}).status_code == 200

    monkeypatch.setattr(time, "time_ns", lambda: now + 5_390 * 10**9)
    assert get_current_user(headers={"Cookie": f"token={value}"}).status_code == 200

    monkeypatch.setattr(time, "time_ns", lambda: now + 5_401 * 10**9)
    assert get_current_user(headers={"Cookie": f"token={value}"}).status_code == 401


def test_cookies_can_be_expired_from_code(
    sandbox: Sandbox, get_current_user: Any
) -> None:
    """`Store.expire_cookies` ends every login by cookie at once."""
    value = log_in(sandbox).cookies["token"]

    sandbox.store.expire_cookies()

    assert get_current_user(headers={"Cookie": f"token={value}"}).status_code == 401


def test_cookie_login_refuses_a_token(api: Api) -> None:
    """Only a user and a password get a cookie."""
    assert api.get("/manifest").status_code == 401


def test_revoked_token_is_refused(sandbox: Sandbox, api: Api) -> None:
    """Requests with it are answered with 401."""
    sandbox.store.revoke_tokens()

    assert api.get("/user/current").status_code == 401


def test_user_without_permissions_is_forbidden(sandbox: Sandbox, api: Api) -> None:
    """Such a user may ask who is logged in; a call for projects answers 403."""
    _, token = sandbox.store.add_user("guest", "secret", has_permissions=False)
    api.http.headers["Authorization"] = f"Bearer {token}"

    assert api.get("/user/current").status_code == 200
    answer = api.get("/project/lite")
    assert answer.status_code == 403
    assert answer.json() == {
        "errorMsg": "User does not have access to perform this operation",
        "errorCode": "Forbidden",
    }


def test_token_value_is_answered_once(api: Api) -> None:
    """A new token works until it is deleted; the list of tokens has no values."""
    made = api.post("/usertoken/", json={"label": "ci"}).json()
    listed = api.get("/usertoken/").json()

    assert [row["label"] for row in listed] == ["sandbox", "ci"]
    assert all("token" not in row for row in listed)
    api.http.headers["Authorization"] = f"Bearer {made['token']}"
    assert api.get("/user/current").status_code == 200
    assert api.delete(f"/usertoken/{made['id']}").status_code == 200
    assert api.get("/user/current").status_code == 401


def test_server_time_is_text_and_licence_is_json(api: Api) -> None:
    """The time is in UTC, and the licence is valid."""
    answer = api.get("/system/info/servertime")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.endswith("UTC")
    assert api.get("/info/license").json()["valid"] is True
