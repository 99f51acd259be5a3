"""Report what a push did: in lines, as JSON, and for each test case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from pytest_zephyr.client.batch_writer import count_batches
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.config.command_line import without_case_line
from pytest_zephyr.push import diff
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.delivery import UndeliveredEvidence
from pytest_zephyr.results import records
from pytest_zephyr.results import report
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.lines import DRY_RUN
from pytest_zephyr.results.lines import first_lines
from pytest_zephyr.results.lines import Level
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.plan import duration_and_end
from pytest_zephyr.text import format_case
from pytest_zephyr.text import join_words
from pytest_zephyr.text import plural


#: Why a test case is unchanged, other than the outcome of its tests.
_IGNORED = "unknown to Zephyr"
_OLDER = "newer result in Zephyr"
_OVERRULED = "worse result of another job"


def counts(delivery: Delivery) -> Line:
    """Return what became of the test cases, in one line."""
    if not delivery.total:
        return Line("No test cases to report")
    changes, would, new = delivery.changes, "", 0
    reported = [each.result for each in changes.reported]
    if delivery.previewed:
        would, new = "would be ", len(delivery.new_cases)
        reported += [each.result for each in changes.writes] + changes.missing
    before = [each.result for each in changes.reported_before]
    statuses = _by_status(reported) | ({"new": new} if new else {})
    reasons = Counter(map(_why_unchanged, changes.skipped))
    reasons += Counter({_OLDER: len(changes.older), _OVERRULED: len(changes.overruled)})
    parts = [
        _with_counts(len(reported) + new, f"{would}reported", statuses),
        _with_counts(len(before), "reported before", _by_status(before)),
        _with_counts(changes.unchanged, "unchanged", reasons),
        _with_counts(len(changes.refused), "refused", {}),
        _with_counts(0 if delivery.previewed else delivery.pending, "not sent", {}),
    ]
    text = f"{plural(delivery.total, 'test case')}: {', '.join(filter(None, parts))}"
    level: Level = "info"
    if delivery.undelivered:
        level = "error"
    elif changes.refused or changes.older or delivery.unmapped:
        level = "warning"
    elif changes.reported or changes.reported_before:
        level = "success"
    return Line(text, level)


def _with_counts(number: int, what: str, groups: Mapping[str, int]) -> str:
    """Return *number* and *what*, with the counts of *groups*; empty if *number* is 0.

    *groups* are statuses or reasons. If there is only one reason why results are
    unchanged, it has no count.
    """
    if not number:
        return ""
    texts = [f"{count} {group}" for group, count in groups.items()]
    if what == "unchanged" and len(groups) == 1:
        texts = list(groups)
    return f"{number} {what}" + (f" ({', '.join(texts)})" if texts else "")


def _by_status(results: Iterable[CaseResult]) -> dict[str, int]:
    """Count *results* by status, in the order of Zephyr's ids."""
    counter = Counter(each.status for each in results if each.status)
    ordered = sorted(counter, key=lambda each: (len(each.id), each.id))
    return {each.name: counter[each] for each in ordered}


def _why_unchanged(result: CaseResult) -> str:
    """Return why a skipped result leaves its test case unchanged."""
    if result.status is not None:
        # Its test case is unknown.
        return _IGNORED
    return result.why_skipped


def details(delivery: Delivery) -> list[Line]:
    """Return lines about what was created, evidence, and tests without a valid marker."""
    created, sent = delivery.creations.created, delivery.evidence
    parts = [
        f"{plural(count, noun)} {what}"
        for count, noun, what in (
            (sent.files, "attachment", "uploaded"),
            (sent.files_before, "attachment", "uploaded before"),
            (sent.steps, "step result", "reported"),
            (sent.files_refused, "attachment", "refused"),
            (sent.steps_refused, "step result", "refused"),
            (len(sent.left_out), "item", "left out"),
            (sent.files_pending, "attachment", "not sent"),
        )
        if count
    ]
    if sent.steps_pending:
        parts.append(f"steps of {plural(sent.steps_pending, 'test case')} not sent")
    # `describe_problems` names the unmapped tests.
    unmarked = len(delivery.without_case) - len(delivery.unmapped)
    texts = (
        f"Created {join_words(created)}" if created else "",
        ", ".join(parts),
        without_case_line(unmarked, len(delivery.invalid)),
    )
    return [Line(text) for text in texts if text]


def preview(delivery: Delivery) -> list[Line]:
    """Return what a push would write, in one line, if this was a dry run."""
    if not delivery.previewed:
        return []
    changes, creations = delivery.changes, delivery.creations
    new = creations.cases
    results = len(changes.writes) + len(changes.missing) + len(new)
    requests = count_batches(results) + creations.request_count
    lines = [
        *(f"{each} would be created" for each in creations.places),
        *(f"folder {each!r} would be created" for each in creations.folders),
        *(
            f"test case {each.name!r} would be created for {each.script}"
            for each in new
        ),
    ]
    lines += [f"{_preview_of(each)}, once it is added" for each in changes.missing]
    evidence = [node.evidence for each in changes.writes for node in each.result.nodes]
    if any(each.files or each.steps for each in evidence):
        files = plural(sum(len(each.files) for each in evidence), "attachment")
        steps = plural(sum(len(each.steps) for each in evidence), "step")
        lines.append(f"with {files} and {steps}, which may take more requests")
    lines += [
        f"{_preview_of(each.result)} on execution {each.execution.id}"
        for each in changes.writes
    ]
    lines += [
        f"test case {format_case(result.case)}: unchanged ({_why_unchanged(result)})"
        for result in changes.skipped
    ]
    text = f"dry run: nothing was written; a push takes {plural(requests, 'writing request')}"
    return [Line(text, more=tuple(lines), code=DRY_RUN)]


