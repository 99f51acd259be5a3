"""Checks the test cases of collected tests against the server: ``--collect-only``."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_zephyr import origin
from pytest_zephyr import protocol
from pytest_zephyr.config.command_line import without_case_line
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.collection.items import deselect_unplanned
from pytest_zephyr.plugin.collection.items import item_of
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.sender_process import SenderError
from pytest_zephyr.plugin.sender_process import SenderProcess
from pytest_zephyr.plugin.settings import LocalOptions
from pytest_zephyr.plugin.summary import show
from pytest_zephyr.results.lines import first_lines
from pytest_zephyr.results.lines import Level
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problems
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.text import plural


class CollectCheck:
    """Says what is wrong with markers and test cases, without running a test.

    It writes nothing, neither to the server nor to a journal. *lines* are for the summary.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, local: LocalOptions
    ) -> None:
        self._config = config
        self._settings = settings
        self._marks = local.marks
        self._scrub = local.scrub
        self.lines = problems(settings.warnings, "warning", "settings")
        self.bugs = Bugs()
        # The node id of the first test of each test case.
        self._tests: dict[CaseRef, str] = {}

    # Runs before pytest lists the tests. Plugins modify the items in an earlier hook.
    @pytest.hookimpl(tryfirst=True)
    @guarded
    @origin.originals_restored()
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        settings = self._settings
        if settings.url == SANDBOX or settings.push == "never":
            self._read_markers(session)
            why = "the embedded server creates every test case"
            if settings.push == "never":
                why = "zephyr_push is never"
            self._insert_counts(session, f"not looked up, because {why}")
            return
        try:
            with SenderProcess(self._config.invocation_params.dir) as sender:
                self._check(session, sender)
        except SenderError as error:
            self.lines.append(Line(str(error), "error", code="error"))

    def _check(self, session: pytest.Session, sender: SenderProcess) -> None:
        """Check the server, then the test cases. Raises SenderError."""
        settings, seconds = self._settings, self._settings.deadline
        checked = sender.ask(
            protocol.Check(settings, seconds), protocol.Checked, seconds
        )
        self.lines += problems(checked.texts)
        if checked.in_phase is not None:
            deselect_unplanned(session, frozenset(checked.in_phase), self._marks)
        self._read_markers(session)
        request = protocol.LookUp(tuple(self._tests), all=True)
        answer = sender.ask(request, protocol.LookedUp, seconds)
        if answer.error:
            if not checked.texts:
                self.lines.append(Line(answer.error, "error", code="error"))
            self._insert_counts(session, "not checked")
            return
        unknown_case = settings.unknown_case
        level: Level = "error" if unknown_case == "error" else "warning"
        harmless_codes = {
            protocol.TO_ADD,
            "unknown-case" if unknown_case == "ignore" else "",
        }
        texts = [
            f"{text} ({self._tests[case]})"
            for case, text, code in answer.problems
            if code not in harmless_codes
        ]
        self.lines += first_lines(problems(texts, level))
        counts = Counter(code for _case, _text, code in answer.problems)
        with_execution = len(self._tests) - counts.total()
        kinds = (
            (with_execution, "with an execution"),
            (counts[protocol.TO_ADD], "to be added to the phase"),
            (counts["not-in-phase"], "without an execution"),
            (counts["unknown-case"], "unknown to Zephyr"),
            (counts["ambiguous"], "ambiguous"),
        )
        parts = [f"{count} {what}" for count, what in kinds if count]
        has_problem = any(line.is_problem for line in self.lines)
        self._insert_counts(
            session,
            ", ".join(parts),
            "success" if with_execution and not has_problem else "info",
        )

    def _read_markers(self, session: pytest.Session) -> None:
        """Note the test cases of the collected tests, and what is wrong with markers."""
        unmarked = invalid = 0
        lines: list[Line] = []
        for item, nodeid in self._marks.names.assign(session.items):
            record = item_of(item, self._marks, nodeid)
            unmarked += record.unmarked and record.new is None
            texts = [f"{nodeid}: {text}" for text in self._marks.problems_of(item)]
            invalid += bool(texts)
            lines += problems(texts, "warning")
            for case in record.cases:
                self._tests.setdefault(case, nodeid)
        if text := without_case_line(unmarked, invalid):
            self.lines.append(Line(text))
        self.lines += first_lines(lines)

    def _insert_counts(
        self, session: pytest.Session, what: str, level: Level = "info"
    ) -> None:
        """Insert a first line: how many test cases and tests there are, then *what*.

        Without a test case, *what* is left out.
        """
        tests = plural(len(session.items), "test")
        text = f"No test case in {tests}"
        if self._tests:
            text = f"{plural(len(self._tests), 'test case')} of {tests}: {what}"
        self.lines.insert(0, Line(text, level))

    @pytest.hookimpl(trylast=True)
    @guarded
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.bugs or any(line.is_problem for line in self.lines):
            plugin_settings.set_exit_code(session, self._settings.on_error)

    @guarded
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        lines = [*self.lines, *self.bugs.lines()]
        lines = [line.cleaned(self._scrub.clean_line) for line in lines]
        show(terminalreporter, lines, quiet=self._config.get_verbosity() < 0)
