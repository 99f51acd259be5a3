"""The client: one method for each call of the Zephyr API that is used."""

from __future__ import annotations

from pytest_zephyr.client.executions import ExecutionCalls
from pytest_zephyr.client.projects import ProjectCalls


class Client(ProjectCalls, ExecutionCalls):
    """All calls, over one `Transport`."""
