"""Auth objects: what they add to a request, how long a login lasts, what they hide."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from requests import PreparedRequest
from requests import Request
from urllib3 import HTTPHeaderDict

from pytest_zephyr.client import auth
from pytest_zephyr.client.auth import CookieAuth
from pytest_zephyr.client.auth import HeaderAuth
from pytest_zephyr.client.auth import make_auth
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.secret import Secret


def prepared(**headers: str) -> PreparedRequest:
    return Request("GET", "https://zephyr.example/flex", headers=headers).prepare()


def login_answer(*cookies: str) -> Any:
    """Return the part of a response that a login reads."""
    headers = HTTPHeaderDict()
    for cookie in cookies:
        headers.add("Set-Cookie", cookie)
    return SimpleNamespace(raw=SimpleNamespace(headers=headers))


def auth_of(kind: Any, secret: str) -> HeaderAuth | CookieAuth:
    return make_auth(Credential(kind, "test", username="ada", secret=Secret(secret)))


def logged_in(
    cookie: str = "token=abc; Max-Age=5400; Path=/flex; Secure",
) -> CookieAuth:
    cookie_auth = CookieAuth(HeaderAuth(Secret("Basic hunter2")))
    assert cookie_auth.accept(login_answer(cookie))
    return cookie_auth


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until a test moves it."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(auth, "monotonic", lambda: clock.now)
    return clock


def test_a_token_is_sent_as_bearer():
    signed = auth_of("token", "t0ken")(prepared())

    assert signed.headers["Authorization"] == "Bearer t0ken"


def test_user_and_password_are_sent_in_base64():
    signed = auth_of("basic", "hun:ter2")(prepared())

    scheme, _, pair = signed.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"ada:hun:ter2")


def test_secure_cookie_is_sent_over_plain_http():
    request = Request("GET", "http://zephyr.example/flex").prepare()

    assert logged_in()(request).headers["Cookie"] == "token=abc"


def test_cookie_login_sends_no_authorization():
    assert "Authorization" not in logged_in()(prepared()).headers


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "token=abc", id="no other cookie"),
        pytest.param("a=1; b=2", "a=1; b=2; token=abc", id="other cookies stay"),
        pytest.param("token=old; a=1", "a=1; token=abc", id="an old token is replaced"),
        pytest.param("mytoken=1", "mytoken=1; token=abc", id="a longer name stays"),
        pytest.param("a=token=1", "a=token=1; token=abc", id="a value stays"),
    ],
)
def test_cookie_replaces_only_the_token(before, after):
    """Other cookies, which a load balancer may need, are left alone."""
    request = prepared(Cookie=before) if before else prepared()

    assert logged_in()(request).headers["Cookie"] == after


def test_a_repeated_request_has_one_token_cookie():
    signed = logged_in()(prepared())

    assert logged_in("token=new")(signed).headers["Cookie"] == "token=new"


def test_without_a_login_there_is_no_cookie():
    cookie_auth = CookieAuth(HeaderAuth(Secret("Basic hunter2")))

    assert not cookie_auth.is_logged_in
    assert "Cookie" not in cookie_auth(prepared()).headers


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(
            "token=abc; Max-Age=5400; Secure", 5340, id="Max-Age of 90 minutes"
        ),
        pytest.param("token=abc; Max-Age=600", 540, id="Max-Age of 10 minutes"),
        pytest.param("token=abc", 5340, id="90 minutes by default"),
        pytest.param("token=abc; Max-Age=soon", 5340, id="90 minutes for a bad value"),
        pytest.param("token=abc; Max-Age=20", 10, id="half of a short Max-Age"),
    ],
)
def test_a_login_ends_shortly_before_its_cookie_expires(clock, header, seconds):
    cookie_auth = logged_in(header)

    clock.now += seconds - 1
    assert cookie_auth.is_logged_in
    clock.now += 1
    assert not cookie_auth.is_logged_in


@pytest.mark.parametrize(
    "cookies",
    [
        pytest.param([], id="none"),
        pytest.param(["JSESSIONID=1; Path=/"], id="another"),
        pytest.param(["token=; Max-Age=0"], id="an empty one"),
        pytest.param(["\x00;=;;"], id="not a cookie"),
    ],
)
def test_an_answer_without_a_token_cookie_is_not_accepted(cookies):
    cookie_auth = CookieAuth(HeaderAuth(Secret("Basic hunter2")))

    assert not cookie_auth.accept(login_answer(*cookies))
    assert not cookie_auth.is_logged_in


def test_the_token_cookie_is_found_among_several():
    """A cookie with a name that Python does not accept is skipped."""
    cookie_auth = CookieAuth(HeaderAuth(Secret("Basic hunter2")))
    cookies = "JSESSIONID=1; Path=/", "a@b=1", "token=abc; Max-Age=60", "lb=7"
    answer = login_answer(*cookies)

    assert cookie_auth.accept(answer)
    assert cookie_auth(prepared()).headers["Cookie"] == "token=abc"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("token", HeaderAuth), ("basic", HeaderAuth), ("cookie", CookieAuth)],
)
def test_the_kind_of_credential_decides_the_auth_class(kind, expected):
    made = auth_of(kind, "x")

    assert type(made) is expected


@pytest.mark.parametrize(
    "login",
    [
        pytest.param(auth_of("token", "s3cret"), id="token"),
        pytest.param(auth_of("basic", "s3cret"), id="basic"),
        pytest.param(logged_in("token=s3cret"), id="cookie"),
    ],
)
def test_auth_objects_hide_their_secrets(login):
    visible = f"{login!r} {login} {vars(login)}"

    assert "s3cret" not in visible
    assert "hunter2" not in visible
    assert "<hidden>" in repr(login)
