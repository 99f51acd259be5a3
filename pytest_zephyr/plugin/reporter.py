"""Lets the sender send the results of a session, and reports how that went."""

from __future__ import annotations

from collections.abc import Generator
import os
import sys

import pytest

from pytest_zephyr import errors
from pytest_zephyr import origin
from pytest_zephyr import protocol
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config import ci
from pytest_zephyr.config import job
from pytest_zephyr.config import resolve
from pytest_zephyr.config.command_line import unsent_lines
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal import runs
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.writer import JOURNAL_SUFFIX
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import new_session_name
from pytest_zephyr.origin import System
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin import summary
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.sender_process import SenderBug
from pytest_zephyr.plugin.sender_process import SenderError
from pytest_zephyr.plugin.sender_process import SenderProcess
from pytest_zephyr.plugin.sender_process import SenderTimeout
from pytest_zephyr.plugin.settings import LocalOptions
from pytest_zephyr.plugin.startup_check import StartupCheck
from pytest_zephyr.results.lines import cut_short_lines
from pytest_zephyr.results.lines import github_annotations
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problem
from pytest_zephyr.results.lines import problems
from pytest_zephyr.results.lines import uncollected_lines
from pytest_zephyr.results.records import End
from pytest_zephyr.results.report import add_job_summary
from pytest_zephyr.results.report import write_report
from pytest_zephyr.text import display_path


