"""Executing: statuses, notes, times and history."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def executions(sandbox: Sandbox, target: SandboxTarget) -> list[int]:
    """Assign test cases 1, 2 and 3, and return the ids of their executions."""
    sandbox.store.schedule_all(target.phase, [1, 2, 3])
    return [row.id for row in sandbox.store.executions(target.phase)]


def test_execution_without_a_result_lacks_the_keys_of_a_result(
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
) -> None:
    """The keys are missing; their values are not null."""
    row = api.results("/execution", cyclephaseid=target.phase)[0]

    missing = {"status", "comment", "executedBy", "lastTestResult", "versionId"}
    assert missing.isdisjoint(row)
    assert row["testerId"] == tester
    assert row["defects"] == []


def test_every_row_gets_its_own_values(
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
) -> None:
    """Status, notes and time differ per row; notes come back as comment."""
    answer = api.execute(
        {"rtsId": executions[0], "testerId": tester, "status": "1", "actualTime": 1532},
        {"rtsId": executions[1], "testerId": tester, "status": 2, "notes": "<b>\nno"},
    )

    one, two = answer.json()
    assert (one["id"], one["status"], one["actualTime"]) == (executions[0], "1", 1532)
    assert (two["status"], two["comment"], two["executedBy"]) == (
        "2",
        "<b>\nno",
        tester,
    )
    assert two["lastTestResult"]["executionStatus"] == "2"
    assert two["lastTestResult"]["releaseTestScheduleId"] == executions[1]
    assert two["versionId"] == "1"
    state = target.execution(2)
    assert (state.status, state.comment, state.result_count) == ("2", "<b>\nno", 1)
    third = target.execution(3)
    assert third.status is None


def test_every_result_is_in_the_history(
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
) -> None:
    """A result without notes keeps the comment; empty notes replace it."""
    base = {"rtsId": executions[0], "testerId": tester}
    api.execute({**base, "status": "2", "notes": "bad", "executedOn": 1000})
    api.execute({**base, "status": "1", "actualTime": 7, "executedOn": 2000})

    state = target.execution(1)
    assert state.history == (("2", "bad", None, 1000), ("1", "bad", 7, 2000))
    assert (state.comment, state.executed_on) == ("bad", 2000)
    api.execute({**base, "status": "1", "notes": ""})
    state = target.execution(1)
    assert state.comment == ""


@pytest.mark.parametrize(
    ("row", "status", "text"),
    [
        pytest.param({"status": "99"}, 400, "99", id="unknown-status"),
        pytest.param({"status": "5"}, 400, "5", id="inactive-status"),
        pytest.param({"rtsId": 1}, 500, "identifier", id="unknown-execution"),
        pytest.param({"testerId": 1}, 500, "User", id="unknown-tester"),
        pytest.param({"actualTime": "soon"}, 400, "soon", id="time-is-not-a-number"),
        pytest.param({"rtsId": True}, 400, "True", id="execution-id-is-a-boolean"),
        pytest.param({"executedOn": 10**18}, 400, "executedOn", id="date-out-of-range"),
        pytest.param({"notes": "\ud83d"}, 400, "Bad Request", id="lone-surrogate"),
    ],
)
def test_one_wrong_row_fails_the_whole_call(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
    row: dict[str, Any],
    status: int,
    text: str,
) -> None:
    """A refused call changes nothing."""
    sandbox.store.set_statuses([("1", "Pass", True), ("5", "Old", False)])
    good = {"rtsId": executions[0], "testerId": tester, "status": "1"}

    answer = api.execute(good, {**good, "rtsId": executions[1], **row})

    assert answer.status_code == status
    assert text in answer.json()["errorMsg"]
    assert [e.status for e in sandbox.store.executions(target.phase)] == [None] * 3


@pytest.mark.parametrize("key", ["rtsId", "testerId", "status"])
def test_row_needs_execution_tester_and_status(
    api: Api, executions: list[int], tester: int, key: str
) -> None:
    """The error names the missing key."""
    row = {"rtsId": executions[0], "testerId": tester, "status": "1"}
    del row[key]

    answer = api.execute(row)

    assert answer.status_code == 400
    assert answer.json()["errorMsg"] == f"{key} cannot be null."


def test_a_switch_limits_the_rows_of_one_call(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """With a limit of 500 rows, 501 are refused and 500 are accepted."""
    sandbox.store.set_switch("batch_limit", 500)
    sandbox.store.schedule_all(target.phase, range(1, 502))
    rows = [
        {"rtsId": row.id, "testerId": tester, "status": "1"}
        for row in sandbox.store.executions(target.phase)
    ]

    assert api.execute(*rows).status_code == 400
    assert len(api.execute(*rows[:500]).json()) == 500
    done = [e for e in sandbox.store.executions(target.phase) if e.status == "1"]
    assert len(done) == 500


def test_one_execution_gets_its_status_from_the_query(
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
) -> None:
    """The query also has the time; the body has the notes."""
    answer = api.put(
        f"/execution/{executions[0]}",
        params={"status": "4", "testerid": tester, "time": 12},
        json={"notes": "blocked by X"},
    )

    assert answer.json()["status"] == "4"
    assert answer.json()["actualTime"] == 12
    assert api.get(f"/execution/{executions[0]}").json()["comment"] == "blocked by X"


def test_notes_can_be_changed_alone(
    api: Api, target: SandboxTarget, executions: list[int]
) -> None:
    """Notes without a status add no result."""
    api.put(f"/execution/{executions[0]}", json={"notes": "later"})

    state = target.execution(1)
    assert (state.comment, state.result_count, state.status) == ("later", 0, None)
    assert (
        api.put(f"/execution/{executions[0]}", json={"notes": ""}).json()["comment"]
        == ""
    )


def test_many_executions_get_one_status(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
) -> None:
    """A misspelt key of the vendor's clients is accepted, as any unknown key is."""
    answer = api.put(
        "/execution/bulk",
        params={"status": "1", "testerid": tester, "allExecutions": "false"},
        json={"ids": executions[:2], "serachView": False},
    )

    assert [row["status"] for row in answer.json()] == ["1", "1"]
    assert [e.status for e in sandbox.store.executions(target.phase)] == [
        "1",
        "1",
        None,
    ]


