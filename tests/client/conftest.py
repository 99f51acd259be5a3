"""Fixtures: settings, clients with a credential, spent time budgets, and a CA file."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from pytest_zephyr import clock
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import Settings
from tests.client.calls import TOKEN
from tests.client.servers import settings_for
from tests.conftest import SandboxTarget


@pytest.fixture
def make_settings(target: SandboxTarget) -> Callable[..., Settings]:
    """Return a function that makes settings for the sandbox and phase of *target*.

    *token* defaults to that of the sandbox. Each other keyword is an option as a user
    would write it; `None` removes it.
    """

    def make(token: str | None = None, **options: Any) -> Settings:
        options = {"url": target.sandbox.url, "phase": target.phase, **options}
        return settings_for(token or target.sandbox.token, **options)

    return make


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Return a function that opens a client, which is closed when the test ends."""
    with ExitStack() as stack:

        def open_client(
            settings: Settings, client_class: type[Client] = Client
        ) -> Client:
            return stack.enter_context(client_class(settings))

        yield open_client


@pytest.fixture
def client(
    make_settings: Callable[..., Settings], connect: Callable[..., Client]
) -> Client:
    return connect(make_settings())


@pytest.fixture
def expire_deadlines_when(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[], bool]], None]:
    """Return a function that ends every time budget as soon as *happened* returns true."""
    now = clock.monotonic

    def expire(happened: Callable[[], bool]) -> None:
        monkeypatch.setattr(
            clock, "monotonic", lambda: now() + (1e6 if happened() else 0)
        )

    return expire


@pytest.fixture
def ca_file(certificate_authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    certificate_authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def connect_to(connect: Callable[..., Client]) -> Callable[..., Client]:
    """Return a function that opens a client with `TOKEN` for an address."""

    def open_client(url: str, **options: Any) -> Client:
        return connect(settings_for(TOKEN, url=url, **options))

    return open_client
