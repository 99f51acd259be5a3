"""The plugin object that checks the server before tests, and may end the session."""

from __future__ import annotations

from collections.abc import Sequence
import sys
from typing import Any

import pytest

from pytest_zephyr import origin
from pytest_zephyr import protocol
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.ledger import Clock
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.collection.items import OnlyPlanned
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.sender_process import GRACE
from pytest_zephyr.plugin.sender_process import SenderBug
from pytest_zephyr.plugin.sender_process import SenderError
from pytest_zephyr.plugin.sender_process import SenderProcess
from pytest_zephyr.results.lines import first_lines
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problems
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item
from pytest_zephyr.text import display_path


#: The most seconds for the check, and for the look-up after it, unless only planned
#: tests are to run.
_MAX_SECONDS = 10.0

#: The keys of xdist's ``workerinput`` for the path of the journal, and for the test
#: cases of the phase if only planned tests are to run.
JOURNAL_KEY = "zephyr_journal"
IN_PHASE_KEY = "zephyr_in_phase"


class StartupCheck:
    """Says before the tests what is wrong, on the controller or in the only process.

    A sender checks the server while tests are collected, and ends before the first test
    runs. *snapshot* is what the sender has read, as `LookedUp` has it, for the push.
    *aborted* says that the check has ended the session, because of mistakes of the user
    with on_error ``fail``.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        marks: Marks,
        writer: JournalWriter,
        bugs: Bugs,
    ) -> None:
        self._config = config
        self._settings = settings
        self._marks = marks
        self._writer = writer
        self.bugs = bugs
        self.snapshot = ""
        self.aborted = False
        self._seconds = settings.deadline
        # With --zephyr-only-planned no test runs before the test cases of the phase are
        # read, so that may take the whole deadline.
        if not settings.only_planned:
            self._seconds = min(_MAX_SECONDS, settings.deadline)
        self._sender: SenderProcess | None = None
        self._answer: protocol.Checked | None = None
        # The node id of the first test of each test case.
        self._tests: dict[CaseRef, str] = {}

    @pytest.hookimpl(tryfirst=True)
    @guarded
    @origin.originals_restored()
    def pytest_sessionstart(self) -> None:
        settings = self._settings
        self._deadline = Deadline(self._seconds + GRACE)
        if settings.only_planned or (
            settings.push == "end" and settings.url != SANDBOX
        ):
            try:
                self._sender = SenderProcess(self._config.invocation_params.dir)
                self._sender.send(protocol.Check(settings, self._seconds))
            except SenderError as error:
                self._note_failure(error)
        if settings.only_planned:
            only = OnlyPlanned(lambda: self.in_phase, self._marks, self._writer)
            self._config.pluginmanager.register(only, "zephyr-only-planned")

    @pytest.hookimpl(trylast=True)
    @guarded
    @origin.originals_restored()
    def pytest_collection_finish(self) -> None:
        self._look_up()

    def take_item(self, item: Item) -> None:
        """Note the test cases of *item*, to look them up."""
        if self._sender is not None:
            for case in item.cases:
                self._tests.setdefault(case, item.nodeid)

    @pytest.hookimpl(optionalhook=True)
    @guarded
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[JOURNAL_KEY] = str(self._writer.path)
        # Only then are workers started after the check; its result is waited for here.
        if self._settings.only_planned and self.in_phase is not None:
            node.workerinput[IN_PHASE_KEY] = list(self.in_phase)

    @pytest.hookimpl(optionalhook=True)
    @guarded
    @origin.originals_restored()
    def pytest_xdist_node_collection_finished(self) -> None:
        """Look up the test cases that the first worker has written to its file."""
        if self._sender is not None:
            for entry in Journal(self._writer.path, self._writer.unwritten).entries():
                if isinstance(entry, Item):
                    self.take_item(entry)
            self._look_up()

    @property
    def in_phase(self) -> frozenset[CaseRef] | None:
        """The test cases of the phase, if only their tests are to run.

        `None` if all tests are to run, or if the phase could not be read. Waits for the
        sender. Raises UsageError for mistakes of the user if on_error is ``fail``.
        """
        with origin.originals_restored():
            self._wait()
        if self._answer is None or self._answer.in_phase is None:
            return None
        return frozenset(self._answer.in_phase)

    @guarded
    def pytest_report_header(self) -> list[str]:
        return [self._writer.scrub.clean_line(f"zephyr: {self._destination()}")]

    def close(self) -> None:
        """End the sender, if it still runs."""
        sender = self._take_sender()
        if sender is not None:
            with origin.originals_restored():
                sender.close(0)

    def _take_sender(self) -> SenderProcess | None:
        """Return the sender and forget it; `None` if there is none.

        Also `None` if this process was forked from the one that started the sender.
        """
        sender, self._sender = self._sender, None
        return sender if self._writer.is_ours else None

    @guarded
    def pytest_unconfigure(self) -> None:
        self.close()

    def _wait(self) -> None:
        """Wait for the result of the check and report it, once."""
        if self._sender is None or self._answer is not None or not self._writer.is_ours:
            return
        # An answer that arrived during the collection is read, however long that took.
        deadline = Deadline(max(GRACE, self._deadline.remaining()))
        try:
            answer = self._sender.answer(protocol.Checked, deadline)
        except SenderError as error:
            self._note_failure(error)
            return
        if answer.clock_offset:
            self._writer.append(Clock(answer.clock_offset))
        self._report(answer)

    def _report(self, answer: protocol.Checked) -> None:
        self._answer = answer
        self._show(problems(answer.texts), has_mistakes=answer.has_mistakes)

    def _note_failure(self, error: SenderError) -> None:
        """Report that there was no check.

        This counts as a mistake of the user only with ``--zephyr-only-planned``.
        """
        self.close()
        if isinstance(error, SenderBug):
            self.bugs.note("the check before the tests", error)
        only_planned = self._settings.only_planned
        text = protocol.not_checked(str(error), only_planned=only_planned)
        self._report(protocol.Checked((text,), has_mistakes=only_planned))

    def _look_up(self) -> None:
        """Look up the test cases of all items, wherever they were collected."""
        self._wait()
        tests, self._tests = self._tests, {}
        sender = self._take_sender()
        if sender is None:
            return
        request = protocol.LookUp(tuple(tests))
        try:
            with sender:
                answer = sender.ask(request, protocol.LookedUp, self._seconds)
        except SenderError as error:
            # The push reports any other problem, if it is still there.
            if isinstance(error, SenderBug):
                self.bugs.note("the look-up of test cases before the tests", error)
            return
        self.snapshot = answer.snapshot
        if self._settings.on_error != "ignore":
            lines = [f"{text} ({tests[case]})" for case, text, _code in answer.problems]
            has_mistakes = self._settings.unknown_case == "error"
            self._show(problems(lines), has_mistakes=has_mistakes)

    def _show(self, lines: Sequence[Line], *, has_mistakes: bool) -> None:
        """Print the first of *lines*.

        With *has_mistakes*, and if on_error is ``fail``, raise UsageError with all of
        them instead: the session ends before its first test, and without its journal.
        """
        if lines and has_mistakes and self._settings.on_error == "fail":
            self.aborted = True
            self.close()
            raise pytest.UsageError(*self._texts(lines))
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        for text in self._texts(first_lines(lines)):
            try:
                terminal.ensure_newline()
                terminal.write_line(text, yellow=True)
            except ERRORS:
                # There is no terminal reporter, or another plugin has replaced it.
                sys.stderr.write(f"{text}\n")

    def _texts(self, lines: Sequence[Line]) -> list[str]:
        """Return what a terminal shows of *lines*, without secrets."""
        clean = self._writer.scrub.clean_line
        return [clean(text) for line in lines for text in line.terminal_lines]

    def _destination(self) -> str:
        """Return where the results go, for the header of the session."""
        settings = self._settings
        if settings.push == "never":
            return f"journal only, {display_path(self._writer.path)}"
        path = settings.target_path()
        if settings.url == SANDBOX:
            database = display_path(settings.journal / SANDBOX_DATABASE)
            return f"embedded sandbox ({database})" + (f", {path}" if path else "")
        return f"{settings.url} as {settings.credential}, {path}"
