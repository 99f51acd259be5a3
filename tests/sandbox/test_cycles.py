"""Creating, changing and deleting cycles and phases."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


def cycle_body(target: SandboxTarget, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Nightly",
        "build": "1.2",
        "environment": "",
        "status": 0,
        "cycleStartDate": "11/05/2026",
        "cycleEndDate": "11/06/2026",
        "releaseId": target.release,
        **changes,
    }


def phase_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Smoke",
        "freeForm": True,
        "phaseStartDate": "11/10/2026",
        "phaseEndDate": "11/20/2026",
        **changes,
    }


@pytest.mark.parametrize("path", ["/cycle", "/cycle/"])
def test_cycle_is_created_without_phases(
    sandbox: Sandbox, api: Api, target: SandboxTarget, path: str
) -> None:
    """The path may end in a slash; the answer has each date as text and as number."""
    made = api.post(path, json=cycle_body(target)).json()

    assert made["cyclePhases"] == []
    assert made["cycleStartDate"] == "11/05/2026"
    assert made["startDate"] == 1793836800000
    assert made["cycleEndDate"] == "11/06/2026"
    assert made["endDate"] == 1793923200000
    assert sandbox.store.cycles(target.release)[-1].build == "1.2"
    assert api.get(f"/cycle/{made['id']}").json() == made


@pytest.mark.parametrize(
    "start",
    [1793836800000, "2026-11-05", "11/05/2026"],
    ids=["milliseconds", "iso", "us"],
)
def test_dates_are_read_in_every_form(
    api: Api, target: SandboxTarget, start: Any
) -> None:
    """Epoch milliseconds and both kinds of text name the same day."""
    made = api.post("/cycle", json=cycle_body(target, cycleStartDate=start)).json()

    assert made["cycleStartDate"] == "11/05/2026"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cycleEndDate": "12/01/2026"}, id="after-the-release"),
        pytest.param({"cycleStartDate": "10/31/2026"}, id="before-the-release"),
        pytest.param({"cycleEndDate": "11/04/2026"}, id="ends-before-it-starts"),
        pytest.param({"cycleStartDate": "yesterday"}, id="start-is-not-a-date"),
        pytest.param({"name": " "}, id="blank-name"),
        pytest.param({"name": "x" * 256}, id="long-name"),
    ],
)
def test_wrong_cycle_is_refused(
    sandbox: Sandbox, api: Api, target: SandboxTarget, changes: dict[str, Any]
) -> None:
    """The dates have to be in order and within those of the release.

    The name may not be blank, and has at most 255 characters.
    """
    answer = api.post("/cycle", json=cycle_body(target, **changes))

    assert answer.status_code == 400
    assert answer.json()["errorMsg"]
    assert len(sandbox.store.cycles(target.release)) == 1


def test_a_switch_lets_a_cycle_lie_outside_of_its_release(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """While the switch is 0, a cycle can neither be created nor moved there."""
    outside = cycle_body(target, cycleStartDate="10/01/2026", cycleEndDate="12/31/2026")
    dates = {"cycleStartDate": "10/15/2026"}
    path = f"/cycle/{target.cycle}"

    refused = api.post("/cycle", json=outside), api.put(path, json=dates)
    sandbox.store.set_switch("free_cycle_dates", 1)
    accepted = api.post("/cycle", json=outside), api.put(path, json=dates)

    assert [answer.status_code for answer in refused] == [400, 400]
    assert [answer.status_code for answer in accepted] == [200, 200]
    changed, made = sandbox.store.cycles(target.release)
    assert (str(made.start), str(made.end)) == ("2026-10-01", "2026-12-31")
    assert str(changed.start) == "2026-10-15"
    backwards = cycle_body(target, cycleStartDate="12/31/2026")
    assert api.post("/cycle", json=backwards).status_code == 400


@pytest.mark.parametrize("which", ["Start", "End"])
def test_cycle_needs_its_dates(api: Api, target: SandboxTarget, which: str) -> None:
    """The error names the missing date."""
    body = cycle_body(target)
    del body[f"cycle{which}Date"]

    answer = api.post("/cycle", json=body)

    assert answer.status_code == 400
    assert f"{which.lower()} date cannot be null" in answer.json()["errorMsg"]


def test_environment_can_be_mandatory(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """With the preference set, a cycle without environment is refused."""
    sandbox.store.set_preference("cycle.environment.enabled", "true")

    assert api.post("/cycle", json=cycle_body(target)).status_code == 400
    named = cycle_body(target, environment="staging")
    assert api.post("/cycle", json=named).json()["environment"] == "staging"


def test_cycles_may_have_the_same_name(api: Api, target: SandboxTarget) -> None:
    """A second cycle with the same name gets an id of its own."""
    ids = {api.post("/cycle", json=cycle_body(target)).json()["id"] for _ in range(2)}

    assert len(ids) == 2


def test_locked_release_refuses_changes(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A new cycle answers 400, and reading the release 403, until it is unlocked."""
    sandbox.store.lock_release(target.release)

    answer = api.post("/cycle", json=cycle_body(target))

    assert answer.status_code == 400
    assert answer.json()["errorMsg"] == (
        f"Operation failed. The Release with ID{target.release} and nameRelease 1"
        " is locked. Please try again later."
    )
    assert api.get(f"/release/{target.release}").status_code == 403
    sandbox.store.unlock_release(target.release)
    assert api.post("/cycle", json=cycle_body(target)).status_code == 200


