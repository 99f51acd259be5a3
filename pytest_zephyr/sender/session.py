"""Deliver the results of a session of pytest, and summarize the delivery."""

from __future__ import annotations

from collections.abc import Callable

from pytest_zephyr import codec
from pytest_zephyr import protocol
from pytest_zephyr.journal import runs
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.push.problems import describe_problems
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problems
from pytest_zephyr.results.report import write_report
from pytest_zephyr.sender.deliver import deliver
from pytest_zephyr.sender.deliver import reopened
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import display_path
from pytest_zephyr.text import have
from pytest_zephyr.text import plural


def deliver_session(
    request: protocol.Push, progress: Callable[..., None]
) -> protocol.Pushed:
    """Deliver the results of a session and report *progress*.

    Raises JournalError if the journal cannot be read or is being sent already.
    """
    path, settings = request.journal, request.settings
    unwritten = [line.encode("ascii") for line in request.unwritten]
    deadline = settings.time_budget()
    snapshot = codec.load(Snapshot, request.snapshot) if request.snapshot else None
    known: list[Journal] = []
    sibling_problems: set[str] = set()

    def find_run() -> runs.Run:
        """Return the run: this journal, and others of the run in the same directory."""
        nonlocal known
        journals = (Journal(path, unwritten),)
        if journals[0].header.run_key:
            new_problems: list[str] = []
            known = runs.open_all([path.parent], known, new_problems, recent=True)
            sibling_problems.update(new_problems)
        return runs.run_of(journals, known)

    # With unwritten lines the disk is full, so receipts cannot be written either.
    with reopened([] if unwritten else [path]) as writers:
        run = find_run()
        run.note_running(writers)
        delivered = deliver(
            run,
            settings,
            deadline,
            writers,
            by_journal=False,
            snapshot=snapshot,
            progress=progress,
            find_run=find_run,
        )
    runs.prune(path.parent)
    problem_lines = []
    if settings.on_error != "ignore":
        # An incomplete journal is not offered for another push.
        journals = [] if unwritten else [display_path(path)]
        problem_lines = describe_problems(delivered.delivery, journals, settings)
    lines = delivered.summary_lines(
        [*problems(sorted(sibling_problems), "warning"), *problem_lines],
        more=_not_tested(delivered.contents, snapshot),
    )
    if settings.report is not None:
        report = delivered.report(lines)
        lines.append(write_report(settings.report, [report]))
    undelivered = delivered.delivery.undelivered or delivered.damaged
    return protocol.Pushed(tuple(lines), undelivered)


def _not_tested(contents: runs.RunContents, snapshot: Snapshot | None) -> list[Line]:
    """Return a line about the effect of `--zephyr-only-planned`, none if it is not set."""
    if snapshot is None or snapshot.in_phase is None:
        return []
    cases = {case for node in contents.merged.nodes for case in node.cases}
    untested = sum(
        case not in cases and alt not in cases
        for case, alt in snapshot.in_phase.items()
    )
    deselected = contents.deselected
    were, their = ("was", "its") if deselected == 1 else ("were", "their")
    text = (
        f"only planned: {plural(deselected, 'test')} {were} not run, {their} test case is"
        f" not in the phase; {plural(untested, 'test case')} of the phase"
        f" {have(untested)} no test"
    )
    return [Line(text)]
