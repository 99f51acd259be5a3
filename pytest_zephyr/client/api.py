"""The client of the Zephyr API, put together from groups of calls."""

from __future__ import annotations

from pytest_zephyr.client.executions import ExecutionCalls
from pytest_zephyr.client.projects import ProjectCalls


class Client(ProjectCalls, ExecutionCalls):
    """All calls; each is a method."""
