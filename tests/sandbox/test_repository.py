"""The test repository: folders and test cases.

A placement is a test case in a folder, ``tct`` in the API.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def folder(sandbox: Sandbox, target: SandboxTarget) -> int:
    """Return the id of an empty folder of the repository."""
    return sandbox.store.add_folder(target.release, "Automation")


def new_case(folder: int, **fields: Any) -> dict[str, Any]:
    return {"tcrCatalogTreeId": folder, "testcase": {"name": "test_ok", **fields}}


def test_folders_are_created_below_each_other(api: Api, target: SandboxTarget) -> None:
    """A root is of type Phase, a folder below it of type Module."""
    root = api.post(
        "/testcasetree?parentid=0",
        json={
            "name": "Automation",
            "description": "ours",
            "type": "Phase",
            "releaseId": target.release,
        },
    ).json()
    leaf = api.post(
        f"/testcasetree?parentid={root['id']}&assignedusers=",
        json={"name": "login", "type": "Module", "releaseId": target.release},
    ).json()

    assert leaf["categories"] == []
    assert leaf["parentId"] == root["id"]
    tree = api.get(f"/testcasetree/{root['id']}").json()
    assert tree["description"] == "ours"
    assert [node["id"] for node in tree["categories"]] == [leaf["id"]]
    roots = api.get(f"/testcasetree/phases/{target.release}").json()
    assert [node["id"] for node in roots] == [root["id"]]
    lite = api.get(
        "/testcasetree/lite", params={"type": "Module", "releaseid": target.release}
    ).json()
    assert [node["id"] for node in lite] == [leaf["id"]]
    envelope = api.results("/testcasetree", type="Phase", releaseid=target.release)
    assert [node["id"] for node in envelope] == [root["id"]]


def test_folder_needs_its_parent_in_the_query(api: Api, target: SandboxTarget) -> None:
    """A parent id in the body does not count."""
    answer = api.post(
        "/testcasetree",
        json={"name": "x", "type": "Phase", "releaseId": target.release, "parentId": 0},
    )

    assert answer.status_code == 400
    assert answer.json() == {
        "errorMsg": 'For input string: "null"',
        "errorCode": "101z01",
    }


@pytest.mark.parametrize(
    "query",
    ["", "?type=Phase", "?releaseid=1"],
    ids=["neither", "only-type", "only-release"],
)
def test_lite_tree_needs_type_and_release(api: Api, query: str) -> None:
    """Without one of them, the answer is 417."""
    answer = api.get(f"/testcasetree/lite{query}")

    assert answer.status_code == 417
    assert answer.json()["errorCode"] == "Expectation Failed"


def test_case_is_created(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """The answer has the folder, the visible id, and a description even if none was sent."""
    made = api.post(
        "/testcase/",
        json=new_case(folder, externalId="AUTH-1", tag="ci smoke", automated=True),
    ).json()

    assert made["tcrCatalogTreeId"] == folder
    assert made["testcase"]["description"] == ""
    (state,) = sandbox.store.cases(target.release)
    assert state.id == made["testcase"]["testcaseId"]
    assert (state.name, state.alt, state.tag) == ("test_ok", "AUTH-1", "ci smoke")
    assert (state.automated, state.folder) == (True, "Automation")


def test_many_cases_are_created(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """Each test case gets an id of its own; only a switch limits their number."""
    rows = [new_case(folder, name=f"test_{number}") for number in range(501)]

    made = api.post("/testcase/bulk", json=rows).json()

    assert len({row["testcase"]["testcaseId"] for row in made}) == 501
    assert len(sandbox.store.cases(target.release)) == 501
    sandbox.store.set_switch("batch_limit", 500)
    assert api.post("/testcase/bulk", json=rows).status_code == 400


def test_optional_fields_of_cases_may_be_null(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """A null counts as a missing key; a test case needs only a folder and a name."""
    nothing = dict.fromkeys(
        ("id", "testcaseId", "writerId", "releaseId", "comments", "customProperties")
    )
    nothing |= dict.fromkeys(("description", "tag", "automated", "testSteps"))
    steps = {"id": None, "steps": [{"orderId": None, "step": "Open", "data": None}]}
    rows = [
        new_case(folder, **nothing),
        new_case(folder, **{**nothing, "testSteps": steps, "requirementIds": []}),
    ]

    first, _second = api.post("/testcase/bulk", json=rows).json()

    assert first["testcase"]["description"] == first["testcase"]["tag"] == ""
    assert [case.steps for case in sandbox.store.cases(target.release)] == [
        (),
        ("Open",),
    ]
    nameless = new_case(folder, name=None)
    assert api.post("/testcase/bulk", json=[nameless]).status_code == 400
    assert api.post("/testcase", json={**rows[0], "id": None}).status_code == 200


def test_a_folder_is_emptied_by_a_selected_all_of_0_without_ids(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """With a selectedAll of 1, a call without ids removes nothing."""
    other = sandbox.store.add_folder(target.release, "Other")
    api.post(
        "/testcase/bulk", json=[new_case(folder), new_case(folder), new_case(other)]
    )
    path = f"/testcase?tcrCatalogTreeId={folder}"

    api.delete(path, json={"selectedAll": 1, "ids": []})
    assert len(sandbox.store.cases(target.release)) == 3
    api.delete(path, json={"selectedAll": 0, "ids": None})

    assert [case.folder for case in sandbox.store.cases(target.release)] == ["Other"]


def test_nothing_of_a_removed_case_comes_back(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """Its versions, files and requirement links are gone; its id is not given again."""
    sandbox.store.add_requirement(target.release, "Pay", alt="REQ-1")
    row = api.post("/testcase", json=new_case(folder)).json()
    number = row["testcase"]["testcaseId"]
    changed = {"testcase": {"testcaseId": number}, "releaseId": target.release}
    api.put("/testcase?forceCreateNewVersion=true", json=changed)
    link = {"testcaseId": number, "releaseId": target.release}
    mapping = [{"requirementId": [], "requirementAltId": ["REQ-1"], **link}]
    api.post("/requirement/bulk", json=mapping)
    (sent,) = api.upload(("a", ("log.txt", b"1")))
    api.attach(sent, number, "testcase")

    body = {"selectedAll": 0, "ids": [row["id"]]}
    api.delete(f"/testcase?tcrCatalogTreeId={folder}", json=body)

    assert api.get(f"/testcase/versions?testcaseid={number}").json() == []
    assert api.get(f"/attachment?itemid={number}&type=testcase").json() == []
    counted = api.get(f"/summary/release/{target.release}").json()["requirement"]
    assert counted["unmappedRequirementCount"] == 1
    (message,) = api.post("/requirement/bulk", json=mapping).json()
    assert "does not exist" in message
    after = api.post("/testcase", json=new_case(folder)).json()["testcase"]
    assert after["testcaseId"] == number + 1
    assert after["requirementIds"] == []


def test_cases_and_folders_are_removed(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """Ids of placements in other folders are ignored; a folder goes with its test cases."""
    other = sandbox.store.add_folder(target.release, "Other")
    first, second, elsewhere = api.post(
        "/testcase/bulk", json=[new_case(folder), new_case(folder), new_case(other)]
    ).json()
    body = {"selectedAll": 0, "ids": [first["id"], elsewhere["id"]]}
    assert api.delete("/testcase", json=body).status_code == 400
    api.delete(f"/testcase?tcrCatalogTreeId={folder}", json=body)

    (remaining,) = api.results(f"/testcase/tree/{folder}")
    assert remaining["id"] == second["id"]
    assert len(api.results(f"/testcase/tree/{other}")) == 1
    api.delete(f"/testcasetree/{folder}")
    roots = api.get(f"/testcasetree/phases/{target.release}").json()
    assert [node["id"] for node in roots] == [other]
    assert [case.folder for case in sandbox.store.cases(target.release)] == ["Other"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "x" * 256}, id="long-name"),
        pytest.param({"name": ""}, id="empty-name"),
        pytest.param({"customProperties": {"nope": 1}}, id="unknown-field"),
    ],
)
def test_wrong_case_is_refused(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    folder: int,
    changes: dict[str, Any],
) -> None:
    """If one test case of a call is wrong, none is created."""
    rows = [new_case(folder), new_case(folder, **changes)]

    assert api.post("/testcase/bulk", json=rows).status_code == 400
    assert sandbox.store.cases(target.release) == []


def test_case_needs_a_folder(api: Api, folder: int) -> None:
    """Without a folder, the server's own error is answered; for an unknown one, 500."""
    answer = api.post("/testcase/", json={"testcase": {"name": "x"}})

    assert answer.status_code == 400
    assert answer.json()["errorMsg"] == "getTcrCatalogTreeId is null"
    assert api.post("/testcase/", json=new_case(1)).status_code == 500


