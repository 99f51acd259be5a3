"""What people read about a push: the numbers, a line per problem, and the link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_zephyr.client.batching import count_batches
from pytest_zephyr.client.entities import Target
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.command_line import kept
from pytest_zephyr.config.command_line import send_later
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.delivery import RefusedFile
from pytest_zephyr.push.diff import Refusal
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.text import format_case
from pytest_zephyr.text import some


#: Lines for one kind of problem before the rest is only counted.
_SHOWN = 20


def numbers(delivery: Delivery, *, saved: bool = True) -> str:
    """Return the counts of test cases in one line; *saved* if a journal has the rest."""
    parts = [f"{len(delivery.refused)} refused", f"{delivery.left} left as they were"]
    if delivery.already:
        parts.insert(0, f"{delivery.already} delivered before")
    if delivery.planned is not None:
        parts.insert(0, f"{delivery.kept} to be delivered")
    else:
        parts.insert(0, f"{delivery.delivered} delivered")
        rest = "kept in the journal" if saved else "not delivered"
        parts.append(f"{delivery.kept} {rest}")
    if delivery.unmapped and delivery.unmapped_is_error:
        parts.append(f"{len(delivery.unmapped)} without a test case")
    return ", ".join(parts)


def evidence(delivery: Delivery) -> list[str]:
    """Return what became of the evidence, in one line if there was any."""
    found = delivery.evidence
    parts = [
        f"{count} {what}"
        for count, what in (
            (found.files, "attachments sent"),
            (found.files_before, "sent before"),
            (found.steps, "step results sent"),
            (len(found.refused), "refused"),
            (len(found.left_out), "left out"),
            (found.files_kept, "kept in the journal"),
            (found.steps_kept, "test cases with steps kept in the journal"),
        )
        if count
    ]
    return [f"evidence: {', '.join(parts)}"] if parts else []


def planned(delivery: Delivery) -> list[str]:
    """Return what a dry run would have made, written and left, a line for each."""
    if delivery.planned is None:
        return []
    changes = delivery.planned
    creations = delivery.creations
    new = creations.created_cases.missing
    results = len(changes.writes) + len(changes.missing) + len(new)
    requests = count_batches(results) + creations.requests
    lines = [
        (
            f"dry run: nothing was written; {results} results would be, with"
            f" {requests} {'request' if requests == 1 else 'requests'} that"
            f" {'writes' if requests == 1 else 'write'}"
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
    for result in changes.missing:
        status = result.status.name if result.status else ""
        lines.append(
            f"  test case {format_case(result.case)}: {status}, after it was added"
        )
    carried = [node.evidence for each in changes.writes for node in each.result.nodes]
    if any(carried):
        files = sum(len(each.files) for each in carried)
        steps = sum(len(each.steps) for each in carried)
        lines.append(f"  with {files} attachments and {steps} steps")
    for change in changes.writes:
        status = change.result.status.name if change.result.status else ""
        lines.append(
            f"  test case {format_case(change.result.case)}: {status}"
            f" on execution {change.execution.id}"
        )
    lines += [
        f"  test case {format_case(result.case)}: left as it is ({result.outcome.value})"
        for result in changes.left
    ]
    return lines


def made(delivery: Delivery) -> list[str]:
    """Return a line that says what was created, if anything was."""
    return [f"created: {', '.join(delivery.made)}"] if delivery.made else []


def as_json(delivery: Delivery) -> dict[str, object]:
    """Return what became of a run's results for scripts."""
    return {
        "delivered": delivery.delivered,
        "delivered_before": delivery.already,
        "left": delivery.left,
        "created": delivery.made,
        "unmapped": delivery.unmapped,
        "kept": delivery.kept,
        "refused": [_refusal_as_json(each) for each in delivery.refused],
        "evidence": {
            "attachments": delivery.evidence.files,
            "attachments_before": delivery.evidence.files_before,
            "steps": delivery.evidence.steps,
            "kept": delivery.evidence.kept,
            "refused": list(map(_file_as_json, delivery.evidence.refused)),
            "left_out": list(map(_file_as_json, delivery.evidence.left_out)),
        },
        "older": [each.result.case for each in delivery.older],
        "overruled": [each.result.case for each in delivery.overruled],
        "doubled": {str(case): held for case, held in delivery.doubled.items()},
        "error": str(delivery.error) if delivery.error else None,
        "complete": delivery.complete,
    }


def _refusal_as_json(refusal: Refusal) -> dict[str, object]:
    return {
        "case": refusal.result.case,
        "reason": refusal.reason,
        "tests": [node.title for node in refusal.result.nodes],
    }


def _file_as_json(file: RefusedFile) -> dict[str, object]:
    return {"name": file.name, "test": file.nodeid, "reason": file.reason}


