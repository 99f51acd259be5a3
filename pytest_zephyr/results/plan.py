"""What should stand on each test case after a run: many tests folded into one result."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import hashlib

from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.notes import write_notes
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Choice
from pytest_zephyr.results.status import Status


@dataclass(frozen=True)
class CaseResult:
    """The result of one test case.

    *status* is `None` if nothing is to be sent, because the outcome maps to nothing or
    because of the *problem*. *milliseconds* is the sum over the tests, *at* the end of
    the last one in milliseconds since the epoch. *notes* is `None` where the notes
    are to stay as they are.
    """

    case: CaseRef
    outcome: Outcome
    status: Status | None
    problem: str
    milliseconds: int
    at: int
    notes: str | None
    nodes: tuple[NodeResult, ...]

    @property
    def digest(self) -> str:
        """Identify this result, so that a delivered one is recognised later."""
        status = self.status.id if self.status else ""
        text = f"{self.case!r} {status} {self.milliseconds} {self.at} {self.notes}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """All case results of a run, and the tests that name no case."""

    results: tuple[CaseResult, ...]
    unmapped: tuple[NodeResult, ...]


def build_plan(
    nodes: Iterable[NodeResult],
    choices: Mapping[Outcome, Choice],
    context: Context,
) -> Plan:
    """Group *nodes* by test case; the worst of them decides (design 2.3)."""
    groups: dict[CaseRef, list[NodeResult]] = {}
    unmapped = []
    for node in nodes:
        if not node.cases:
            unmapped.append(node)
        for case in dict.fromkeys(node.cases):
            groups.setdefault(case, []).append(node)
    results = tuple(
        _case_result(case, group, choices, context) for case, group in groups.items()
    )
    return Plan(results, tuple(unmapped))


def _case_result(
    case: CaseRef,
    nodes: Sequence[NodeResult],
    choices: Mapping[Outcome, Choice],
    context: Context,
) -> CaseResult:
    outcome = deciding(nodes, choices)
    choice = choices[outcome]
    return CaseResult(
        case=case,
        outcome=outcome,
        status=choice.status,
        problem=choice.problem,
        milliseconds=round(sum(node.duration for node in nodes) / 1000),
        at=max(node.at for node in nodes),
        notes=write_notes(nodes, outcome, context),
        nodes=tuple(nodes),
    )


def deciding(nodes: Iterable[NodeResult], choices: Mapping[Outcome, Choice]) -> Outcome:
    """Return the outcome that decides: Fail, Blocked, any custom status, then Pass.

    What maps to no status decides nothing, and `skipped` and `unrun` decide only
    where there is nothing else.
    """
    return max(
        (node.outcome for node in nodes), key=lambda outcome: _weight(outcome, choices)
    )


def _weight(
    outcome: Outcome, choices: Mapping[Outcome, Choice]
) -> tuple[int, int, int]:
    choice = choices[outcome]
    ran = outcome not in {Outcome.SKIPPED, Outcome.UNRUN}
    if choice.problem:
        # What the server has no status for must not hide behind a better one.
        severity = 4 if outcome.is_failure else 1
    else:
        severity = choice.status.severity if choice.status else -1
    return int(ran and severity >= 0), severity, outcome.rank
