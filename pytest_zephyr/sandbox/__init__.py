"""A Zephyr Enterprise server to try things on: real HTTP over a real database."""

from __future__ import annotations

from pytest_zephyr.sandbox.app import create_app
from pytest_zephyr.sandbox.faults import Fault
from pytest_zephyr.sandbox.faults import Faults
from pytest_zephyr.sandbox.server import Request
from pytest_zephyr.sandbox.server import Sandbox
from pytest_zephyr.sandbox.states import CaseState
from pytest_zephyr.sandbox.states import CycleState
from pytest_zephyr.sandbox.states import ExecutionState
from pytest_zephyr.sandbox.states import PhaseState
from pytest_zephyr.sandbox.states import ProjectState
from pytest_zephyr.sandbox.states import ReleaseState
from pytest_zephyr.sandbox.store import Store


__all__ = [
    "CaseState",
    "CycleState",
    "ExecutionState",
    "Fault",
    "Faults",
    "PhaseState",
    "ProjectState",
    "ReleaseState",
    "Request",
    "Sandbox",
    "Store",
    "create_app",
]
