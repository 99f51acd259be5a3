"""pytest's reports: stamped where the test runs, turned into records on the controller."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from dataclasses import replace
import os

import pytest

from pytest_zephyr.clock import elapsed
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.settings import Capture
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.fixture import Zephyr
from pytest_zephyr.plugin.fixture import ZephyrRecord
from pytest_zephyr.plugin.guard import blame
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.items import item_of
from pytest_zephyr.plugin.marks import key_of
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.plugin.recorder import attempt_of
from pytest_zephyr.plugin.recorder import begin_attempt
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.warning import PytestZephyrWarning
from pytest_zephyr.results.records import Report
from pytest_zephyr.secret import Scrubber


#: The attribute of a report that carries the stamp; plain JSON types only, so that
#: it survives the way from a worker.
STAMP = "zephyr"


class Stamper:
    """Warns about markers, stamps reports with the cases of their item, asks hooks.

    What the disk of a worker refused, or a forked process of a test may not write,
    rides on its reports; *writer* is that of this process, *worker* its id if it is one.
    """

    def __init__(
        self,
        marks: Marks,
        capture: Capture = "none",
        writer: JournalWriter | None = None,
        worker: str = "",
    ) -> None:
        self._marks = marks
        self._capture = capture
        self._writer = writer
        self._worker = worker
        # In case the test is repeated.
        self._failed: tuple[pytest.Item, pytest.TestReport] | None = None
        self._bugs: list[str] = []

    def note_bug(self, hook: str, error: BaseException) -> None:
        self._bugs.append(f"{hook}: {error!r}")

    # Outermost: where a plugin forks for a test, it is known before that.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item
    ) -> Generator[None, object, object]:
        self._note_start(item)
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        try:
            if begin_attempt(item):
                self._note_failure(item)
            self._write_markers(item)
            problems = self._marks.of(item).problems
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
        self._note_markers(item, report)
        # Every test has a setup report, and it comes first.
        if call.when == "setup":
            self._stamp(item, report)
        if item.config.hook.pytest_zephyr_record.get_hookimpls():
            self._ask(item, report)
        if (key := key_of(item)) != item.nodeid:
            _add_to_stamp(report, "nodeid", key)
        if attempt := attempt_of(item):
            _add_to_stamp(report, "attempt", attempt)
        if report.failed:
            self._hide_parameters(item, report)
            self._failed = item, report
        if self._capture != "none":
            self._attach_output(item, report)
        if bugs := self._take_bugs(item):
            _add_to_stamp(report, "bugs", bugs)
        writer = self._writer
        if writer is not None and (self._worker or not writer.is_ours) and writer.kept:
            _add_to_stamp(report, "kept", writer.take_kept())
        return report

    @guarded
    def _stamp(self, item: pytest.Item, report: pytest.TestReport) -> None:
        try:
            found = item_of(item, self._marks)
            stamp: dict[str, object] = {
                "cases": list(found.cases),
            }
        except ERRORS as error:
            self.note_bug("pytest_runtest_makereport", error)
            stamp = {}
        setattr(report, STAMP, stamp)

    def _note_failure(self, item: pytest.Item) -> None:
        """Write down why the attempt before failed: flaky logs no report of it."""
        failed, self._failed = self._failed, None
        if failed is None or self._writer is None or failed[0] is not item:
            return
        record = to_record(failed[1], str(item.config.rootpath), self._writer.scrub)
        # pytest-rerunfailures has logged it under a word of its own.
        if record.outcome == "failed":
            again = replace(record, outcome="rerun", worker=self._worker)
            self._writer.append(journal_format.report_line(again))

    @guarded
    def _note_start(self, item: pytest.Item) -> None:
        if self._writer is not None:
            self._writer.append(journal_format.start_line(key_of(item)))

    @guarded
    def _note_markers(self, item: pytest.Item, report: pytest.TestReport) -> None:
        for problem in self._write_markers(item):
            self._warn(item, report, problem)

    def _write_markers(self, item: pytest.Item) -> list[str]:
        """Write down if the markers of *item* were changed since; return new problems."""
        problems = self._marks.news(item)
        if problems is not None and self._writer is not None:
            found = replace(item_of(item, self._marks), changed=True)
            self._writer.append(journal_format.item_line(found))
        return problems or []

    @guarded
    def _hide_parameters(self, item: pytest.Item, report: pytest.TestReport) -> None:
        text = getattr(report, STAMP, {}).get("text", report.longreprtext)
        if (hidden := self._marks.hide_secrets(item, text)) != text:
            _add_to_stamp(report, "text", hidden)

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


def to_record(report: pytest.TestReport, root: str, scrub: Scrubber) -> Report:
    """Return *report* as plain data; paths below *root* are shown from there.

    Texts are cut, and *scrub* before that: half a credential is none to look for.

    No report needs to have more than what pytest-xdist gives to a crash: a node id,
    an outcome and a text.
    """
    failed = report.outcome not in {"passed", "skipped"}
    stamp = getattr(report, STAMP, None) or {}
    return Report(
        nodeid=stamp.get("nodeid", report.nodeid),
        when=str(report.when),
        outcome=report.outcome,
        duration=_microseconds(getattr(report, "duration", 0.0)),
        at=now_ms(),
        xfail=hasattr(report, "wasxfail"),
        attempt=stamp.get("attempt", getattr(report, "rerun", 0)),
        worker=_worker_of(report),
        cases=tuple(stamp.get("cases", ())),
        reason=scrub(_reason(report))[:MAX_LINE],
        crash=scrub(_crash(report, root, stamp.get("text")))[:MAX_LINE]
        if failed
        else "",
        text=_middle_cut(scrub(stamp.get("text", report.longreprtext)))
        if failed
        else "",
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
    wasxfail: str | None = getattr(report, "wasxfail", None)
    if wasxfail is not None:
        return wasxfail.removeprefix("reason: ")
    longrepr = report.longrepr
    if report.outcome == "skipped" and isinstance(longrepr, tuple):
        return longrepr[2].removeprefix("Skipped: ")
    return ""


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
