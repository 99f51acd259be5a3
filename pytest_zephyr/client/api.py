"""One method per Zephyr call that we use: plain values in, our own things out."""

from __future__ import annotations

from pytest_zephyr.client.attachments import EvidenceCalls
from pytest_zephyr.client.executions import ExecutionCalls
from pytest_zephyr.client.repository import RepositoryCalls
from pytest_zephyr.client.targets import TargetCalls


class Client(TargetCalls, RepositoryCalls, ExecutionCalls, EvidenceCalls):
    """The calls of API section 3 over one `Transport`."""
