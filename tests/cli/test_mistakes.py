"""The most likely mistakes, and the line that a user reads about each.

A test has the name of its mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_zephyr.sandbox import Fault
from tests.client.servers import answer
from tests.client.servers import ConnectProxy
from tests.client.servers import unused_port


pytestmark = pytest.mark.usefixtures("target_variables")

INI = """
[pytest]
zephyr_project = Payments
zephyr_release = name:1.0
zephyr_cycle = Nightly
zephyr_phase = Smoke
zephyr_retries = 0
"""

SUITE = "import pytest\n@pytest.mark.zephyr({})\ndef test_a(): pass\n"


@pytest.fixture
def check(
    run_command: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Write an ini file that names the phase; return a function that calls `check`.

    The function returns the message of the only step that failed.
    """
    monkeypatch.delenv("ZEPHYR_PHASE")
    (pytester.path / "pytest.ini").write_text(INI)

    def call(*args: str) -> str:
        ran = run_command("check", *args)
        assert ran.ret == 1, ran.text
        (line,) = [
            line for line in ran.out.splitlines() if line.split()[1:2] == ["FAIL"]
        ]
        assert ran.out.splitlines()[-1] == "1 problem found"
        return str(line.split(maxsplit=2)[2])

    return call


@pytest.mark.parametrize("token", ["wrong", "expired"])
def test_a_token_that_is_not_accepted(check, target, monkeypatch, token):
    if token == "wrong":
        monkeypatch.setenv("ZEPHYR_TOKEN", "0" * 40)
    else:
        target.sandbox.faults.add(Fault(path="/user/current", status=401, times=None))

    assert check() == (
        f"login failed: {target.sandbox.url} (from ZEPHYR_URL) does not accept the token in"
        f" ZEPHYR_TOKEN. It is wrong, expired or revoked: create a new one in your Zephyr"
        f" profile and put it there."
    )


def test_an_address_pasted_from_the_browser_is_accepted(
    run_command, target, monkeypatch
):
    """The path, the query and the fragment are removed."""
    monkeypatch.setenv("ZEPHYR_URL", f"{target.sandbox.url}/flex/html5/release/1?a=1#b")
    ran = run_command("check")

    assert ran.out.splitlines()[1].split() == ["address", "ok", target.sandbox.url]
    assert ran.ret == 0


def test_an_address_with_another_path(check, target, monkeypatch):
    monkeypatch.setenv("ZEPHYR_URL", f"{target.sandbox.url}/projects/7")

    assert check() == (
        f"{target.sandbox.url}/projects/7 (from ZEPHYR_URL) answered 404 to GET"
        f" user/current, so it is not the address of Zephyr Enterprise. Try zephyr_url ="
        f" {target.sandbox.url}"
    )


def test_https_on_an_http_port(check, target, monkeypatch):
    url = target.sandbox.url.replace("http:", "https:")
    monkeypatch.setenv("ZEPHYR_URL", url)

    assert check() == (
        f"no answer from {url} (from ZEPHYR_URL): this port speaks http, not https. Set"
        f" zephyr_url to {target.sandbox.url}"
    )


def test_http_on_an_https_port(check, tls_sandbox, monkeypatch):
    url = tls_sandbox.url.replace("https:", "http:")
    monkeypatch.setenv("ZEPHYR_URL", url)

    assert check() == (
        f"no answer from {url} (from ZEPHYR_URL): the connection was closed. This port"
        f" may speak https; try zephyr_url = {tls_sandbox.url}"
    )


@pytest.mark.parametrize(
    "page",
    [
        b"<html>400 The plain HTTP request was sent to HTTPS port</html>",
        b"Bad Request\nThis combination of host and port requires TLS.\n",
    ],
    ids=["nginx", "Tomcat"],
)
def test_http_on_an_https_port_of_a_common_server(
    check, monkeypatch, start_server, page
):
    server = start_server(lambda _request: answer(page, 400, "text/html"))
    monkeypatch.setenv("ZEPHYR_URL", server.url)
    https = server.url.replace("http:", "https:")

    assert check() == (
        f"{server.url} (from ZEPHYR_URL) answered 400: this port speaks https, not"
        f" http. Set zephyr_url to {https}"
    )


@pytest.mark.parametrize(
    ("address", "suggestion"),
    [
        ("zephyr.example.com", "https://zephyr.example.com"),
        ("localhost:8765", "http://localhost:8765"),
    ],
)
def test_an_address_without_a_scheme(run_command, monkeypatch, address, suggestion):
    monkeypatch.setenv("ZEPHYR_URL", address)
    ran = run_command("check")

    assert ran.ret == 2
    assert ran.err == (
        f"zephyr: invalid zephyr_url '{address}' (from ZEPHYR_URL): expected https://host,"
        f" http://host or the word sandbox. Did you mean {suggestion}?\n"
    )


