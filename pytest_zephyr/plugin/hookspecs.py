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
    r"""Return the test cases that *item* verifies; they replace those of its markers.

    The result is an id as a marker takes it (``7``, ``"7"``, ``"TC-7"``), an iterable of
    them, or a marker, such as ``pytest.mark.zephyr(alt="AUTH-1")`` for an Alt ID. `None`
    keeps the markers' test cases, an empty list reports the test to none. The first
    result that is not `None` wins. An exception, or an id that is not valid, is a
    `PytestZephyrWarning` on the test::

        def pytest_zephyr_cases(item):
            if match := re.search(r"_TC(\d+)", item.name):
                return int(match[1])
    """


@pytest.hookspec
def pytest_zephyr_record(item: pytest.Item, record: ZephyrRecord) -> None:
    """Add to the result of *item*, or change its failure text.

    Called for every report of a test, setup, call and teardown; at that of the call its
    fixtures are still active. The return value is ignored, and an exception is a
    `PytestZephyrWarning` on the test::

        def pytest_zephyr_record(item, record):
            if record.failed and "page" in item.funcargs:
                record.attach(item.funcargs["page"].screenshot(), name="page.png")
    """
