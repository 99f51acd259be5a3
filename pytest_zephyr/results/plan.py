"""Builds the plan of a run: one result for each test case, from all of its tests."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.results.notes import NotesOptions
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

    *status* is `None` if the outcome maps to no status or to an invalid one. With a
    *problem* nothing is sent; the result is *uncertain* if the problem is that a part
    of the journal is missing or cannot be read. *milliseconds* is the duration of all
    tests, *at* the end of the last one that ran, or of all if none ran, in milliseconds
    since the epoch. *notes* is `None` if the result has none; *notes_options* say how
    they are written. *status_ids* has the id of each node's status, empty if the node
    has none.
    """

    case: CaseRef
    outcome: Outcome
    status: Status | None
    problem: str
    milliseconds: int
    at: int
    notes: str | None
    nodes: tuple[NodeResult, ...]
    notes_options: NotesOptions
    status_ids: tuple[str, ...]
    uncertain: bool = False

    @property
    def is_skipped(self) -> bool:
        """Whether nothing is sent because the outcome maps to no status."""
        return self.status is None and not self.problem

    @property
    def why_skipped(self) -> str:
        return _in_words(self.outcome)

    def findings(
        self, ended: Mapping[str, int], incomplete: Collection[str] = ()
    ) -> list[OwnFinding]:
        """Return the finding of each session with tests that ran and have a status.

        *ended* has the ends of sessions by name, in milliseconds since the epoch.
        *incomplete* names the sessions that could not collect some files.
        """
        partial = {node.origin.session for node in self.nodes if not node.ran}
        partial.update(incomplete)
        by_session: dict[str, OwnFinding] = {}
        for node, status_id in zip(self.nodes, self.status_ids, strict=True):
            if not node.ran or not status_id:
                continue
            origin, at = node.origin, node.at
            if previous := by_session.get(origin.session):
                status_id = max(status_id, previous.status_id, key=severity)
                at = max(at, previous.at)
            by_session[origin.session] = OwnFinding(
                origin.job,
                status_id,
                at,
                started=origin.started,
                ended=ended.get(origin.session, origin.started),
                complete=origin.session not in partial,
            )
        return list(by_session.values())

    @property
    def sessions(self) -> set[str]:
        """The names of the sessions in which a test ran, or of all if no test did."""
        ran = {node.origin.session for node in self.nodes if node.ran}
        return ran or {node.origin.session for node in self.nodes}

    @property
    def run_digest(self) -> str:
        """A digest of the run (see `Origin`), for tags."""
        return short_digest(self.nodes[0].origin.run if self.nodes else "", 8)

    @property
    def digest(self) -> str:
        """A digest by which a later push recognises this result as delivered."""
        status_id = self.status.id if self.status else ""
        text = f"{self.case!r} {status_id} {self.milliseconds} {self.at} {self.notes}"
        return short_digest(text, 16)


@dataclass(frozen=True)
class Rules:
    """The options of one session that decide its results."""

    choices: Mapping[Outcome, Choice]
    notes_options: NotesOptions


@dataclass(frozen=True)
class Plan:
    """All case results of a run, and the tests without a test case."""

    results: tuple[CaseResult, ...]
    nodes_without_case: tuple[NodeResult, ...]


def build_plan(
    nodes: Iterable[NodeResult],
    rules: Rules,
    rules_by_session: Mapping[str, Rules] | None = None,
) -> Plan:
    """Return the plan for *nodes*; the worst node of a test case decides its result.

    *rules_by_session* has rules by the names of sessions; *rules* are for the others.
    """
    groups: dict[CaseRef, list[NodeResult]] = {}
    nodes_without_case = []
    for node in nodes:
        if not node.cases:
            nodes_without_case.append(node)
        for case in dict.fromkeys(node.cases):
            groups.setdefault(case, []).append(node)
    # Free each group once its result is built: a large run has many.
    results = tuple(
        _case_result(case, groups.pop(case), rules, rules_by_session or {})
        for case in list(groups)
    )
    return Plan(results, tuple(nodes_without_case))


def _case_result(
    case: CaseRef,
    nodes: Sequence[NodeResult],
    rules: Rules,
    rules_by_session: Mapping[str, Rules],
) -> CaseResult:
    rules_of = [rules_by_session.get(node.origin.session, rules) for node in nodes]
    choices = [
        each.choices[node.outcome] for each, node in zip(rules_of, nodes, strict=True)
    ]
    worst = max(
        range(len(nodes)),
        key=lambda index: _weight(nodes[index].outcome, choices[index]),
    )
    choice, outcome = choices[worst], nodes[worst].outcome
    notes_options = rules_of[worst].notes_options
    doubt = "" if choice.problem else _doubt(nodes, choice, outcome)
    milliseconds, at = duration_and_end(nodes)
    return CaseResult(
        case=case,
        outcome=outcome,
        status=choice.status,
        problem=choice.problem or doubt,
        milliseconds=milliseconds,
        at=at,
        notes=write_notes(nodes, outcome, notes_options),
        nodes=tuple(nodes),
        notes_options=notes_options,
        status_ids=tuple(each.status.id if each.status else "" for each in choices),
        uncertain=bool(doubt),
    )


def duration_and_end(nodes: Sequence[NodeResult]) -> tuple[int, int]:
    """Return the milliseconds that *nodes* took, and when the last one ended.

    The end is in milliseconds since the epoch. Tests that ran decide it, if there are any.
    """
    ends = [node.at for node in nodes if node.ran] or [node.at for node in nodes]
    return round(sum(node.duration for node in nodes) / 1000), max(ends)


def _in_words(outcome: Outcome) -> str:
    return "not run" if outcome is Outcome.UNRUN else outcome.value


def _doubt(nodes: Iterable[NodeResult], choice: Choice, outcome: Outcome) -> str:
    """Return why the result is uncertain; empty if it is certain or its status Fail."""
    doubt = next((node.doubt for node in nodes if node.doubt), "")
    if not doubt or (choice.status and choice.status.id == FAIL):
        return ""
    status = choice.status.name if choice.status else _in_words(outcome)
    return f"not reported as {status}: {doubt}, so a test may have failed."


def _weight(outcome: Outcome, choice: Choice) -> tuple[int, int, int]:
    """Return the sort key of an outcome; the highest key decides.

    The order is Fail, Blocked, any other status, Pass, no status. An invalid status of
    a failure comes before Fail, of another outcome it counts as any other status.
    ``skipped`` and ``unrun`` decide only if no other outcome has a status.
    """
    if choice.problem:
        # A better outcome must not hide a failure whose status is invalid.
        status_rank = 4 if outcome.is_failure else 1
    else:
        status_rank = severity(choice.status.id) if choice.status else -1
    return int(outcome.ran and status_rank >= 0), status_rank, outcome.rank
