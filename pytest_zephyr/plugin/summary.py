"""Shows progress and lines on a terminal; builds the report file if no push ended."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import final

import pytest

from pytest_zephyr import protocol
from pytest_zephyr.clock import monotonic
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.lines import DRY_RUN
from pytest_zephyr.results.lines import Level
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.plan import build_plan
from pytest_zephyr.results.report import CaseRow
from pytest_zephyr.results.report import row_of
from pytest_zephyr.results.report import RunReport
from pytest_zephyr.results.status import STOCK
from pytest_zephyr.text import display_path


#: How a terminal marks up the first line of a `Line`, by its level.
_MARKUP: Mapping[Level, dict[str, bool]] = {
    "info": {},
    "success": {"green": True},
    "warning": {"yellow": True},
    "error": {"red": True},
}


#: Seconds before the progress is shown.
_PROGRESS_DELAY = 1.0


@final
class ProgressLine:
    """The line in which an interactive *terminal* shows the progress of a push.

    A push that is over within `_PROGRESS_DELAY` has no such line.
    """

    def __init__(self, terminal: Any) -> None:
        # Either may be missing if another plugin has replaced or removed the reporter.
        if not getattr(terminal, "isatty", False) or not hasattr(terminal, "rewrite"):
            terminal = None
        self._terminal = terminal
        self._began = monotonic()
        self._is_shown = False
        self._last_text = ""

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._is_shown:
            self._write("")

    @property
    def sent_before(self) -> str:
        """How much was sent, as a sentence after a space; empty if that is unknown."""
        return f" {self._last_text} were sent before." if self._last_text else ""

    def update(self, progress: protocol.Progress) -> None:
        self._last_text = f"{progress.done} of {progress.total} {progress.what}"
        if monotonic() - self._began >= _PROGRESS_DELAY:
            self._is_shown = True
            self._write(f"zephyr: {self._last_text}")

    def _write(self, line: str) -> None:
        """Show *line*; an error of the terminal must not stop the push."""
        try:
            if self._terminal is not None:
                self._terminal.rewrite(line, erase=True)
        except ERRORS:
            self._terminal = None


def show(
    terminal: pytest.TerminalReporter, lines: Sequence[Line], *, quiet: bool
) -> None:
    """Print *lines* on *terminal*; with *quiet* only problems and lines of a dry run."""
    if quiet:
        lines = [line for line in lines if line.is_problem or line.code == DRY_RUN]
    if lines:
        terminal.section("zephyr")
    for line in lines:
        first, *more = line.terminal_lines
        terminal.line(first, **_MARKUP[line.level])
        for text in more:
            terminal.line(text)


def unsent_report(
    journal: Journal, settings: Settings, reason: str, lines: Sequence[Line]
) -> RunReport:
    """Return the report file of a session; *reason* says why results were not sent.

    A push that did not end may have sent some results: the journal has their receipts.
    The digest in a receipt is made with the id of the test case, so a test case that is
    named by its Alt ID counts as not sent.
    """
    contents = Run((journal,)).read()
    plan = build_plan(contents.merged.nodes, settings.rules(STOCK))
    receipts = contents.memory(str(settings.url)).receipts
    sent = {digest: execution for execution, digest in receipts}

    def cases() -> Iterator[CaseRow]:
        for result in plan.results:
            if result.uncertain:
                yield row_of(result, "refused", result.problem)
            elif result.is_skipped:
                yield row_of(result, "unchanged", result.why_skipped)
            elif sent and result.digest in sent:
                row = row_of(result, "reported")
                row.execution = sent[result.digest]
                yield row
            else:
                yield row_of(result, "not_sent", reason)

    return RunReport(
        run=journal.header.run,
        journals=[str(display_path(journal.path))],
        server=settings.url,
        target=settings.target_path() or None,
        dry_run=settings.dry_run,
        lines=lines,
        cases=cases,
        without_case=[
            node for node in plan.nodes_without_case if node.unmarked or node.invalid
        ],
    )
