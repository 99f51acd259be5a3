"""Deliver a run: push the results of its journals, and note if nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
import os
from pathlib import Path

from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import resolve
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.format import AllDelivered
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.runs import RunContents
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push import summary
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.embedded import DEFAULT_PORT
from pytest_zephyr.push.embedded import start_if_sandbox
from pytest_zephyr.push.workflow import push
from pytest_zephyr.results.lines import cut_short_lines
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import uncollected_lines
from pytest_zephyr.results.lines import unreadable_lines
from pytest_zephyr.results.report import CaseRow
from pytest_zephyr.results.report import RunReport
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import display_path


@dataclass(frozen=True)
class DeliveredRun:
    """What became of a run, the contents of its journals, and the settings of the push."""

    delivery: Delivery
    run: Run
    contents: RunContents
    settings: Settings

    @property
    def damaged(self) -> bool:
        """Whether journals that were sent are cut short or partly unreadable."""
        journals = self.contents.journals.values()
        return bool(self.run.cut_short) or any(
            journal.unreadable for journal in journals
        )

    @property
    def complete(self) -> bool:
        """Whether another push would change nothing; false for a damaged run."""
        return self.delivery.complete and not self.damaged

    def summary_lines(
        self,
        problem_lines: Iterable[Line],
        *,
        name: str = "",
        more: Iterable[Line] = (),
    ) -> list[Line]:
        """Return the summary for the user, without secrets: counts, problems and a link.

        *name*, if not empty, is put before the counts. *more* are other lines, which come
        before the problems.
        """
        delivery, contents = self.delivery, self.contents
        counts = summary.counts(delivery)
        lines = [
            replace(counts, text=f"{name}: {counts.text}") if name else counts,
            *summary.preview(delivery),
            *summary.details(delivery),
            *more,
            *summary.replacements(contents.merged),
            *cut_short_lines(map(display_path, self.run.cut_short)),
            *unreadable_lines(contents.unreadable),
            *uncollected_lines(contents.uncollected),
            *problem_lines,
            *self._link_lines,
        ]
        return [line.cleaned(self.scrub) for line in lines]

    @cached_property
    def scrub(self) -> Scrubber:
        """Hides the secrets of this push in texts."""
        credential, proxy = self.settings.credential, self.settings.proxy
        return Scrubber(known_secrets(os.environ, credential, proxy=proxy))

    @property
    def _link_lines(self) -> list[Line]:
        """The line with the address of the results, none if no results were reported."""
        settings, changes = self.settings, self.delivery.changes
        target = self.delivery.target
        if not (changes.reported or changes.reported_before):
            return []
        if target is None or target.phase is None:
            return []
        # No address for a single phase is known, so the link leads to the release.
        page = f"release/{target.release.id}" if target.release is not None else ""
        url = f"{settings.url}/flex/html5/{page}"
        more: tuple[str, ...] = ()
        if settings.embedded:
            url = f"http://127.0.0.1:{DEFAULT_PORT}/phase/{target.phase.id}"
            database = display_path(settings.journal / SANDBOX_DATABASE)
            more = (f"start its server with: {command('sandbox', '--db', database)}",)
        place = f"phase {target.path}" if settings.has_only_phase else target.path
        return [Line(f"View results: {url}  ({place})", more=more, url=url)]

    def report(self, lines: Sequence[Line]) -> RunReport:
        """Return the report of the run; *lines* are its `summary_lines`."""
        delivery, settings = self.delivery, self.settings
        target, evidence = delivery.target, delivery.evidence

        def cases() -> Iterator[CaseRow]:
            for row in summary.case_rows(delivery):
                row.reason = self.scrub(row.reason)
                yield row

        invalid = [node for node in delivery.invalid if not node.cases]
        return RunReport(
            run=self.run.journals[0].header.run,
            journals=[str(display_path(path)) for path in self.run.paths],
            server=SANDBOX if settings.embedded else settings.url,
            target=target.path if target else settings.target_path() or None,
            dry_run=settings.dry_run,
            lines=lines,
            cases=cases,
            without_case=(*delivery.without_case, *invalid),
            complete=self.complete,
            created=delivery.creations.created,
            attachments={
                "uploaded": evidence.files,
                "uploaded_before": evidence.files_before,
                "refused": evidence.files_refused,
                "left_out": len(evidence.left_out),
                "not_sent": evidence.files_pending,
            },
        )


@contextmanager
def reopened(paths: Iterable[Path]) -> Iterator[list[JournalWriter]]:
    """Yield writers with which a push adds lines to the journals at *paths*.

    Raises JournalError if a journal is in use.
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(JournalWriter.reopen(path))) for path in paths
        ]


def deliver(
    run: Run,
    settings: Settings,
    deadline: Deadline,
    writers: Sequence[JournalWriter],
    *,
    by_journal: bool,
    force: bool = False,
    snapshot: Snapshot | None = None,
    progress: Callable[..., None] = lambda *_done: None,
    find_run: Callable[[], Run] | None = None,
) -> DeliveredRun:
    """Deliver *run*: push its results, and note in its journals if nothing is left.

    With *by_journal* each journal is pushed with the settings in its header, overridden by
    the flags of the command; otherwise the journals of *run* are pushed with *settings*.
    *writers* are those of the journals. With *force* newer results are replaced.
    *snapshot* is what was already read from the server. *find_run* finds the journals of
    the run again: if another session of it has ended meanwhile, neither push knew the
    results of the other, so they are merged and pushed again.
    """
    # Journals name the server as the user does: below, the URL `sandbox` is replaced by
    # the address of an embedded server, whose port is another one each time.
    server, contents = str(settings.url), run.read()
    earlier: Delivery | None = None
    with (
        start_if_sandbox(settings, contents.merged.nodes) as settings,
        Client(settings, deadline) as client,
    ):
        if snapshot is not None:
            snapshot.prepare(client)
        while True:
            # The settings in the headers of these journals apply to their results, and
            # `settings` as they are to the rest. Only `run.journals` are sent.
            with_own_settings = run.all if by_journal else run.others
            delivery = push(
                contents.merged,
                client,
                settings,
                contents.begin_push(server, () if settings.dry_run else writers),
                progress,
                snapshot=snapshot,
                settings_by_session={
                    journal.header.session: resolve.settings_of_journal(
                        settings,
                        journal.header.options,
                        journal.path.name,
                        keep_flags=by_journal,
                    )
                    for journal in with_own_settings
                },
                sessions_to_send={journal.header.session for journal in run.journals},
                force=force,
            )
            if earlier is not None:
                delivery.add_earlier(earlier)
            new_run = find_run() if find_run is not None and not delivery.error else run
            if set(new_run.others) <= set(run.others):
                break
            run, contents, snapshot, earlier = new_run, new_run.read(), None, delivery
    delivered = DeliveredRun(delivery, run, contents, settings)
    if delivered.complete:
        for writer in writers:
            writer.append(AllDelivered())
    return delivered
