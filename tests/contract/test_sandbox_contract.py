"""The sandbox keeps to the contract, call by call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
import requests

from pytest_zephyr.sandbox import Fault
from tests.contract.conftest import Call
from tests.contract.conftest import KnownIds
from tests.contract.conftest import upload_call
from tests.contract.conftest import V3
from tests.contract.contract import Contract


# Calls that make the server run automation jobs; the sandbox does not offer them.
NOT_OFFERED = {
    "createAndExecuteAutomationJob",
    "createAutomationJob",
    "executeAutomationJobs",
    "getAutomationJobProgress",
}

PAGE = {"offset": 0, "pagesize": 50, "order": "orderId", "isascorder": "true"}


def dates(prefix: str) -> dict[str, str]:
    """Return today as the first and the last day."""
    today = f"{date.today():%m/%d/%Y}"
    return {f"{prefix}StartDate": today, f"{prefix}EndDate": today}


CALLS: dict[str, Callable[[KnownIds], Call]] = {
    # session
    "getCurrentUser": lambda _: Call("GET", "/user/current"),
    "listUsers": lambda _: Call(
        "GET", "/user/filter", {"includeDashboardUser": "true"}
    ),
    "getUser": lambda ids: Call("GET", f"/user/{ids.tester}"),
    "listUsersOfProject": lambda ids: Call("GET", f"/user/project/{ids.project}"),
    "login": lambda _: Call("GET", "/manifest", basic=True),
    "listUserTokens": lambda _: Call("GET", "/usertoken/"),
    "createUserToken": lambda _: Call("POST", "/usertoken/", json={"label": "CI"}),
    "getServerTime": lambda _: Call("GET", "/system/info/servertime"),
    "getLicense": lambda _: Call("GET", "/info/license"),
    # settings
    "getPreference": lambda _: Call(
        "GET", "/admin/preference", {"key": "testresult.testresultStatus.LOV"}
    ),
    "listSystemPreferences": lambda _: Call(
        "GET", "/flex/services/rest/v4/admin/preference/all/system"
    ),
    "listFields": lambda _: Call(
        "GET", "/field/entity/testcase", {"includsystemfield": "true"}
    ),
    "listParserTemplates": lambda _: Call("GET", "/parsertemplate/"),
    "getParserTemplate": lambda _: Call("GET", "/parsertemplate/1"),
    # projects to phases
    "listProjectsLite": lambda _: Call("GET", "/project/lite"),
    "listProjectsFull": lambda _: Call("GET", "/project/details"),
    "getProject": lambda ids: Call("GET", f"/project/{ids.project}"),
    "listProjectsOfUser": lambda ids: Call("GET", f"/project/user/{ids.tester}"),
    "listProjectIdsOfUser": lambda ids: Call("GET", f"/project/project/{ids.tester}"),
    "createRelease": lambda ids: Call(
        "POST",
        "/release/",
        json={
            "name": "2.0",
            "description": "",
            "projectId": ids.project,
            **dates("release"),
        },
    ),
    "summarizeRelease": lambda ids: Call("GET", f"/summary/release/{ids.release}"),
    "summarizeProject": lambda ids: Call("GET", f"/summary/project/{ids.project}"),
    "listReleases": lambda ids: Call("GET", f"/release/project/{ids.project}"),
    "listReleasesPaged": lambda ids: Call(
        "GET",
        f"/release/paged/project/{ids.project}",
        {"order": "id", "isascorder": "true", "isVisible": "false", "pagesize": 0},
    ),
    "listCycles": lambda ids: Call("GET", f"/cycle/release/{ids.release}"),
    "createCycle": lambda ids: Call(
        "POST",
        "/cycle",
        json={
            "name": "Nightly",
            "releaseId": ids.release,
            "build": "7",
            "environment": "",
            "status": 0,
            **dates("cycle"),
        },
    ),
    "getCycle": lambda ids: Call("GET", f"/cycle/{ids.cycle}"),
    "updateCycle": lambda ids: Call(
        "PUT",
        f"/cycle/{ids.cycle}",
        json={"id": ids.cycle, "name": "Renamed", "releaseId": ids.release},
    ),
    "deleteCycle": lambda ids: Call("DELETE", f"/cycle/{ids.cycle}"),
    "createCyclePhase": lambda ids: Call(
        "POST",
        f"/cycle/{ids.cycle}/phase",
        json={
            "name": "Late",
            "releaseId": ids.release,
            "freeForm": True,
            **dates("phase"),
        },
    ),
    "updateCyclePhase": lambda ids: Call(
        "PUT", f"/cycle/{ids.cycle}/phase", json={"id": ids.phase, "name": "Renamed"}
    ),
    "deleteCyclePhase": lambda ids: Call(
        "DELETE", f"/cycle/{ids.cycle}/phase/{ids.phase}"
    ),
    # repository
    "listTreeNodes": lambda ids: Call(
        "GET",
        "/testcasetree",
        {"type": "Phase", "revisionid": 0, "releaseid": ids.release},
    ),
    "createTreeNode": lambda ids: Call(
        "POST",
        "/testcasetree",
        {"parentid": 0, "assignedusers": ""},
        {
            "name": "Logout",
            "description": "",
            "type": "Phase",
            "releaseId": ids.release,
        },
    ),
    "listTreeNodesLite": lambda ids: Call(
        "GET", "/testcasetree/lite", {"type": "Phase", "releaseid": ids.release}
    ),
    "getTreeNode": lambda ids: Call("GET", f"/testcasetree/{ids.folder}"),
    "deleteTreeNode": lambda ids: Call("DELETE", f"/testcasetree/{ids.folder}"),
    "deleteTestcases": lambda ids: Call(
        "DELETE",
        "/testcase",
        {"tcrCatalogTreeId": ids.folder},
        {"selectedAll": 0, "ids": [ids.placement]},
    ),
    "listRootNodes": lambda ids: Call("GET", f"/testcasetree/phases/{ids.release}"),
    "listExecutionTrees": lambda ids: Call(
        "GET", f"/testcasetree/phases/execution/{ids.release}"
    ),
    "listProjectRepository": lambda ids: Call(
        "GET", f"/testcasetree/projectrepository/{ids.project}"
    ),
    "getNodeAndChildren": lambda ids: Call(
        "GET", f"/testcasetree/hierarchy/{ids.folder}"
    ),
    "listTestcasesOfNodes": lambda ids: Call(
        "GET", "/testcase/nodes", {"treeids": [ids.folder, ids.phase_tree]}
    ),
    "countTestcases": lambda ids: Call(
        "GET",
        "/testcase/count",
        {"tcrcatalogtreeid": ids.folder, "releaseid": ids.release},
    ),
    "listTestcaseVersions": lambda ids: Call(
        "GET", "/testcase/versions", {"testcaseid": ids.case}
    ),
    "getTestcase": lambda ids: Call("GET", f"/testcase/{ids.placement}"),
    "getTestcaseDetail": lambda ids: Call("GET", f"/testcase/detail/{ids.version}"),
    "listTestcasesOfNode": lambda ids: Call(
        "GET", f"/testcase/tree/{ids.folder}", PAGE
    ),
    "createTestcase": lambda ids: Call(
        "POST",
        "/testcase/",
        json={
            "tcrCatalogTreeId": ids.folder,
            "testcase": {"name": "test_a", "customProperties": {}},
        },
    ),
    "createTestcasesBulk": lambda ids: Call(
        "POST",
        "/testcase/bulk",
        json=[
            {
                "tcrCatalogTreeId": ids.folder,
                "testcase": {
                    "name": name,
                    "externalId": name,
                    "automated": True,
                    "releaseId": ids.release,
                    "customProperties": {},
                    "testSteps": {"steps": [{"orderId": 1, "step": "a"}]},
                },
            }
            for name in ("test_b", "test_c")
        ],
    ),
    "updateTestcase": lambda ids: Call(
        "PUT",
        "/testcase",
        {"forceCreateNewVersion": "false"},
        {
            "testcase": {"testcaseId": ids.case, "name": "renamed", "tag": "tg1 tg2"},
            "releaseId": ids.release,
        },
    ),
    "updateTestcasesBulk": lambda ids: Call(
        "PUT",
        "/testcase/update",
        json=[
            {
                "tag": "nightly",
                "tagsOperation": 0,
                "tctTestcaseVersionParam": [
                    {"tctId": ids.placement, "testcaseVersionId": ids.version}
                ],
            }
        ],
    ),
    "getTestSteps": lambda ids: Call("GET", f"/testcase/{ids.version}/teststep"),
    "addTestSteps": lambda ids: Call(
        "POST",
        f"/testcase/{ids.version}/teststep/{ids.placement}",
        json={
            "tcId": ids.version,
            "tctId": ids.placement,
            "steps": [{"orderId": 1, "step": "open", "data": "", "result": ""}],
        },
    ),
    "addTestStep": lambda ids: Call(
        "POST",
        f"/testcase/{ids.version}/teststep/detail/{ids.placement}",
        json={
            "id": None,
            "tcId": ids.version,
            "tctId": str(ids.placement),
            "maxId": 3,
            "step": {"orderId": 3, "step": "send", "data": "", "result": ""},
        },
    ),
    "changeTestStep": lambda ids: Call(
        "PUT",
        f"/testcase/{ids.version}/teststep/detail/{ids.placement}",
        json={"step": {"orderId": 1, "step": "open the page"}},
    ),
    "findTestcasesByAltId": lambda ids: Call(
        "GET", "/testcase/altid", {"altids": ids.alt}
    ),
    # planning
    "listPlanningRows": lambda ids: Call(
        "GET", f"/testcase/planning/{ids.phase_tree}", PAGE
    ),
    "getAssignmentTree": lambda ids: Call("GET", f"/assignmenttree/{ids.phase}"),
    "addTestcasesByTree": lambda ids: Call(
        "POST",
        f"/assignmenttree/{ids.phase}/assign/bytree/{ids.phase_tree}",
        {"includehierarchy": "true"},
        [{"treeid": ids.folder, "tctIds": [ids.spare_version], "isExclusion": True}],
    ),
    "addTestcasesBySearch": lambda ids: Call(
        "POST",
        f"/assignmenttree/{ids.phase}/assign/bysearch/{ids.phase_tree}",
        {"includehierarchy": "false"},
        {"ids": [ids.spare_placement]},
    ),
    "assignToCreators": lambda ids: Call("POST", f"/assignmenttree/{ids.phase}/assign"),
    "changeAssignmentsBulk": lambda ids: Call(
        "PUT",
        f"/assignmenttree/{ids.phase}/bulk/tree/{ids.phase_tree}/from/-1/to/{ids.tester}",
        {"cascade": "true", "easmode": 2},
    ),
    "modifyAssignments": lambda ids: Call(
        "POST",
        "/execution/modify",
        json={
            "selectedAll": 1,
            "testerId": ids.tester,
            "cyclePhaseId": ids.phase,
            "tcrCatalogTreeId": ids.phase_tree,
            "createRTSList": [
                {
                    "cyclePhaseId": ids.phase,
                    "tctId": ids.unassigned,
                    "testerId": ids.tester,
                }
            ],
        },
    ),
    # executions
    "listExecutions": lambda ids: Call(
        "GET",
        "/execution",
        {"cyclephaseid": ids.phase, "includeanyoneuser": "true", **PAGE},
    ),
    "listExecutionsOfProject": lambda ids: Call(
        "GET",
        "/execution/user/project",
        {"projectid": ids.project, "releaseid": ids.release, **PAGE},
    ),
    "deleteExecutions": lambda ids: Call(
        "DELETE", "/execution", {"ids": ids.execution}
    ),
    "getExecution": lambda ids: Call("GET", f"/execution/{ids.execution}"),
    "executeOne": lambda ids: Call(
        "PUT",
        f"/execution/{ids.execution}",
        {
            "status": "1",
            "testerid": ids.tester,
            "time": 1532,
            "allExecutions": "false",
            "includeanyoneuser": "true",
        },
        {"teststepUpdate": True, "teststepStausId": "1", "notes": "ok"},
    ),
    "executeBulkOneStatus": lambda ids: Call(
        "PUT",
        "/execution/bulk",
        {"status": "2", "testerid": ids.tester, "tcrCatalogTreeId": ""},
        {"ids": [ids.execution], "serachView": False},
    ),
    "executeBulkPerRow": lambda ids: Call(
        "PUT",
        "/execution/bulk/execute",
        json=[
            {
                "rtsId": ids.execution,
                "testerId": ids.tester,
                "status": "2",
                "actualTime": 90,
                "notes": "AssertionError",
            }
        ],
    ),
    "executeOneWithFile": lambda ids: Call(
        "PUT",
        f"/execution/statusandattachment/{ids.execution}",
        {"status": "1", "testerid": ids.tester},
        files={"file": ("a.txt", b"a")},
    ),
    "saveStepResults": lambda ids: Call(
        "POST",
        "/execution/teststepresult/saveorupdate",
        json=[
            {
                "cyclePhaseId": ids.phase,
                "releaseTestScheduleId": ids.execution,
                "testStepId": 1,
                "status": "1",
            }
        ],
    ),
    # attachments
    "uploadFiles": lambda _: upload_call(),
    "attachFiles": lambda ids: Call(
        "POST",
        "/attachment/list",
        json=[
            {
                "name": "trace.txt",
                "contentType": "text/plain",
                "itemType": "releaseTestSchedule",
                "itemId": ids.execution,
                "tempPath": ids.temp_path,
            }
        ],
    ),
    "listAttachments": lambda ids: Call(
        "GET", "/attachment", {"itemid": ids.execution, "type": "releaseTestSchedule"}
    ),
    "deleteAttachment": lambda ids: Call("DELETE", f"/attachment/{ids.attachment}"),
    "downloadFile": lambda ids: Call(
        "GET", "/flex/download", {"action": "download", "fileId": ids.file_id}
    ),
    # search and requirements
    "search": lambda ids: Call(
        "GET",
        "/advancesearch",
        {
            "word": f"testcaseId in ({ids.case})",
            "entitytype": "testcase",
            "releaseid": ids.release,
            "zql": "true",
            "firstresult": 0,
            "maxresults": 100,
            "order": "orderId",
            "isascorder": "true",
            "is_cfield": "false",
        },
    ),
    "searchZql": lambda ids: Call(
        "POST",
        "/advancesearch/zql",
        json={
            "word": f"testcaseId in ({ids.case})",
            "entitytype": "testcase",
            "releaseid": str(ids.release),
            "projectid": str(ids.project),
            "zql": True,
            "firstresult": 0,
            "maxresults": 100,
        },
    ),
    "searchTestcases": lambda ids: Call("GET", "/testcase", {"zqlquery": 'name ~ "a"'}),
    "getRequirement": lambda ids: Call("GET", f"/requirement/{ids.requirement}"),
    "listRequirementTrees": lambda ids: Call(
        "GET", "/flex/services/rest/v4/requirementtree", {"projectId": ids.project}
    ),
    "mapTestcasesToRequirements": lambda ids: Call(
        "POST",
        "/requirement/bulk",
        json=[
            {
                "requirementId": [ids.requirement],
                "testcaseId": ids.case,
                "releaseId": ids.release,
            }
        ],
    ),
}

FAILURES: dict[str, tuple[int, Callable[[KnownIds], Call]]] = {
    "unknown-path": (404, lambda _: Call("GET", "/user/currant")),
    "unknown-method": (405, lambda _: Call("PATCH", "/execution/bulk")),
    "unknown-project": (500, lambda _: Call("GET", "/project/9")),
    "unknown-cycle": (500, lambda _: Call("GET", "/cycle/9")),
    "unknown-execution": (500, lambda _: Call("GET", "/execution/9")),
    "unknown-file": (404, lambda _: Call("GET", "/flex/download", {"fileId": "a"})),
    "comma-list": (404, lambda _: Call("DELETE", "/execution", {"ids": "1,2"})),
    "no-key": (400, lambda _: Call("GET", "/admin/preference")),
    "no-parent": (
        400,
        lambda ids: Call(
            "POST",
            "/testcasetree",
            json={"name": "a", "type": "Phase", "releaseId": ids.release},
        ),
    ),
    "no-type": (417, lambda _: Call("GET", "/testcasetree/lite")),
    "no-folder": (
        400,
        lambda _: Call("POST", "/testcase/", json={"testcase": {"name": "a"}}),
    ),
    "null": (400, lambda _: Call("PUT", "/execution/bulk", json={"ids": None})),
}


# Requests that no client should make, and that must not crash a server.
NONSENSE: dict[str, Callable[[KnownIds], Call]] = {
    "id-in-path-too-large": lambda _: Call("GET", f"/project/{2**63}"),
    "id-in-query-too-large": lambda _: Call(
        "GET", "/execution", {"cyclephaseid": 2**63}
    ),
    "offset-too-large": lambda _: Call("GET", "/execution", {"offset": 2**63}),
    "id-in-body-too-large": lambda ids: Call(
        "PUT",
        "/execution/bulk/execute",
        json=[{"rtsId": 2**63, "testerId": ids.tester, "status": "1"}],
    ),
    "rows-that-are-no-objects": lambda _: Call(
        "PUT", "/testcase/update", json=[{"tctTestcaseVersionParam": ["a", 1]}]
    ),
    "nested-deeply": lambda _: Call(
        "PUT", "/execution/bulk", {"status": "1"}, {"ids": [[[[["1"]]]]]}
    ),
}


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_a_call_and_its_answer_are_as_in_the_contract(make, server, known_ids):
    calls = server.middleware.calls
    response = server.send(make(known_ids))

    assert response.status_code in (200, 204), response.text
    assert server.middleware.violations == []
    assert server.crashes == []
    assert server.middleware.calls == calls + 1


def test_every_operation_the_sandbox_offers_is_called_here():
    names = {
        operation["operationId"]
        for item in Contract.load().document["paths"].values()
        for key, operation in item.items()
        if key != "parameters"
    }

    assert CALLS.keys() == names - NOT_OFFERED
    assert names > NOT_OFFERED


def test_an_operation_that_is_not_offered_is_an_unknown_path(server):
    path = "/flex/services/rest/v4/upload-file/automation"

    response = server.send(Call("POST", f"{path}/execute-job", json={"ids": [1]}))
    assert response.status_code == 404
    assert server.middleware.violations == []


@pytest.mark.parametrize(("status", "make"), FAILURES.values(), ids=FAILURES)
def test_failure_is_as_in_the_contract(status, make, server, known_ids):
    # Only the answer is checked: some of these requests break the contract.
    response = server.send(make(known_ids))

    assert response.status_code == status
    assert answer_problems(response) == []
    assert server.crashes == []


@pytest.mark.parametrize("make", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_gets_an_answer_as_in_the_contract(make, server, known_ids):
    response = server.send(make(known_ids))

    assert server.crashes == []
    assert answer_problems(response) == []


@pytest.mark.parametrize("path", ["/user/current", "/manifest", "/project/lite"])
def test_wrong_token_gets_a_401_as_in_the_contract(path, server):
    response = requests.get(
        server.sandbox.url + V3 + path,
        headers={"Authorization": "Bearer wrong"},
        timeout=30,
    )

    assert response.status_code == 401
    assert answer_problems(response) == []


def test_user_without_permission_gets_a_403_as_in_the_contract(server):
    _, token = server.sandbox.store.add_user("guest", "guest", has_permissions=False)
    response = requests.get(
        f"{server.sandbox.url}{V3}/project/lite",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )

    assert response.status_code == 403
    assert server.middleware.violations == []


def test_locked_release_gets_a_400_as_in_the_contract(server, known_ids):
    server.sandbox.store.lock_release(known_ids.release)
    response = server.send(CALLS["createCycle"](known_ids))

    assert response.status_code == 400
    assert "is locked" in response.json()["errorMsg"]
    assert server.middleware.violations == []


def test_cookie_of_a_login_is_a_credential(server):
    """Clients do not send a Secure cookie over HTTP, so this test sets the header."""
    login = Call("GET", "/manifest", basic=True)
    cookie = server.send(login).headers["Set-Cookie"]
    response = requests.get(
        f"{server.sandbox.url}{V3}/user/current",
        headers={"Cookie": cookie.partition(";")[0]},
        timeout=30,
    )

    assert response.status_code == 200
    assert server.middleware.violations == []


def test_five_hundred_rows_are_as_in_the_contract(server, known_ids):
    cases = [
        {
            "tcrCatalogTreeId": known_ids.folder,
            "testcase": {"name": f"test_{number}", "customProperties": {}},
        }
        for number in range(500)
    ]
    made = server.post("/testcase/bulk", cases)
    versions = [row["testcase"]["id"] for row in made]
    bytree = f"/assignmenttree/{known_ids.phase}/assign/bytree/{known_ids.phase_tree}"
    selection = [{"treeid": known_ids.folder, "tctIds": versions, "isExclusion": True}]
    assert server.send(Call("POST", bytree, json=selection)).ok
    assert server.send(CALLS["changeAssignmentsBulk"](known_ids)).ok
    rows = server.get("/execution", cyclephaseid=known_ids.phase, pagesize=0)["results"]
    results = [
        {"rtsId": row["id"], "testerId": known_ids.tester, "status": "1"}
        for row in rows[:500]
    ]
    response = server.send(Call("PUT", "/execution/bulk/execute", json=results))

    assert len(response.json()) == 500
    assert server.middleware.violations == []


def test_an_answer_that_is_broken_on_purpose_is_not_checked(server):
    server.sandbox.faults.add(Fault(path="/user/current", kind="html"))
    response = server.send(Call("GET", "/user/current"))

    assert "html" in response.text
    assert server.middleware.violations == []
    assert answer_problems(response) != []


def test_exception_inside_the_sandbox_is_noticed(server, monkeypatch):
    """For an uncaught exception, the client gets only a 500."""

    def broken(_user: object) -> None:
        raise LookupError("no such thing")

    monkeypatch.setattr("pytest_zephyr.sandbox.as_json.user", broken)
    response = server.send(Call("GET", "/user/current"))

    assert response.status_code == 500
    assert server.crashes == ["LookupError: no such thing"]


def answer_problems(response: requests.Response) -> list[str]:
    """Return what is wrong with an answer; its request is not checked."""
    request = response.request
    assert request.method is not None
    return Contract.load().check_answer(
        request.method,
        request.path_url.partition("?")[0],
        response.status_code,
        response.headers.get("Content-Type", ""),
        response.content,
    )
