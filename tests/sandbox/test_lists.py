"""Pages, parameters, bodies and errors; lists of places, preferences and fields."""

from __future__ import annotations

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


def test_page_is_ten_rows_by_default(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Without pagesize a page has ten rows, and pageNumber echoes its size."""
    sandbox.store.schedule_all(target.phase, range(1, 26))

    answer = api.get("/execution", params={"cyclephaseid": target.phase}).json()

    assert len(answer["results"]) == 10
    assert answer["pageNumber"] == 10
    assert answer["resultSize"] == 25
    assert answer["firstResult"] == 0


def test_pages_follow_each_other(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Pages of ten rows have each of 25 rows once, in order."""
    sandbox.store.schedule_all(target.phase, range(1, 26))

    ids = [
        row["tcrTreeTestcase"]["testcase"]["testcaseId"]
        for offset in (0, 10, 20, 30)
        for row in api.results(
            "/execution", cyclephaseid=target.phase, offset=offset, pagesize=10
        )
    ]

    assert ids == list(range(1, 26))


def test_page_size_zero_is_everything(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A page size of 0 means all rows."""
    sandbox.store.schedule_all(target.phase, range(1, 26))

    rows = api.results("/execution", cyclephaseid=target.phase, pagesize=0)

    assert len(rows) == 25


def test_order_can_be_reversed(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Booleans are read without regard to case."""
    sandbox.store.schedule_all(target.phase, range(1, 4))

    rows = api.results(
        "/execution", cyclephaseid=target.phase, order="orderId", isascorder="False"
    )

    ids = [row["id"] for row in rows]
    assert ids == sorted(ids, reverse=True)


def test_unknown_parameters_are_ignored(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """With a wrong name of a filter, the answer is 200 with rows of every phase."""
    other = sandbox.store.add_phase(target.cycle, "Phase 2")
    sandbox.store.schedule_all(target.phase, [1])
    sandbox.store.schedule_all(other, [2])

    rows = api.results("/execution", cyclephaseId=target.phase)

    assert {row["cyclePhaseId"] for row in rows} == {target.phase, other}


@pytest.mark.parametrize("value", ["1,2", "x", "1.5"])
def test_unreadable_number_is_an_empty_404(api: Api, value: str) -> None:
    """A query value that is not one integer is answered with 404 without a body."""
    answer = api.get("/execution", params={"cyclephaseid": value})

    assert answer.status_code == 404
    assert answer.content == b""


@pytest.mark.parametrize(
    "path",
    ["/project/99", "/cycle/99", "/release/99", "/execution/99", "/cycle/release/9"],
)
def test_unknown_id_is_a_server_error(api: Api, path: str) -> None:
    """An id that does not exist answers 500, not 404."""
    answer = api.get(path)

    assert answer.status_code == 500
    assert "No row with the given identifier" in answer.json()["errorMsg"]


def test_unsupported_calls_say_so_and_are_listed(sandbox: Sandbox, api: Api) -> None:
    """An unknown path answers 404, a wrong method 405.

    Calls that differ only in ids are counted as one call.
    """
    api.get("/tcuh/testcase/1")
    answer = api.get("/tcuh/testcase/2")
    method = api.post("/execution/1", json={})
    api.http.get(api.base.replace("/v3", "/v1") + "/project", timeout=30)

    assert answer.status_code == 404
    assert answer.json()["errorMsg"] == (
        "The sandbox does not support GET /flex/services/rest/v3/tcuh/testcase/2."
    )
    assert (method.status_code, "does not support POST" in method.text) == (405, True)
    assert "PUT" in method.headers["Allow"]
    listed = requests.get(f"{sandbox.url}/sandbox/unsupported", timeout=30).json()
    assert listed == [
        {"method": "GET", "path": "/tcuh/testcase/{id}", "count": 2},
        {"method": "POST", "path": "/execution/{id}", "count": 1},
        {"method": "GET", "path": "/flex/services/rest/v1/project", "count": 1},
    ]
    assert sandbox.unsupported.listed() == listed
    page = requests.get(f"{sandbox.url}/sandbox/", timeout=30).text
    assert "/tcuh/testcase/{id}" in page


def test_error_of_the_sandbox_itself_is_json(
    sandbox: Sandbox, api: Api, tester: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not HTML, which clients take for the page of a proxy; the cause is logged."""
    sandbox.store.set_preference("testresult.testresultStatus.LOV", "no JSON")

    answer = api.execute({"rtsId": 1, "testerId": tester, "status": "1"})

    assert answer.status_code == 500
    assert answer.json()["errorCode"] == "Internal Server Error"
    assert "JSONDecodeError" in caplog.text


def test_at_most_200_unsupported_calls_are_listed(sandbox: Sandbox, api: Api) -> None:
    """The list stops growing, however many paths a client calls."""
    for number in range(210):
        api.get(f"/nowhere/{number}/path{number}")

    assert len(sandbox.unsupported.listed()) == 200


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/cycle", '{"name": null, "releaseId": %d}', "cycle name cannot be null."),
        ("/cycle", '{"name": "a", "releaseId": null}', "releaseId cannot be null."),
        ("/testcase/bulk", "[null]", "Bad Request"),
        ("/cycle", "null", "Bad Request"),
    ],
    ids=["name", "release-id", "entry-of-a-list", "whole-body"],
)
def test_null_counts_as_a_missing_value(
    api: Api, target: SandboxTarget, path: str, body: str, message: str
) -> None:
    """A null in place of something mandatory is refused."""
    data = body.replace("%d", str(target.release))

    answer = api.post(path, data=data, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["errorMsg"]) == (400, message)


def test_optional_values_may_be_null(api: Api, target: SandboxTarget) -> None:
    """A cycle with a build of null is created with an empty build."""
    body = {
        "name": "Cycle 2",
        "releaseId": target.release,
        "cycleStartDate": "11/10/2026",
        "cycleEndDate": "11/20/2026",
        "startDate": None,
        "build": None,
        "environment": None,
    }

    assert api.post("/cycle", json=body).json()["build"] == ""


def test_body_must_be_json(api: Api) -> None:
    """A body without the content type of JSON answers 415, one that is not JSON 400."""
    assert api.post("/cycle", data="{}").status_code == 415
    headers = {"Content-Type": "application/json"}
    for wrong in ("{", "[" * 100_000, b"\xff"):
        assert api.post("/cycle", data=wrong, headers=headers).status_code == 400


def test_projects_and_releases_are_listed(api: Api, target: SandboxTarget) -> None:
    """A project also has a hidden release for its own repository."""
    project = api.get("/project/lite").json()[0]
    hidden, release = api.get(f"/release/project/{target.project}").json()

    assert (project["id"], project["name"]) == (target.project, "Shop")
    assert (hidden["name"], hidden["projectRelease"]) == (
        "Project Test Repository",
        True,
    )
    assert "startDate" not in hidden
    assert (release["id"], release["projectRelease"]) == (target.release, False)
    assert release["releaseStartDate"] == "11/01/2026"
    assert release["startDate"] == 1793491200000
    assert api.get("/project/details").json()[0]["projectStartDate"]
    paged = api.results(f"/release/paged/project/{target.project}", pagesize=0)
    assert [row["id"] for row in paged] == [hidden["id"], release["id"]]


def test_preferences_hold_the_statuses(api: Api) -> None:
    """The list of statuses is JSON in a string, with ids as strings."""
    answer = api.get("/admin/preference?key=testresult.testresultStatus.LOV").json()

    assert '{"id": "1", "value": "Pass", "active": true}' in answer["value"]


def test_preference_needs_its_key(api: Api) -> None:
    """Without a known key, the answer is 400 with the server's text."""
    expected = {"errorMsg": "name cannot be null.", "errorCode": "141z05"}

    for query in ("", "?key=nothing"):
        answer = api.get(f"/admin/preference{query}")
        assert (answer.status_code, answer.json()) == (400, expected)


def test_preferences_can_be_set(sandbox: Sandbox, api: Api) -> None:
    """The server answers the statuses that were set from code."""
    sandbox.store.set_statuses([("7", "Deferred", False)])

    listed = api.http.get(
        api.base.replace("v3", "v4") + "/admin/preference/all/system", timeout=30
    ).json()

    (statuses,) = (
        row["value"]
        for row in listed
        if row["name"] == "testresult.testresultStatus.LOV"
    )
    assert statuses == '[{"id": "7", "value": "Deferred", "active": false}]'


def test_fields_are_listed_by_entity(sandbox: Sandbox, api: Api) -> None:
    """Only custom fields are listed, unless system fields are asked for."""
    sandbox.store.add_field("testcase", "Team", "zcf_1", mandatory=True)

    own = api.get("/field/entity/TestCase").json()
    all_of_them = api.get("/field/entity/testcase?includsystemfield=true").json()

    assert [(row["displayName"], row["fieldName"]) for row in own] == [
        ("Team", "zcf_1")
    ]
    assert {"Name", "Team"} < {row["displayName"] for row in all_of_them}
