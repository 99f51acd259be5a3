"""What should stand on each test case after a run: many tests folded into one result."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import hashlib

from pytest_zephyr.results.jobs import digest
from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.notes import write_notes
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Choice
from pytest_zephyr.results.status import FAIL
from pytest_zephyr.results.status import PASS
from pytest_zephyr.results.status import severity
from pytest_zephyr.results.status import Status


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one test case.

    *status* is `None` if nothing is to be sent, because the outcome maps to nothing or
    because of the *problem*. *milliseconds* is the sum over the tests, *at* the end of
    the last one in milliseconds since the epoch. *notes* is `None` where the notes
    are to stay as they are. *found* has the ids of the statuses other than Pass, by the
    job whose tests found them.
    """

    case: CaseRef
    outcome: Outcome
    status: Status | None
    problem: str
    milliseconds: int
    at: int
    notes: str | None
    nodes: tuple[NodeResult, ...]
    found: tuple[tuple[JobMark, str], ...] = ()

    @property
    def jobs(self) -> set[JobMark]:
        """The jobs whose tests ran."""
        return {node.origin.job for node in self.nodes if node.ran}

    @property
    def run(self) -> str:
        """A digest of the run key, as tags have it."""
        return digest(self.nodes[0].origin.run if self.nodes else "", 8)

    @property
    def digest(self) -> str:
        """Identify this result, so that a delivered one is recognised later."""
        status = self.status.id if self.status else ""
        text = f"{self.case!r} {status} {self.milliseconds} {self.at} {self.notes}"
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class Rules:
    """The options of one session that decide its results."""

    choices: Mapping[Outcome, Choice]
    context: Context


@dataclass(frozen=True)
class Plan:
    """All case results of a run, and the tests that name no case."""

    results: tuple[CaseResult, ...]
    unmapped: tuple[NodeResult, ...]


def build_plan(
    nodes: Iterable[NodeResult],
    rules: Rules,
    own: Mapping[str, Rules] | None = None,
) -> Plan:
    """Group *nodes* by test case; the worst of them decides.

    *rules* are for the journals that have no *own* ones, by the name of the run in them.
    """
    groups: dict[CaseRef, list[NodeResult]] = {}
    unmapped = []
    for node in nodes:
        if not node.cases:
            unmapped.append(node)
        for case in dict.fromkeys(node.cases):
            groups.setdefault(case, []).append(node)
    # One gives way to the other: a large run has many.
    results = tuple(
        _case_result(case, groups.pop(case), rules, own or {}) for case in list(groups)
    )
    return Plan(results, tuple(unmapped))


def _case_result(
    case: CaseRef,
    nodes: Sequence[NodeResult],
    rules: Rules,
    own: Mapping[str, Rules],
) -> CaseResult:
    def choice_of(node: NodeResult) -> Choice:
        return own.get(node.origin.journal, rules).choices[node.outcome]

    deciding = max(nodes, key=lambda node: _weight(node.outcome, choice_of(node)))
    outcome, choice = deciding.outcome, choice_of(deciding)
    context = own.get(deciding.origin.journal, rules).context
    found: dict[JobMark, str] = {}
    for node in nodes:
        job, status = node.origin.job, choice_of(node).status
        if node.ran and status and status.id != PASS:
            found[job] = max(status.id, found.get(job, status.id), key=severity)
    return CaseResult(
        case=case,
        outcome=outcome,
        status=choice.status,
        problem=choice.problem or _doubt(nodes, choice),
        milliseconds=round(sum(node.duration for node in nodes) / 1000),
        at=max(node.at for node in nodes),
        notes=write_notes(nodes, outcome, context),
        nodes=tuple(nodes),
        found=tuple(found.items()),
    )


def _doubt(nodes: Iterable[NodeResult], choice: Choice) -> str:
    """Return why a result that is not a failure is not certain, if it is not."""
    line = next((node.doubt for node in nodes if node.doubt), "")
    if not line or choice.status is None or choice.status.id == FAIL:
        return ""
    return (
        f"not written as {choice.status.name}: {line} cannot be read, and may say that a"
        f" test failed."
    )


def _weight(outcome: Outcome, choice: Choice) -> tuple[int, int, int]:
    """Order outcomes: Fail, Blocked, any custom status, then Pass.

    What maps to no status decides nothing, and `skipped` and `unrun` decide only
    where there is nothing else.
    """
    ran = outcome not in {Outcome.SKIPPED, Outcome.UNRUN}
    if choice.problem:
        # What the server has no status for must not hide behind a better one.
        severity = 4 if outcome.is_failure else 1
    else:
        severity = choice.status.severity if choice.status else -1
    return int(ran and severity >= 0), severity, outcome.rank
