"""pytest's reports, written down where the test runs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator
from dataclasses import dataclass
from dataclasses import replace
import os
from typing import Any

import pytest

from pytest_zephyr.clock import elapsed
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.settings import Capture
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.reader import find_hidden
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import part_of
from pytest_zephyr.plugin.fixture import Zephyr
from pytest_zephyr.plugin.fixture import ZephyrRecord
from pytest_zephyr.plugin.guard import blame
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.items import item_of
from pytest_zephyr.plugin.marks import begin_item
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.plugin.recorder import begin_attempt
from pytest_zephyr.plugin.recorder import forget_attempts
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.warning import PytestZephyrWarning
from pytest_zephyr.results.records import Report


#: The reports of a test of which there is no more to say than that it passed.
_ALL_OF_A_TEST = ("setup", "call", "teardown")


#: The attribute of a report that carries what is said of it beside pytest's own; plain
#: JSON types only, so that it survives the way from a worker or a forked process.
STAMP = "zephyr"


class ReportLines:
    """Writes how tests begin and end where they run, warns about markers, asks hooks.

    A test that simply passed has a line for its start and one for its end; anything else
    has a line for each report. What a worker could not write to disk, or a forked process
    of a test may not write, rides on the reports; who gets them writes it. *writer* is
    that of this process, *worker* its id if it is one. *tell* takes failures of our own;
    without it they ride, too.
    """

    def __init__(
        self,
        config: pytest.Config,
        marks: Marks,
        capture: Capture = "none",
        writer: JournalWriter | None = None,
        worker: str = "",
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._root = str(config.rootpath)
        self._record_hook = config.hook.pytest_zephyr_record
        self._marks = marks
        self._capture = capture
        self._writer = writer
        self._worker = worker
        self._tell = tell
        # The test that runs, what its lines call it, and the reports that they are for.
        self._item: pytest.Item | None = None
        self._key = ""
        self._passed: list[tuple[str, float, int]] = []
        self._attempt = 0
        # In case the test is repeated.
        self._failed: tuple[pytest.Item, pytest.TestReport] | None = None
        self._bugs: list[str] = []

    def note_bug(self, hook: str, error: BaseException) -> None:
        bug = f"{hook}: {error!r}"
        if self._tell is not None and self._writer is not None and self._writer.is_ours:
            self._tell(bug)
        else:
            self._bugs.append(bug)

    # Outermost: where a plugin forks for a test, it is known before that.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item
    ) -> Generator[None, object, object]:
        self._begin(item)
        try:
            return (yield)
        finally:
            self._end(item)

    @guarded
    def _end(self, item: pytest.Item) -> None:
        """Write what other wrappers did to its markers, if the test ended here."""
        if self._writer is not None and self._writer.is_ours:
            self._write_markers(item)

    @guarded
    def _begin(self, item: pytest.Item) -> None:
        self._item = item
        self._key = begin_item(item)
        forget_attempts(item)
        self._passed = []
        self._attempt = 0
        if self._writer is not None:
            text = journal_format.start_text(self._key, self._worker)
            self._writer.append_text(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            self._attempt = begin_attempt(item)
            if self._attempt:
                self._note_failure(item)
            self._write_markers(item)
            problems = self._marks.problems_of(item)
        except ERRORS as error:
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
        if call.when == "teardown":
            self._note_markers(item, report)
        if self._record_hook.get_hookimpls():
            self._ask(item, report)
        if self._attempt:
            _add_to_stamp(report, "attempt", self._attempt)
        if report.failed:
            self._failed = item, report
        if self._capture != "none":
            self._attach_output(item, report)
        if call.when == "teardown" and (bugs := self._take_bugs(item)):
            _add_to_stamp(report, "bugs", bugs)
        self._ride(report)
        return report

    # Before a worker hands it over, and it takes along what could not be written.
    @pytest.hookimpl(tryfirst=True)
    @guarded
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        writer = self._writer
        if writer is None:
            return
        if hasattr(report, STAMP):
            self._take(report, writer)
        if self._item is not None:
            self._write(report, writer)
        elif str(report.when) == "???":
            # A worker has died; others have written their reports themselves.
            writer.append(journal_format.report_line(self._crash(report, writer)))
        if writer.kept:
            self._ride(report)

    def _write(self, report: pytest.TestReport, writer: JournalWriter) -> None:
        """Write a report of the test that runs, or the one line if it has passed."""
        plain = _is_plain(report)
        if plain:
            self._passed.append((str(report.when), report.duration, now_ms()))
            if report.when != "teardown":
                return
            phases, durations, _times = zip(*self._passed, strict=True)
            if phases == _ALL_OF_A_TEST:
                total = sum(map(_microseconds, durations))
                text = journal_format.passed_text(self._key, total, self._worker)
                writer.append_text(text)
                return
        for when, duration, at in self._passed:
            record = Report(self._key, when, "passed", _microseconds(duration), at)
            self._append(record, writer)
        self._passed = []
        if not plain:
            self._append(self._record(report, writer), writer)

    def _append(self, record: Report, writer: JournalWriter) -> None:
        record = replace(record, nodeid=self._key, worker=self._worker)
        writer.append(journal_format.report_line(record))

    def _record(self, report: pytest.TestReport, writer: JournalWriter) -> Report:
        """Return a report of the test that runs without secrets."""
        item = self._item

        def clean(text: str) -> str:
            # A failure shows the values of all tests of its function.
            shown = text if item is None else self._marks.hide_secrets(item, text)
            return writer.scrub(shown)

        return to_record(report, self._root, clean)

    def _crash(self, report: pytest.TestReport, writer: JournalWriter) -> Report:
        """Return the report of a worker that died; its node id may hold a secret."""
        record = to_record(report, self._root, writer.scrub)
        path = part_of(writer.path, record.worker)
        name = find_hidden(path, record.nodeid)
        if name is None:
            return record
        text = record.text.replace(record.nodeid, name)
        return replace(record, nodeid=name, text=text)

    def _ride(self, report: pytest.TestReport) -> None:
        """Have what this process cannot write ride on a report."""
        writer = self._writer
        if writer is not None and writer.kept and (self._worker or not writer.is_ours):
            _add_to_stamp(report, "kept", writer.take_kept())

    def _take(self, report: pytest.TestReport, writer: JournalWriter) -> None:
        """Write what rides on a report."""
        stamp: dict[str, Any] = getattr(report, STAMP)
        writer.append_kept(stamp.pop("kept", ()))
        if self._tell is not None:
            for bug in stamp.pop("bugs", ()):
                self._tell(bug)

    def _note_failure(self, item: pytest.Item) -> None:
        """Write down why the attempt before failed: flaky logs no report of it."""
        failed, self._failed = self._failed, None
        if failed is None or self._writer is None or failed[0] is not item:
            return
        record = self._record(failed[1], self._writer)
        # pytest-rerunfailures has logged it under a word of its own.
        if record.outcome == "failed":
            self._append(replace(record, outcome="rerun"), self._writer)

    @guarded
    def _note_markers(self, item: pytest.Item, report: pytest.TestReport) -> None:
        for problem in self._write_markers(item):
            self._warn(item, report, problem)

    def _write_markers(self, item: pytest.Item) -> list[str]:
        """Write down if the markers of *item* were changed since; return new problems."""
        problems = self._marks.news(item)
        if problems is not None and self._writer is not None:
            found = item_of(item, self._marks, changed=True)
            self._writer.append_text(journal_format.item_text(found))
        return problems or []

    def _take_bugs(self, item: pytest.Item) -> list[str]:
        recorder = item.config.stash.get(RECORDER, None)
        bugs, self._bugs = self._bugs, []
        if recorder is not None:
            bugs += recorder.bugs
            recorder.bugs.clear()
        return bugs

    def _ask(self, item: pytest.Item, report: pytest.TestReport) -> None:
        hook = item.ihook.pytest_zephyr_record
        try:
            record = ZephyrRecord(item, report)
            before = record.text
            hook(item=item, record=record)
            if record.text != before:
                _add_to_stamp(report, "text", str(record.text))
        except ERRORS as error:
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
            hidden = self._marks.hide_secrets(item, text)
            Zephyr(item).attach_text(hidden, name="output.txt")


def _is_plain(report: pytest.TestReport) -> bool:
    """Return whether there is no more to say of *report* than that it passed."""
    return (
        report.outcome == "passed"
        and type(report) is pytest.TestReport
        and not getattr(report, STAMP, None)
        and not hasattr(report, "wasxfail")
    )


def _add_to_stamp(report: pytest.TestReport, key: str, value: object) -> None:
    setattr(report, STAMP, {**getattr(report, STAMP, {}), key: value})


@dataclass
class _Output:
    """How far the captured output of an item is attached, and whether it failed since."""

    sections: int = 0
    failed: bool = False


_OUTPUT = pytest.StashKey[_Output]()


#: Characters of a failure's text that a journal keeps.
MAX_TEXT = 20_000

#: Characters of what is meant to be one line: a reason, where it failed.
MAX_LINE = 1000


def to_record(
    report: pytest.TestReport, root: str, scrub: Callable[[str], str]
) -> Report:
    """Return *report* as plain data; paths below *root* are shown from there.

    Texts are cut, and *scrub* before that: half a credential is none to look for.

    No report needs to have more than what pytest-xdist gives to a crash: a node id,
    an outcome and a text.
    """
    failed = report.outcome not in {"passed", "skipped"}
    stamp = getattr(report, STAMP, None) or {}
    return Report(
        nodeid=report.nodeid,
        when=str(report.when),
        outcome=report.outcome,
        duration=_microseconds(getattr(report, "duration", 0.0)),
        at=now_ms(),
        xfail=hasattr(report, "wasxfail"),
        attempt=stamp.get("attempt", getattr(report, "rerun", 0)),
        worker=_worker_of(report),
        reason=scrub(_reason(report))[:MAX_LINE],
        crash=scrub(_crash(report, root, stamp.get("text")))[:MAX_LINE]
        if failed
        else "",
        text=_middle_cut(scrub(stamp.get("text") or _text(report))) if failed else "",
        subtest=scrub(_subtest(report))[:MAX_LINE],
    )


def _microseconds(seconds: float | None) -> int:
    """Return a duration, 0 for one that cannot be: tests move the clock of pytest."""
    if not seconds or not 0 < seconds <= elapsed():
        return 0
    return round(seconds * 1_000_000)


def _worker_of(report: pytest.TestReport) -> str:
    """Return the id of the worker that a report came from, empty without xdist."""
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return getattr(gateway, "id", "")


def _reason(report: pytest.TestReport) -> str:
    wasxfail: object = getattr(report, "wasxfail", None)
    if wasxfail is not None:
        return str(wasxfail).removeprefix("reason: ")
    longrepr = report.longrepr
    if report.outcome == "skipped" and isinstance(longrepr, tuple):
        return longrepr[2].removeprefix("Skipped: ")
    return ""


def _text(report: pytest.TestReport) -> str:
    """Return the failure as pytest shows it; it may be of a class of the tests."""
    try:
        return report.longreprtext
    except ERRORS as error:
        return f"<failure that cannot be shown: {type(error).__name__}>"


def _crash(report: pytest.TestReport, root: str, changed: str | None) -> str:
    """Return where it failed and with what, in one line.

    Nothing if a hook *changed* the text so that it does not say that any more.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ""
    message = crash.message.partition("\n")[0]
    if changed is not None and message not in changed:
        return ""
    path = str(crash.path).removeprefix(f"{root}{os.sep}")
    return f"{path}:{crash.lineno}: {message}"


def _subtest(report: pytest.TestReport) -> str:
    describe = getattr(report, "_sub_test_description", None) or getattr(
        report, "sub_test_description", None
    )
    return str(describe()) if callable(describe) else ""


def _middle_cut(text: str) -> str:
    """Keep the beginning and the end of a text that is too long for a journal."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
