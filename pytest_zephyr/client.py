"""One method per Zephyr call that we use: plain values in, our own things out."""

from __future__ import annotations

from pytest_zephyr.evidence_calls import EvidenceCalls
from pytest_zephyr.execution_calls import ExecutionCalls
from pytest_zephyr.repository_calls import RepositoryCalls
from pytest_zephyr.target_calls import TargetCalls


class Client(TargetCalls, RepositoryCalls, ExecutionCalls, EvidenceCalls):
    """The calls of API section 3 over one `Transport`."""
