"""The difference between a plan and what the server has: pure, so that it can be shown."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.results import notes
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.text import ambiguous_alt


@dataclass(frozen=True)
class Change:
    """One result to write: on which execution, and what stood there before."""

    result: CaseResult
    execution: Execution
    notes: str | None


@dataclass(frozen=True)
class Refusal:
    """A result that cannot be delivered, and why.

    What the user does not mind (``zephyr_unknown_case = warn``) is not *serious*. If it
    is *final*, another push would change nothing.
    """

    result: CaseResult
    reason: str
    serious: bool = True
    final: bool = False


@dataclass(frozen=True)
class Changes:
    """What a push will do: write *writes*, leave *left* and *done*, and name *refused*.

    *done* were delivered by an earlier push, and *standing* is where they stand, for
    their evidence; those in *landed* stand on the server although no receipt says so.
    *older* are left because the server has a newer result. *missing* have no execution
    to be written to.
    """

    writes: tuple[Change, ...] = ()
    landed: tuple[Change, ...] = ()
    done: tuple[CaseResult, ...] = ()
    standing: tuple[Change, ...] = ()
    left: tuple[CaseResult, ...] = ()
    older: tuple[Change, ...] = ()
    missing: tuple[CaseResult, ...] = ()
    refused: tuple[Refusal, ...] = ()


def compute(
    results: Iterable[CaseResult],
    executions: Iterable[Execution],
    place: str,
    delivered: Collection[tuple[int, str]] = (),
    unclear: Mapping[int, str] | None = None,
    *,
    newer_wins: bool = False,
) -> Changes:
    """Return the changes that bring *results* onto *executions*.

    *place* names the phase for messages. *delivered* holds the executions that have a
    receipt, each with the digest of the result it is for; *unclear* maps executions whose last write got no answer to
    the stamp they had before. With *newer_wins* a result stays unwritten if the
    server has one that is newer.
    """
    index = _Index(executions)
    writes: list[Change] = []
    landed: list[Change] = []
    done: list[CaseResult] = []
    standing: list[Change] = []
    left: list[CaseResult] = []
    older: list[Change] = []
    missing: list[CaseResult] = []
    refused: list[Refusal] = []
    for result in results:
        if result.problem:
            refused.append(Refusal(result, result.problem))
            continue
        if result.status is None:
            left.append(result)
            continue
        found = index.find(result.case)
        if found is None:
            missing.append(result)
            continue
        if isinstance(found, list):
            refused.append(
                Refusal(result, ambiguous_alt(result.case, found, place), final=True)
            )
            continue
        if (found.id, result.digest) in delivered:
            done.append(result)
            standing.append(Change(result, found, None))
            continue
        change = Change(result, found, _notes(result, found))
        before = (unclear or {}).get(found.id)
        if before is not None and has_landed(change, before):
            # What its notes are is what the server has.
            landed.append(replace(change, notes=None))
        elif found.executed_on == result.at and found.status == result.status.id:
            # A journal that was sent from a copy has no receipts; the server shows it.
            done.append(result)
            standing.append(replace(change, notes=None))
        elif newer_wins and (found.executed_on or 0) > result.at:
            older.append(change)
        else:
            writes.append(change)
    return Changes(
        writes=tuple(writes),
        landed=tuple(landed),
        done=tuple(done),
        standing=tuple(standing),
        left=tuple(left),
        older=tuple(older),
        missing=tuple(missing),
        refused=tuple(refused),
    )


def by_visible_id(
    nodes: Iterable[NodeResult], executions: Iterable[Execution]
) -> list[NodeResult]:
    """Return *nodes* with every Alt ID that means one test case as that case's id.

    A case that tests name in both ways is one case, and the worst of them decides.
    """
    index = _Index(executions)

    def visible(case: CaseRef) -> CaseRef:
        found = index.find(case) if isinstance(case, str) else case
        number = found.case if isinstance(found, Execution) else None
        return case if number is None else number

    return [
        replace(node, cases=tuple(dict.fromkeys(map(visible, node.cases))))
        if any(isinstance(case, str) for case in node.cases)
        else node
        for node in nodes
    ]


def has_landed(change: Change, before: str) -> bool:
    """Return whether the execution shows that *change* was written since *before*."""
    now = change.execution
    assert change.result.status is not None
    if now.status != change.result.status.id:
        return False
    return now.stamp != before or not now.dated


def _notes(result: CaseResult, execution: Execution) -> str | None:
    if result.notes is None and notes.is_ours(execution.comment):
        # What an earlier run wrote must not stand beside another result.
        return notes.summary(result.nodes, result.outcome)
    return result.notes


@dataclass
class _Index:
    """Executions by visible id and by Alt ID."""

    executions: Iterable[Execution]
    by_case: dict[int, Execution] = field(default_factory=dict)
    by_alt: dict[str, dict[int | None, Execution]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Of two executions of one case the lowest id is meant, as with names.
        for each in sorted(self.executions, key=lambda each: each.id):
            if each.case is not None:
                self.by_case.setdefault(each.case, each)
            if each.alt:
                self.by_alt.setdefault(each.alt, {}).setdefault(each.case, each)

    def find(self, case: CaseRef) -> Execution | list[int] | None:
        """Return the execution of *case*, or the ids of all cases with its Alt ID."""
        if isinstance(case, int):
            return self.by_case.get(case)
        cases = self.by_alt.get(case, {})
        if len(cases) > 1:
            return sorted(filter(None, cases))
        return next(iter(cases.values()), None)
