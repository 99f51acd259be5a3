"""Steps of test cases and their results."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def execution(sandbox: Sandbox, target: SandboxTarget) -> int:
    """Assign test case 7, which has two steps, and return the id of its execution."""
    store = sandbox.store
    store.add_case(target.release, testcase_id=7, steps=["Open", "Log in"])
    return store.schedule(target.phase, 7)


def version_of(api: Api, execution: int) -> int:
    """Return the version id of the test case of an execution."""
    row = api.get(f"/execution/{execution}").json()
    version: int = row["tcrTreeTestcase"]["testcase"]["id"]
    return version


def test_steps_are_read_by_version(api: Api, execution: int) -> None:
    """Steps come in order, with order ids from 1."""
    version = version_of(api, execution)

    block = api.get(f"/testcase/{version}/teststep").json()

    assert [(s["orderId"], s["step"]) for s in block["steps"]] == [
        (1, "Open"),
        (2, "Log in"),
    ]
    assert block["testcaseVersionId"] == version
    assert block["maxId"] == 2


def test_case_without_steps_answers_204(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """So does an id that is not the id of a version; the answer has no body."""
    sandbox.store.add_case(target.release, testcase_id=8)
    version_without_steps = version_of(api, sandbox.store.schedule(target.phase, 8))

    for version in (version_without_steps, 8):
        answer = api.get(f"/testcase/{version}/teststep")
        assert (answer.status_code, answer.content) == (204, b"")


def test_all_steps_are_replaced_in_one_call(
    sandbox: Sandbox, api: Api, target: SandboxTarget, execution: int
) -> None:
    """The old steps are gone."""
    row = api.get(f"/execution/{execution}").json()["tcrTreeTestcase"]
    path = f"/testcase/{row['testcase']['id']}/teststep/{row['id']}"

    block = api.post(path, json={"steps": [{"orderId": 1, "step": "New"}]}).json()

    assert [step["step"] for step in block["steps"]] == ["New"]
    assert sandbox.store.cases(target.release)[0].steps == ("New",)


def test_steps_are_added_and_changed_one_by_one(api: Api, execution: int) -> None:
    """A step is added at the end, or before the step that has its number.

    Refused are wrong bodies, a number that no step has, and an unknown placement,
    which is the last id in the path.
    """
    row = api.get(f"/execution/{execution}").json()["tcrTreeTestcase"]
    version, placement = row["testcase"]["id"], row["id"]
    path = f"/testcase/{version}/teststep/detail/{placement}"
    other_keys = {"id": None, "tcId": version, "tctId": str(placement), "maxId": 3}

    def texts() -> list[tuple[int, str, str]]:
        steps = api.get(f"/testcase/{version}/teststep").json()["steps"]
        return [(step["orderId"], step["step"], step["result"]) for step in steps]

    last = {"step": "Log out", "data": "", "result": "gone", "orderId": None}
    block = api.post(path, json={**other_keys, "step": last}).json()
    api.post(path, json={**other_keys, "step": {"step": "Wait", "orderId": "2"}})
    api.put(path, json={**other_keys, "step": {"orderId": 1, "result": "open"}})

    assert block["id"] == api.get(f"/testcase/{version}/teststep").json()["id"]
    assert texts() == [
        (1, "Open", "open"),
        (2, "Wait", ""),
        (3, "Log in", ""),
        (4, "Log out", "gone"),
    ]
    for body in ({"step": None}, {"step": ["a"]}, {}):
        assert api.post(path, json=body).status_code == 400
    assert api.put(path, json={"step": {"orderId": 9}}).status_code == 500
    assert api.post(f"{path}9", json={"step": last}).status_code == 500
    assert (
        api.post(path.replace("detail/", ""), json={"steps": ["a"]}).status_code == 400
    )


def test_step_results_are_added_and_updated(
    api: Api, target: SandboxTarget, execution: int
) -> None:
    """A second result of a step replaces the first, and keeps its id."""
    rows: list[dict[str, Any]] = [
        {
            "cyclePhaseId": target.phase,
            "releaseTestScheduleId": execution,
            "testStepId": step,
            "status": status,
        }
        for step, status in ((1, 1), (2, 2))
    ]
    first = api.post("/execution/teststepresult/saveorupdate", json=rows).json()
    rows[1] |= {"status": 1, "comment": "after all"}
    again = api.post("/execution/teststepresult/saveorupdate", json=rows).json()

    assert [row["id"] for row in first] == [row["id"] for row in again]
    state = target.execution(7)
    assert state.steps == {1: ("1", None), 2: ("1", "after all")}
    listed = api.get(
        "/execution/teststepresult",
        params={"sids": execution, "cyclephaseid": target.phase},
    ).json()
    assert [row["testStepId"] for row in listed] == [1, 2]


def test_all_steps_get_a_status_with_the_execution(
    api: Api, target: SandboxTarget, execution: int, tester: int
) -> None:
    """The key for their status is misspelt, as in the vendor's clients."""
    api.put(
        f"/execution/{execution}",
        params={"status": "1", "testerid": tester},
        json={"teststepUpdate": True, "teststepStausId": "1"},
    )

    state = target.execution(7)
    assert state.steps == {1: ("1", None), 2: ("1", None)}


@pytest.mark.parametrize(
    "query",
    ["", "?sids=1", "?cyclephaseid=1"],
    ids=["neither", "only-executions", "only-phase"],
)
def test_step_results_need_executions_and_phase(api: Api, query: str) -> None:
    """Without one of them, the answer is 500."""
    assert api.get(f"/execution/teststepresult{query}").status_code == 500


def test_step_result_of_an_unknown_execution_is_refused(
    api: Api, target: SandboxTarget
) -> None:
    """The answer is 500."""
    row = {
        "cyclePhaseId": target.phase,
        "releaseTestScheduleId": 1,
        "testStepId": 1,
        "status": 1,
    }

    answer = api.post("/execution/teststepresult/saveorupdate", json=[row])

    assert answer.status_code == 500
