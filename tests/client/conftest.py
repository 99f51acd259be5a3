"""Fixtures: settings, clients that are logged in, and servers with odd answers."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
import ssl
from typing import Any

import pytest
import trustme

from pytest_zephyr import clock
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import Settings
from tests.client.calls import TOKEN
from tests.client.servers import Answer
from tests.client.servers import ScriptedServer
from tests.client.servers import settings_for
from tests.conftest import SandboxTarget


@pytest.fixture
def settings(target: SandboxTarget) -> Callable[..., Settings]:
    """Make settings that name the sandbox, its token and the phase of *target*.

    A keyword is an option as a user would write it; `None` removes one.
    """

    def make(token: str | None = None, **options: Any) -> Settings:
        options = {"url": target.sandbox.url, "phase": target.phase, **options}
        return settings_for(token or target.sandbox.token, **options)

    return make


@pytest.fixture
def connected() -> Iterator[Callable[..., Client]]:
    """Open clients that are closed at the end, each with its own deadline."""
    with ExitStack() as stack:

        def connect(settings: Settings, kind: type[Client] = Client) -> Client:
            return stack.enter_context(kind(settings))

        yield connect


@pytest.fixture
def client(
    settings: Callable[..., Settings], connected: Callable[..., Client]
) -> Client:
    return connected(settings())


@pytest.fixture
def expire_deadlines_when(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[], bool]], None]:
    """Return a function that ends every time budget as soon as *happened* is true."""
    now = clock.monotonic

    def expire(happened: Callable[[], bool]) -> None:
        monkeypatch.setattr(
            clock, "monotonic", lambda: now() + (1e6 if happened() else 0)
        )

    return expire


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Start servers that answer with the result of a function."""
    with ExitStack() as stack:

        def start(answer: Answer, **options: Any) -> ScriptedServer:
            return stack.enter_context(ScriptedServer(answer, **options))

        yield start


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def to_server(connected: Callable[..., Client]) -> Callable[..., Client]:
    """Connect to an address with a token."""

    def connect(url: str, **options: Any) -> Client:
        return connected(settings_for(TOKEN, url=url, **options))

    return connect
