"""Faults: what a client gets, and whether the request was carried out."""

from __future__ import annotations

import html
from typing import get_args

import pytest
import requests

from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from pytest_zephyr.sandbox.faults import EFFECTS
from pytest_zephyr.sandbox.faults import Kind
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def new_result(
    sandbox: Sandbox, target: SandboxTarget, tester: int
) -> dict[str, object]:
    """Assign test cases 1, 2 and 3, and return a result to send for 1."""
    sandbox.store.schedule_all(target.phase, [1, 2, 3])
    return {"rtsId": target.execution(1).id, "testerId": tester, "status": "1"}


def test_fault_applies_a_number_of_times(sandbox: Sandbox, api: Api) -> None:
    """The fault first skips as many requests as *after* says."""
    sandbox.faults.add(
        Fault(
            path="user/current", status=502, after=1, times=2, headers=(("X-A", "b"),)
        )
    )

    answers = [api.get("/user/current") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 502, 502, 200]
    assert answers[1].headers["X-A"] == "b"


def test_fault_can_last_until_cleared(sandbox: Sandbox, api: Api) -> None:
    """With times=None a fault lasts until it is removed."""
    sandbox.faults.add(Fault(times=None))

    assert {api.get("/user/current").status_code for _ in range(5)} == {503}
    sandbox.faults.clear()
    assert api.get("/user/current").status_code == 200


@pytest.mark.parametrize(
    ("fault", "matches"),
    [
        pytest.param(Fault(), True, id="everything"),
        pytest.param(Fault(method="GET", path="/project/"), True, id="substring"),
        pytest.param(Fault(method="PUT"), False, id="other-method"),
        pytest.param(Fault(path="*/project/lite"), True, id="pattern"),
        pytest.param(Fault(path="*/project"), False, id="pattern-for-part-of-the-path"),
    ],
)
def test_fault_matches_method_and_path(
    sandbox: Sandbox, api: Api, fault: Fault, matches: bool
) -> None:
    """A pattern is for the whole path after /flex, plain text for a part of it."""
    sandbox.faults.add(fault)

    assert (api.get("/project/lite").status_code == 503) is matches


