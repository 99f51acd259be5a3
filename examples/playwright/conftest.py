"""Attach the files that Playwright wrote for a test to its result."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_zephyr import ZephyrRecord


if not find_spec("pytest_playwright"):
    pytest_plugins = ["fake_playwright"]


def pytest_zephyr_record(item: pytest.Function, record: ZephyrRecord) -> None:
    if record.when == "teardown" and "output_path" in item.funcargs:
        for path in sorted(Path(item.funcargs["output_path"]).glob("*.*")):
            record.attach(path)
