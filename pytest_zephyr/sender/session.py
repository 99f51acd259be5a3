"""Send the journal of a session of pytest, and summarize what became of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.command_line import display_path
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
    """Sends the journal of a session and collects the lines of its summary."""

    def __init__(self, request: Push) -> None:
        self._settings: Settings = request.settings
        self._path: Path = request.journal
        self._kept = [line.encode("ascii") for line in request.kept]
        self._deadline = Deadline(request.seconds)
        facts = request.facts
        self._facts = load(ServerFacts, facts) if facts else ServerFacts()
        self._siblings: list[Journal] = []
        self._unreadable: list[str] = []

    def push(self, progress: Callable[..., None]) -> Pushed:
        """Send the journal and report *progress*.

        Raises JournalError if the journal cannot be read or is being sent already.
        """
        with ExitStack() as stack:
            writers = []
            # Lines that could not be written are kept in memory: the disk is full.
            if not self._kept:
                writers.append(JournalWriter.reopen(self._path))
                stack.callback(writers[0].close)
            run = self._find_run()
            note_running(run.journals, self._siblings, writers)
            request = DeliveryRequest(
                self._settings,
                self._deadline,
                writers,
                keep_flags=False,
                facts=self._facts,
                progress=progress,
            )
            delivered = deliver(run, request, self._find_run)
        prune(self._path.parent)
        run = delivered.run
        failed = delivered.delivery.failed or bool(run.cut) or run.damaged
        return Pushed(tuple(self._lines(delivered)), failed)

    def _find_run(self) -> Run:
        """Return the journal of this session, with those of the same run in its directory."""
        own = (Journal(self._path, self._kept),)
        if own[0].header.key:
            problems: list[str] = []
            self._siblings = open_all(
                [self._path.parent], self._siblings, problems, recent=True
            )
            self._unreadable = sorted({*self._unreadable, *problems})
        return Run(own, siblings(own, self._siblings))

    def _lines(self, delivered: Delivered) -> list[str]:
        """Return the lines of the summary, in their order."""
        delivery, run = delivered.delivery, delivered.run
        journal = display_path(self._path)
        lines = [f"zephyr: {problem}" for problem in self._unreadable]
        lines += cut_short(map(display_path, run.cut))
        lines += [*unreadable(run.unreadable), *uncollected(run.uncollected)]
        if self._facts.plan is not None:
            cases = (case for node in delivered.results.nodes for case in node.cases)
            untested = self._facts.untested(frozenset(cases))
            lines.append(summary.planned_only(run.deselected, untested))
        lines += summary.counted(delivered.results)
        lines += summary.planned(delivery)
        lines.append(summary.numbers(delivery, saved=not self._kept))
        lines += summary.made(delivery)
        lines += summary.evidence(delivery)
        if self._settings.on_error != "ignore":
            kept_in = [] if self._kept else [journal]
            lines += summary.problems(delivery, kept_in, self._settings)
        return [*lines, *self._link(delivered)]

    def _link(self, delivered: Delivered) -> list[str]:
        target, server = delivered.delivery.target, delivered.settings.url
        if target is None or target.phase is None or server is None:
            return []
        if self._settings.url == SANDBOX:
            database = display_path(self._settings.journal / SANDBOX_DATABASE)
            where = how_to_look(database, target.phase.id)
        else:
            where = summary.link(server, target)
        return [f"look at phase {target.path}: {where}"]