def _preview_of(result: CaseResult) -> str:
    status = result.status.name if result.status else ""
    return f"test case {format_case(result.case)}: {status}"


def as_json(delivery: Delivery, merged: MergedResults) -> dict[str, object]:
    """Return what became of a run, for scripts; *merged* says which results count."""
    changes = delivery.changes
    return {
        "target": delivery.target.path if delivery.target else None,
        "statuses": _by_status(each.result for each in changes.reported),
        "reported": len(changes.reported),
        "reported_before": len(changes.reported_before),
        "unchanged": changes.unchanged,
        "created": delivery.creations.created,
        "unmapped": delivery.unmapped,
        "not_sent": delivery.pending,
        "refused": [
            {
                "case": each.result.case,
                "reason": each.reason,
                "tests": [node.title for node in each.result.nodes],
            }
            for each in changes.refused
        ],
        "evidence": {
            "attachments": delivery.evidence.files,
            "attachments_before": delivery.evidence.files_before,
            "steps": delivery.evidence.steps,
            "not_sent": delivery.evidence.pending,
            "refused": list(map(_evidence_as_json, delivery.evidence.refused)),
            "left_out": list(map(_evidence_as_json, delivery.evidence.left_out)),
        },
        "older": [each.result.case for each in changes.older],
        "overruled": [each.result.case for each in changes.overruled],
        "scheduled_twice": {
            str(case): used for case, used in changes.scheduled_twice.items()
        },
        "error": str(delivery.error) if delivery.error else None,
        "replaced": [
            {"journal": earlier, "by": later, "tests": count}
            for (earlier, later), count in merged.replaced.items()
        ],
        "different_jobs": [
            {"worse": worse, "other": other, "why": why}
            for (worse, other), why in merged.separate_jobs.items()
        ],
    }


def _evidence_as_json(value: UndeliveredEvidence) -> dict[str, object]:
    return {"name": value.name, "test": value.nodeid, "reason": value.reason}


def replacements(merged: MergedResults) -> list[Line]:
    """Return whose results a later attempt replaced, and which jobs count separately."""
    replaced = [
        Line(
            f"{plural(count, 'result')} of {earlier}.jsonl replaced by a later attempt of"
            f" the same job, {later}.jsonl"
        )
        for (earlier, later), count in merged.replaced.items()
    ]
    separate_jobs = [
        Line(
            f"{worse}.jsonl counts, as its results are worse than those of {other}.jsonl;"
            f" they are different jobs of this run: {why}"
        )
        for (worse, other), why in merged.separate_jobs.items()
    ]
    return [*first_lines(replaced), *first_lines(separate_jobs)]


def case_rows(delivery: Delivery) -> Iterator[report.CaseRow]:
    """Yield what became of each test case, in the order of the tests.

    New test cases that were not created come last.
    """
    actions = _actions(delivery.changes)
    pending: tuple[report.Action, str] = "not_sent", str(delivery.error or "")
    if delivery.previewed:
        pending = "would_report", ""
    snapshot = delivery.snapshot
    index = diff.ExecutionIndex(snapshot.executions if snapshot else ())
    placements = snapshot.lookup.placements if snapshot else {}
    for result in delivery.results:
        row = report.row_of(result, *actions.get(result.case, pending))
        execution = index.find(result.case)
        if isinstance(execution, Execution):
            row.id, row.alt, row.execution = execution.case, execution.alt, execution.id
            row.name = execution.name or row.name
        elif placement := placements.get(result.case):
            row.id, row.alt, row.name = placement.case, placement.alt, placement.name
        yield row
    for new, tests in delivery.new_cases.items():
        milliseconds, at = duration_and_end(tests.nodes)
        yield report.CaseRow(
            tests=tests.nodes,
            outcome=records.worst(node.outcome for node in tests.nodes).value,
            milliseconds=milliseconds,
            at=at,
            action=pending[0],
            reason=pending[1],
            name=new.name,
        )


def _actions(changes: diff.Changes) -> dict[records.CaseRef, tuple[report.Action, str]]:
    """Return what became of each test case that is not pending, and why."""
    groups: tuple[tuple[report.Action, str, list[diff.Change]], ...] = (
        ("reported", "", changes.reported),
        ("reported_before", "", changes.reported_before),
        ("unchanged", _OLDER, changes.older),
        ("unchanged", _OVERRULED, changes.overruled),
    )
    actions = {
        each.result.case: (action, reason)
        for action, reason, group in groups
        for each in group
    }
    for result in changes.skipped:
        actions[result.case] = "unchanged", _why_unchanged(result)
    for refusal in changes.refused:
        actions[refusal.result.case] = "refused", refusal.reason
    return actions
