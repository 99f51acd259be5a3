"""Hooks for conftest files and plugins; they run where the test runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_zephyr.plugin.fixture import ZephyrRecord

    #: What `pytest_zephyr_cases` may return: ids as a marker takes them, or a marker.
    Cases = int | str | Iterable[int | str] | pytest.MarkDecorator | None


@pytest.hookspec(firstresult=True)
def pytest_zephyr_cases(item: pytest.Item) -> Cases:
    r"""Return the test cases that *item* proves; they replace those of its markers.

    `None` keeps the markers' cases, an empty list reports the test to none. The first
    result that is not `None` wins. For Alt IDs return a marker::

        def pytest_zephyr_cases(item):
            if match := re.search(r"_TC(\d+)", item.name):
                return int(match[1])
    """


@pytest.hookspec
def pytest_zephyr_record(item: pytest.Item, record: ZephyrRecord) -> None:
    """Add to the result of *item*, or change its failure text.

    Called for every report of a test, before its fixtures are torn down::

        def pytest_zephyr_record(item, record):
            if record.failed and "page" in item.funcargs:
                record.attach(item.funcargs["page"].screenshot(), name="page.png")
    """
