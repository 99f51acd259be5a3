"""The end of a session of pytest: its journal is sent, and people read how it went."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.command_line import shown
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.problems import cut_short
from pytest_zephyr.journal.problems import uncollected
from pytest_zephyr.journal.problems import unreadable
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import note_running
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.journal.runs import prune
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.runs import siblings
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.protocol.codec import load
from pytest_zephyr.protocol.messages import Push
from pytest_zephyr.protocol.messages import Pushed
from pytest_zephyr.push import summary
from pytest_zephyr.push.embedded import how_to_look
from pytest_zephyr.push.preflight import ServerFacts
from pytest_zephyr.sender.deliver import deliver
from pytest_zephyr.sender.deliver import Delivered
from pytest_zephyr.sender.deliver import DeliveryRequest


class SessionEnd:
    """Sends the journal of a session and gathers the lines of its summary."""

    def __init__(self, request: Push) -> None:
        self._settings: Settings = request.settings
        self._path: Path = request.journal
        self._kept = [line.encode("ascii") for line in request.kept]
        self._deadline = Deadline(request.seconds)
        self._facts = (
            load(ServerFacts, request.facts) if request.facts else ServerFacts()
        )
        self._beside: list[Journal] = []
        self._unread: list[str] = []

    def push(self, progress: Callable[..., None]) -> Pushed:
        """Send the journal; *progress* is told how many results are done.

        Raises JournalError if it cannot be read, or somebody else is sending it.
        """
        with ExitStack() as stack:
            writers = []
            # What the disk refused would be refused again.
            if not self._kept:
                writers.append(JournalWriter.reopen(self._path))
                stack.callback(writers[0].close)
            delivered = self._deliver(writers, progress)
        prune(self._path.parent)
        run = delivered.run
        failed = delivered.delivery.failed or bool(run.cut) or run.spoilt
        return Pushed(tuple(self._lines(delivered)), failed)

    def _deliver(
        self, writers: list[JournalWriter], progress: Callable[..., None]
    ) -> Delivered:
        run = self._find_run()
        note_running(run.journals, self._beside, writers)
        order = DeliveryRequest(
            self._settings,
            self._deadline,
            writers,
            keep_flags=False,
            facts=self._facts,
            progress=progress,
        )
        return deliver(run, order, self._find_run)

    def _find_run(self) -> Run:
        """Return this session's journal with those of the same run beside it."""
        own = (Journal(self._path, self._kept),)
        if own[0].header.key:
            problems: list[str] = []
            self._beside = open_all(
                [self._path.parent], self._beside, problems, recent=True
            )
            self._unread = sorted({*self._unread, *problems})
        return Run(own, siblings(own, self._beside))

    def _lines(self, delivered: Delivered) -> list[str]:
        """Return what people read, in the order in which they read it."""
        delivery, run = delivered.delivery, delivered.run
        journal = shown(self._path)
        lines = [f"zephyr: {problem}" for problem in self._unread]
        lines += cut_short(map(shown, run.cut))
        lines += [*unreadable(run.unreadable), *uncollected(run.uncollected)]
        if self._facts.plan is not None:
            cases = (case for node in delivered.results.nodes for case in node.cases)
            untested = self._facts.untested(frozenset(cases))
            lines += summary.planned_only(run.deselected, untested)
        lines += summary.counted(delivered.results)
        lines += summary.planned(delivery)
        lines.append(summary.numbers(delivery, saved=not self._kept))
        lines += summary.made(delivery)
        lines += summary.evidence(delivery)
        if self._settings.on_error != "ignore":
            kept_in = [] if self._kept else [journal]
            lines += summary.problems(delivery, kept_in, self._settings)
        return [*lines, *self._look(delivered)]

    def _look(self, delivered: Delivered) -> list[str]:
        """Say where the results can be seen."""
        target, server = delivered.delivery.target, delivered.settings.url
        if target is None or target.phase is None or server is None:
            return []
        if self._settings.url == SANDBOX:
            database = shown(self._settings.journal / SANDBOX_DATABASE)
            where = how_to_look(database, target.phase.id)
        else:
            where = summary.link(server, target)
        return [f"look at phase {target.path}: {where}"]
