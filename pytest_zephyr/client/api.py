"""The client: one method for each call of the Zephyr API that is used."""

from __future__ import annotations

from pytest_zephyr.client.executions import ExecutionCalls
from pytest_zephyr.client.projects import ProjectCalls
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import Settings


class Client(ProjectCalls, ExecutionCalls):
    """All calls, over one HTTP session."""


def connect(
    settings: Settings,
    deadline: Deadline | None = None,
    clock_offset: int = 0,
    user: str = "",
) -> Client:
    """Open a client for the server in *settings*, by default with their deadline.

    *clock_offset* is how far the server's clock was ahead when it was last read, *user*
    the user whose credential it is, if that is known.
    """
    assert settings.url is not None
    assert settings.credential is not None
    deadline = deadline or Deadline(settings.deadline)
    client = Client(settings.url, settings.credential, settings, deadline)
    client.clock_offset = clock_offset
    client.server.user = user
    return client
