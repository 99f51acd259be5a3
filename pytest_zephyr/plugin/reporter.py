"""The plugin object of the controller: gathers records, ends the session, says how it went."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Sequence
import os
import sys
from typing import Any

import pytest

from pytest_zephyr.clock import now_ms
from pytest_zephyr.config import ci
from pytest_zephyr.config import resolve
from pytest_zephyr.config.job import as_started
from pytest_zephyr.config.job import note_changes
from pytest_zephyr.config.job import this_job
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.ledger import Beside
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.journal.runs import prune
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.runs import running_siblings
from pytest_zephyr.journal.runs import siblings
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import new_run
from pytest_zephyr.journal.writer import SUFFIX
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.progress import Progress
from pytest_zephyr.plugin.reports import STAMP
from pytest_zephyr.plugin.reports import to_record
from pytest_zephyr.plugin.startup_check import StartupCheck
from pytest_zephyr.push import summary
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.embedded import DATABASE
from pytest_zephyr.push.embedded import how_to_look
from pytest_zephyr.push.embedded import served
from pytest_zephyr.push.own_settings import own_settings
from pytest_zephyr.push.summary import shown
from pytest_zephyr.results.jobs import Counted
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import one_line


class ZephyrReporter:
    """Gathers on the controller, or in the only process."""

    def __init__(
        self, config: pytest.Config, settings: Settings, scrub: Scrubber
    ) -> None:
        self._config = config
        self._root = str(config.rootpath)
        self._settings = settings
        self._environ = dict(os.environ)
        run = new_run()
        path = settings.journal / f"{run}{SUFFIX}"
        header = Header(
            run=run,
            key=settings.run_key or "",
            started=now_ms(),
            options=resolve.journaled(settings),
            job=this_job(
                as_started(self._environ),
                config.rootpath,
                config.invocation_params.dir,
                map(str, config.invocation_params.args),
            ),
            pid=os.getpid(),
            setup_only=bool(config.option.setuponly or config.option.setupplan),
            page=ci.job_url(os.environ),
            commit=ci.commit(os.environ),
            dry_run=settings.dry_run,
        )
        self.writer = JournalWriter.create(path, header, scrub)
        self._journal = shown(path)
        self._lines: list[str] = [f"zephyr: {each}" for each in settings.warnings]
        self._bugs: dict[str, int] = {}
        self._beside: list[Journal] = []
        self._unread: set[str] = set()
        self._undelivered = False
        self._session: pytest.Session | None = None
        self.startup_check = StartupCheck(config, settings, self.writer, self.note_bug)

    def note_bug(self, hook: str, error: BaseException) -> None:
        self._note_bug(f"{hook}: {error!r}")

    def _note_bug(self, text: str) -> None:
        self._bugs[text] = self._bugs.get(text, 0) + 1

    # While the tests run

    @guarded
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @guarded
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.writer.append(journal_format.collect_error_line(report.nodeid))

    @guarded
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.writer.append(journal_format.start_line(nodeid))

    @guarded
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        record = to_record(report, self._root, self.writer.scrub)
        self.writer.append(journal_format.report_line(record))
        stamp = getattr(report, STAMP, None) or {}
        self.writer.append_kept(stamp.get("kept", ()))
        for bug in stamp.get("bugs", ()):
            self._note_bug(bug)

    # When they are done

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session
    ) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            # A startup check that aborted the run has reported why, and a process that
            # a test forked, and that goes on, is not the run.
            if not self.startup_check.aborted and self.writer.is_ours:
                self._finish_guarded(session)

    def _finish_guarded(self, session: pytest.Session) -> None:
        # pytest does not guard its hook: whatever leaves it takes the terminal
        # summary along, so nothing may.
        try:
            self._finish()
        except ZephyrError as error:
            self._keep([f"zephyr: {error}"])
        except KeyboardInterrupt:
            self._keep(["zephyr: interrupted before anything was sent."])
        except ERRORS as error:
            self.note_bug("pytest_sessionfinish", error)
            self._keep([])
        try:
            self._fail_if_wanted(session)
        except ERRORS as error:
            self.note_bug("pytest_sessionfinish", error)

    def _fail_if_wanted(self, session: pytest.Session) -> None:
        failed = self._undelivered or self._bugs
        if failed and self._settings.on_error == "fail" and not session.exitstatus:
            session.exitstatus = plugin_settings.UNDELIVERED

    def _finish(self) -> None:
        note_changes(self._environ, os.environ)
        self.writer.append(journal_format.end_line())
        self.writer.retry()
        run = self._find_run()
        if running := running_siblings(run.journals, self._beside):
            self.writer.append(journal_format.beside_line(Beside(running)))
        results = run.read()
        self._lines += [f"zephyr: {problem}" for problem in sorted(self._unread)]
        self._lines += summary.unreadable(run.unreadable)
        if run.uncollected:
            self._lines.append(summary.uncollected(run.uncollected))
        if self._settings.push == "never":
            self._undelivered = not self._is_saved()
            if not self._undelivered:
                self._lines.append(f"results kept in {self._journal}")
                self._lines.append(summary.send_later([self._journal], self._settings))
        else:
            self._push(run, results)
        if self.writer.broken is not None:
            self._tell_broken(self.writer.broken)
        self._undelivered = self._undelivered or run.spoilt
        directory = self.writer.path.parent
        prune(directory, open_all([directory], self._beside))

    def _find_run(self) -> Run:
        """Return this session's journal with those of the same run beside it."""
        own = (Journal(self.writer.path, self.writer.kept),)
        if own[0].header.key:
            problems: list[str] = []
            directory = self.writer.path.parent
            self._beside = open_all([directory], self._beside, problems)
            self._unread.update(problems)
        return Run(own, siblings(own, self._beside))

    def _push(self, run: Run, results: Counted) -> None:
        # Late: only a push needs an HTTP library.
        from pytest_zephyr.push.preflight import Preflight
        from pytest_zephyr.push.workflow import push

        before = self.startup_check.found or Preflight()
        cases = (case for node in results.nodes for case in node.cases)
        if before.plan is not None:
            untested = before.untested(frozenset(cases))
            self._lines += summary.planned_only(run.deselected, untested)
        seen = before.seen
        with (
            served(self._settings, results.nodes) as settings,
            before.resumed(settings) as client,
            Progress(self._progress_line()) as progress,
        ):
            delivery = Delivery()
            while True:
                earlier = delivery
                delivery = push(
                    results.nodes,
                    client,
                    settings,
                    run.memory([self.writer]),
                    progress.update,
                    seen=seen,
                    own=own_settings(settings, run.others, keep_flags=False),
                    results=results,
                    senders={each.header.run for each in run.journals},
                )
                delivery.add_earlier(earlier)
                # A session of the same run that ended meanwhile did not see what was
                # written now, nor was its result seen.
                again = self._find_run()
                if delivery.error or set(again.others) <= set(run.others):
                    break
                run, results, seen = again, again.read(), None
        self._lines += summary.counted(results)
        self._lines += summary.planned(delivery)
        saved = self._is_saved()
        self._lines.append(summary.numbers(delivery, saved=saved))
        self._lines += summary.made(delivery)
        self._lines += summary.evidence(delivery)
        if delivery.complete and not run.spoilt:
            run.note_delivered([self.writer])
        self._undelivered = delivery.failed
        if self._settings.on_error != "ignore":
            kept_in = [self._journal] if saved else []
            self._lines += summary.problems(delivery, kept_in, self._settings)
        self._lines += self._look(settings, delivery)

    def _progress_line(self) -> Callable[[str], object] | None:
        """Return what shows a line in place, if pytest's terminal is one."""
        terminal: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        # Other plugins put a reporter of their own in its place.
        if not getattr(terminal, "isatty", False) or not hasattr(terminal, "rewrite"):
            return None
        return lambda line: terminal.rewrite(line, erase=True)

    def _look(self, settings: Settings, delivery: Delivery) -> list[str]:
        target = delivery.target
        if target is None or target.phase is None or settings.url is None:
            return []
        if self._settings.url == SANDBOX:
            database = shown(self._settings.journal / DATABASE)
            where = how_to_look(database, target.phase.id)
        else:
            where = summary.link(settings.url, target)
        return [f"look at phase {target.path}: {where}"]

    def _tell_broken(self, error: OSError) -> None:
        if not self._undelivered:
            # Half a journal would be read as a run that died.
            self.writer.discard()
        self._lines.append(
            f"zephyr: {self._journal} could not be written ({error.strerror or error});"
            + (
                " what is not delivered is lost when this process ends."
                if self._undelivered
                else " nothing was lost, the results were sent from memory."
            )
        )

    def _is_saved(self) -> bool:
        """Return whether a later push can read what this run wrote."""
        try:
            Journal(self.writer.path)
        except JournalError:
            return False
        return self.writer.broken is None

    def _keep(self, lines: Sequence[str]) -> None:
        """Say that everything stays in the journal, after the *lines* that say why."""
        self._undelivered = True
        self._lines += lines
        if self._is_saved():
            self._lines.append(f"zephyr: results kept in {self._journal}")
            self._lines.append(summary.send_later([self._journal], self._settings))
        else:
            self._lines.append(
                f"zephyr: {self._journal} cannot be read back; the results are lost."
            )

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        try:
            self._write_summary(terminalreporter)
        except ERRORS as error:
            # What is not shown here goes to stderr at the very end.
            self.note_bug("pytest_terminal_summary", error)
            if self._session is not None:
                self._fail_if_wanted(self._session)

    def _write_summary(self, terminal: pytest.TerminalReporter) -> None:
        lines = self._summary_lines(quiet=self._config.get_verbosity() < 0)
        if lines:
            terminal.section("zephyr")
        for line in lines:
            terminal.line(line)
        self._lines, self._bugs = [], {}

    def _summary_lines(self, *, quiet: bool = False) -> list[str]:
        """Return what there is to say, bugs included; *quiet* keeps the problems.

        A dry run shows what it was asked for all the same. An indented line belongs
        to the one before it.
        """
        bugs = [
            f"zephyr: internal error in {bug} ({count} times), please report it."
            for bug, count in self._bugs.items()
        ]
        lines = []
        shown = True
        for line in (*self._lines, *bugs):
            if quiet and not line.startswith("  "):
                shown = line.startswith(("zephyr: ", "dry run: "))
            if shown:
                # A bug of ours, or the name of a test, may carry anything.
                lines.append(one_line(self.writer.scrub(line)))
        return lines

    @guarded
    def pytest_unconfigure(self) -> None:
        self.writer.close()
        if not self.writer.is_ours:
            return
        # Without pytest's terminal, or if that failed, nobody has printed them yet.
        for line in self._summary_lines():
            sys.stderr.write(f"{line}\n")
