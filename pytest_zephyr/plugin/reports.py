"""Writes pytest's reports to the journal, in the process that runs the test."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest

from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.settings import Capture
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.reader import find_hidden
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import part_of
from pytest_zephyr.plugin.collection.items import item_of
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.plugin.collection.names import begin_item
from pytest_zephyr.plugin.fixture import Zephyr
from pytest_zephyr.plugin.fixture import ZephyrRecord
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import describe_hook_error
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.recorder import begin_attempt
from pytest_zephyr.plugin.recorder import forget_attempts
from pytest_zephyr.plugin.report_record import add_extra
from pytest_zephyr.plugin.report_record import EXTRAS
from pytest_zephyr.plugin.report_record import microseconds
from pytest_zephyr.plugin.report_record import ReportExtras
from pytest_zephyr.plugin.report_record import to_record
from pytest_zephyr.plugin.warning import PytestZephyrWarning
from pytest_zephyr.results.records import Report


#: The *when* of each report of a test that has simply passed.
_WHOLE_TEST = ["setup", "call", "teardown"]

#: How many sections of captured output belong to earlier attempts, and whether the
#: current attempt has failed.
_OUTPUT = pytest.StashKey[tuple[int, bool]]()


class ReportLines:
    """Writes starts and reports of tests, warns about markers, calls the record hook.

    A test has a line for its start and one for each report. It has only one line for
    all reports if it simply passed: if they are those of setup, call and teardown, and
    each says only that its part passed.

    Lines that a worker could not write to disk, or that a forked process must not
    write, travel on the reports to the controller or the process that forked, which
    writes them. Internal errors travel in the same way.

    *capture* says of which tests the output is attached. *worker* is the id of this
    process if it is a worker, else empty.
    """

    def __init__(
        self,
        config: pytest.Config,
        marks: Marks,
        capture: Capture,
        writer: JournalWriter,
        bugs: Bugs,
        worker: str = "",
    ) -> None:
        self._root = str(config.rootpath)
        self._record_hook = config.hook.pytest_zephyr_record
        self._marks = marks
        self._capture = capture
        self._writer = writer
        self.bugs = bugs
        self._worker = worker
        # The test that runs, or ran last, and its node id in the journal.
        self._item: pytest.Item | None = None
        self._nodeid = ""
        # Its reports of passed parts that are not written yet: *when*, seconds, and end
        # in milliseconds.
        self._passed: list[tuple[str, float, int]] = []
        self._attempt = 0
        # How many bugs there were before a plugin may have forked for the test.
        self._bugs_before = 0
        # The last failure, in case its test is repeated.
        self._last_failure: tuple[pytest.Item, pytest.TestReport] | None = None

    # Outermost: where a plugin forks for a test, this runs before the fork.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item
    ) -> Generator[None, object, object]:
        try:
            self._item = item
            self._nodeid = begin_item(item)
            forget_attempts(item)
            self._passed = []
            self._attempt = 0
            self._writer.append_text(
                journal_format.start_text(self._nodeid, self._worker)
            )
        except ERRORS as error:
            self.bugs.note("pytest_runtest_protocol", error)
        self._bugs_before = len(self.bugs)
        try:
            return (yield)
        finally:
            try:
                # Other wrappers may have changed the markers. A forked process must not
                # write to the journal.
                if self._marks.changed(item) and self._writer.is_ours:
                    self._write_markers(item)
            except ERRORS as error:
                self.bugs.note("pytest_runtest_protocol", error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            self._attempt = begin_attempt(item)
            if self._attempt:
                self._write_failure(item)
            if self._marks.changed(item):
                self._write_markers(item)
            problems = self._marks.problems_of(item)
        except ERRORS as error:
            self.bugs.note("pytest_runtest_setup", error)
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
        if call.when == "teardown" and self._marks.changed(item):
            self._note_markers(item, report)
        if self._record_hook.get_hookimpls():
            self._call_record_hook(item, report)
        if self._attempt:
            add_extra(report, "attempt", self._attempt)
        if report.failed:
            self._last_failure = item, report
        if self._capture != "none":
            self._attach_output(item, report)
        if self._writer.unwritten:
            self._add_unwritten(report)
        if self.bugs:
            self._add_bugs(report)
        return report

    # Runs before a worker sends the report, which carries lines that were not written.
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        try:
            if hasattr(report, EXTRAS):
                extras: ReportExtras = getattr(report, EXTRAS)
                self._writer.append_unwritten(extras.pop("unwritten", ()))
                if not self._worker:
                    self.bugs += extras.pop("bugs", ())
            if self._item is not None:
                self._write(self._item, report)
            elif str(report.when) == "???":
                # A worker has died. The workers wrote all other reports, or sent lines.
                self._writer.append(self._crash_record(report))
            if self._writer.unwritten:
                self._add_unwritten(report)
        except ERRORS as error:
            self.bugs.note("pytest_runtest_logreport", error)

    def _write(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Write *report* of the running test, or keep it until more is known.

        A test that simply passed gets one line.
        """
        # The report says only that this part of the test passed.
        is_plain = (
            report.outcome == "passed"
            and type(report) is pytest.TestReport
            and not getattr(report, EXTRAS, None)
            and not hasattr(report, "wasxfail")
        )
        if is_plain:
            passed = self._passed
            passed.append((str(report.when), report.duration, now_ms()))
            if report.when != "teardown":
                return
            if [when for when, _duration, _at in passed] == _WHOLE_TEST:
                total = sum([microseconds(duration) for _when, duration, _at in passed])
                text = journal_format.passed_text(self._nodeid, total, self._worker)
                self._writer.append_text(text)
                self._passed = []
                return
        for when, duration, at in self._passed:
            took = microseconds(duration)
            record = Report(self._nodeid, when, "passed", took, at, worker=self._worker)
            self._writer.append(record)
        self._passed = []
        if not is_plain:
            self._writer.append(self._record(item, report))

    def _record(self, item: pytest.Item, report: pytest.TestReport) -> Report:
        """Return *report* of the running *item* as a record without secrets."""

        def scrub(text: str) -> str:
            # A failure may show the parameters of all tests of its function.
            return self._writer.scrub(self._marks.names.hide_secrets(item, text))

        return to_record(report, self._root, scrub, self._nodeid, self._worker)

    def _crash_record(self, report: pytest.TestReport) -> Report:
        """Return the record of a crash, with the node id that the journal has.

        The worker that ran the test has died. The node id of pytest may have secrets.
        """
        gateway = getattr(getattr(report, "node", None), "gateway", None)
        worker = getattr(gateway, "id", "")
        path = part_of(self._writer.path, worker)
        nodeid = find_hidden(path, report.nodeid) or report.nodeid
        record = to_record(report, self._root, self._writer.scrub, nodeid, worker)
        return replace(record, text=record.text.replace(report.nodeid, nodeid))

    @property
    def _is_child(self) -> bool:
        """Whether this is a worker or a fork, whose reports carry lines and bugs."""
        return bool(self._worker) or not self._writer.is_ours

    def _add_unwritten(self, report: pytest.TestReport) -> None:
        if self._is_child:
            add_extra(report, "unwritten", self._writer.take_unwritten())

    def _add_bugs(self, report: pytest.TestReport) -> None:
        # A forked process also has the bugs of its parent.
        first = 0 if self._worker else self._bugs_before
        if self._is_child and (bugs := self.bugs[first:]):
            add_extra(report, "bugs", bugs)
            del self.bugs[first:]

    def _write_failure(self, item: pytest.Item) -> None:
        """Write the previous attempt's failure, which the plugin flaky does not log."""
        failure, self._last_failure = self._last_failure, None
        if failure is None or failure[0] is not item:
            return
        record = self._record(item, failure[1])
        # pytest-rerunfailures has logged the failure, with an outcome of its own.
        if record.outcome == "failed":
            self._writer.append(replace(record, outcome="rerun"))

    @guarded
    def _note_markers(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Write the changed markers of *item*, and warn about their new problems."""
        for problem in self._write_markers(item):
            self._warn(item, report, problem)

    def _write_markers(self, item: pytest.Item) -> list[str]:
        """Write the changed markers of *item*; return their new problems."""
        before = self._marks.problems_of(item)
        record = item_of(item, self._marks, changed=True)
        self._writer.append_text(journal_format.item_text(record))
        return [text for text in self._marks.problems_of(item) if text not in before]

    def _call_record_hook(self, item: pytest.Item, report: pytest.TestReport) -> None:
        hook = item.ihook.pytest_zephyr_record
        try:
            record = ZephyrRecord(item, report)
            before = record.text
            hook(item=item, record=record)
            if record.text != before:
                add_extra(report, "text", str(record.text))
        except ERRORS as error:
            self._warn(item, report, describe_hook_error(hook, error))

    def _warn(self, item: pytest.Item, report: pytest.TestReport, problem: str) -> None:
        text = f"{item.nodeid}: {problem}"
        try:
            item.warn(PytestZephyrWarning(text))
        except PytestZephyrWarning:
            # With -W error the test must fail; raised here, this would end the session.
            if report.passed:
                report.outcome, report.longrepr = "failed", text

    @guarded
    def _attach_output(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Attach the captured output, if wanted, once the test has been torn down."""
        earlier, failed = item.stash.get(_OUTPUT, (0, False))
        failed = failed or report.failed
        item.stash[_OUTPUT] = earlier, failed
        if report.when != "teardown":
            return
        item.stash[_OUTPUT] = len(report.sections), False
        # pytest keeps the output of earlier attempts, too.
        sections = report.sections[earlier:]
        text = "".join(f"{f' {title} ':-^80}\n{text}\n" for title, text in sections)
        if text and (self._capture == "all" or failed):
            hidden = self._marks.names.hide_secrets(item, text)
            Zephyr(item).attach_text(hidden, name="output.txt")
