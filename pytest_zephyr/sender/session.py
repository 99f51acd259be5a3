"""Send the journal of a session of pytest, and summarize what became of it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pytest_zephyr import protocol
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.command_line import display_path
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.problems import cut_short
from pytest_zephyr.journal.problems import uncollected
from pytest_zephyr.journal.problems import unreadable
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.report_file import write_report
from pytest_zephyr.journal.runs import note_running
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.journal.runs import prune
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.runs import siblings
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push import summary
from pytest_zephyr.push.problems import describe_problems
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problems
from pytest_zephyr.sender.deliver import deliver
from pytest_zephyr.sender.deliver import Delivered
from pytest_zephyr.target.snapshot import Snapshot


def push_session(
    request: protocol.Push, progress: Callable[..., None]
) -> protocol.Pushed:
    """Send the journal of a session and report *progress*.

    Raises JournalError if the journal cannot be read or is being sent already.
    """
    path, settings = request.journal, request.settings
    unwritten = [line.encode("ascii") for line in request.unwritten]
    deadline = Deadline(request.seconds)
    snapshot = protocol.load(Snapshot, request.facts) if request.facts else None
    known: list[Journal] = []
    siblings_unreadable: set[str] = set()

    def find_run() -> Run:
        """Return the journal of this session, with those of the same run beside it."""
        nonlocal known
        journals = (Journal(path, unwritten),)
        if journals[0].header.key:
            new_problems: list[str] = []
            known = open_all([path.parent], known, new_problems, recent=True)
            siblings_unreadable.update(new_problems)
        return Run(journals, siblings(journals, known))

    with ExitStack() as stack:
        writers = []
        # Lines that could not be written are kept in memory: the disk is full.
        if not unwritten:
            writers.append(JournalWriter.reopen(path))
            stack.callback(writers[0].close)
        run = find_run()
        note_running(run.journals, known, writers)
        delivered = deliver(
            run,
            settings,
            deadline,
            writers,
            keep_flags=False,
            snapshot=snapshot,
            progress=progress,
            find_run=find_run,
        )
    prune(path.parent)
    saved = [] if unwritten else [path]
    lines = _lines(delivered, snapshot, settings, sorted(siblings_unreadable), saved)
    if settings.report is not None:
        report = delivered.report(lines)
        lines.append(
            write_report(settings.report, [report], display_path(settings.report))
        )
    failed = delivered.delivery.failed or delivered.damaged
    return protocol.Pushed(tuple(lines), failed)


def _lines(
    delivered: Delivered,
    snapshot: Snapshot | None,
    settings: Settings,
    unreadable_siblings: Sequence[str],
    saved: Sequence[Path],
) -> list[Line]:
    """Return the lines of the summary; what is undelivered is *saved* in a journal."""
    delivery, contents = delivered.delivery, delivered.contents
    lines = [summary.counts(delivery)]
    lines += summary.preview(delivery)
    lines += summary.details(delivery)
    if snapshot is not None and snapshot.scheduled is not None:
        cases = {case for node in contents.results.nodes for case in node.cases}
        untested = sum(
            case not in cases and alt not in cases
            for case, alt in snapshot.scheduled.items()
        )
        lines.append(summary.planned_only(contents.deselected, untested))
    lines += summary.merged(contents.results)
    lines += problems(unreadable_siblings, "warning")
    lines += problems(cut_short(map(display_path, delivered.run.cut)))
    lines += problems(unreadable(contents.unreadable))
    lines += problems(uncollected(contents.uncollected), "warning")
    if settings.on_error != "ignore":
        journals = list(map(display_path, saved))
        lines += describe_problems(delivery, journals, settings)
    return [*lines, *delivered.link_lines]
