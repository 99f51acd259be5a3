"""Deselects tests whose test case is not in the phase (``--zephyr-only-planned``)."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection

import pytest

from pytest_zephyr.journal.format import Deselected
from pytest_zephyr.journal.format import line_of
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.results.records import CaseRef


class OnlyPlanned:
    """Deselects tests without a test case in the phase, where tests are collected.

    *planned* returns the test cases of the phase, `None` if they could not be read.
    """

    def __init__(
        self,
        planned: Callable[[], Collection[CaseRef] | None],
        marks: Marks,
        writer: JournalWriter,
    ) -> None:
        self._planned = planned
        self._marks = marks
        self._writer = writer

    # First of its hook, but after all plugins that modify the items.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        planned = self._planned()
        if planned is None:
            return
        selected: list[pytest.Item] = []
        others: list[pytest.Item] = []
        for item in session.items:
            chosen = any(case in planned for case in self._marks.of(item).cases)
            (selected if chosen else others).append(item)
        if others:
            session.config.hook.pytest_deselected(items=others)
            session.items[:] = selected
            self._writer.append(line_of(Deselected(len(others))))