class ZephyrReporter:
    """Starts the journal of a session, has it sent at the end, and reports the result.

    It runs on the controller, or in the only process. *lines* are for the summary.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, local: LocalOptions
    ) -> None:
        self._config = config
        self._settings = settings
        self._environ = dict(os.environ)
        name = new_session_name()
        path = settings.journal / f"{name}{JOURNAL_SUFFIX}"
        header = journal_format.Header(
            session=name,
            started=now_ms(),
            options=resolve.journaled_options(settings),
            job=job.identify_job(
                job.without_added_variables(self._environ),
                config.rootpath,
                config.invocation_params.dir,
                map(str, config.invocation_params.args),
            ),
            pid=System.process_id(),
            setup_only=bool(config.option.setuponly or config.option.setupplan),
            page=ci.job_url(os.environ),
            commit=ci.find(os.environ, "commit"),
            dry_run=settings.dry_run,
        )
        self.writer = JournalWriter.create(path, header, local.scrub)
        self.bugs = Bugs()
        self.startup_check = StartupCheck(
            config, settings, local.marks, self.writer, self.bugs
        )
        self._display_path = display_path(path)
        self.lines = problems(settings.warnings, "warning")
        # Whether results that should be sent were not, or the journal is damaged.
        self._undelivered = False
        self._uncollected: list[str] = []
        self._finished = False
        # Whether the sender has written the report file, if one is wanted.
        self._report_written = False
        self._session: pytest.Session | None = None

    @guarded
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @guarded
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._uncollected.append(report.nodeid)
            self.writer.append(journal_format.CollectError(report.nodeid))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session
    ) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            # A startup check that ended the session has reported why, and a process
            # that a test has forked must not send the results.
            if not self.startup_check.aborted and self.writer.is_ours:
                self._finish_guarded(session)

    def _finish_guarded(self, session: pytest.Session) -> None:
        self._finished = True
        # pytest catches no exception of this hook: one raised here would take the place
        # of the terminal summary.
        try:
            with origin.originals_restored():
                self._finish()
        except errors.ZephyrError as error:
            self._add_unsent_lines(str(error))
        except KeyboardInterrupt:
            self._add_unsent_lines(
                "interrupted before anything was sent.", code="interrupted"
            )
        except ERRORS as error:
            self.bugs.note("pytest_sessionfinish", error)
            self._add_unsent_lines()
        try:
            with origin.originals_restored():
                self._write_report()
            self._set_exit_code(session)
        except ERRORS as error:
            self.bugs.note("pytest_sessionfinish", error)

    def _write_report(self) -> None:
        """Write the report file, if one is wanted and the sender has not written it."""
        path = self._settings.report
        if path is None or self._report_written:
            return
        lines = self._summary_lines()
        reason = next((line.text for line in lines if line.is_problem), "")
        if self._settings.push == "never":
            reason = "zephyr_push is never"
        try:
            journal = Journal(self.writer.path, self.writer.unwritten)
            report = summary.unsent_report(journal, self._settings, reason, lines)
        except errors.JournalError as error:
            text = f"the report {display_path(path)} cannot be written: {error}"
            self.lines.append(Line(text, "warning", code="report"))
        else:
            self.lines.append(write_report(path, [report]))

    def _set_exit_code(self, session: pytest.Session) -> None:
        if self._undelivered or self.bugs:
            plugin_settings.set_exit_code(session, self._settings.on_error)

    def _finish(self) -> None:
        self.startup_check.close()
        job.note_added_variables(self._environ, os.environ)
        self.writer.append(End())
        self.writer.retry()
        if self._settings.push == "end":
            self._push()
        else:
            self._leave_unsent()
        if self.writer.broken is not None:
            self._report_broken(self.writer.broken)

    def _leave_unsent(self) -> None:
        """Say where unsent results are.

        The journal notes which other sessions of the run have not ended.
        """
        journal = Journal(self.writer.path, self.writer.unwritten)
        if journal.header.run_key:
            known = runs.open_all([journal.path.parent], recent=True)
            runs.run_of([journal], known).note_running([self.writer])
        if journal.header.is_cut_short:
            self.lines += cut_short_lines([self._display_path])
        self.lines += uncollected_lines(self._uncollected)
        self._undelivered = self.writer.broken is not None
        if not self._undelivered:
            text, again = unsent_lines([self._display_path], self._settings)
            self.lines.append(Line(text, more=(again,)))

    def _push(self) -> None:
        settings = self._settings
        unwritten = tuple(line.decode("ascii") for line in self.writer.unwritten)
        if self.writer.broken is None:
            # The sender continues the file.
            self.writer.close()
        request = protocol.Push(
            settings, self.writer.path, unwritten, self.startup_check.snapshot
        )
        directory = self._config.invocation_params.dir
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        deadline = settings.time_budget()
        with summary.ProgressLine(terminal) as progress:
            try:
                with SenderProcess(directory, progress.update) as sender:
                    answer = sender.ask(request, protocol.Pushed, deadline.seconds)
            except SenderTimeout:
                self._add_unsent_lines(f"{deadline} is spent.{progress.sent_before}")
            except SenderBug as error:
                self.bugs.note("the push", error)
                self._add_unsent_lines()
            except SenderError as error:
                self._add_unsent_lines(f"{error}{progress.sent_before}")
            except KeyboardInterrupt:
                text = f"interrupted while sending.{progress.sent_before}"
                self._add_unsent_lines(text, code="interrupted")
            else:
                self._report_written = True
                self.lines += answer.lines
                self._undelivered = answer.undelivered

    def _report_broken(self, error: OSError) -> None:
        result = "what is neither delivered nor in it is lost when this process ends."
        if not self._undelivered:
            # A later push would report the journal as cut short, and send it again.
            self.writer.discard()
            result = "nothing was lost, the results were sent from memory."
        text = (
            f"{self._display_path} could not be written ({error.strerror or error}); "
        )
        self.lines.append(Line(text + result, "error", code="journal"))

    def _add_unsent_lines(
        self, problem_text: str = "", code: errors.Code = "error"
    ) -> None:
        """Add the problem, if it has a text; say if the results are kept or lost."""
        self._undelivered = True
        if problem_text:
            self.lines.append(Line(problem_text, "error", code=code))
        is_kept = True
        try:
            Journal(self.writer.path)
        except errors.JournalError as error:
            is_kept = (
                not isinstance(error, errors.NotAJournal) and self.writer.path.exists()
            )
            if is_kept:
                # The journal is there, but this process cannot read it.
                self.lines.append(Line(str(error), "error", code="journal"))
        if is_kept and self.writer.broken is None:
            lines = unsent_lines([self._display_path], self._settings)
        elif is_kept:
            lines = [
                f"{self._display_path} is incomplete; what is missing in it is lost."
            ]
        else:
            lines = [f"{self._display_path} cannot be read back; the results are lost."]
        self.lines.append(problem(lines, code="not-sent"))

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        try:
            self._write_summary(terminalreporter)
        except ERRORS as error:
            # `pytest_unconfigure` writes to stderr what is not shown here.
            self.bugs.note("pytest_terminal_summary", error)
            if self._session is not None:
                self._set_exit_code(self._session)

    def _write_summary(self, terminal: pytest.TerminalReporter) -> None:
        lines = self._publish()
        summary.show(terminal, lines, quiet=self._config.get_verbosity() < 0)
        for annotation in github_annotations(lines, self._environ):
            terminal.line(annotation)
        self.lines.clear()
        self.bugs.clear()

    def _publish(self) -> list[Line]:
        """Add the lines to the summary of the CI job, if any; return those to show."""
        lines = self._summary_lines()
        return [*lines, *add_job_summary(self._environ, lines)] if lines else []

    def _summary_lines(self) -> list[Line]:
        """Return all lines, with those of bugs, without secrets or control characters."""
        lines = (*self.lines, *self.bugs.lines())
        return [line.cleaned(self.writer.scrub.clean_line) for line in lines]

    @guarded
    def pytest_unconfigure(self) -> None:
        if not self.writer.is_ours:
            return
        if self.startup_check.aborted:
            # Not earlier: a worker that still runs would write its file again.
            self.writer.discard()
        elif self._session is not None and not self._finished:
            # A hook of another plugin has failed.
            self._add_unsent_lines("the session ended before anything could be sent.")
        self.writer.close()
        # Without pytest's terminal, or if it failed, the lines are not printed yet.
        lines = self._publish()
        shown = [text for line in lines for text in line.terminal_lines]
        for text in (*shown, *github_annotations(lines, self._environ)):
            sys.stderr.write(f"{text}\n")
