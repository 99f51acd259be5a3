"""The plugin objects of every process that runs tests: items to the journal, stamps on reports."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import pytest

from pytest_zephyr.config.settings import Capture
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.fixture import Zephyr
from pytest_zephyr.plugin.fixture import ZephyrRecord
from pytest_zephyr.plugin.guard import blame
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.marks import item_of
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.plugin.marks import secret_values
from pytest_zephyr.plugin.warning import HOOK_ERRORS
from pytest_zephyr.plugin.warning import PytestZephyrWarning
from pytest_zephyr.secret import Scrubber


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
            [
                journal_format.item_line(item_of(item, self._marks))
                for item in session.items
            ]
        )

    @guarded
    def pytest_unconfigure(self) -> None:
        self._writer.close()


class Stamper:
    """Warns about markers, stamps reports with the cases of their item, asks hooks.

    What the disk of a worker refused rides on its reports; *writer* is the worker's.
    """

    def __init__(
        self,
        marks: Marks,
        capture: Capture = "none",
        writer: JournalWriter | None = None,
    ) -> None:
        self._marks = marks
        self._capture = capture
        self._writer = writer
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

    # Outermost, so that the outcome is the one that pytest reports.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        # Every test has a setup report, and it comes first.
        if call.when == "setup":
            self._stamp(item, report)
        if item.config.hook.pytest_zephyr_record.get_hookimpls():
            self._ask(item, report)
        if report.failed:
            self._hide_parameters(item, report)
        if self._capture != "none":
            self._attach_output(item, report)
        if self._writer is not None and self._writer.kept:
            _add_to_stamp(report, "kept", self._writer.take_kept())
        return report

    @guarded
    def _stamp(self, item: pytest.Item, report: pytest.TestReport) -> None:
        try:
            found = item_of(item, self._marks)
            stamp: dict[str, object] = {
                "cases": list(found.cases),
                "title": found.title,
            }
        except Exception as error:  # noqa: BLE001 - the controller hears of it
            self.note_bug("pytest_runtest_makereport", error)
            stamp = {}
        if self._bugs:
            stamp["bugs"], self._bugs = self._bugs, []
        setattr(report, STAMP, stamp)

    @guarded
    def _hide_parameters(self, item: pytest.Item, report: pytest.TestReport) -> None:
        hide = Scrubber(secret_values(item))
        text = getattr(report, STAMP, {}).get("text", report.longreprtext)
        if hide(text) != text:
            _add_to_stamp(report, "text", hide(text))

    def _ask(self, item: pytest.Item, report: pytest.TestReport) -> None:
        hook = item.ihook.pytest_zephyr_record
        try:
            record = ZephyrRecord(item, report)
            before = record.text
            hook(item=item, record=record)
            if record.text != before:
                _add_to_stamp(report, "text", str(record.text))
        except HOOK_ERRORS as error:
            self._warn(item, report, blame(hook, error))

    def _warn(self, item: pytest.Item, report: pytest.TestReport, problem: str) -> None:
        text = f"{item.nodeid}: {problem}"
        try:
            item.warn(PytestZephyrWarning(text))
        except PytestZephyrWarning:
            # -W error wants the test to fail; raised from here, it would end the run.
            if report.passed:
                report.outcome, report.longrepr = "failed", text

    @guarded
    def _attach_output(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Attach what was captured, once the test has been torn down."""
        seen = item.stash.get(_OUTPUT, None) or _Output()
        seen.failed = seen.failed or report.failed
        item.stash[_OUTPUT] = seen
        if report.when != "teardown":
            return
        # pytest keeps the output of earlier attempts, too.
        sections = report.sections[seen.sections :]
        item.stash[_OUTPUT] = _Output(sections=len(report.sections))
        text = "".join(f"{f' {title} ':-^80}\n{text}\n" for title, text in sections)
        if text and (self._capture == "all" or seen.failed):
            hide = Scrubber(secret_values(item))
            Zephyr(item).attach_text(hide(text), name="output.txt")


def _add_to_stamp(report: pytest.TestReport, key: str, value: object) -> None:
    setattr(report, STAMP, {**getattr(report, STAMP, {}), key: value})


@dataclass
class _Output:
    """How far the captured output of an item is attached, and whether it failed since."""

    sections: int = 0
    failed: bool = False


_OUTPUT = pytest.StashKey[_Output]()
