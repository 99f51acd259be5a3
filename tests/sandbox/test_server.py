"""The sandbox as a server: start and stop, connections, threads, and its database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import socket
import ssl
import threading
import time
from typing import Any

import pytest
import requests
import trustme
from urllib3.util.connection import create_connection

from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from tests.sandbox.conftest import Api


def test_stop_ends_every_thread() -> None:
    """Idle connections keep no thread alive; stopping twice is allowed."""
    before = threading.active_count()
    sandbox = Sandbox().start()
    with requests.Session() as http:
        http.get(sandbox.url, timeout=30)
        sandbox.stop()
    sandbox.stop()

    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["hang", "hang_after", "latency"])
def test_stop_does_not_wait_for_a_hanging_request(kind: str) -> None:
    """A fault that would last an hour ends when the server stops."""
    before = threading.active_count()
    with Sandbox() as sandbox:
        sandbox.faults.add(Fault(kind=kind, seconds=3600))  # type: ignore[arg-type]
        address = sandbox.url.removeprefix("http://").split(":")
        client = socket.create_connection((address[0], int(address[1])), timeout=30)
        with client:
            client.sendall(b"GET /flex/x HTTP/1.1\r\nHost: x\r\n\r\n")
            while not sandbox.faults.listed()[0]["met"]:
                time.sleep(0.001)
            sandbox.stop()

    assert threading.active_count() == before


def test_connection_stays_open(sandbox: Sandbox, api: Api) -> None:
    """Requests of one client share a connection, also those answered with errors."""
    connections = []

    def count(*args: Any, **kwargs: Any) -> socket.socket:
        connections.append(args)
        return create_connection(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("urllib3.util.connection.create_connection", count)
        for path in ("/user/current", "/nowhere", "/cycle", "/testcase/1/teststep"):
            api.get(path)
        api.post("/cycle", json={"a": 1})
        api.get("/user/current")

    assert len(connections) == 1
    assert len(sandbox.requests) == 6


def test_small_answers_are_one_packet(sandbox: Sandbox) -> None:
    """A client gets headers and body with one read."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    call = f"GET /flex/services/rest/v3/user/current HTTP/1.1\r\nHost: {host}\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"{call}Authorization: Bearer {sandbox.token}\r\n\r\n".encode())
        head, _, body = client.recv(65536).partition(b"\r\n\r\n")

    assert f"Content-Length: {len(body)}".encode() in head


def test_requests_are_recorded(sandbox: Sandbox, api: Api) -> None:
    """Method, path, query, status and body are there, oldest first."""
    api.get("/execution", params={"ids": [1, 2], "offset": ""})
    api.post("/cycle", json={"name": "ü"})

    first, second = sandbox.requests
    assert first.path == "/flex/services/rest/v3/execution"
    assert first.query == {"ids": ["1", "2"], "offset": [""]}
    assert (first.method, first.status, first.body) == ("GET", 200, None)
    assert (second.method, second.status) == ("POST", 400)
    assert second.body == b'{"name": "\\u00fc"}'
    sandbox.requests.clear()
    assert sandbox.requests == []


def test_database_outlives_the_server(tmp_path: Path) -> None:
    """A sandbox with the same database has the same credentials and data."""
    db = tmp_path / "zephyr.db"
    with Sandbox(db) as sandbox:
        token, password = sandbox.token, sandbox.password
        sandbox.store.ensure_target("P", "R", "C", "Phase")
    with Sandbox(db) as sandbox:
        assert (sandbox.token, sandbox.password) == (token, password)
        assert [project.name for project in sandbox.store.projects()] == ["P"]


def test_credentials_are_random() -> None:
    """Two sandboxes share neither token nor password."""
    with Sandbox() as one, Sandbox() as two:
        assert one.token != two.token
        assert one.password != two.password


def test_stopped_sandbox_starts_again_at_the_same_port(tmp_path: Path) -> None:
    """A sandbox can be started on the port of an earlier one, and again after a stop."""
    with Sandbox(tmp_path / "a.db") as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
    again = Sandbox(tmp_path / "a.db", port=port)
    for _ in range(2):
        with again:
            assert again.url.endswith(f":{port}")
            assert requests.get(again.url, timeout=30).status_code == 200


def test_taken_port_raises_oserror(sandbox: Sandbox) -> None:
    """The error says that the address is in use."""
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=int(sandbox.url.rpartition(":")[2])).start()


def test_body_may_be_sent_in_chunks(api: Api) -> None:
    """The connection is usable afterwards."""
    answer = api.post(
        "/usertoken/",
        data=iter([b'{"label":', b'"ci"}']),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 200
    assert api.get("/user/current").status_code == 200


def test_nothing_is_printed(
    sandbox: Sandbox, api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    """Requests, closed connections and invalid requests print nothing."""
    api.get("/user/current")
    api.get("/nowhere")
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))):
        pass
    with socket.create_connection(
        ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    ) as client:
        client.sendall(b"nonsense\r\n\r\n")
        client.recv(1000)
    sandbox.stop()

    assert capfd.readouterr() == ("", "")


def test_server_speaks_tls(tmp_path: Path) -> None:
    """With an SSL context, the address of the server begins with https."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)

    with Sandbox(tls=context) as sandbox, requests.Session() as http:
        assert sandbox.url.startswith("https://")
        assert http.get(sandbox.url, verify=str(bundle), timeout=30).status_code == 200
        login = http.get(
            f"{sandbox.url}/flex/services/rest/latest/manifest",
            auth=(sandbox.username, sandbox.password),
            verify=str(bundle),
            timeout=30,
        )
        assert login.cookies["token"]
        # Over TLS an ordinary cookie jar sends the Secure cookie by itself.
        current = f"{sandbox.url}/flex/services/rest/latest/user/current"
        assert http.get(current, verify=str(bundle), timeout=30).status_code == 200


@pytest.mark.parametrize(
    "read", [lambda s: s.store, lambda s: s.token], ids=["store", "token"]
)
def test_sandbox_that_is_not_running_has_no_data(
    read: Callable[[Sandbox], object],
) -> None:
    """Reading its data raises RuntimeError."""
    with pytest.raises(RuntimeError, match="not running"):
        read(Sandbox())
