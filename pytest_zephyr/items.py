"""The plugin objects of every process that runs tests: items to the journal, stamps on reports."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_zephyr import journal as disk
from pytest_zephyr.guard import guarded
from pytest_zephyr.journal import JournalWriter
from pytest_zephyr.marks import item_of
from pytest_zephyr.marks import Marks
from pytest_zephyr.warning import PytestZephyrWarning


#: The attribute of a report that carries the stamp; plain JSON types only, so that
#: it survives the way from a worker.
STAMP = "zephyr"


class ItemLines:
    """Writes which test cases each selected item proves, where it was collected."""

    def __init__(self, writer: JournalWriter, marks: Marks) -> None:
        self._writer = writer
        self._marks = marks

    def note_bug(self, hook: str, error: Exception) -> None:
        """Forget it: the stamps say the same."""

    @pytest.hookimpl(tryfirst=True)
    @guarded
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._writer.append_all(
            [disk.item_line(item_of(item, self._marks)) for item in session.items]
        )

    @guarded
    def pytest_unconfigure(self) -> None:
        self._writer.close()


class Stamper:
    """Warns about markers, and stamps reports with the cases of their item."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._bugs: list[str] = []

    def note_bug(self, hook: str, error: Exception) -> None:
        self._bugs.append(f"{hook}: {error!r}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            problems = self._marks.of(item).problems
        except Exception as error:  # noqa: BLE001 - ours must not fail their test
            self.note_bug("pytest_runtest_setup", error)
            return
        for problem in problems:
            # With -W error this raises, which is what the user asked for.
            item.warn(PytestZephyrWarning(f"{item.nodeid}: {problem}"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        # Every test has a setup report, and it comes first.
        if call.when == "setup":
            self._stamp(item, report)
        return report

    @guarded
    def _stamp(self, item: pytest.Item, report: pytest.TestReport) -> None:
        stamp: dict[str, object] = {"bugs": self._bugs} if self._bugs else {}
        # Even if what follows fails, the controller hears of what failed before.
        setattr(report, STAMP, stamp)
        found = item_of(item, self._marks)
        stamp |= {"cases": list(found.cases), "title": found.title}
        self._bugs = []
