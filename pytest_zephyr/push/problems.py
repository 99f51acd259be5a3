"""Describe the problems of a push, and what to do about them."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pytest_zephyr import table
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.command_line import unsent_lines
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import Code
from pytest_zephyr.errors import TargetNotFound
from pytest_zephyr.push import diff
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.delivery import UndeliveredEvidence
from pytest_zephyr.results.lines import DRY_RUN
from pytest_zephyr.results.lines import first_lines
from pytest_zephyr.results.lines import Level
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problem
from pytest_zephyr.text import first_few
from pytest_zephyr.text import format_case
from pytest_zephyr.text import have
from pytest_zephyr.text import plural


#: The codes of refusals whose reasons begin with the test case.
_CODES_WITH_CASE: Collection[Code] = ("not-in-phase", "unknown-case")

_Problem = TypeVar("_Problem", diff.Refusal, UndeliveredEvidence)


def describe_problems(
    delivery: Delivery, journals: Sequence[Path], settings: Settings
) -> list[Line]:
    """Return lines about the problems; results with the same problem share a line.

    *journals* keep what is not delivered; without any, the lines have no commands to send
    it. *settings* are those of the push.
    """
    changes = delivery.changes
    remarks = [*delivery.target.remarks] if delivery.target else []
    remarks += delivery.creations.remarks
    lines = [Line(remark, "warning", code="remark") for remark in remarks]
    if delivery.unmapped:
        number = len(delivery.unmapped)
        is_error = delivery.unmapped_is_error
        names = first_few(delivery.unmapped)
        text = f"{plural(number, 'test')} {have(number)} no test case: {names}"
        why = ("this counts as undelivered (zephyr_unmapped = error)",)
        level: Level = "error" if is_error else "warning"
        lines.append(Line(text, level, why if is_error else (), "unmapped"))
    if delivery.error is not None:
        text = str(delivery.error)
        lines.append(problem(text.splitlines(), code=delivery.error.code))
    lines += _about_refusals(changes.refused)
    if changes.scheduled_twice:
        twice = changes.scheduled_twice
        used = first_few(f"{case} (execution {twice[case]})" for case in twice)
        text = (
            f"{plural(len(twice), 'test case')} {'is' if len(twice) == 1 else 'are'} in"
            f" the phase more than once; only the first execution of each has the result:"
            f" {used}"
        )
        lines.append(Line(text, "warning", code="scheduled-twice"))
    if changes.overruled:
        text = (
            f"results of other jobs or later attempts of this run count for"
            f" {_name_cases(changes.overruled)}"
        )
        lines.append(Line(text, "warning", code="overruled"))
    if changes.older:
        text = f"the server has newer results for {_name_cases(changes.older)}"
        forced = command("push", *journals, "--force", settings=settings)
        more = (f"to replace them: {forced}",) if journals else ()
        lines.append(Line(text, "warning", more, "older"))
    lines += _about_evidence(delivery.evidence.refused, "was refused")
    lines += _about_evidence(delivery.evidence.left_out, "is left out")
    return [*lines, *_about_sending(delivery, journals, settings)]


def _about_refusals(refused: Sequence[diff.Refusal]) -> list[Line]:
    """Return lines for the first few reasons.

    Those of *final* refusals, which another push would not change, come last, with
    advice.
    """
    lines = []
    for reason, alike in _by_reason(sorted(refused, key=lambda each: each.final)):
        level: Level = "error" if any(each.serious for each in alike) else "warning"
        lines.append(Line(f"{reason} {_name_tests(alike)}", level, code=alike[0].code))
    lines = first_lines(lines)
    final = [each for each in refused if each.final]
    if final:
        advice = "run the tests again"
        if any(each.code != "uncertain" for each in final):
            advice = (
                f"fix {'the marker' if len(final) == 1 else 'the markers'} and {advice}"
            )
        more = f"{advice}; another push would not change this"
        lines[-1] = replace(lines[-1], more=(more,))
    return lines


def _about_sending(
    delivery: Delivery, journals: Sequence[Path], settings: Settings
) -> list[Line]:
    """Return how to send what was not sent."""
    if not journals:
        return []
    if delivery.previewed:
        again = command("push", *journals, settings=settings)
        return [Line(f"dry run: to send it: {again}", code=DRY_RUN)]
    if delivery.waiting:
        lines = unsent_lines(journals, settings, plural(delivery.waiting, "result"))
        # A wrong value stays in the journal, so a flag must replace it.
        if isinstance(delivery.error, TargetNotFound) and delivery.error.option:
            option = delivery.error.option
            words = table.flag_of(option), delivery.error.suggestion or option.upper()
            again = command("push", *journals, *words, settings=settings)
            lines[1:] = [f"send them to the right {option} with: {again}"]
        elif any(each.code == "status" for each in delivery.changes.refused):
            words = table.flag_of("status_map"), _corrected_map(delivery, settings)
            again = command("push", *journals, *words, settings=settings)
            lines[1:] = [f"send them with the right status map: {again}"]
    elif delivery.evidence.pending or delivery.evidence.retryable:
        lines = unsent_lines(journals, settings, "evidence")
    else:
        return []
    return [
        problem(lines, "error" if delivery.undelivered else "warning", code="not-sent")
    ]


def _corrected_map(delivery: Delivery, settings: Settings) -> str:
    """Return the user's status map with a suggestion for each invalid status."""
    assert delivery.snapshot is not None, "the statuses of the server were read"
    choices = settings.choices(delivery.snapshot.statuses)
    corrections = {
        outcome.value: choice.suggestion or "STATUS"
        for outcome, choice in choices.items()
        if choice.problem
    }
    pairs = {**settings.status_map, **corrections}.items()
    return ",".join(f"{outcome}={name}" for outcome, name in pairs)


def _name_cases(changes: Sequence[diff.Change]) -> str:
    """Name the test cases of *changes*, and say that they are unchanged."""
    names = first_few(format_case(each.result.case) for each in changes)
    verb = "is" if len(changes) == 1 else "are"
    return f"{plural(len(changes), 'test case')}, which {verb} unchanged: {names}"


def _by_reason(problems: Iterable[_Problem]) -> Iterable[tuple[str, list[_Problem]]]:
    by_reason: dict[str, list[_Problem]] = {}
    for each in problems:
        by_reason.setdefault(each.reason, []).append(each)
    return by_reason.items()


def _about_evidence(values: Sequence[UndeliveredEvidence], what: str) -> list[Line]:
    """Return lines for the first reasons, each with one of its values and a count."""
    lines = []
    for reason, alike in _by_reason(values):
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        text = f"{alike[0].name} {what} ({alike[0].nodeid}{more}): {reason}"
        level: Level = "warning" if all(each.by_limit for each in alike) else "error"
        lines.append(Line(text, level, code="attachment"))
    return first_lines(lines)


def _name_tests(refusals: list[diff.Refusal]) -> str:
    """Name the first test, and the test cases.

    A single test case is left out if the reason names it.
    """
    first = refusals[0].result
    test = first.nodes[0].title
    if len(refusals) == 1:
        if refusals[0].code in _CODES_WITH_CASE:
            return f"({test})"
        return f"(test case {format_case(first.case)}, {test})"
    names = first_few(format_case(each.result.case) for each in refusals)
    return f"({len(refusals)} test cases: {names}; first in {test})"
