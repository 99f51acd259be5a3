"""Reading users, projects, trees, test cases and counts; creating a release.

A node is a folder of a tree, and a placement a test case in a folder.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


def test_one_user_and_all_users_are_read(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tester: int
) -> None:
    """Every user is in every project."""
    other, _token = sandbox.store.add_user("ada", "secret")

    listed = api.get("/user/filter", params={"includeDashboardUser": "true"}).json()

    assert [row["id"] for row in listed] == [tester, other]
    assert api.get(f"/user/project/{target.project}").json() == listed
    assert api.get(f"/user/{other}").json()["username"] == "ada"
    assert api.get(f"/project/project/{other}").json() == [target.project]
    (project,) = api.get(f"/project/user/{other}").json()
    assert (project["id"], project["name"]) == (target.project, "Shop")


@pytest.mark.parametrize(
    "path",
    [
        "/user/9",
        "/user/-10",
        "/user/project/9",
        "/project/user/9",
        "/project/project/9",
        "/parsertemplate/9",
        "/testcase/9",
        "/testcase/detail/9",
        "/testcase/count?tcrcatalogtreeid=9",
        "/testcase/count?releaseid=9",
        "/testcase/nodes",
        "/testcase/versions",
        "/testcasetree/hierarchy/9",
        "/testcasetree/projectrepository/9",
        "/testcasetree/phases/execution/9",
        "/summary/release/9",
        "/summary/project/9",
        "/requirement/9",
    ],
)
def test_unknown_and_missing_ids_are_server_errors(api: Api, path: str) -> None:
    """The server answers 500 where an id does not exist or was not given."""
    answer = api.get(path)

    assert answer.status_code == 500
    assert "errorMsg" in answer.json()


def test_parser_templates_are_json_in_a_text(api: Api) -> None:
    """The text says how to read the name and the status of a test case."""
    (template,) = api.get("/parsertemplate/").json()

    assert api.get(f"/parsertemplate/{template['id']}").json() == template
    (entry,) = json.loads(template["jsonTemplate"])
    assert entry["testcase"] == {"name": "${testsuite.testcase:name}"}
    assert [status["statusId"] for status in entry["statuses"]] == [
        "2",
        "2",
        "10",
        "1",
    ]


def test_release_is_created_with_text_dates(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Dates are optional; a missing name and an end before the start are refused."""
    body = {
        "name": "Release 2",
        "description": "next",
        "releaseStartDate": "12/01/2026",
        "releaseEndDate": "12/31/2026",
        "projectId": target.project,
    }

    made = api.post("/release/", json=body).json()

    assert (made["description"], made["releaseEndDate"]) == ("next", "12/31/2026")
    assert api.get(f"/release/{made['id']}").json() == made
    state = sandbox.store.releases(target.project)[-1]
    assert (state.id, state.name, str(state.start)) == (
        made["id"],
        "Release 2",
        "2026-12-01",
    )
    undated = api.post(
        "/release", json={"name": "Some day", "projectId": target.project}
    )
    assert "startDate" not in undated.json()
    backwards = {**body, "releaseEndDate": "11/30/2026"}
    assert api.post("/release/", json=backwards).status_code == 400
    assert api.post("/release/", json={**body, "name": None}).status_code == 400


@pytest.fixture
def tree(sandbox: Sandbox, target: SandboxTarget) -> tuple[int, int, int]:
    """Return the ids of a root folder, of its child, and of the child of that."""
    store = sandbox.store
    root = store.add_folder(target.release, "Root")
    child = store.add_folder(target.release, "Child", parent=root)
    return root, child, store.add_folder(target.release, "Leaf", parent=child)


def test_trees_of_release_project_and_phases_are_read(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tree: tuple[int, int, int]
) -> None:
    """The repository of a project is that of its hidden release."""
    root, child, leaf = tree
    hidden = sandbox.store.releases(target.project)[0]
    common = sandbox.store.add_folder(hidden.id, "Common")

    assert api.get(f"/testcasetree/hierarchy/{root}").json() == [root, child]
    assert api.get(f"/testcasetree/hierarchy/{leaf}").json() == [leaf]
    (shared,) = api.get(f"/testcasetree/projectrepository/{target.project}").json()
    assert (shared["id"], shared["name"]) == (common, "Common")
    (phase,) = api.get(f"/testcasetree/phases/execution/{target.release}").json()
    assert phase == api.get(f"/assignmenttree/{target.phase}").json()


def test_cases_are_read_and_counted_by_node(
    sandbox: Sandbox, api: Api, target: SandboxTarget, tree: tuple[int, int, int]
) -> None:
    """Test cases below a node are counted with it; they are not listed with it."""
    root, child, leaf = tree
    for number, folder in enumerate((root, child, leaf, leaf), 1):
        sandbox.store.add_case(target.release, testcase_id=number, folder=folder)
    later = sandbox.store.add_release(target.project, "Release 2")
    sandbox.store.add_case(later, testcase_id=5)
    sandbox.store.schedule_all(target.phase, [1, 2])
    phase_tree = api.get(f"/assignmenttree/{target.phase}").json()["id"]

    def count(**params: int) -> Any:
        return api.get("/testcase/count", params=params).json()

    rows = api.get("/testcase/nodes", params={"treeids": [root, leaf]}).json()
    assert [row["testcase"]["testcaseId"] for row in rows] == [1, 3, 4]
    assert count(tcrcatalogtreeid=root, releaseid=target.release) == 4
    assert count(tcrcatalogtreeid=leaf) == 2
    assert count(tcrcatalogtreeid=phase_tree, releaseid=target.release) == 2
    assert (count(releaseid=target.release), count()) == (4, 5)
    assert api.get("/testcase/nodes?treeids=1,2").status_code == 404


