"""Logins to a server: which ones work, when they are renewed, and their errors."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

import pytest

from pytest_zephyr.client import auth
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.sandbox import Fault
from tests.client.calls import push_nodes
from tests.client.servers import answer
from tests.client.servers import settings_for
from tests.conftest import SandboxTarget


PASSED = NodeResult("test_a.py::test_one", Outcome.PASSED, (101,), at=1_764_633_600_000)


def deliver(settings: Settings) -> Delivery:
    """Push the result of one test that passed."""
    return push_nodes(settings, [PASSED])


@pytest.fixture
def make_password_settings(target: SandboxTarget) -> Callable[..., Settings]:
    """Return a function that makes settings with the sandbox's user name and password."""

    def make(auth: str, **options: Any) -> Settings:
        defaults: dict[str, Any] = {
            "username": target.sandbox.username,
            "password": target.sandbox.password,
            "url": target.sandbox.url,
            "phase": target.phase,
        }
        return settings_for(auth=auth, **{**defaults, **options})

    return make


def test_results_are_delivered_with_a_token(target, make_settings):
    delivery = deliver(make_settings())

    assert delivery.complete
    assert target.execution(101).status == "1"
    assert target.count_requests("/manifest") == 0


@pytest.mark.parametrize("kind", ["auto", "basic"])
def test_results_are_delivered_with_user_and_password(
    target, make_password_settings, kind
):
    delivery = deliver(make_password_settings(kind))

    assert delivery.complete
    assert target.execution(101).status == "1"
    assert target.count_requests("/manifest") == 0


def test_results_are_delivered_with_a_cookie_after_one_login(
    target, make_password_settings
):
    """An ordinary cookie jar would not send a Secure cookie over plain http."""
    delivery = deliver(make_password_settings("cookie"))

    assert delivery.complete
    assert target.execution(101).status == "1"
    assert target.count_requests("/manifest") == 1


def test_a_cookie_that_expires_before_the_write_is_renewed(
    target, make_password_settings
):
    target.sandbox.faults.add(
        Fault("PUT", "/execution/bulk/execute", kind="expire_cookie")
    )

    delivery = deliver(make_password_settings("cookie"))

    assert delivery.complete
    assert target.execution(101).result_count == 1
    assert target.count_requests("/manifest") == 2


def test_cookies_that_expire_between_calls_are_renewed(
    target, make_password_settings, connect
):
    client = connect(make_password_settings("cookie"))
    client.current_user()
    target.sandbox.store.expire_cookies()

    assert client.current_user().name
    assert target.count_requests("/manifest") == 2


def test_a_cookie_is_renewed_shortly_before_its_end(
    target, make_password_settings, connect, monkeypatch
):
    """After 90 minutes less a margin there is a new login instead of a 401."""
    client = connect(make_password_settings("cookie"))
    client.current_user()
    later = time.monotonic() + 5341
    monkeypatch.setattr(auth, "monotonic", lambda: later)

    client.current_user()

    assert target.count_requests("/manifest") == 2
    assert {each.status for each in target.sandbox.requests} == {200}


def test_a_cookie_that_is_never_accepted_is_renewed_once(
    target, make_password_settings, connect
):
    target.sandbox.faults.add(
        Fault("GET", "/user/current", kind="expire_cookie", times=None)
    )

    with pytest.raises(ZephyrUnauthorized):
        connect(make_password_settings("cookie")).current_user()

    assert target.count_requests("/manifest") == 2
    assert len(target.sandbox.requests) == 4


def test_a_wrong_password_is_tried_once(target, make_password_settings, connect):
    client = connect(make_password_settings("cookie", password="wr0ng-password"))

    with pytest.raises(ZephyrUnauthorized) as caught:
        client.current_user()

    assert [each.status for each in target.sandbox.requests] == [401]
    assert str(caught.value) == (
        f"login failed: {target.sandbox.url} (from --zephyr-url) does not accept user"
        f" 'test.manager' with the password in ZEPHYR_PASSWORD. Correct ZEPHYR_USERNAME"
        f" or ZEPHYR_PASSWORD; a server with single sign-on accepts only a token,"
        f" ZEPHYR_TOKEN."
    )


def test_a_password_that_changes_after_the_first_login_is_reported(
    target, make_password_settings, connect
):
    """The cookie expires, and the new login is refused."""
    client = connect(make_password_settings("cookie"))
    client.current_user()
    target.sandbox.store.expire_cookies()
    target.sandbox.faults.add(Fault("GET", "/manifest", status=401, times=None))

    with pytest.raises(
        ZephyrUnauthorized, match="with the password in ZEPHYR_PASSWORD"
    ):
        client.current_user()

    assert target.count_requests("/manifest") == 2


