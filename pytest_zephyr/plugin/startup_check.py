"""The plugin object that looks at the server before the first test, and may end the run."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import sys
from typing import Any
from typing import NoReturn

import pytest

from pytest_zephyr import origin
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.command_line import shown
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.ledger import Clock
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.plugin.only_planned import OnlyPlanned
from pytest_zephyr.plugin.sender_process import GRACE
from pytest_zephyr.plugin.sender_process import SenderBug
from pytest_zephyr.plugin.sender_process import SenderError
from pytest_zephyr.plugin.sender_process import SenderProcess
from pytest_zephyr.protocol.messages import Check
from pytest_zephyr.protocol.messages import Checked
from pytest_zephyr.protocol.messages import LookedUp
from pytest_zephyr.protocol.messages import LookUp
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item
from pytest_zephyr.text import one_line


#: Seconds for the look at the server, however long the time budget of the push is.
SECONDS = 10.0

#: Lines about unknown test cases that are shown before the tests.
_SHOWN = 20


class StartupCheck:
    """Says before the tests what is wrong, on the controller or in the only process.

    A sender looks at the server while tests are collected, and is gone before the first
    of them. *facts* are what it found that a push need not ask again; *aborted* says that
    the run ended here, as the user wished.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        marks: Marks,
        writer: JournalWriter,
        note_bug: Callable[[str, BaseException], None],
    ) -> None:
        self._config = config
        self._settings = settings
        self._marks = marks
        self._writer = writer
        self.note_bug = note_bug
        self.facts = ""
        self.aborted = False
        self._sender: SenderProcess | None = None
        self._found: Checked | None = None
        # The first test of each test case.
        self._tests: dict[CaseRef, str] = {}

    @pytest.hookimpl(tryfirst=True)
    @guarded
    @origin.as_it_was()
    def pytest_sessionstart(self) -> None:
        settings = self._settings
        is_embedded = settings.url == SANDBOX and not settings.only_planned
        wanted = settings.push == "end" or settings.only_planned
        if wanted and not is_embedded:
            self._start()
        if settings.only_planned:
            only = OnlyPlanned(lambda: self.planned, self._marks, self._writer)
            self._config.pluginmanager.register(only, "zephyr-only-planned")

    @pytest.hookimpl(trylast=True)
    @guarded
    @origin.as_it_was()
    def pytest_collection_finish(self) -> None:
        if self._sender is not None:
            self._finish()

    def take(self, item: Item) -> None:
        """Note the test cases of an *item* that was collected here."""
        if self._sender is not None:
            for case in item.cases:
                self._tests.setdefault(case, item.nodeid)

    @guarded
    @origin.as_it_was()
    def check_journal(self) -> None:
        """Look up the cases of the items that workers wrote to the journal."""
        if self._sender is not None:
            for each in Journal(self._writer.path, self._writer.kept).records():
                if isinstance(each, Item):
                    self.take(each)
            self._finish()

    @property
    def planned(self) -> frozenset[CaseRef] | None:
        """The test cases of the phase, if only their tests are to run.

        Waits for the sender. Raises UsageError if the user wants a run to end that has a
        problem.
        """
        with origin.as_it_was():
            self._hear()
        if self._found is None or self._found.planned is None:
            return None
        return frozenset(self._found.planned)

    def pytest_report_header(self) -> list[str]:
        try:
            return [self._clean(f"zephyr: {self._where()}")]
        except ERRORS as error:
            self.note_bug("pytest_report_header", error)
            return []

    def close(self) -> None:
        """End the sender, if a run ends before its first test."""
        sender = self._take_sender()
        if sender is not None:
            with origin.as_it_was():
                sender.close(0)

    def _take_sender(self) -> SenderProcess | None:
        """Return the sender, which is that of this process and of no forked one."""
        sender, self._sender = self._sender, None
        return sender if self._writer.is_ours else None

    @guarded
    def pytest_unconfigure(self) -> None:
        self.close()

    def _start(self) -> None:
        settings = self._settings
        # Without its plan a run cannot begin, so that has the time of a push.
        patience = settings.deadline if settings.only_planned else SECONDS
        self._seconds = min(patience, settings.deadline)
        self._deadline = Deadline(self._seconds + GRACE)
        try:
            self._sender = SenderProcess(self._config.invocation_params.dir)
            self._sender.ask(Check(settings, self._seconds))
        except SenderError as error:
            self._note_away(error)

    def _hear(self) -> None:
        """Wait for what the sender found, and say it, once."""
        if self._sender is None or self._found is not None or not self._writer.is_ours:
            return
        try:
            answer = self._sender.answer(Deadline(max(GRACE, self._deadline.left())))
        except SenderError as error:
            self._note_away(error)
            return
        assert isinstance(answer, Checked), "what Check is answered with"
        self._found = answer
        if answer.ahead:
            self._writer.append(journal_format.line_of(Clock(answer.ahead)))
        self._say(answer)

    def _say(self, found: Checked) -> None:
        if found.failed and self._settings.on_error == "fail":
            self._abort(found.lines)
        self._tell(found.lines)

    def _note_away(self, error: SenderError) -> None:
        """Say that no sender could look, which is nobody's mistake."""
        self.close()
        if isinstance(error, SenderBug):
            self.note_bug("the check before the tests", error)
        if self._settings.only_planned:
            line = f"zephyr: the plan for --zephyr-only-planned cannot be read: {error}"
        else:
            line = f"zephyr: the server could not be checked before the tests: {error}"
        self._found = Checked((line,), failed=self._settings.only_planned)
        self._say(self._found)

    def _finish(self) -> None:
        """Look up the test cases of the items, wherever they were collected."""
        self._hear()
        tests, self._tests = self._tests, {}
        sender = self._take_sender()
        if sender is None:
            return
        with sender:
            try:
                sender.ask(LookUp(tuple(tests)))
                answer = sender.answer(Deadline(self._seconds + GRACE))
            except SenderError:
                # The push says what is wrong, if it still is.
                return
        assert isinstance(answer, LookedUp), "what LookUp is answered with"
        self.facts = answer.facts
        lines = [f"zephyr: {text} ({tests[case]})" for case, text in answer.problems]
        if not lines or self._settings.on_error == "ignore":
            return
        if self._settings.on_error == "fail" and self._settings.unknown_case == "error":
            self._abort(lines)
        more = len(lines) - _SHOWN
        self._tell(lines[:_SHOWN])
        if more > 0:
            self._tell([f"zephyr: and {more} more test cases"])

    def _abort(self, lines: Sequence[str]) -> NoReturn:
        """End the run before its first test, with all problems at once."""
        self.aborted = True
        self.close()
        self._writer.discard()
        raise pytest.UsageError(*map(self._clean, lines))

    def _tell(self, lines: Sequence[str]) -> None:
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        for line in map(self._clean, lines):
            try:
                terminal.ensure_newline()
                terminal.write_line(line)
            except ERRORS:
                # There is none, or that of another plugin.
                sys.stderr.write(f"{line}\n")

    def _clean(self, line: str) -> str:
        return one_line(self._writer.scrub(line))

    def _where(self) -> str:
        settings = self._settings
        if settings.push == "never":
            return f"journal only, {shown(self._writer.path)}"
        names = (settings.project, settings.release, settings.cycle, settings.phase)
        path = " > ".join(ref.name or f"id {ref.id}" for ref in names if ref)
        if settings.url == SANDBOX:
            database = shown(settings.journal / SANDBOX_DATABASE)
            return f"embedded sandbox ({database})" + (f", {path}" if path else "")
        return f"{settings.url} as {settings.credential}, {path}"
