"""The client: one method for each call of the Zephyr API that is used."""

from __future__ import annotations

from pytest_zephyr.client.attachments import EvidenceCalls
from pytest_zephyr.client.executions import ExecutionCalls
from pytest_zephyr.client.repository import RepositoryCalls
from pytest_zephyr.client.targets import TargetCalls


class Client(TargetCalls, RepositoryCalls, ExecutionCalls, EvidenceCalls):
    """All calls, over one HTTP session."""
