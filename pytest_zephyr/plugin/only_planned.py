"""Only what is planned runs: tests whose test case is in the phase (``--zephyr-only-planned``)."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection

import pytest

from pytest_zephyr.journal.format import Deselected
from pytest_zephyr.journal.format import line_of
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.results.records import CaseRef


#: Returns the names of the test cases of the phase, `None` if they could not be read.
Plan = Callable[[], Collection[CaseRef] | None]


class OnlyPlanned:
    """Deselects, where tests are collected, what the *plan* does not hold."""

    def __init__(self, plan: Plan, marks: Marks, writer: JournalWriter) -> None:
        self._plan = plan
        self._marks = marks
        self._writer = writer

    # First, and after every other plugin has had its way with the items.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        config, items = session.config, session.items
        plan = self._plan()
        if plan is None:
            return
        planned: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in items:
            cases = self._marks.of(item).cases
            chosen = any(case in plan for case in cases)
            (planned if chosen else others).append(item)
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = planned
            self._writer.append(line_of(Deselected(len(others))))
