"""Build values for tests; fields that a test does not give have defaults."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from hypothesis import settings

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import compute
from pytest_zephyr.push.diff import DiffRules
from pytest_zephyr.results.notes import CommentMode
from pytest_zephyr.results.notes import NotesOptions
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import Report
from pytest_zephyr.results.status import Choice
from pytest_zephyr.results.status import choices
from pytest_zephyr.results.status import Status
from pytest_zephyr.results.status import STOCK


NODEID = "test_pay.py::test_card"
PLACE = "phase R1 > Nightly > Smoke"

PASS, FAIL, WIP, BLOCKED = STOCK
CUSTOM = Status("7", "Needs a look")

#: Hypothesis tries the same examples on every machine, each time.
deterministic = settings(
    derandomize=True, database=None, deadline=None, max_examples=200
)


def report(when: str, outcome: str = "passed", **values: Any) -> Report:
    return Report(**{"nodeid": NODEID, **values, "when": when, "outcome": outcome})


def failure(when: str, short_text: str, text: str = "", subtest: str = "") -> Report:
    return report(when, "failed", short_text=short_text, text=text, subtest=subtest)


def node(outcome: Outcome, nodeid: str = NODEID, **values: Any) -> NodeResult:
    return NodeResult(nodeid, outcome, **values)


def choices_of(**status_map: str) -> dict[Outcome, Choice]:
    """Return the choices of *status_map* on a server with `STOCK` and `CUSTOM`."""
    return choices(status_map, "from pytest.ini", [*STOCK, CUSTOM])


def notes_options(comment: CommentMode = "failed", limit: int = 4000) -> NotesOptions:
    return NotesOptions(comment, limit)


def diff_rules(ended: Mapping[str, int] | None = None, **values: Any) -> DiffRules:
    fields: dict[str, Any] = {"incomplete": (), "now": 2**62, "force": False}
    return DiffRules(ended or {}, **{**fields, "notes_limit": 4000, **values})


def changes_of(
    results: Iterable[CaseResult],
    executions: Iterable[Execution],
    receipts: Collection[tuple[int, str]] = (),
    unanswered: Mapping[int, str] | None = None,
    rules: DiffRules | None = None,
) -> Changes:
    rules = rules or diff_rules()
    return compute(results, executions, PLACE, receipts, unanswered or {}, rules)


def result(
    case: CaseRef = 101, status: Status | None = PASS, **values: Any
) -> CaseResult:
    fields: dict[str, Any] = {
        "outcome": Outcome.PASSED,
        "problem": "",
        "milliseconds": 120,
        "at": 1_000,
        "notes": None,
        "nodes": (),
        "notes_options": notes_options(),
        **values,
    }
    fields.setdefault(
        "status_ids", (status.id if status else "",) * len(fields["nodes"])
    )
    return CaseResult(case=case, status=status, **fields)


def execution(number: int = 1, case: int | None = 101, **values: Any) -> Execution:
    fields: dict[str, Any] = {
        "alt": "",
        "version": None,
        "status_id": "",
        "notes": "",
        "milliseconds": None,
        "executed_on": None,
        "stamp": "before",
        "stamp_is_reliable": True,
        **values,
    }
    return Execution(id=number, case=case, **fields)
