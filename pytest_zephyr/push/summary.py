"""Report what a push did: the numbers, a line per problem, and the link."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pytest_zephyr.client.batching import count_batches
from pytest_zephyr.client.entities import Target
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.command_line import kept_lines
from pytest_zephyr.config.command_line import send_later
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.delivery import RefusedFile
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Refusal
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.text import first_few
from pytest_zephyr.text import format_case


#: Lines for one kind of problem; the rest is only counted.
_SHOWN = 20

_Problem = TypeVar("_Problem", Refusal, RefusedFile)


def numbers(delivery: Delivery, *, saved: bool = True) -> str:
    """Return the counts of test cases in one line; *saved* if a journal keeps the rest."""
    parts = [f"{len(delivery.refused)} refused", f"{delivery.unchanged} unchanged"]
    if delivery.delivered_before:
        parts.insert(0, f"{delivery.delivered_before} delivered before")
    if delivery.planned is not None:
        parts.insert(0, f"{delivery.pending} to be delivered")
    else:
        parts.insert(0, f"{delivery.delivered} delivered")
        rest = "kept in the journal" if saved else "not delivered"
        parts.append(f"{delivery.pending} {rest}")
    if delivery.unmapped and delivery.unmapped_is_error:
        parts.append(f"{len(delivery.unmapped)} without a test case")
    return ", ".join(parts)


def evidence(delivery: Delivery) -> list[str]:
    """Return what became of the evidence, in at most one line."""
    sent = delivery.evidence
    parts = [
        f"{count} {what}"
        for count, what in (
            (sent.files, "attachments sent"),
            (sent.files_before, "sent before"),
            (sent.steps, "step results sent"),
            (len(sent.refused), "refused"),
            (len(sent.left_out), "left out"),
            (sent.files_pending, "kept in the journal"),
            (sent.steps_pending, "test cases with steps kept in the journal"),
        )
        if count
    ]
    return [f"evidence: {', '.join(parts)}"] if parts else []


def planned(delivery: Delivery) -> list[str]:
    """Return what a dry run would have created and written, a line for each."""
    if delivery.planned is None:
        return []
    changes = delivery.planned
    creations = delivery.creations
    new = creations.created_cases.missing
    results = len(changes.writes) + len(changes.missing) + len(new)
    requests = count_batches(results) + creations.requests
    one = requests == 1
    lines = [
        (
            f"dry run: nothing was written; {results} results would be, with {requests}"
            f" {'request that writes' if one else 'requests that write'}"
        ),
        *(f"  {each} would be created" for each in creations.containers),
        *(
            f"  folder {each!r} would be created"
            for each in creations.created_cases.folders
        ),
        *(
            f"  test case {each.name!r} would be created for {each.script}"
            for each in new
        ),
    ]
    lines += [f"  {_planned(each)}, after it was added" for each in changes.missing]
    carried = [node.evidence for each in changes.writes for node in each.result.nodes]
    if any(carried):
        files = sum(len(each.files) for each in carried)
        steps = sum(len(each.steps) for each in carried)
        lines.append(f"  with {files} attachments and {steps} steps")
    lines += [
        f"  {_planned(each.result)} on execution {each.execution.id}"
        for each in changes.writes
    ]
    lines += [
        f"  test case {format_case(result.case)}: unchanged ({result.outcome.value})"
        for result in changes.skipped
    ]
    return lines


def _planned(result: CaseResult) -> str:
    status = result.status.name if result.status else ""
    return f"test case {format_case(result.case)}: {status}"


def made(delivery: Delivery) -> list[str]:
    """Return what was created, in at most one line."""
    return [f"created: {', '.join(delivery.made)}"] if delivery.made else []


def as_json(delivery: Delivery) -> dict[str, object]:
    """Return what became of the results of a run, for scripts."""
    return {
        "delivered": delivery.delivered,
        "delivered_before": delivery.delivered_before,
        "left": delivery.unchanged,
        "created": delivery.made,
        "unmapped": delivery.unmapped,
        "kept": delivery.pending,
        "refused": [
            {
                "case": each.result.case,
                "reason": each.reason,
                "tests": [node.title for node in each.result.nodes],
            }
            for each in delivery.refused
        ],
        "evidence": {
            "attachments": delivery.evidence.files,
            "attachments_before": delivery.evidence.files_before,
            "steps": delivery.evidence.steps,
            "kept": delivery.evidence.pending,
            "refused": list(map(_file_as_json, delivery.evidence.refused)),
            "left_out": list(map(_file_as_json, delivery.evidence.left_out)),
        },
        "older": [each.result.case for each in delivery.older],
        "overruled": [each.result.case for each in delivery.overruled],
        "doubled": {str(case): used for case, used in delivery.scheduled_twice.items()},
        "error": str(delivery.error) if delivery.error else None,
        "complete": delivery.complete,
    }


def _file_as_json(file: RefusedFile) -> dict[str, object]:
    return {"name": file.name, "test": file.nodeid, "reason": file.reason}


def problems(
    delivery: Delivery, journals: Sequence[Path], settings: Settings
) -> list[str]:
    """Return a line per problem, and one for all results with the same problem.

    *journals*, if any, keep what is not delivered. *settings* are those of the push, for
    commands that are printed.
    """
    remarks = [*delivery.target.remarks] if delivery.target else []
    remarks += delivery.creations.created_cases.remarks
    lines = [f"zephyr: {remark}" for remark in remarks]
    if delivery.unmapped:
        counts = ", which counts as undelivered" if delivery.unmapped_is_error else ""
        lines.append(
            f"zephyr: {len(delivery.unmapped)} tests name no test case{counts}:"
            f" {first_few(delivery.unmapped)}"
        )
    if delivery.error is not None:
        lines += [f"zephyr: {line}" for line in str(delivery.error).splitlines()]
    refusals = _by_reason(delivery.refused)
    for reason, alike in list(refusals.items())[:_SHOWN]:
        lines.append(f"zephyr: {reason} {_whose(alike)}")
    if len(refusals) > _SHOWN:
        lines.append(f"zephyr: and {len(refusals) - _SHOWN} more problems")
    if delivery.scheduled_twice:
        used = [
            f"{case} (execution {each})"
            for case, each in delivery.scheduled_twice.items()
        ]
        lines.append(
            f"zephyr: {len(used)} test cases are in the phase more than once; only the"
            f" first execution of each has the result: {first_few(used)}"
        )
    if delivery.overruled:
        lines.append(
            f"zephyr: other jobs or later attempts of this run found the results that"
            f" count for {_cases(delivery.overruled)}"
        )
    if delivery.older:
        lines.append(
            f"zephyr: the server has newer results for {_cases(delivery.older)}"
        )
        if journals:
            forced = command("push", *journals, "--force", settings=settings)
            lines.append(f"        to replace them: {forced}")
    lines += _about_files(delivery.evidence.refused, "was refused")
    lines += _about_files(delivery.evidence.left_out, "is left out")
    if final := sum(each.final for each in delivery.refused):
        lines.append(
            f"zephyr: {final} results cannot be assigned to a test case: correct the"
            f" markers and run the tests again"
        )
    if not journals:
        return lines
    names = ", ".join(map(str, journals))
    if delivery.planned is not None:
        again = command("push", *journals, settings=settings)
        lines.append(f"dry run: to send it: {again}")
    elif delivery.waiting:
        lines += kept_lines(journals, settings, f"{delivery.waiting} ")
    elif delivery.evidence.pending or delivery.evidence.retryable:
        lines.append(f"zephyr: evidence kept in {names}")
        lines.append(send_later(journals, settings))
    return lines


def _cases(changes: Sequence[Change]) -> str:
    names = first_few(format_case(each.result.case) for each in changes)
    return f"{len(changes)} test cases, they are unchanged: {names}"


def _by_reason(problems: Iterable[_Problem]) -> dict[str, list[_Problem]]:
    by_reason: dict[str, list[_Problem]] = {}
    for each in problems:
        by_reason.setdefault(each.reason, []).append(each)
    return by_reason


def _about_files(files: Sequence[RefusedFile], what: str) -> list[str]:
    """Return a line for each reason, with the first file and a count of the others."""
    by_reason = _by_reason(files)
    lines = [
        f"zephyr: {alike[0].name} {what} ({alike[0].nodeid}"
        + (f" and {len(alike) - 1} more" if len(alike) > 1 else "")
        + f"): {reason}"
        for reason, alike in list(by_reason.items())[:_SHOWN]
    ]
    if len(by_reason) > _SHOWN:
        lines.append(f"zephyr: and {len(by_reason) - _SHOWN} more")
    return lines


def counted(results: MergedResults) -> list[str]:
    """Return which results of a run replaced others, and why some did not."""
    lines = [
        f"{count} results of {earlier}.jsonl replaced by a later attempt of the same job,"
        f" {later}.jsonl"
        for (earlier, later), count in results.replaced.items()
    ]
    separate_jobs = [
        f"{worse}.jsonl has worse results than {other}.jsonl and counts; they are"
        f" different jobs of this run: {why}"
        for (worse, other), why in results.separate_jobs.items()
    ]
    return [*lines[:_SHOWN], *separate_jobs[:_SHOWN]]


def counted_as_json(results: MergedResults) -> dict[str, object]:
    """Return the same as `counted`, for scripts."""
    return {
        "replaced": [
            {"journal": earlier, "by": later, "tests": count}
            for (earlier, later), count in results.replaced.items()
        ],
        "different_jobs": [
            {"worse": worse, "other": other, "why": why}
            for (worse, other), why in results.separate_jobs.items()
        ],
    }


def planned_only(deselected: int, untested: int) -> str:
    """Return how the tests of a run and the test cases of its phase differ."""
    return (
        f"only planned: {deselected} tests were not run, their test case is not in"
        f" the phase; {untested} test cases of the phase have no test"
    )


def _whose(refusals: list[Refusal]) -> str:
    """Name the test cases of *refusals* and the first of their tests."""
    first = refusals[0].result
    tests = first.nodes[0].title if first.nodes else ""
    if len(refusals) == 1:
        return f"(test case {format_case(first.case)}, {tests})"
    names = first_few(format_case(each.result.case) for each in refusals)
    return f"({len(refusals)} test cases: {names}; first in {tests})"


def link(origin: str, target: Target) -> str:
    """Return the address of the release, or of the start page if it is not known.

    Zephyr has no known address for a single phase.
    """
    page = f"release/{target.release.id}" if target.release is not None else ""
    return f"{origin}/flex/html5/{page}"
