"""What a push writes to executions, without a server.

The requests of a push are tested in tests/client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.entities import Folder
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import User
from pytest_zephyr.client.executions import ExecutionWrite
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.resolve import resolve
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.status import Status
from pytest_zephyr.results.status import STOCK
from tests.client.calls import push
from tests.unit.make import execution
from tests.unit.make import node


class MemoryClient:
    """A client with one phase in memory; it has the methods that these tests need."""

    clock_offset = 0
    api_version = "v3"

    def __init__(self, *rows: Execution) -> None:
        self.rows = {each.id: each for each in rows}

    def current_user(self) -> User:
        return User(1, "Ada")

    def statuses(self) -> list[Status]:
        return list(STOCK)

    def executions(self, _phase: int, _release: int | None = None) -> list[Execution]:
        return list(self.rows.values())

    def phase_tree(self, phase: int) -> Folder:
        return Folder(phase, "Smoke")

    def cases_by_alt(self, _alt: str) -> list[Placement]:
        return []

    def execute(
        self, writes: Sequence[ExecutionWrite], _tester: int
    ) -> list[Execution]:
        for each in writes:
            row = self.rows[each.execution]
            self.rows[row.id] = replace(
                row,
                status_id=each.status_id,
                notes=each.notes or row.notes,
                milliseconds=each.milliseconds,
                stamp=f"{row.stamp}+",
            )
        return [self.rows[each.execution] for each in writes]


SETTINGS = resolve(OptionSources(flags={"phase": "9"}))

FAILED = node(Outcome.FAILED, "by_id", cases=(101,), duration=2_000)
PASSED = node(Outcome.PASSED, "by_alt", cases=("A-1",), duration=3_000)


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([FAILED, PASSED], id="failed first"),
        pytest.param([PASSED, FAILED], id="passed first"),
    ],
)
def test_two_names_of_one_case_are_one_result(nodes: list[NodeResult]) -> None:
    """A case that one test names by id and another by Alt ID fails if one test fails."""
    client = MemoryClient(execution(1, 101, alt="A-1"))
    delivery = push(MergedResults(nodes), cast(Client, client), SETTINGS, Memory())

    assert delivery.complete
    assert len(delivery.changes.reported) == 1
    assert client.rows[1].status_id == "2"
    assert client.rows[1].milliseconds == 5
    assert "by_alt" in client.rows[1].notes
    assert "by_id" in client.rows[1].notes


def test_one_test_that_names_a_case_twice_is_counted_once() -> None:
    """A test may name its case both by id and by Alt ID."""
    client = MemoryClient(execution(1, 101, alt="A-1"))
    tested = node(Outcome.PASSED, cases=(101, "A-1"), duration=3_000)
    push(MergedResults([tested]), cast(Client, client), SETTINGS, Memory())

    assert client.rows[1].milliseconds == 3


def test_an_alt_id_is_enough_if_the_id_of_the_test_case_is_unknown() -> None:
    """A result is refused if the server has no test case with its Alt ID."""
    client = MemoryClient(execution(1, None, alt="A-1"), execution(2, 102, alt="A-2"))
    nodes = [
        node(Outcome.FAILED, "a", cases=("A-1",)),
        node(Outcome.PASSED, "b", cases=("A-2",)),
        node(Outcome.PASSED, "c", cases=("A-3",)),
    ]
    delivery = push(MergedResults(nodes), cast(Client, client), SETTINGS, Memory())

    assert {each.id: each.status_id for each in client.rows.values()} == {
        1: "2",
        2: "1",
    }
    assert [each.result.case for each in delivery.changes.refused] == ["A-3"]
