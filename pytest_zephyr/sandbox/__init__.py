"""A Zephyr Enterprise server for demos and tests, with its data in SQLite."""

from __future__ import annotations

from pytest_zephyr.sandbox.app import create_app
from pytest_zephyr.sandbox.data.demo import add_demo
from pytest_zephyr.sandbox.data.states import CaseState
from pytest_zephyr.sandbox.data.states import ExecutionState
from pytest_zephyr.sandbox.data.store import Store
from pytest_zephyr.sandbox.faults import Fault
from pytest_zephyr.sandbox.faults import Faults
from pytest_zephyr.sandbox.server import Request
from pytest_zephyr.sandbox.server import Sandbox


__all__ = [
    "CaseState",
    "ExecutionState",
    "Fault",
    "Faults",
    "Request",
    "Sandbox",
    "Store",
    "add_demo",
    "create_app",
]