@pytest.mark.parametrize(
    ("kind", "saved_status"),
    [
        ("cut_before", None),
        ("cut_after", "1"),
        ("hang", None),
        ("hang_after", "1"),
        ("truncate", "1"),
    ],
)
def test_connection_is_lost(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    new_result: dict[str, object],
    kind: str,
    saved_status: str | None,
) -> None:
    """No answer is complete, whether the request was carried out or not."""
    sandbox.faults.add(Fault(method="PUT", kind=kind, seconds=0.05))  # type: ignore[arg-type]

    with pytest.raises(
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        api.execute(new_result)

    assert target.execution(1).status == saved_status
    assert sandbox.requests[-1].status == (200 if kind == "truncate" else 0)


@pytest.mark.parametrize(
    ("kind", "status", "saved_status"),
    [
        ("status", 503, None),
        ("retry_after", 503, None),
        ("missing", 404, None),
        ("html", 200, None),
        ("status_after", 503, "1"),
        ("not_json", 200, "1"),
        ("not_utf8", 200, "1"),
        ("plain_text", 200, "1"),
        ("huge", 200, "1"),
    ],
)
def test_answer_is_replaced_or_changed(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    new_result: dict[str, object],
    kind: str,
    status: int,
    saved_status: str | None,
) -> None:
    """Some kinds of fault carry the request out before they spoil the answer."""
    sandbox.faults.add(Fault(method="PUT", kind=kind))  # type: ignore[arg-type]

    answer = api.execute(new_result)

    assert answer.status_code == status
    assert target.execution(1).status == saved_status
    assert {
        "status": lambda: answer.json()["errorCode"] == "503",
        "retry_after": lambda: answer.headers["Retry-After"] == "1",
        "missing": lambda: answer.content == b"",
        "html": lambda: answer.headers["Content-Type"].startswith("text/html"),
        "status_after": lambda: answer.json()["errorCode"] == "503",
        "not_json": lambda: answer.text == "{not json",
        "not_utf8": lambda: b"\xff" in answer.content,
        "plain_text": lambda: answer.headers["Content-Type"].startswith("text/plain"),
        "huge": lambda: len(answer.content) > 1 << 20 and answer.json(),
    }[kind]()


def test_latency_only_delays(
    sandbox: Sandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault waits for its seconds; then the next fault applies."""
    waits: list[float] = []
    monkeypatch.setattr(sandbox._stopping, "wait", waits.append)
    sandbox.faults.add(Fault(kind="latency", seconds=7))
    sandbox.faults.add(Fault(kind="status", status=500))

    assert api.get("/user/current").status_code == 500
    assert waits == [7]


def test_redirect_has_the_given_location(sandbox: Sandbox, api: Api) -> None:
    """The answer is a 302."""
    sandbox.faults.add(Fault(kind="redirect", location="https://sso.example/login"))

    answer = api.get("/user/current", allow_redirects=False)

    assert answer.status_code == 302
    assert answer.headers["Location"] == "https://sso.example/login"


def test_cookie_expires_before_the_request(sandbox: Sandbox) -> None:
    """The request to which the fault applies is the first that is refused."""
    base = f"{sandbox.url}/flex/services/rest/latest"
    login = requests.get(
        f"{base}/manifest", auth=(sandbox.username, sandbox.password), timeout=30
    )
    cookie = {"Cookie": login.headers["Set-Cookie"].partition(";")[0]}
    sandbox.faults.add(Fault(kind="expire_cookie"))

    answer = requests.get(f"{base}/user/current", headers=cookie, timeout=30)

    assert answer.status_code == 401


@pytest.mark.usefixtures("new_result")
def test_faults_change_lists(sandbox: Sandbox, api: Api, target: SandboxTarget) -> None:
    """Rows are missing, of another phase, or the same on every page; or the total is 0."""
    query = {"cyclephaseid": target.phase}

    sandbox.faults.add(Fault(kind="omit_rows", rows=2))
    assert len(api.results("/execution", **query)) == 1
    sandbox.faults.add(Fault(kind="lie_result_size"))
    assert api.get("/execution", params=query).json()["resultSize"] == 0
    sandbox.faults.add(Fault(kind="ignore_offset"))
    assert len(api.results("/execution", offset=3, **query)) == 3
    sandbox.faults.add(Fault(kind="foreign_rows"))
    phases = [row["cyclePhaseId"] for row in api.results("/execution", **query)]
    assert len(phases) == 4
    assert phases[0] != target.phase


@pytest.mark.parametrize("kind", ["lie_result_size", "foreign_rows"])
def test_a_list_of_one_id_is_not_taken_for_an_envelope(
    sandbox: Sandbox, api: Api, target: SandboxTarget, kind: Kind
) -> None:
    """A fault that changes rows of an envelope adds no other id to the list."""
    path = f"/project/project/{api.get('/user/current').json()['id']}"
    ids = api.get(path).json()
    sandbox.faults.add(Fault(kind=kind))

    assert len(ids) == 1
    assert set(api.get(path).json()) == set(ids)


def test_omitted_rows_of_a_write_are_saved(
    sandbox: Sandbox, api: Api, target: SandboxTarget, new_result: dict[str, object]
) -> None:
    """The answer lacks the row, but the server has its result."""
    sandbox.faults.add(Fault(kind="omit_rows", path="bulk/execute"))

    assert api.execute(new_result).json() == []
    assert target.execution(1).status == "1"


def test_faults_are_controlled_over_http(sandbox: Sandbox, api: Api) -> None:
    """A posted fault applies, is listed with its number of matches, and can be deleted."""
    url = f"{sandbox.url}/sandbox/faults"
    posted = {"kind": "status", "status": 500, "path": "user", "times": None}

    assert requests.post(url, json=posted, timeout=30).status_code == 200
    assert api.get("/user/current").status_code == 500
    (listed,) = requests.get(url, timeout=30).json()
    assert (listed["met"], listed["times"], listed["path"]) == (1, None, "user")
    assert requests.delete(url, timeout=30).json() == []
    assert api.get("/user/current").status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"kind": "no"}', "There is no kind of fault no."),
        ('{"kind": null}', "There is no kind of fault None."),
        ('{"what": 1}', "A fault has no key what."),
        ('{"path": 7}', "The path of a fault must be a text."),
        ('{"path": null}', "The path of a fault must be a text."),
        ('{"method": null}', "The method of a fault must be a text."),
        ('{"body": {}}', "The body of a fault must be a text."),
        ('{"body": "\\ud800"}', "not valid Unicode"),
        ('{"\\ud800": 1}', "not valid Unicode"),
        (
            '{"location": "http://a\\r\\nX: y"}',
            "The location of a fault must be one line.",
        ),
        ('{"headers": 3}', "The headers of a fault must be a list."),
        ('{"headers": ["ab"]}', "A header of a fault must be a name and a value"),
        ('{"headers": [["X", "a\\r\\nY: b"]]}', "A header of a fault must be"),
        ('{"headers": [["X: y\\r\\nZ", "a"]]}', "A header of a fault must be"),
        ('{"status": "x"}', "The status of a fault must be a number from 100 to 599."),
        ('{"status": 99}', "The status of a fault must be a number from 100 to 599."),
        ('{"status": 600}', "The status of a fault must be a number from 100 to 599."),
        ('{"status": null}', "The status of a fault must be a number from 100 to 599."),
        ('{"seconds": "soon"}', "The seconds of a fault must be a number from 0 to"),
        ('{"seconds": -1}', "The seconds of a fault must be a number from 0 to"),
        ('{"seconds": 1e400}', "The seconds of a fault must be a number from 0 to"),
        ('{"seconds": NaN}', "The seconds of a fault must be a number from 0 to"),
        ('{"seconds": "inf"}', "The seconds of a fault must be a number from 0 to"),
        ('{"times": 1e400}', "The times of a fault must be a number from 0 to"),
        ('{"times": -1}', "The times of a fault must be a number from 0 to"),
        ('{"after": -1}', "The after of a fault must be a number from 0 to"),
        ('{"rows": -1}', "The rows of a fault must be a number from 0 to"),
        ('{"rows": 1e9}', "The rows of a fault must be a number from 0 to"),
        ("[]", "A fault must be a JSON object."),
    ],
)
def test_wrong_fault_is_refused(sandbox: Sandbox, body: str, message: str) -> None:
    """The answer is 400 and says which value is wrong; no fault is added."""
    answer = requests.post(
        f"{sandbox.url}/sandbox/faults",
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=30,
    )

    assert answer.status_code == 400
    assert message in answer.json()["errorMsg"]
    assert sandbox.faults.listed() == []


def test_every_kind_of_fault_is_explained(sandbox: Sandbox) -> None:
    """The page on which faults are chosen describes each of them."""
    page = requests.get(f"{sandbox.url}/sandbox/", timeout=30).text

    assert set(EFFECTS) == set(get_args(Kind))
    for kind, effect in EFFECTS.items():
        assert f'<option value="{kind}"' in page
        assert effect.replace("*", "") in html.unescape(page)


def test_faults_are_controlled_by_a_form(sandbox: Sandbox, api: Api) -> None:
    """The page has a form that works without a script."""
    url = f"{sandbox.url}/sandbox/"
    form = {
        "kind": "status",
        "method": "*",
        "path": "",
        "status": "418",
        "for_ever": "true",
    }

    page = requests.post(f"{url}faults", data=form, timeout=30)

    assert page.status_code == 200
    assert "until it is removed" in page.text
    assert api.get("/user/current").status_code == 418
    requests.post(f"{url}faults/clear", timeout=30)
    assert api.get("/user/current").status_code == 200


def test_a_wrong_form_is_shown_again(sandbox: Sandbox) -> None:
    """The page has the error, and no fault is added."""
    form = {"kind": "latency", "seconds": "soon"}
    page = requests.post(f"{sandbox.url}/sandbox/faults", data=form, timeout=30)

    assert page.status_code == 400
    assert "The seconds of a fault must be a number from 0 to 86400." in page.text
    assert "Add a fault" in page.text
    assert sandbox.faults.listed() == []