def test_lock_ends_by_itself(sandbox: Sandbox, api: Api, target: SandboxTarget) -> None:
    """A release whose lock has ended accepts changes."""
    sandbox.store.lock_release(target.release, seconds=-1)

    assert api.post("/cycle", json=cycle_body(target)).status_code == 200


def test_cycle_is_changed_and_deleted(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A change keeps values that were not sent; deleting also deletes the executions."""
    sandbox.store.schedule_all(target.phase, [1])
    changed = api.put(f"/cycle/{target.cycle}", json={"name": "Renamed"}).json()

    assert (changed["name"], changed["cycleStartDate"]) == ("Renamed", "11/10/2026")
    assert api.delete(f"/cycle/{target.cycle}").status_code == 200
    assert api.get(f"/cycle/release/{target.release}").json() == []
    assert sandbox.store.executions(target.phase) == []


def test_free_form_phase_has_its_own_tree(api: Api, target: SandboxTarget) -> None:
    """A new phase is listed with its cycle, with the id of its root node."""
    made = api.post(f"/cycle/{target.cycle}/phase", json=phase_body()).json()
    (cycle,) = api.get(f"/cycle/release/{target.release}").json()

    assert made in cycle["cyclePhases"]
    assert cycle["hasChild"] is True
    tree = api.get(f"/assignmenttree/{made['id']}").json()
    assert tree["id"] == made["tcrCatalogTreeId"]
    assert tree["categories"] == []


@pytest.mark.parametrize(
    "changes",
    [{"phaseStartDate": "11/09/2026"}, {"phaseEndDate": "11/21/2026"}],
    ids=["before", "after"],
)
def test_phase_lies_within_its_cycle(
    api: Api, target: SandboxTarget, changes: dict[str, str]
) -> None:
    """Dates outside the cycle are refused."""
    answer = api.post(f"/cycle/{target.cycle}/phase", json=phase_body(**changes))

    assert answer.status_code == 400


def test_structured_phase_copies_a_folder(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """It copies a root folder with all below it; no test case can be added later."""

    def create_folder(name: str, kind: str, parent: int) -> int:
        body = {"name": name, "type": kind, "releaseId": target.release}
        body["description"] = f"about {name}"
        made = api.post(f"/testcasetree?parentid={parent}", json=body).json()
        identifier: int = made["id"]
        return identifier

    root = create_folder("All", "Phase", 0)
    leaf = create_folder("Login", "Module", root)
    sandbox.store.add_case(target.release, testcase_id=1, folder=root)
    sandbox.store.add_case(target.release, testcase_id=2, folder=leaf)
    body = phase_body(freeForm=False, tcrCatalogTreeId=root)
    del body["name"]

    made = api.post(f"/cycle/{target.cycle}/phase", json=body).json()

    assert made["name"] == "All"
    assert sandbox.store.placed_ids(made["id"]) == [1, 2]
    tree = api.get(f"/testcasetree/{made['tcrCatalogTreeId']}").json()
    assert tree["description"] == "about All"
    assert [(node["name"], node["description"]) for node in tree["categories"]] == [
        ("Login", "about Login")
    ]
    answer = api.post(
        f"/assignmenttree/{made['id']}/assign/bytree/{made['tcrCatalogTreeId']}",
        json=[{"treeid": root, "tctIds": [], "isExclusion": False}],
    )
    assert answer.status_code == 400


def test_phase_is_changed_and_deleted(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Deleting a phase also deletes its executions."""
    sandbox.store.schedule_all(target.phase, [1])
    changed = api.put(
        f"/cycle/{target.cycle}/phase", json={"id": target.phase, "name": "Renamed"}
    ).json()

    assert changed["name"] == "Renamed"
    path = f"/cycle/{target.cycle}/phase/{target.phase}"
    assert api.delete(path).status_code == 200
    assert sandbox.store.phases(target.cycle) == []
    assert api.results("/execution", cyclephaseid=target.phase) == []