def test_a_wrong_project(check):
    assert check("--zephyr-project=Paymnets").startswith(
        "'Paymnets' (from --zephyr-project) is not a project of this server. Did you mean"
        " 'Payments'?"
    )


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_cycle_of_another_release(check, target, by):
    _, other, cycle, _ = target.sandbox.store.ensure_target(
        "Payments", "2.0", "Weekly", "Full"
    )
    value = {"name": "Weekly", "id": str(cycle)}[by]

    assert check(f"--zephyr-cycle={value}") == (
        f"'{value}' (from --zephyr-cycle) is not a cycle of release '1.0'. It is in release"
        f" '2.0' ({other}): set zephyr_release to that, or set zephyr_cycle to a"
        f" cycle of release '1.0': 'Nightly' ({target.cycle})."
    )


def test_a_typing_mistake_in_an_id(check, run_pytest, pytester):
    pytester.makepyfile(SUITE.format(1022))
    printed = run_pytest("--zephyr").text

    assert (
        "zephyr: test case 1022 is not known to Zephyr. Did you mean 102?"
        " (test_a_typing_mistake_in_an_id.py::test_a)"
    ) in printed.splitlines()


def test_a_marker_without_an_id(run_pytest, pytester):
    pytester.makepyfile(SUITE.format(""))
    printed = run_pytest("--zephyr").text

    assert (
        "PytestZephyrWarning: test_a_marker_without_an_id.py::test_a: the zephyr marker"
        " names no test case; give it an id, as in @pytest.mark.zephyr(101)"
    ) in printed


def test_a_host_name_that_cannot_be_resolved(check, monkeypatch):
    monkeypatch.setenv("ZEPHYR_URL", "https://no-such-host.invalid")

    assert check() == (
        "no answer from https://no-such-host.invalid (from ZEPHYR_URL): the host name"
        " no-such-host.invalid cannot be resolved. Check its spelling and your network; if"
        " this network needs a proxy, set zephyr_proxy."
    )


def test_a_port_where_nobody_listens(check, monkeypatch):
    """If it is a port of this machine, the message says how to start a server there."""
    port = unused_port()
    monkeypatch.setenv("ZEPHYR_URL", f"http://127.0.0.1:{port}")
    printed = check()

    assert printed.startswith(
        f"no answer from http://127.0.0.1:{port} (from ZEPHYR_URL): connection refused."
        f" Nothing listens on port {port} of this machine. To start the embedded server"
        f" there: "
    )
    assert printed.endswith(f" sandbox --port {port}")


def test_a_proxy_that_is_not_running(check, monkeypatch):
    monkeypatch.setenv("ZEPHYR_URL", "http://zephyr.example")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{(port := unused_port())}")

    assert check() == (
        f"no connection through the proxy http://127.0.0.1:{port} (from HTTP_PROXY) to"
        f" http://zephyr.example (from ZEPHYR_URL): connection refused. Check the address"
        f" of the proxy; to connect without it, add zephyr.example to NO_PROXY."
    )


def test_a_proxy_that_requires_a_password(check, monkeypatch):
    with ConnectProxy("s3cret") as proxy:
        monkeypatch.setenv("ZEPHYR_URL", "https://zephyr.example")
        monkeypatch.setenv("ZEPHYR_PROXY", proxy.url)

        assert check() == (
            f"no connection through the proxy {proxy.url} (from ZEPHYR_PROXY): it requires a"
            f" user name and password (407). Set ZEPHYR_PROXY to"
            f" http://USER:PASSWORD@HOST:PORT."
        )


def test_a_certificate_that_is_not_trusted(check, tls_sandbox, monkeypatch):
    monkeypatch.setenv("ZEPHYR_URL", tls_sandbox.url)

    assert check() == (
        f"the certificate of {tls_sandbox.url} (from ZEPHYR_URL) is not trusted: this"
        f" machine does not know the authority that signed it. Ask the administrator of"
        f" the server for the certificate of the authority that signed it, and set"
        f" zephyr_verify to the path of that file."
    )


def test_a_missing_permission(check, target):
    target.sandbox.faults.add(Fault(path="/cycle/release", status=403, times=None))

    assert check() == (
        f"permission denied: user 'Test Manager' (token in ZEPHYR_TOKEN) may not read"
        f" cycles and phases in project 'Payments'. Ask a Zephyr administrator to allow it."
        f" ({target.sandbox.url} (from ZEPHYR_URL) answered 403 to GET"
        f" cycle/release/{target.release}: Forbidden)"
    )


def test_a_permission_that_is_missing_when_results_are_written(
    check, run_pytest, pytester, target
):
    target.sandbox.faults.add(Fault("PUT", status=403, times=None))
    pytester.makepyfile(SUITE.format(101))
    printed = run_pytest("--zephyr").text

    assert (
        f"zephyr: permission denied: user 'Test Manager' (token in ZEPHYR_TOKEN) may not"
        f" change executions in project 'Payments'. Ask a Zephyr administrator to allow"
        f" it. ({target.sandbox.url} (from ZEPHYR_URL) answered 403 to PUT"
        f" execution/bulk/execute: Forbidden)"
    ) in printed.splitlines()


def test_a_wrong_value(run_command, pytester):
    ran = run_command("check", "--zephyr-create=X")

    assert ran.ret == 2
    assert ran.err == (
        "zephyr: invalid zephyr_create 'X' (from --zephyr-create): choose never,"
        " execution, phase or cycle.\n"
    )
