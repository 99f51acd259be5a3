"""What should stand on each test case after a run: many tests folded into one result."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.notes import write_notes
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Choice
from pytest_zephyr.results.status import FAIL
from pytest_zephyr.results.status import severity
from pytest_zephyr.results.status import Status
from pytest_zephyr.results.tags import OwnFinding
from pytest_zephyr.text import short_digest


@dataclass(slots=True)
class CaseResult:
    """The result of one test case.

    *status* is `None` if nothing is to be sent, because the outcome maps to nothing or
    because of the *problem*. *milliseconds* is the sum over the tests, *at* the end of
    the last one in milliseconds since the epoch. *notes* is `None` where the notes
    are to stay as they are. *decided_by* is the journal whose test decides. *statuses*
    are those of the *nodes*, by id, or none if all are that of the test case.
    """

    case: CaseRef
    outcome: Outcome
    status: Status | None
    problem: str
    milliseconds: int
    at: int
    notes: str | None
    nodes: tuple[NodeResult, ...]
    decided_by: str = ""
    statuses: tuple[str, ...] = ()

    def findings(
        self, ended: Mapping[str, int], partial: Collection[str] = ()
    ) -> list[OwnFinding]:
        """Return what each session found whose tests ran.

        *ended* says when sessions were over, *partial* names those of which some files
        could not be collected: both by the name of the run in their journal.
        """
        found: dict[str, OwnFinding] = {}
        for node, status in zip(self.nodes, self.statuses or self._same, strict=True):
            origin = node.origin
            before = found.get(origin.journal)
            if not node.ran or not status:
                continue
            found[origin.journal] = OwnFinding(
                origin.job,
                max(status, before.status, key=severity) if before else status,
                max(node.at, before.at) if before else node.at,
                started=origin.started,
                ended=ended.get(origin.journal, origin.started),
            )
        idle = {node.origin.journal for node in self.nodes if not node.ran}
        idle.update(partial)
        return [
            replace(each, whole=False) if journal in idle else each
            for journal, each in found.items()
        ]

    @property
    def journals(self) -> set[str]:
        """The journals whose tests ran, or all of them if none did."""
        ran = {node.origin.journal for node in self.nodes if node.ran}
        return ran or {node.origin.journal for node in self.nodes}

    @property
    def _same(self) -> list[str]:
        """The status of each test where all of them have that of the test case."""
        return [self.status.id if self.status else ""] * len(self.nodes)

    @property
    def run(self) -> str:
        """A digest of the run key, as tags have it."""
        return short_digest(self.nodes[0].origin.run if self.nodes else "", 8)

    @property
    def digest(self) -> str:
        """Identify this result, so that a delivered one is recognised later."""
        status = self.status.id if self.status else ""
        text = f"{self.case!r} {status} {self.milliseconds} {self.at} {self.notes}"
        return short_digest(text, 16)


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
    rules_of = [own.get(node.origin.journal, rules) for node in nodes]
    choices = [
        each.choices[node.outcome] for each, node in zip(rules_of, nodes, strict=True)
    ]
    place = max(range(len(nodes)), key=lambda n: _weight(nodes[n].outcome, choices[n]))
    deciding, choice, context = nodes[place], choices[place], rules_of[place].context
    outcome = deciding.outcome
    statuses = [each.status.id if each.status else "" for each in choices]
    return CaseResult(
        case=case,
        outcome=outcome,
        status=choice.status,
        problem=choice.problem or _doubt(nodes, choice),
        milliseconds=round(sum(node.duration for node in nodes) / 1000),
        # What did not run says nothing of when the result was.
        at=max([node.at for node in nodes if node.ran] or [node.at for node in nodes]),
        notes=write_notes(nodes, outcome, context),
        nodes=tuple(nodes),
        decided_by=deciding.origin.journal,
        statuses=() if len(set(statuses)) == 1 else tuple(statuses),
    )


def _doubt(nodes: Iterable[NodeResult], choice: Choice) -> str:
    """Return why a result that is not a failure is not certain, if it is not."""
    doubt = next((node.doubt for node in nodes if node.doubt), "")
    if not doubt or (choice.status and choice.status.id == FAIL):
        return ""
    status = choice.status.name if choice.status else "not run"
    return f"not taken for {status}: {doubt}, so a test may have failed."


def _weight(outcome: Outcome, choice: Choice) -> tuple[int, int, int]:
    """Order outcomes: Fail, Blocked, any custom status, then Pass.

    What maps to no status decides nothing, and `skipped` and `unrun` decide only
    where there is nothing else.
    """
    if choice.problem:
        # What the server has no status for must not hide behind a better one.
        severity = 4 if outcome.is_failure else 1
    else:
        severity = choice.status.severity if choice.status else -1
    return int(outcome.ran and severity >= 0), severity, outcome.rank
