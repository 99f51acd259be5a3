"""The sandbox keeps to the contract, call by call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
import requests

from pytest_zephyr.sandbox import Fault
from tests.contract.conftest import Call
from tests.contract.conftest import KnownIds
from tests.contract.conftest import upload
from tests.contract.conftest import V3
from tests.contract.contract import Contract


# The sandbox has no automation jobs: results are brought by clients.
NOT_OFFERED = {
    "createAndExecuteAutomationJob",
    "createAutomationJob",
    "executeAutomationJobs",
    "getAutomationJobProgress",
}

PAGE = {"offset": 0, "pagesize": 50, "order": "orderId", "isascorder": "true"}


def dates(prefix: str) -> dict[str, str]:
    """Today, as the first and the last day."""
    today = f"{date.today():%m/%d/%Y}"
    return {f"{prefix}StartDate": today, f"{prefix}EndDate": today}


CALLS: dict[str, Callable[[KnownIds], Call]] = {
    # session
    "getCurrentUser": lambda _: Call("GET", "/user/current"),
    "listUsers": lambda _: Call(
        "GET", "/user/filter", {"includeDashboardUser": "true"}
    ),
    "getUser": lambda at: Call("GET", f"/user/{at.tester}"),
    "listUsersOfProject": lambda at: Call("GET", f"/user/project/{at.project}"),
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
    "getProject": lambda at: Call("GET", f"/project/{at.project}"),
    "listProjectsOfUser": lambda at: Call("GET", f"/project/user/{at.tester}"),
    "listProjectIdsOfUser": lambda at: Call("GET", f"/project/project/{at.tester}"),
    "createRelease": lambda at: Call(
        "POST",
        "/release/",
        json={
            "name": "2.0",
            "description": "",
            "projectId": at.project,
            **dates("release"),
        },
    ),
    "summarizeRelease": lambda at: Call("GET", f"/summary/release/{at.release}"),
    "summarizeProject": lambda at: Call("GET", f"/summary/project/{at.project}"),
    "listReleases": lambda at: Call("GET", f"/release/project/{at.project}"),
    "listReleasesPaged": lambda at: Call(
        "GET",
        f"/release/paged/project/{at.project}",
        {"order": "id", "isascorder": "true", "isVisible": "false", "pagesize": 0},
    ),
    "listCycles": lambda at: Call("GET", f"/cycle/release/{at.release}"),
    "createCycle": lambda at: Call(
        "POST",
        "/cycle",
        json={
            "name": "Nightly",
            "releaseId": at.release,
            "build": "7",
            "environment": "",
            "status": 0,
            **dates("cycle"),
        },
    ),
    "getCycle": lambda at: Call("GET", f"/cycle/{at.cycle}"),
    "updateCycle": lambda at: Call(
        "PUT",
        f"/cycle/{at.cycle}",
        json={"id": at.cycle, "name": "Renamed", "releaseId": at.release},
    ),
    "deleteCycle": lambda at: Call("DELETE", f"/cycle/{at.cycle}"),
    "createCyclePhase": lambda at: Call(
        "POST",
        f"/cycle/{at.cycle}/phase",
        json={
            "name": "Late",
            "releaseId": at.release,
            "freeForm": True,
            **dates("phase"),
        },
    ),
    "updateCyclePhase": lambda at: Call(
        "PUT", f"/cycle/{at.cycle}/phase", json={"id": at.phase, "name": "Renamed"}
    ),
    "deleteCyclePhase": lambda at: Call(
        "DELETE", f"/cycle/{at.cycle}/phase/{at.phase}"
    ),
    # repository
    "listTreeNodes": lambda at: Call(
        "GET",
        "/testcasetree",
        {"type": "Phase", "revisionid": 0, "releaseid": at.release},
    ),
    "createTreeNode": lambda at: Call(
        "POST",
        "/testcasetree",
        {"parentid": 0, "assignedusers": ""},
        {"name": "Logout", "description": "", "type": "Phase", "releaseId": at.release},
    ),
    "listTreeNodesLite": lambda at: Call(
        "GET", "/testcasetree/lite", {"type": "Phase", "releaseid": at.release}
    ),
    "getTreeNode": lambda at: Call("GET", f"/testcasetree/{at.folder}"),
    "deleteTreeNode": lambda at: Call("DELETE", f"/testcasetree/{at.folder}"),
    "deleteTestcases": lambda at: Call(
        "DELETE",
        "/testcase",
        {"tcrCatalogTreeId": at.folder},
        {"selectedAll": 0, "ids": [at.placement]},
    ),
    "listRootNodes": lambda at: Call("GET", f"/testcasetree/phases/{at.release}"),
    "listExecutionTrees": lambda at: Call(
        "GET", f"/testcasetree/phases/execution/{at.release}"
    ),
    "listProjectRepository": lambda at: Call(
        "GET", f"/testcasetree/projectrepository/{at.project}"
    ),
    "getNodeAndChildren": lambda at: Call(
        "GET", f"/testcasetree/hierarchy/{at.folder}"
    ),
    "listTestcasesOfNodes": lambda at: Call(
        "GET", "/testcase/nodes", {"treeids": [at.folder, at.phase_tree]}
    ),
    "countTestcases": lambda at: Call(
        "GET",
        "/testcase/count",
        {"tcrcatalogtreeid": at.folder, "releaseid": at.release},
    ),
    "listTestcaseVersions": lambda at: Call(
        "GET", "/testcase/versions", {"testcaseid": at.case}
    ),
    "getTestcase": lambda at: Call("GET", f"/testcase/{at.placement}"),
    "getTestcaseDetail": lambda at: Call("GET", f"/testcase/detail/{at.version}"),
    "listTestcasesOfNode": lambda at: Call("GET", f"/testcase/tree/{at.folder}", PAGE),
    "createTestcase": lambda at: Call(
        "POST",
        "/testcase/",
        json={
            "tcrCatalogTreeId": at.folder,
            "testcase": {"name": "test_a", "customProperties": {}},
        },
    ),
    "createTestcasesBulk": lambda at: Call(
        "POST",
        "/testcase/bulk",
        json=[
            {
                "tcrCatalogTreeId": at.folder,
                "testcase": {
                    "name": name,
                    "externalId": name,
                    "automated": True,
                    "releaseId": at.release,
                    "customProperties": {},
                    "testSteps": {"steps": [{"orderId": 1, "step": "a"}]},
                },
            }
            for name in ("test_b", "test_c")
        ],
    ),
    "updateTestcase": lambda at: Call(
        "PUT",
        "/testcase",
        {"forceCreateNewVersion": "false"},
        {
            "testcase": {"testcaseId": at.case, "name": "renamed", "tag": "tg1 tg2"},
            "releaseId": at.release,
        },
    ),
    "updateTestcasesBulk": lambda at: Call(
        "PUT",
        "/testcase/update",
        json=[
            {
                "tag": "nightly",
                "tagsOperation": 0,
                "tctTestcaseVersionParam": [
                    {"tctId": at.placement, "testcaseVersionId": at.version}
                ],
            }
        ],
    ),
    "getTestSteps": lambda at: Call("GET", f"/testcase/{at.version}/teststep"),
    "addTestSteps": lambda at: Call(
        "POST",
        f"/testcase/{at.version}/teststep/{at.placement}",
        json={
            "tcId": at.version,
            "tctId": at.placement,
            "steps": [{"orderId": 1, "step": "open", "data": "", "result": ""}],
        },
    ),
    "addTestStep": lambda at: Call(
        "POST",
        f"/testcase/{at.version}/teststep/detail/{at.placement}",
        json={
            "id": None,
            "tcId": at.version,
            "tctId": str(at.placement),
            "maxId": 3,
            "step": {"orderId": 3, "step": "send", "data": "", "result": ""},
        },
    ),
    "changeTestStep": lambda at: Call(
        "PUT",
        f"/testcase/{at.version}/teststep/detail/{at.placement}",
        json={"step": {"orderId": 1, "step": "open the page"}},
    ),
    "findTestcasesByAltId": lambda at: Call(
        "GET", "/testcase/altid", {"altids": at.alt}
    ),
    # planning
    "listPlanningRows": lambda at: Call(
        "GET", f"/testcase/planning/{at.phase_tree}", PAGE
    ),
    "getAssignmentTree": lambda at: Call("GET", f"/assignmenttree/{at.phase}"),
    "addTestcasesByTree": lambda at: Call(
        "POST",
        f"/assignmenttree/{at.phase}/assign/bytree/{at.phase_tree}",
        {"includehierarchy": "true"},
        [{"treeid": at.folder, "tctIds": [at.spare], "isExclusion": True}],
    ),
    "addTestcasesBySearch": lambda at: Call(
        "POST",
        f"/assignmenttree/{at.phase}/assign/bysearch/{at.phase_tree}",
        {"includehierarchy": "false"},
        {"ids": [at.spare_placement]},
    ),
    "assignToCreators": lambda at: Call("POST", f"/assignmenttree/{at.phase}/assign"),
    "changeAssignmentsBulk": lambda at: Call(
        "PUT",
        f"/assignmenttree/{at.phase}/bulk/tree/{at.phase_tree}/from/-1/to/{at.tester}",
        {"cascade": "true", "easmode": 2},
    ),
    "modifyAssignments": lambda at: Call(
        "POST",
        "/execution/modify",
        json={
            "selectedAll": 1,
            "testerId": at.tester,
            "cyclePhaseId": at.phase,
            "tcrCatalogTreeId": at.phase_tree,
            "createRTSList": [
                {
                    "cyclePhaseId": at.phase,
                    "tctId": at.unassigned,
                    "testerId": at.tester,
                }
            ],
        },
    ),
    # executions
    "listExecutions": lambda at: Call(
        "GET",
        "/execution",
        {"cyclephaseid": at.phase, "includeanyoneuser": "true", **PAGE},
    ),
    "listExecutionsOfProject": lambda at: Call(
        "GET",
        "/execution/user/project",
        {"projectid": at.project, "releaseid": at.release, **PAGE},
    ),
    "deleteExecutions": lambda at: Call("DELETE", "/execution", {"ids": at.execution}),
    "getExecution": lambda at: Call("GET", f"/execution/{at.execution}"),
    "executeOne": lambda at: Call(
        "PUT",
        f"/execution/{at.execution}",
        {
            "status": "1",
            "testerid": at.tester,
            "time": 1532,
            "allExecutions": "false",
            "includeanyoneuser": "true",
        },
        {"teststepUpdate": True, "teststepStausId": "1", "notes": "ok"},
    ),
    "executeBulkOneStatus": lambda at: Call(
        "PUT",
        "/execution/bulk",
        {"status": "2", "testerid": at.tester, "tcrCatalogTreeId": ""},
        {"ids": [at.execution], "serachView": False},
    ),
    "executeBulkPerRow": lambda at: Call(
        "PUT",
        "/execution/bulk/execute",
        json=[
            {
                "rtsId": at.execution,
                "testerId": at.tester,
                "status": "2",
                "actualTime": 90,
                "notes": "AssertionError",
            }
        ],
    ),
    "executeOneWithFile": lambda at: Call(
        "PUT",
        f"/execution/statusandattachment/{at.execution}",
        {"status": "1", "testerid": at.tester},
        files={"file": ("a.txt", b"a")},
    ),
    "saveStepResults": lambda at: Call(
        "POST",
        "/execution/teststepresult/saveorupdate",
        json=[
            {
                "cyclePhaseId": at.phase,
                "releaseTestScheduleId": at.execution,
                "testStepId": 1,
                "status": "1",
            }
        ],
    ),
    # attachments
    "uploadFiles": lambda _: upload(),
    "attachFiles": lambda at: Call(
        "POST",
        "/attachment/list",
        json=[
            {
                "name": "trace.txt",
                "contentType": "text/plain",
                "itemType": "releaseTestSchedule",
                "itemId": at.execution,
                "tempPath": at.sent,
            }
        ],
    ),
    "listAttachments": lambda at: Call(
        "GET", "/attachment", {"itemid": at.execution, "type": "releaseTestSchedule"}
    ),
    "deleteAttachment": lambda at: Call("DELETE", f"/attachment/{at.attachment}"),
    "downloadFile": lambda at: Call(
        "GET", "/flex/download", {"action": "download", "fileId": at.file}
    ),
    # search and requirements
    "search": lambda at: Call(
        "GET",
        "/advancesearch",
        {
            "word": f"testcaseId in ({at.case})",
            "entitytype": "testcase",
            "releaseid": at.release,
            "zql": "true",
            "firstresult": 0,
            "maxresults": 100,
            "order": "orderId",
            "isascorder": "true",
            "is_cfield": "false",
        },
    ),
    "searchZql": lambda at: Call(
        "POST",
        "/advancesearch/zql",
        json={
            "word": f"testcaseId in ({at.case})",
            "entitytype": "testcase",
            "releaseid": str(at.release),
            "projectid": str(at.project),
            "zql": True,
            "firstresult": 0,
            "maxresults": 100,
        },
    ),
    "searchTestcases": lambda at: Call("GET", "/testcase", {"zqlquery": 'name ~ "a"'}),
    "getRequirement": lambda at: Call("GET", f"/requirement/{at.requirement}"),
    "listRequirementTrees": lambda at: Call(
        "GET", "/flex/services/rest/v4/requirementtree", {"projectId": at.project}
    ),
    "mapTestcasesToRequirements": lambda at: Call(
        "POST",
        "/requirement/bulk",
        json=[
            {
                "requirementId": [at.requirement],
                "testcaseId": at.case,
                "releaseId": at.release,
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
        lambda at: Call(
            "POST",
            "/testcasetree",
            json={"name": "a", "type": "Phase", "releaseId": at.release},
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
    "id-in-body-too-large": lambda at: Call(
        "PUT",
        "/execution/bulk/execute",
        json=[{"rtsId": 2**63, "testerId": at.tester, "status": "1"}],
    ),
    "rows-that-are-none": lambda _: Call(
        "PUT", "/testcase/update", json=[{"tctTestcaseVersionParam": ["a", 1]}]
    ),
    "nested-deeply": lambda _: Call(
        "PUT", "/execution/bulk", {"status": "1"}, {"ids": [[[[["1"]]]]]}
    ),
}


@pytest.mark.parametrize(("name", "make"), CALLS.items(), ids=CALLS)
def test_call_and_its_answer_are_as_in_the_contract(name, make, server, known_ids):
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
    _, token = server.sandbox.store.add_user("guest", "guest", permissions=False)
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


def test_session_cookie_of_a_login_is_a_credential(server):
    """The cookie is marked Secure, so that it has to be passed on by hand here."""
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


def test_answer_that_is_broken_on_purpose_is_not_judged(server):
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
    """Check an answer, but not its request."""
    request = response.request
    assert request.method is not None
    return Contract.load().check_answer(
        request.method,
        request.path_url.partition("?")[0],
        response.status_code,
        response.headers.get("Content-Type", ""),
        response.content,
    )
