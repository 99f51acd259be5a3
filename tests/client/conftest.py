"""Settings for a server, a client that is logged in to it, and servers that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
import ssl
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from pytest_zephyr.client import adapter
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.transport import Transport
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.sandbox import Sandbox
from tests.client.servers import Answer
from tests.client.servers import ScriptedServer
from tests.client.servers import settings_for
from tests.client.talk import TOKEN
from tests.conftest import CASES
from tests.conftest import World
from tests.contract.contract import Contract
from tests.contract.contract import ContractMiddleware


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World]:
    """The database of a world; its sandbox has ended."""
    path = tmp_path_factory.mktemp("filled") / "sandbox.db"
    with Sandbox(path) as sandbox:
        places = sandbox.store.ensure_target("Payments", "1.0", "Nightly", "Smoke")
        world = World(sandbox, *places)
        world.schedule(*CASES)
    return path, world


@pytest.fixture
def sandbox(
    filled: tuple[Path, World], contract: Contract, tmp_path: Path
) -> Iterator[Sandbox]:
    """A sandbox as everywhere, but over a copy: filling takes longer than a test."""
    watched: list[ContractMiddleware] = []

    def wrap(app: Any) -> Any:
        watched.append(ContractMiddleware(app, contract))
        return watched[-1]

    path = tmp_path / "sandbox.db"
    copyfile(filled[0], path)
    with Sandbox(path, wrap=wrap) as sandbox:
        yield sandbox
    assert [each.violations for each in watched] == [[]]


@pytest.fixture
def world(filled: tuple[Path, World], sandbox: Sandbox) -> World:
    """The world of all tests, over a copy of its database."""
    return replace(filled[1], sandbox=sandbox)


@pytest.fixture
def settings(world: World) -> Callable[..., Settings]:
    """Make settings that name the sandbox, its token and the phase of *world*.

    A keyword is an option as a user would write it; `None` takes one away.
    """

    def make(token: str | None = None, **options: Any) -> Settings:
        options = {"url": world.sandbox.url, "phase": world.phase, **options}
        return settings_for(token or world.sandbox.token, **options)

    return make


@pytest.fixture
def connected() -> Iterator[Callable[[Settings], Transport]]:
    """Open transports that are closed at the end, each with its own deadline."""
    with ExitStack() as stack:

        def connect(settings: Settings) -> Transport:
            assert settings.url is not None
            assert settings.credential is not None
            deadline = Deadline(settings.deadline)
            return stack.enter_context(
                Transport(settings.url, settings.credential, settings, deadline)
            )

        yield connect


@pytest.fixture
def client(
    settings: Callable[..., Settings], connected: Callable[[Settings], Transport]
) -> Client:
    return Client(connected(settings()))


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Start servers that answer what a function says."""
    with ExitStack() as stack:

        def start(answer: Answer, **options: Any) -> ScriptedServer:
            return stack.enter_context(ScriptedServer(answer, **options))

        yield start


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between repeats, which are noted and not made."""
    pauses: list[float] = []
    monkeypatch.setattr(adapter, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


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
def to_server(connected: Callable[[Settings], Transport]) -> Callable[..., Transport]:
    """Connect to an address with a token."""

    def connect(url: str, **options: Any) -> Transport:
        return connected(settings_for(TOKEN, url=url, **options))

    return connect
