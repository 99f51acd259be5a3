"""The plugin object that looks at the server before the first test, and may end the run."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import sys
from typing import Any
from typing import NoReturn
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.ledger import Clock
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.items import item_of
from pytest_zephyr.plugin.only_planned import OnlyPlanned
from pytest_zephyr.push.embedded import DATABASE
from pytest_zephyr.push.summary import shown
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item
from pytest_zephyr.text import one_line


if TYPE_CHECKING:
    # It reaches the HTTP library, which only a run that reports needs.
    from pytest_zephyr.push.preflight import Preflight

#: Lines about unknown test cases that are shown before the tests.
_SHOWN = 20


class StartupCheck:
    """Says before the tests what is wrong, on the controller or in the only process.

    *found* is what it saw; *aborted* says that the run ended here, as the user wished.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        writer: JournalWriter,
        note_bug: Callable[[str, BaseException], None],
    ) -> None:
        self._config = config
        self._settings = settings
        self._writer = writer
        self.note_bug = note_bug
        self.found: Preflight | None = None
        self.aborted = False
        self._checked = False

    @pytest.hookimpl(tryfirst=True)
    @guarded
    def pytest_sessionstart(self) -> None:
        if self._settings.push == "end":
            self._check_server()

    @pytest.hookimpl(trylast=True)
    @guarded
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        marks = plugin_settings.load_marks(self._config)
        self._check_cases(item_of(item, marks) for item in session.items)

    @guarded
    def check_journal(self) -> None:
        """Look up the cases of the items that workers wrote to the journal."""
        records = Journal(self._writer.path, self._writer.kept).records()
        self._check_cases(each for each in records if isinstance(each, Item))

    @property
    def planned(self) -> frozenset[CaseRef] | None:
        """The test cases of the phase, if only their tests are to run."""
        if self.found is None or self.found.plan is None:
            return None
        return self.found.planned

    def pytest_report_header(self) -> list[str]:
        try:
            lines = self.found.lines if self.found else []
            return list(map(self._clean, [f"zephyr: {self._where()}", *lines]))
        except ERRORS as error:
            self.note_bug("pytest_report_header", error)
            return []

    @guarded
    def pytest_unconfigure(self) -> None:
        if self.found is not None:
            self.found.close()

    def _check_server(self) -> None:
        # Late: only who reports needs an HTTP library.
        from pytest_zephyr.push.preflight import check_server

        found = self.found = check_server(self._settings)
        if found.problems and self._settings.on_error == "fail":
            self._abort(found.lines)
        if found.ahead:
            self._writer.append(journal_format.clock_line(Clock(found.ahead)))
        if found.plan is not None:
            marks = plugin_settings.load_marks(self._config)
            only = OnlyPlanned(found.planned, marks, self._writer)
            self._config.pluginmanager.register(only, "zephyr-only-planned")
        if self._config.get_verbosity() < 0:
            # Quiet has no header, but keeps the problems.
            self._tell(found.lines)

    def _check_cases(self, items: Iterable[Item]) -> None:
        """Look up the test cases of *items* once, wherever they were collected."""
        if self.found is None or self._checked:
            return
        from pytest_zephyr.push.preflight import check_cases

        self._checked = True
        tests: dict[CaseRef, str] = {}
        for item in items:
            for case in item.cases:
                tests.setdefault(case, item.title or item.nodeid)
        lines = check_cases(self.found, self._settings, tests)
        self.found.pause()
        if not lines or self._settings.on_error == "ignore":
            return
        strict = self._settings.on_error == "fail"
        if strict and self._settings.unknown_case == "error":
            self._abort(lines)
        more = len(lines) - _SHOWN
        self._tell(lines[:_SHOWN])
        if more > 0:
            self._tell([f"zephyr: and {more} more test cases"])

    def _abort(self, lines: Sequence[str]) -> NoReturn:
        """End the run before its first test, with all problems at once."""
        self.aborted = True
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
            database = shown(settings.journal / DATABASE)
            return f"embedded sandbox ({database})" + (f", {path}" if path else "")
        seen = self.found.seen if self.found else None
        user = seen.user.name if seen else settings.credential
        return f"{settings.url} as {user}, {path}"
