"""Report what became of a run: where to see it, and the file that the user asked for."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import os

from pytest_zephyr.config.command_line import display_path
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.push.embedded import how_to_look
from pytest_zephyr.push.summary import case_rows
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.report import CaseRow
from pytest_zephyr.results.report import RunReport
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.sender.deliver import Delivered


def link_lines(delivered: Delivered) -> list[Line]:
    """Return where to see the results, if there are any."""
    delivery, settings = delivered.delivery, delivered.settings
    target = delivery.target
    is_there = delivery.changes.reported or delivery.changes.reported_before
    if target is None or target.phase is None or not is_there:
        return []
    # Zephyr has no known address for a single phase.
    page = f"release/{target.release.id}" if target.release is not None else ""
    url = f"{settings.url}/flex/html5/{page}"
    more: list[str] = []
    if settings.embedded:
        database = display_path(settings.journal / SANDBOX_DATABASE)
        url, *more = how_to_look(database, target.phase.id)
    path = target.path
    place = f"phase {path}" if path.startswith("id ") else path
    return [Line(f"View results: {url}  ({place})", more=tuple(more), url=url)]


def run_report(delivered: Delivered, lines: Iterable[Line]) -> RunReport:
    """Return the report of a run, whose summary has *lines*, without secrets."""
    delivery, settings, run = delivered.delivery, delivered.settings, delivered.run
    scrub = Scrubber(known_secrets(os.environ, settings.credential))
    lines = [line.cleaned(scrub) for line in lines]
    target = delivery.target
    header, sent = run.journals[0].header, delivery.evidence
    damaged = bool(run.cut) or delivered.contents.damaged
    facts = {
        "run": header.key or header.run,
        "journals": [str(display_path(path)) for path in run.paths],
        "server": SANDBOX if settings.embedded else settings.url,
        "target": target.path if target else settings.target_path or None,
        "url": next((line.url for line in lines if line.url), None),
        "dry_run": delivery.previewed,
        "complete": delivery.complete and not damaged,
        "created": delivery.creations.created,
        "attachments": {
            "uploaded": sent.files,
            "uploaded_before": sent.files_before,
            "refused": len(sent.refused),
            "left_out": len(sent.left_out),
            "not_sent": sent.files_pending,
        },
    }

    def cases() -> Iterator[CaseRow]:
        for row in case_rows(delivery):
            row.reason = scrub(row.reason)
            yield row

    invalid = [each for each in delivery.invalid if not each.cases]
    return RunReport(facts, lines, cases, (*delivery.without_case, *invalid))
