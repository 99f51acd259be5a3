"""The calls that other clients of Zephyr Enterprise make, in the order they make them."""

from __future__ import annotations

from collections.abc import Iterator
import json
from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture(autouse=True)
def check_that_every_call_is_supported(sandbox: Sandbox) -> Iterator[None]:
    """Check that the sandbox supports every call of the test."""
    yield
    assert sandbox.unsupported.listed() == []


def call_latest(api: Api, method: str, path: str, **kwargs: Any) -> Any:
    """Call below ``latest`` and return the JSON of the answer."""
    base = api.base.replace("/v3", "/latest")
    answer = api.http.request(method, base + path, timeout=30, **kwargs)
    answer.raise_for_status()
    return answer.json()


def test_jenkins_plugin_brings_results_into_a_cycle(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """First the forms that configure a job read; then the job makes its calls."""
    tester = api.get("/user/current").json()["id"]
    assert api.get(f"/project/user/{tester}").json()[0]["id"] == target.project
    assert api.get(f"/project/project/{tester}").json() == [target.project]
    releases = api.results(
        f"/release/paged/project/{target.project}",
        order="id",
        isascorder="true",
        isVisible="false",
        pagesize=0,
    )
    assert target.release in [row["id"] for row in releases]
    assert api.get(f"/cycle/release/{target.release}").json()[0]["id"] == target.cycle
    (template,) = api.get("/parsertemplate/").json()
    template = api.get(f"/parsertemplate/{template['id']}").json()
    assert json.loads(template["jsonTemplate"])
    v4 = api.base.replace("/v3", "/v4")
    preferences = api.http.get(
        v4 + "/admin/preference/all/system",
        params={"name": "cycle.environment.enabled"},
        timeout=30,
    ).json()
    assert {"cycle.environment.enabled"} < {row["name"] for row in preferences}
    assert api.get("/field/entity/testcase?entityname=testcase").json() == []

    query = {"type": "Phase", "revisionid": 0, "releaseid": target.release}
    assert api.results("/testcasetree", **query) == []
    root = api.post(
        "/testcasetree?parentid=0",
        json={
            "name": "Automation",
            "description": "Created by Jenkins",
            "type": "Phase",
            "releaseId": target.release,
        },
    ).json()
    assert api.get(f"/testcasetree/{root['id']}").json()["categories"] == []
    package = api.post(
        f"/testcasetree?parentid={root['id']}",
        json={"name": "shop", "type": "Module", "releaseId": target.release},
    ).json()
    assert api.results(f"/testcase/tree/{package['id']}", pagesize=10000) == []
    steps = [{"orderId": 1, "step": "Given a cart"}, {"orderId": 2, "step": "Then pay"}]
    rows = api.post(
        "/testcase/bulk",
        json=[
            {
                "tcrCatalogTreeId": package["id"],
                "testcase": {
                    "name": name,
                    "automated": True,
                    "fromJenkins": True,
                    "scriptName": "Created By Jenkins",
                    "projectId": target.project,
                    "releaseId": target.release,
                    "customProperties": {},
                    "testSteps": {"maxId": 2, "steps": steps},
                },
            }
            for name in ("test_pay", "test_cart")
        ],
    ).json()
    mapped = api.post(
        "/requirement/bulk",
        json=[
            {
                "requirementId": [],
                "requirementAltId": [],
                "testcaseId": row["testcase"]["testcaseId"],
                "releaseId": target.release,
            }
            for row in rows
        ],
    )
    assert all(isinstance(message, str) for message in mapped.json())

    assert "startDate" in api.get(f"/project/{target.project}").json()
    cycle = api.get(f"/cycle/{target.cycle}").json()
    phase = api.post(
        f"/cycle/{target.cycle}/phase",
        json={
            "name": "Automation_Thu",
            "cycleId": target.cycle,
            "releaseId": target.release,
            "freeForm": True,
            "startDate": cycle["startDate"],
            "endDate": cycle["endDate"],
        },
    ).json()
    api.post(
        f"/assignmenttree/{phase['id']}/assign/bytree/{phase['tcrCatalogTreeId']}",
        params={"includehierarchy": "true"},
        json=[
            {
                "treeid": package["id"],
                "tctIds": [row["testcase"]["id"] for row in rows],
                "isExclusion": True,
            }
        ],
    )
    executions: list[dict[str, Any]] = []
    nodes = [api.get(f"/testcasetree/{phase['tcrCatalogTreeId']}").json()]
    while nodes:
        node = nodes.pop()
        nodes += node["categories"]
        planned = api.results(
            f"/testcase/planning/{node['id']}", offset=0, pagesize=500
        )
        if planned:
            executions += api.post(
                "/execution/modify",
                json={
                    "selectedAll": 1,
                    "testerId": tester,
                    "cyclePhaseId": phase["id"],
                    "tcrCatalogTreeId": node["id"],
                    "createRTSList": [
                        {
                            "cyclePhaseId": phase["id"],
                            "tctId": row["tct"]["id"],
                            "testerId": tester,
                        }
                        for row in planned
                    ],
                },
            ).json()

    statuses = api.get("/admin/preference?key=testresult.testresultStatus.LOV").json()
    assert "2" in [row["id"] for row in json.loads(statuses["value"])]
    ids = {row["tcrTreeTestcase"]["testcase"]["name"]: row["id"] for row in executions}
    # Every part of the plugin's upload has the same name.
    sent = api.http.post(
        f"{sandbox.url}/flex/upload/document/genericattachment",
        files=[
            ("releaseTestSchedule", (name, b"text", "multipart/form-data"))
            for name in ("status 1.txt", "status_2.txt")
        ],
        timeout=30,
    ).json()
    api.post(
        "/attachment/list",
        json=[
            {
                "name": part["fileName"],
                "contentType": part["contentType"],
                "itemType": "releaseTestSchedule",
                "itemId": ids["test_pay"],
                "tempPath": part["tempFilePath"],
                "createdBy": tester,
            }
            for part in sent
        ],
    )
    api.post(
        "/execution/teststepresult/saveorupdate",
        json=[
            {
                "cyclePhaseId": phase["id"],
                "releaseTestScheduleId": ids["test_pay"],
                "testStepId": step,
                "status": status,
            }
            for step, status in ((1, 1), (2, 2))
        ],
    )
    api.execute(
        {"rtsId": ids["test_pay"], "testerId": tester, "status": "2", "actualTime": 90},
        {"rtsId": ids["test_cart"], "testerId": tester, "status": "1"},
    )

    cases = sandbox.store.cases(target.release)
    assert {(case.name, case.folder, case.steps) for case in cases} == {
        (name, "Automation/shop", ("Given a cart", "Then pay"))
        for name in ("test_pay", "test_cart")
    }
    pay, cart = sandbox.store.executions(phase["id"])
    assert (pay.name, pay.status, pay.actual_time) == ("test_pay", "2", 90)
    assert pay.steps == {1: ("1", None), 2: ("2", None)}
    assert [name for name, *_ in pay.attachments] == ["status 1.txt", "status_2.txt"]
    assert (cart.name, cart.status, cart.tester) == ("test_cart", "1", tester)


def test_sync_library_writes_cases_phase_and_results(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """It sends nulls, 1,001 rows in one call, and queries with Python's True."""
    v4 = api.base.replace("/v3", "/v4")
    params = {"projectId": target.project, "releaseid": target.release}
    assert api.http.get(v4 + "/requirementtree", params=params, timeout=30).json() == []
    lite = f"/testcasetree/lite?type=Phase&releaseid={target.release}"
    assert api.get(lite).json() == []
    node = api.post(
        "/testcasetree?parentid=0",
        json={
            "name": "Regression",
            "releaseId": target.release,
            "description": "",
            "id": None,
            "linkedTCRCatalogTreeId": None,
            "type": "Phase",
        },
    ).json()
    unset = dict.fromkeys(("id", "testcaseId", "writerId", "releaseId", "comments"))
    rows = [
        {
            "tcrCatalogTreeId": node["id"],
            "testcase": {
                "name": f"case {number}",
                "description": "",
                "projectId": target.project,
                "automated": False,
                "requirementIds": [],
                **unset,
            },
        }
        for number in range(1001)
    ]
    made = api.post("/testcase/bulk", json=rows).json()
    assert {row["testcase"]["description"] for row in made} == {""}
    phase = api.post(
        f"/cycle/{target.cycle}/phase",
        json={
            "phaseStartDate": "11/10/2026",
            "phaseEndDate": "11/20/2026",
            "cycleId": target.cycle,
            "name": "Smoke",
            "releaseId": target.release,
            "freeForm": True,
        },
    ).json()
    api.post(
        f"/assignmenttree/{phase['id']}/assign/bytree/{phase['tcrCatalogTreeId']}",
        params={"includehierarchy": "True"},
        json=[
            {
                "treeid": node["id"],
                "tctIds": [row["testcase"]["id"] for row in made],
                "isExclusion": True,
            }
        ],
    )
    tree = api.get(f"/assignmenttree/{phase['id']}").json()
    tester = call_latest(api, "GET", "/user/current")["id"]
    api.put(
        f"/assignmenttree/{phase['id']}/bulk/tree/{tree['id']}/from/-1/to/{tester}",
        params={"cascade": "True", "easmode": 2},
    ).raise_for_status()
    listed = api.results(
        "/execution",
        offset=1000,
        pagesize=100,
        releaseid=target.release,
        cyclephaseid=phase["id"],
        dbsearch="True",
        isascorder="True",
        order="orderId",
    )
    assert len(listed) == 1
    ids = [row.id for row in sandbox.store.executions(phase["id"])]
    api.put(
        "/execution/bulk",
        params={"status": "2", "testerid": tester, "allExecutions": "True"},
        json={"ids": ids, "teststepUpdate": False, "teststepStatusId": 1},
    ).raise_for_status()
    everything = {"selectedAll": 0, "ids": []}
    api.delete(f"/testcase?tcrCatalogTreeId={node['id']}", json=everything)

    state = sandbox.store.executions(phase["id"])
    assert len(state) == 1001
    assert {row.status for row in state} == {"2"}
    assert sandbox.store.cases(target.release) == []


def test_migration_tool_reads_everything(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """It reads users, fields, projects, folders from the top down, and test cases."""
    store = sandbox.store
    common = store.add_folder(store.releases(target.project)[0].id, "Common")
    root = store.add_folder(target.release, "Root")
    child = store.add_folder(target.release, "Child", parent=root)
    leaf = store.add_folder(target.release, "Leaf", parent=child)
    case = store.add_case(target.release, "Log in", folder=leaf, steps=["Open"])
    store.schedule(target.phase, case)

    assert call_latest(api, "GET", "/user/filter?includeDashboardUser=true")[0]["email"]
    assert call_latest(api, "GET", "/field/entity/TestCase?includsystemfield=true")
    assert call_latest(api, "GET", "/project/lite")[0]["name"] == "Shop"
    path = f"/testcasetree/projectrepository/{target.project}"
    assert [row["id"] for row in call_latest(api, "GET", path)] == [common]
    assert len(call_latest(api, "GET", f"/release/project/{target.project}")) == 2
    (top,) = call_latest(api, "GET", f"/testcasetree/phases/{target.release}")
    folders = [top["id"]]
    for folder in folders:
        # The answer has only the next level: the tool calls again for each child.
        children = call_latest(api, "GET", f"/testcasetree/hierarchy/{folder}")
        folders += [child for child in children if child != folder]
        assert call_latest(api, "GET", f"/testcasetree/{folder}")["id"] == folder
    # The tool numbers its own folders from a million on.
    assert folders == [root, child, leaf]
    assert max(folders) < 1_000_000
    (row,) = call_latest(api, "GET", f"/testcase/nodes?treeids={leaf}")
    version = row["testcase"]["id"]
    for path in (f"/testcase/{version}", f"/testcase/detail/{version}"):
        assert call_latest(api, "GET", path)["testcase"]["name"] == "Log in"
    steps = call_latest(api, "GET", f"/testcase/{version}/teststep")["steps"]
    assert [step["step"] for step in steps] == ["Open"]
    for kind in ("testcase", "tcrcatalogtree"):
        assert api.get(f"/attachment?itemid={case}&type={kind}").json() == []
    query = f"releaseid={target.release}&firstresult=0&maxresults=100"
    search = f"/advancesearch?entitytype=execution&{query}"
    (envelope,) = call_latest(api, "GET", search)
    assert [row["cyclePhaseId"] for row in envelope["results"]] == [target.phase]
    assert call_latest(api, "GET", f"{search}&zql=false&word=%2A") == [envelope]
    listed_rows = call_latest(
        api,
        "GET",
        f"/execution/user/project?projectid={target.project}&releaseid={target.release}"
        "&offset=0&pagesize=100&order=orderId&isascorder=true&includeanyoneuser=true",
    )
    assert listed_rows["results"] == envelope["results"]


def test_intelligent_scripter_finds_by_names_and_sends_status_with_files(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """It lists executions at a path with a final slash; a file is sent with a status."""
    case = sandbox.store.add_case(target.release, "Log in")
    sandbox.store.schedule(target.phase, case)
    projects = {
        row["name"]: row["id"] for row in call_latest(api, "GET", "/project/details")
    }
    releases = call_latest(api, "GET", f"/release/project/{projects['Shop']}")
    release = {row["name"]: row["id"] for row in releases}["Release 1"]
    (cycle,) = call_latest(api, "GET", f"/cycle/release/{release}")
    phase = {row["name"]: row["id"] for row in cycle["cyclePhases"]}["Phase 1"]
    (row,) = call_latest(api, "GET", f"/execution/?cyclephaseid={phase}")["results"]
    assert row["tcrTreeTestcase"]["testcase"]["name"] == "Log in"
    for name in ("report.html", "log.txt"):
        api.put(
            f"/execution/statusandattachment/{row['id']}",
            params={"status": 2, "testerid": row["testerId"]},
            files={"file": (name, b"content")},
        ).raise_for_status()

    state = target.execution(case)
    assert state.status == "2"
    assert [name for name, *_ in state.attachments] == ["report.html", "log.txt"]


def test_agent_toolkit_searches_creates_and_adds_steps(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """It may search with only an entity and a query; it adds steps one by one."""
    folder = sandbox.store.add_folder(target.release, "Root")
    made = call_latest(
        api,
        "POST",
        "/testcase/",
        json={
            "tcrCatalogTreeId": folder,
            "testcase": {
                "name": "TestToolkit",
                "description": "some",
                "projectId": target.project,
            },
        },
    )
    for query in (
        {"entitytype": "testcase", "word": 'name ~ "Toolkit"'},
        {"entitytype": "testcase", "word": f"id = {made['id']}"},
        {
            "entitytype": "testcase",
            "word": f"testcaseId = {made['testcase']['testcaseId']}",
            "releaseid": str(target.release),
            "projectid": "",
        },
    ):
        (envelope,) = call_latest(api, "POST", "/advancesearch/zql", json=query)
        assert [row["id"] for row in envelope["results"]] == [made["id"]]
    for zql in ('folder="Root"', 'name~"TestToolkit"'):
        listed_rows = call_latest(api, "GET", "/testcase", params={"zqlquery": zql})
        assert (listed_rows["resultSize"], listed_rows["results"][0]["id"]) == (
            1,
            made["id"],
        )
    testcase = call_latest(api, "GET", f"/testcase/{made['id']}")["testcase"]
    params = {"testcaseid": testcase["testcaseId"]}
    version = call_latest(api, "GET", "/testcase/versions", params=params)[-1]["id"]
    assert api.get(f"/testcase/{version}/teststep").status_code == 204
    steps_id = None
    for number, step in enumerate(("Open", "Log in"), 1):
        steps_id = call_latest(
            api,
            "POST",
            f"/testcase/{version}/teststep/detail/{made['id']}",
            json={
                "tcId": version,
                "maxId": number,
                "step": {"step": step, "data": "", "result": "", "orderId": number},
                "tctId": str(made["id"]),
                "id": steps_id,
            },
        )["id"]

    (case,) = sandbox.store.cases(target.release)
    assert (case.name, case.steps) == ("TestToolkit", ("Open", "Log in"))


def test_test_tool_connector_reads_plans_with_requirements_and_sets_a_status(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """It sends user and password; it reads a test case's requirements one by one."""
    del api.http.headers["Authorization"]
    api.http.auth = sandbox.username, sandbox.password
    sandbox.store.schedule_all(target.phase, [7])
    requirement = sandbox.store.add_requirement(target.release, "Users log in")
    api.post(
        "/requirement/bulk",
        json=[
            {
                "requirementId": [requirement],
                "testcaseId": 7,
                "releaseId": target.release,
            }
        ],
    )
    assert call_latest(api, "GET", "/project/lite")
    (cycle,) = call_latest(api, "GET", f"/cycle/release/{target.release}")
    node = cycle["cyclePhases"][0]["tcrCatalogTreeId"]
    assert call_latest(api, "GET", f"/testcasetree/{node}")["categories"] == []
    path = f"/testcase/planning/{node}?pagesize=0&isascorder=true"
    (planned,) = call_latest(api, "GET", path)["results"]
    assert planned["rts"]["cyclePhaseId"] == target.phase
    (mapped,) = planned["testcase"]["requirementIds"]
    details = call_latest(api, "GET", f"/requirement/{mapped}")
    assert details["name"] == "Users log in"
    assert {"id", "details", "reqCreationDate"} < details.keys()
    query = f"parentid={node}&cyclephaseid={target.phase}&releaseid={target.release}"
    (row,) = call_latest(api, "GET", f"/execution?{query}&pagesize=0&isascorder=true")[
        "results"
    ]
    call_latest(
        api,
        "PUT",
        f"/execution/bulk?scheduleids={row['id']}&status=1&testerid={row['testerId']}"
        "&tcrCatalogTreeId=&allExecutions=&includeanyoneuser=",
        json={
            "ids": [row["id"]],
            "selectedAll": 1,
            "serachView": "false",
            "teststepUpdate": "false",
        },
    )

    state = target.execution(7)
    assert state.status == "1"