def test_executing_does_not_change_the_tester(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """The user who executed the test case is in the key executedBy."""
    sandbox.store.add_case(target.release, testcase_id=9)
    execution = sandbox.store.schedule(target.phase, 9, tester=-10)

    (row,) = api.execute({"rtsId": execution, "testerId": tester, "status": "1"}).json()

    assert (row["testerId"], row["testerIdName"]) == (-10, "Anyone")
    assert row["executedBy"] == tester


def test_executions_are_filtered_by_tester(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    executions: list[int],
    tester: int,
) -> None:
    """Executions of the tester Anyone, whose id is -10, are included on request."""
    other, _ = sandbox.store.add_user("other", "secret")
    for testcase_id, owner in ((4, -10), (5, other)):
        sandbox.store.add_case(target.release, testcase_id=testcase_id)
        sandbox.store.schedule(target.phase, testcase_id, tester=owner)
    query = {"cyclephaseid": target.phase, "testerid": tester}

    assert len(api.results("/execution", **query)) == 3
    assert len(api.results("/execution", includeanyoneuser="TRUE", **query)) == 4


def test_unassigned_cases_stay_in_the_phase(
    sandbox: Sandbox, api: Api, target: SandboxTarget, executions: list[int]
) -> None:
    """The parameter ids is repeated; only the executions are removed."""
    answer = api.delete("/execution", params={"ids": executions[:2]})

    assert answer.status_code == 200
    assert [row.testcase_id for row in sandbox.store.executions(target.phase)] == [3]
    assert sandbox.store.placed_ids(target.phase) == [1, 2, 3]


def test_parallel_calls_lose_no_result(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """Four batches that are sent at the same time all add their results."""
    sandbox.store.schedule_all(target.phase, range(1, 401))
    rows = [
        {"rtsId": row.id, "testerId": tester, "status": "1"}
        for row in sandbox.store.executions(target.phase)
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda i: api.execute(*rows[i::4]).status_code, range(4))
        )

    assert answers == [200] * 4
    assert {e.result_count for e in sandbox.store.executions(target.phase)} == {1}