def test_case_is_read_by_placement_and_by_version(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """An old version can be read, too; the list of versions ends with the newest."""
    sandbox.store.add_case(target.release, "Log in", testcase_id=7)
    (before,) = api.results("/testcase", word="Log in")
    api.put(
        "/testcase?forceCreateNewVersion=true",
        json={
            "testcase": {"testcaseId": 7, "name": "Sign in"},
            "releaseId": target.release,
        },
    )
    after = api.get(f"/testcase/{before['id']}").json()

    assert after["testcase"]["name"] == "Sign in"
    assert api.get(f"/testcase/detail/{after['testcase']['id']}").json() == after
    old = api.get(f"/testcase/{before['testcase']['id']}").json()
    assert (old["id"], old["testcase"]["name"]) == (before["id"], "Log in")
    versions = api.get("/testcase/versions?testcaseid=7").json()
    assert [row["id"] for row in versions] == [
        before["testcase"]["id"],
        after["testcase"]["id"],
    ]
    assert api.get("/testcase/versions?testcaseid=8").json() == []


def test_requirements_of_a_case_are_listed(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Planning rows, executions, search results and versions have the ids of them."""
    sandbox.store.schedule_all(target.phase, [1, 2])
    first = sandbox.store.add_requirement(target.release, "Users log in", alt="R-1")
    second = sandbox.store.add_requirement(target.release, "Users log out")
    api.post(
        "/requirement/bulk",
        json=[
            {
                "requirementId": [second, first],
                "testcaseId": 1,
                "releaseId": target.release,
            }
        ],
    )

    def requirement_ids(row: dict[str, Any]) -> list[int]:
        ids: list[int] = row["testcase"]["requirementIds"]
        return ids

    node = api.get(f"/assignmenttree/{target.phase}").json()["id"]
    planned = api.results(f"/testcase/planning/{node}")
    executed = api.results("/execution", cyclephaseid=target.phase)
    cases = api.results("/testcase", word="Test case 1")
    assert [requirement_ids(row) for row in planned] == [[first, second], []]
    assert [requirement_ids(row["tcrTreeTestcase"]) for row in executed] == [
        [first, second],
        [],
    ]
    assert [requirement_ids(row) for row in cases] == [[first, second]]
    (version,) = api.get("/testcase/versions?testcaseid=1").json()
    assert version["requirementIds"] == [first, second]
    requirement = api.get(f"/requirement/{first}").json()
    assert (requirement["id"], requirement["name"]) == (first, "Users log in")
    assert {"details", "reqCreationDate"} < requirement.keys()


def test_requirements_have_no_folders(api: Api, target: SandboxTarget) -> None:
    """The call of version 4 that lists such folders answers an empty list."""
    answer = api.http.get(
        api.base.replace("v3", "v4") + "/requirementtree",
        params={"projectId": target.project, "releaseid": target.release},
        timeout=30,
    )

    assert (answer.status_code, answer.json()) == (200, [])


def test_executions_are_listed_by_project(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """The other filters of executions can be combined with the project."""
    other = sandbox.store.ensure_target("Other", "1.0", "Nightly", "Smoke")
    sandbox.store.schedule_all(target.phase, [1])
    sandbox.store.schedule_all(other[-1], [2])
    path = "/execution/user/project"

    def find_ids(**params: Any) -> list[int]:
        rows = api.results(path, **params)
        return [row["tcrTreeTestcase"]["testcase"]["testcaseId"] for row in rows]

    assert find_ids(projectid=target.project) == [1]
    assert find_ids(projectid=other[0], cyclephaseid=other[-1]) == [2]
    assert find_ids(projectid=other[0], releaseid=target.release) == []
    assert find_ids() == [1, 2]


def test_summaries_count_what_a_release_and_a_project_have(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A project without test cases has an automation percentage of 0."""
    store = sandbox.store
    store.add_user("ada", "secret")
    store.add_release(target.project, "Release 2")
    store.schedule_all(target.phase, [1, 2, 3])
    store.add_to_phase(target.phase, store.add_case(target.release, testcase_id=4))
    requirement = store.add_requirement(target.release, "Users log in")
    store.add_requirement(target.release, "Users log out")
    store.add_defect(target.execution(1).id, "BUG-1")
    api.post(
        "/requirement/bulk",
        json=[
            {
                "requirementId": [requirement],
                "testcaseId": 1,
                "releaseId": target.release,
            }
        ],
    )
    api.put(
        "/testcase",
        json={
            "testcase": {"testcaseId": 1, "automated": True},
            "releaseId": target.release,
        },
    )

    release = api.get(f"/summary/release/{target.release}").json()
    project = api.get(f"/summary/project/{target.project}").json()

    assert release == {
        "requirement": {
            "totalRequirementCount": 2,
            "mappedRequirementCount": 1,
            "unmappedRequirementCount": 1,
        },
        "testcase": {"totalTestcaseCount": 4},
        "execution": {"totalExecutionCount": 3},
        "defect": {
            "totalDefectCount": 1,
            "totalDefectIds": ["BUG-1"],
            "statuses": [{"status": "Open", "defectCount": 1}],
        },
    }
    assert project == {
        "testcaseCount": 4,
        "executionCount": 3,
        "automatedTestCaseCount": 1,
        "manualTestCaseCount": 3,
        "automationPercentage": 25,
        "teamCount": 2,
        "totalReleaseCount": 3,
        "visibleReleaseCount": 2,
    }
    empty = store.add_project("Empty")
    assert api.get(f"/summary/project/{empty}").json()["automationPercentage"] == 0
