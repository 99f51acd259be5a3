"""Tell what became of every test case of a push, for the report."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.push import summary
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.diff import Change
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import worst
from pytest_zephyr.results.report import Action
from pytest_zephyr.results.report import CaseRow
from pytest_zephyr.results.report import row_of


@dataclass(slots=True)
class _Decision:
    action: Action
    reason: str = ""
    execution: Execution | None = None


def case_rows(delivery: Delivery) -> Iterator[CaseRow]:
    """Yield what became of each test case, in the order of the tests."""
    decisions = _decisions(delivery)
    snapshot = delivery.snapshot
    executions = snapshot.executions if snapshot else ()
    scheduled: dict[CaseRef | None, Execution] = {
        each.case: each for each in executions
    }
    placements = snapshot.lookup.placements if snapshot else {}
    for result in delivery.results:
        decision = decisions.get(result.case) or _pending(delivery)
        row = row_of(result, decision.action, decision.reason)
        execution = decision.execution or scheduled.get(result.case)
        placement = placements.get(result.case)
        if execution is not None:
            row.id, row.alt, row.execution = execution.case, execution.alt, execution.id
            row.name = execution.name or row.name
        elif placement is not None:
            row.id, row.alt, row.name = placement.case, placement.alt, placement.name
        yield row
    for new, tests in delivery.new_cases.items():
        yield _row_of_new(new, tests.nodes, _pending(delivery))


def _row_of_new(
    new: NewCase, nodes: Sequence[NodeResult], pending: _Decision
) -> CaseRow:
    """Return the row of a test case that was not created."""
    return CaseRow(
        tests=nodes,
        outcome=worst(node.outcome for node in nodes).value,
        milliseconds=round(sum(node.duration for node in nodes) / 1000),
        at=max((node.at for node in nodes), default=0),
        action=pending.action,
        reason=pending.reason,
        name=new.name,
    )


def _decisions(delivery: Delivery) -> dict[CaseRef, _Decision]:
    changes = delivery.changes
    decisions: dict[CaseRef, _Decision] = {}
    groups: tuple[tuple[Action, str, list[Change]], ...] = (
        ("reported", "", changes.reported),
        ("reported_before", "", changes.reported_before),
        ("unchanged", summary.OLDER, changes.older),
        ("unchanged", summary.OVERRULED, changes.overruled),
        ("would_report", "", changes.writes if delivery.previewed else []),
    )
    for action, reason, group in groups:
        for change in group:
            decisions[change.result.case] = _Decision(action, reason, change.execution)
    for result in changes.skipped:
        decisions[result.case] = _Decision("unchanged", summary.why_unchanged(result))
    for refusal in changes.refused:
        decisions[refusal.result.case] = _Decision("refused", refusal.reason)
    return decisions


def _pending(delivery: Delivery) -> _Decision:
    if delivery.previewed:
        return _Decision("would_report")
    return _Decision("not_sent", str(delivery.error or ""))