def test_case_is_created_with_steps_and_custom_fields(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """The key is the field name; with fromJenkins, the display name is allowed, too."""
    sandbox.store.add_field("testcase", "Team", "zcf_1", mandatory=True)
    steps = {"steps": [{"orderId": 1, "step": "Open"}]}

    assert api.post("/testcase/", json=new_case(folder)).status_code == 400
    by_display_name = new_case(folder, customProperties={"Team": "A"})
    assert api.post("/testcase/", json=by_display_name).status_code == 400
    api.post("/testcase/", json=new_case(folder, customProperties={"zcf_1": "A"}))
    api.post(
        "/testcase/",
        json=new_case(
            folder, customProperties={"Team": "B"}, fromJenkins=True, testSteps=steps
        ),
    )

    one, two = sandbox.store.cases(target.release)
    assert (one.properties, two.properties) == ({"zcf_1": "A"}, {"zcf_1": "B"})
    assert two.steps == ("Open",)


def test_case_is_changed_by_visible_id(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """A new version has a new version id and the same visible id."""
    sandbox.store.add_case(target.release, testcase_id=5, folder=folder, steps=["Open"])
    body = {
        "testcase": {"testcaseId": 5, "name": "Renamed"},
        "releaseId": target.release,
    }

    first = api.put("/testcase?forceCreateNewVersion=false", json=body).json()
    second = api.put("/testcase?forceCreateNewVersion=true", json=body).json()

    assert first["testcase"]["name"] == "Renamed"
    assert second["testcase"]["testcaseId"] == 5
    assert second["testcase"]["id"] != first["testcase"]["id"]
    (state,) = sandbox.store.cases(target.release)
    assert (state.version, state.steps) == (2, ("Open",))


def test_tags_and_custom_fields_of_cases_are_changed(
    sandbox: Sandbox, api: Api, target: SandboxTarget, folder: int
) -> None:
    """A call names a placement and a version; the placement must have that version."""
    sandbox.store.add_field("testcase", "Team", "zcf_1")
    row = api.post("/testcase/", json=new_case(folder)).json()
    pair = {"tctId": row["id"], "testcaseVersionId": row["testcase"]["id"]}
    body = {"tag": "nightly", "customFields": {"zcf_1": "A"}}

    good = [{**body, "tctTestcaseVersionParam": [pair]}]
    assert api.put("/testcase/update", json=good).json()[0]["id"] == row["id"]

    (state,) = sandbox.store.cases(target.release)
    assert (state.tag, state.properties) == ("nightly", {"zcf_1": "A"})
    swapped = {"tctId": pair["testcaseVersionId"], "testcaseVersionId": pair["tctId"]}
    bad = [{**body, "tctTestcaseVersionParam": [swapped]}]
    assert api.put("/testcase/update", json=bad).status_code == 500


def test_requirements_are_mapped(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """The answer is one message per row."""
    sandbox.store.add_case(target.release, testcase_id=5)
    requirement = sandbox.store.add_requirement(target.release, "Login", alt="R-1")
    rows = [
        {
            "requirementId": [requirement],
            "requirementAltId": ["R-1"],
            "testcaseId": testcase_id,
            "releaseId": target.release,
        }
        for testcase_id in (5, 6)
    ]

    assert api.post("/requirement/bulk", json=rows).json() == [
        "Test case 5 is mapped to 1 requirements.",
        "Test case 6 does not exist.",
    ]
    (state,) = sandbox.store.cases(target.release)
    assert state.requirements == (requirement,)


def test_schedule_all_is_idempotent(sandbox: Sandbox, target: SandboxTarget) -> None:
    """Missing test cases are created; no test case is scheduled twice."""
    store = sandbox.store
    store.add_case(target.release, testcase_id=5, alt="AUTH-1")
    store.add_to_phase(target.phase, 5)
    for _ in range(2):
        store.schedule_all(target.phase, [5, 6, 6], ["AUTH-1", "AUTH-2"])

    first, second, _third = sorted(store.placed_ids(target.phase))
    assert (first, second) == (5, 6)
    assert len(store.executions(target.phase)) == 3
    assert {row.alt for row in store.executions(target.phase)} == {
        "AUTH-1",
        "AUTH-2",
        None,
    }


def test_target_is_found_or_created(sandbox: Sandbox) -> None:
    """A number is an id and a text a name; a second call finds what the first created."""
    first = sandbox.store.ensure_target("Shop", 77, "Nightly", 324)

    assert sandbox.store.ensure_target("Shop", 77, "Nightly", 324) == first
    assert (first[1], first[3]) == (77, 324)
    assert sandbox.store.phases(first[2])[0].name == "Phase 324"
    names = {release.id: release.name for release in sandbox.store.releases(first[0])}
    assert names[77] == "Release 77"