def problems(
    delivery: Delivery, journals: Sequence[Path], settings: Settings
) -> list[str]:
    """Return a line per problem; what is the same for many is said once.

    *journals* keep what is not delivered; without any, nothing is said of that.
    *settings* are those of the push, for commands that are printed.
    """
    lines = [f"zephyr: {remark}" for remark in _remarks(delivery)]
    if delivery.unmapped:
        counts = ", which counts as undelivered" if delivery.unmapped_is_error else ""
        lines.append(
            f"zephyr: {len(delivery.unmapped)} tests name no test case{counts}:"
            f" {some(delivery.unmapped)}"
        )
    if delivery.error is not None:
        lines += [f"zephyr: {line}" for line in str(delivery.error).splitlines()]
    by_reason: dict[str, list[Refusal]] = {}
    for refusal in delivery.refused:
        by_reason.setdefault(refusal.reason, []).append(refusal)
    for reason, refusals in list(by_reason.items())[:_SHOWN]:
        lines.append(f"zephyr: {reason} {_whose(refusals)}")
    if len(by_reason) > _SHOWN:
        lines.append(f"zephyr: and {len(by_reason) - _SHOWN} more problems")
    if delivery.doubled:
        held = [f"{case} (execution {each})" for case, each in delivery.doubled.items()]
        lines.append(
            f"zephyr: {len(held)} test cases are in the phase more than once; only the"
            f" first execution of each has the result: {some(held)}"
        )
    if delivery.overruled:
        names = some(format_case(each.result.case) for each in delivery.overruled)
        lines.append(
            f"zephyr: other jobs or later attempts of this run found the results that"
            f" count for {len(delivery.overruled)} test cases, they are left: {names}"
        )
    if delivery.older:
        names = some(format_case(each.result.case) for each in delivery.older)
        lines.append(
            f"zephyr: the server has newer results for {len(delivery.older)} test cases,"
            f" they are left: {names}"
        )
        if journals:
            forced = command("push", *journals, "--force", settings=settings)
            lines.append(f"        to write ours all the same: {forced}")
    lines += _about_files(delivery.evidence.refused, "was refused")
    lines += _about_files(delivery.evidence.left_out, "is left out")
    if final := sum(each.final for each in delivery.refused):
        lines.append(
            f"zephyr: {final} results have no test case to go to: correct the markers"
            f" and run the tests again"
        )
    if not journals:
        return lines
    names = ", ".join(map(str, journals))
    if delivery.planned is not None:
        again = command("push", *journals, settings=settings)
        lines.append(f"dry run: to send it: {again}")
    elif delivery.waiting:
        lines += kept(journals, settings, f"{delivery.waiting} ")
    elif delivery.evidence.kept or delivery.evidence.retryable:
        lines.append(f"zephyr: evidence kept in {names}")
        lines.append(send_later(journals, settings))
    return lines


def _about_files(files: Sequence[RefusedFile], what: str) -> list[str]:
    """Return a line per file; where one reason keeps many, they are counted."""
    by_reason: dict[str, list[RefusedFile]] = {}
    for each in files:
        by_reason.setdefault(each.reason, []).append(each)
    lines = [
        f"zephyr: {each[0].name} {what} ({each[0].nodeid}"
        + (f" and {len(each) - 1} more" if len(each) > 1 else "")
        + f"): {reason}"
        for reason, each in list(by_reason.items())[:_SHOWN]
    ]
    if len(by_reason) > _SHOWN:
        lines.append(f"zephyr: and {len(by_reason) - _SHOWN} more")
    return lines


def counted(results: MergedResults) -> list[str]:
    """Say which results of a run replaced which, and why others did not."""
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
    """Return which results of a run replaced which for scripts."""
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


def planned_only(deselected: int, untested: int) -> list[str]:
    """Say what the plan of the phase made of a run."""
    return [
        (
            f"only planned: {deselected} tests were not run, their test case is not in"
            f" the phase; {untested} test cases of the phase have no test"
        )
    ]


def _remarks(delivery: Delivery) -> tuple[str, ...]:
    about_target = delivery.target.remarks if delivery.target else ()
    return (*about_target, *delivery.creations.created_cases.remarks)


def _whose(refusals: list[Refusal]) -> str:
    """Name the test cases and the first of the tests that a refusal is about."""
    first = refusals[0].result
    tests = first.nodes[0].title if first.nodes else ""
    if len(refusals) == 1:
        return f"(test case {format_case(first.case)}, {tests})"
    names = some(format_case(each.result.case) for each in refusals)
    return f"({len(refusals)} test cases: {names}; first in {tests})"


def link(origin: str, target: Target) -> str:
    """Return where to look at the results: the page of the release, if it is known.

    No address of a single phase is known for this server; the path names it.
    """
    page = f"release/{target.release.id}" if target.release is not None else ""
    return f"{origin}/flex/html5/{page}"
