"""Putting test cases into phases, and giving them to testers.

A placement is a test case in a folder, ``tct`` in the API; ``rts`` is its execution.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def root(api: Api, target: SandboxTarget) -> int:
    """Return the id of the root node of the phase."""
    node: int = api.get(f"/assignmenttree/{target.phase}").json()["id"]
    return node


@pytest.fixture
def folder(sandbox: Sandbox, target: SandboxTarget) -> int:
    """Return the id of a repository folder with test cases 101, 102 and 103."""
    folder = sandbox.store.add_folder(target.release, "Login")
    for testcase_id in (101, 102, 103):
        sandbox.store.add_case(target.release, testcase_id=testcase_id, folder=folder)
    return folder


@pytest.fixture
def cases(api: Api, folder: int) -> list[dict[str, Any]]:
    """Return the placements in *folder* as JSON."""
    return api.results(f"/testcase/tree/{folder}")


def add_by_tree(
    api: Api,
    target: SandboxTarget,
    root: int,
    *selections: dict[str, Any],
    hierarchy: str = "false",
) -> requests.Response:
    return api.post(
        f"/assignmenttree/{target.phase}/assign/bytree/{root}",
        params={"includehierarchy": hierarchy},
        json=list(selections),
    )


def test_ids_of_a_case_differ(
    sandbox: Sandbox, api: Api, target: SandboxTarget, cases: list[dict[str, Any]]
) -> None:
    """Visible id, version, execution, node, phase and both placements all differ.

    The sequence number is the visible id.
    """
    sandbox.store.schedule(target.phase, 101)
    (row,) = api.results("/execution", cyclephaseid=target.phase)
    case = row["tcrTreeTestcase"]

    ids = [
        case["testcase"]["testcaseId"],
        case["testcase"]["id"],
        case["id"],
        row["id"],
        case["tcrCatalogTreeId"],
        target.phase,
        cases[0]["id"],
    ]
    assert len(set(ids)) == 7
    assert case["testcase"]["testcaseSequence"]["seqNumber"] == 101


def test_chosen_versions_are_added(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    folder: int,
    cases: list[dict[str, Any]],
) -> None:
    """The ids in tctIds are version ids; an added test case has no execution yet."""
    chosen = [cases[0]["testcase"]["id"], cases[2]["testcase"]["id"]]

    answer = add_by_tree(
        api, target, root, {"treeid": folder, "tctIds": chosen, "isExclusion": True}
    )

    assert answer.status_code == 200
    assert sandbox.store.placed_ids(target.phase) == [101, 103]
    assert sandbox.store.executions(target.phase) == []
    rows = api.results(f"/testcase/planning/{root}")
    assert [row["testcase"]["testcaseId"] for row in rows] == [101, 103]
    assert all("rts" not in row for row in rows)


@pytest.mark.parametrize(
    "key", ["id", "testcaseId"], ids=["placement-id", "visible-id"]
)
def test_other_ids_than_version_ids_add_nothing(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    folder: int,
    cases: list[dict[str, Any]],
    key: str,
) -> None:
    """Placement ids and visible ids in tctIds are answered with 200 and add nothing."""
    case = cases[0] if key == "id" else cases[0]["testcase"]

    answer = add_by_tree(
        api,
        target,
        root,
        {"treeid": folder, "tctIds": [case[key]], "isExclusion": True},
    )

    assert answer.status_code == 200
    assert sandbox.store.placed_ids(target.phase) == []


def test_a_case_that_is_added_twice_is_in_the_phase_twice(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    folder: int,
    cases: list[dict[str, Any]],
) -> None:
    """The server does not notice that a test case is in the phase already."""
    selection = {
        "treeid": folder,
        "tctIds": [cases[0]["testcase"]["id"]],
        "isExclusion": True,
    }

    add_by_tree(api, target, root, selection)
    add_by_tree(api, target, root, selection)

    assert sandbox.store.placed_ids(target.phase) == [101, 101]


def test_whole_folder_keeps_its_hierarchy(
    sandbox: Sandbox, api: Api, target: SandboxTarget, root: int, folder: int
) -> None:
    """With includehierarchy, the folders are copied below the root of the phase."""
    subfolder = sandbox.store.add_folder(target.release, "Forgotten", parent=folder)
    sandbox.store.add_case(target.release, testcase_id=104, folder=subfolder)

    add_by_tree(
        api,
        target,
        root,
        {"treeid": folder, "tctIds": None, "isExclusion": None},
        hierarchy="True",
    )

    tree = api.get(f"/testcasetree/{root}").json()
    (login,) = tree["categories"]
    (forgotten,) = login["categories"]
    assert (login["name"], login["testcaseCount"]) == ("Login", 3)
    assert (forgotten["name"], forgotten["testcaseCount"]) == ("Forgotten", 1)
    assert tree["cumulativeTestcaseCount"] == 4
    assert sorted(sandbox.store.placed_ids(target.phase)) == [101, 102, 103, 104]


def test_cases_are_added_by_placement(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    cases: list[dict[str, Any]],
) -> None:
    """assign/bysearch takes placement ids and needs no folder."""
    api.post(
        f"/assignmenttree/{target.phase}/assign/bysearch/{root}",
        json={"ids": [cases[1]["id"]]},
    )

    assert sandbox.store.placed_ids(target.phase) == [102]


def test_one_call_assigns_every_unassigned_case(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    folder: int,
    tester: int,
) -> None:
    """``from/-1`` chooses test cases without a tester; -10, for anyone, is a tester."""
    sandbox.store.add_to_phase(target.phase, 101)
    sandbox.store.schedule(target.phase, 102, tester=-10)
    path = f"/assignmenttree/{target.phase}/bulk/tree/{root}/from/-1/to/{tester}"

    assert api.put(path, params={"cascade": "true", "easmode": 2}).json() == 1
    assert api.put(path, params={"cascade": "true", "easmode": 2}).json() == 0
    assigned = [
        (row.testcase_id, row.tester) for row in sandbox.store.executions(target.phase)
    ]
    assert assigned == [(102, -10), (101, tester)]


def test_assignments_move_between_testers(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    folder: int,
    tester: int,
) -> None:
    """``from/`` with the id of a user chooses what is assigned to that user."""
    other, _ = sandbox.store.add_user("other", "secret")
    sandbox.store.schedule(target.phase, 101)
    sandbox.store.schedule(target.phase, 102, tester=-10)

    answer = api.put(
        f"/assignmenttree/{target.phase}/bulk/tree/{root}/from/{tester}/to/{other}"
    )

    assert answer.json() == 1
    assert [row.tester for row in sandbox.store.executions(target.phase)] == [
        other,
        -10,
    ]


def test_modify_assigns_and_answers_executions(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    root: int,
    folder: int,
    tester: int,
) -> None:
    """A repeated call answers the same executions."""
    sandbox.store.add_to_phase(target.phase, 101)
    (row,) = api.results(f"/testcase/planning/{root}")
    entry = {
        "cyclePhaseId": target.phase,
        "tctId": row["tct"]["id"],
        "testerId": tester,
    }

    first = api.post("/execution/modify", json={"createRTSList": [entry]}).json()
    again = api.post("/execution/modify", json={"createRTSList": [entry]}).json()

    assert [row["id"] for row in first] == [row["id"] for row in again]
    (row,) = api.results(f"/testcase/planning/{root}")
    assert row["rts"]["id"] == first[0]["id"]
    assert "status" not in row["rts"]


def test_modify_needs_the_placement_of_the_phase(
    api: Api, target: SandboxTarget, cases: list[dict[str, Any]], tester: int
) -> None:
    """The id of a placement in the repository is refused."""
    entry = {
        "cyclePhaseId": target.phase,
        "tctId": cases[0]["id"],
        "testerId": tester,
    }

    answer = api.post("/execution/modify", json={"createRTSList": [entry]})

    assert answer.status_code == 500


def test_cases_are_assigned_to_their_creators(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int, tester: int
) -> None:
    """The call assigns each test case to its creator, and answers how many it assigned."""
    other, token = sandbox.store.add_user("other", "secret")
    made = api.post(
        "/testcase",
        json={"tcrCatalogTreeId": folder, "testcase": {"name": "Log out"}},
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    sandbox.store.add_to_phase(target.phase, 101)
    sandbox.store.add_to_phase(target.phase, made["testcase"]["testcaseId"])

    assert api.post(f"/assignmenttree/{target.phase}/assign").json() == 2
    testers = [row.tester for row in sandbox.store.executions(target.phase)]
    assert testers == [tester, other]


def test_only_phases_have_planning_rows(api: Api, folder: int) -> None:
    """The call answers 500 for a repository folder."""
    assert api.get(f"/testcase/planning/{folder}").status_code == 500


def test_a_switch_limits_how_many_are_added_at_once(
    sandbox: Sandbox, api: Api, target: SandboxTarget, root: int, folder: int
) -> None:
    """The limit is for the ids in tctIds; by default there is none."""
    selection = {"treeid": folder, "tctIds": list(range(501)), "isExclusion": True}

    assert add_by_tree(api, target, root, selection).status_code == 200
    sandbox.store.set_switch("batch_limit", 500)
    assert add_by_tree(api, target, root, selection).status_code == 400