def test_a_login_without_a_cookie_advises_a_token(
    start_server, make_password_settings, connect
):
    server = start_server(lambda _request: answer({}))

    with pytest.raises(ZephyrRefused, match=r"set no cookie named token.*ZEPHYR_TOKEN"):
        connect(make_password_settings("cookie", url=server.url)).current_user()


def test_a_wrong_token_is_reported_in_one_line_with_its_source(target, make_settings):
    delivery = deliver(make_settings(token="wr0ng-token"))

    assert str(delivery.error) == (
        f"login failed: {target.sandbox.url} (from --zephyr-url) does not accept the token"
        f" in ZEPHYR_TOKEN. It is wrong, expired or revoked: create a new one in your"
        f" Zephyr profile and put it there."
    )
    assert delivery.pending == 1
    assert target.execution(101).status is None


def test_a_wrong_basic_password_is_reported_in_one_line(target, make_password_settings):
    delivery = deliver(make_password_settings("basic", password="wr0ng-password"))

    text = str(delivery.error)
    assert text.startswith(f"login failed: {target.sandbox.url} ")
    assert "with the password in ZEPHYR_PASSWORD" in text
    assert "\n" not in text
    assert "wr0ng-password" not in text


def test_a_missing_permission_is_reported_with_the_message_of_the_server(
    target, make_settings
):
    """Every call but user/current gets a 403; the message names the user."""
    _, token = target.sandbox.store.add_user("guest", "guest", has_permissions=False)

    delivery = deliver(make_settings(token=token))

    assert isinstance(delivery.error, ZephyrUnauthorized)
    assert delivery.error.http_status == 403
    text = str(delivery.error)
    assert "User does not have access to perform this operation" in text
    assert text.startswith(
        "permission denied: user 'Guest' (token in ZEPHYR_TOKEN) may"
    )
    assert "Ask a Zephyr administrator to allow it." in text


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    """Set the home directory to one whose netrc file has a login for the server."""
    path = tmp_path / ".netrc"
    path.write_text("machine 127.0.0.1 login mallory password n3trc\n")
    path.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))


@pytest.mark.usefixtures("netrc")
def test_netrc_does_not_override_a_token(start_server, connect):
    server = start_server(lambda _request: answer({"id": 1}))
    transport = connect(settings_for("t0ken", url=server.url))

    transport.send("GET", "user/current")

    assert server.requests[0].headers["authorization"] == "Bearer t0ken"


@pytest.mark.usefixtures("netrc")
def test_netrc_adds_no_credential_to_a_cookie(
    start_server, make_password_settings, connect
):
    server = start_server(lambda _request: answer({"id": 1}, Set_Cookie="token=abc"))
    transport = connect(make_password_settings("cookie", url=server.url))

    transport.send("GET", "user/current")

    login, call = server.requests
    assert login.headers["authorization"].startswith("Basic ")
    assert call.headers["cookie"] == "token=abc"
    assert "authorization" not in call.headers


@pytest.mark.parametrize("kind", ["token", "basic"])
def test_cookies_are_not_stored_with_a_token_or_password(
    start_server, make_password_settings, connect, kind
):
    """A session cookie next to a token could mix two logins."""
    server = start_server(
        lambda _request: answer({"id": 1}, Set_Cookie="token=abc; Path=/")
    )
    chosen = (
        settings_for("t0ken", url=server.url)
        if kind == "token"
        else make_password_settings(kind, url=server.url)
    )
    transport = connect(chosen)

    transport.send("GET", "user/current")
    transport.send("GET", "user/current")

    assert ["cookie" in each.headers for each in server.requests] == [False, False]


def test_other_cookies_of_a_cookie_login_are_kept(
    start_server, make_password_settings, connect
):
    """A load balancer may need its own cookie to find the session again."""

    def respond(request):
        if request.path == "manifest":
            return answer({}, Set_Cookie="token=abc\r\nSet-Cookie: lb=7; Path=/")
        return answer({"id": 1})

    server = start_server(respond)
    connect(make_password_settings("cookie", url=server.url)).send(
        "GET", "user/current"
    )

    pairs = server.requests[1].headers["cookie"].split("; ")
    assert sorted(pairs) == ["lb=7", "token=abc"]


@pytest.mark.parametrize("kind", ["basic", "cookie"])
def test_a_server_without_version_3_of_the_api_is_used(
    target, make_password_settings, kind
):
    target.sandbox.faults.add(Fault(path="/v3/", kind="missing", times=None))

    delivery = deliver(make_password_settings(kind))

    assert delivery.complete
    assert target.execution(101).status == "1"
    assert sum("/v3/" in each.path for each in target.sandbox.requests) == 1


def test_an_address_without_zephyr_is_reported(start_server, connect):
    server = start_server(lambda _request: answer(status=404))

    with pytest.raises(
        ZephyrRefused, match=r"^http://127.* answered 404 to GET user/current"
    ):
        connect(settings_for("t0ken", url=server.url)).current_user()

    assert len(server.requests) == 2
