"""Creating targets and test cases, also while another job does; finding test cases."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Target
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.target.create_cases import CaseCreator
from pytest_zephyr.target.create_cases import NewCaseTests
from pytest_zephyr.target.create_cycle import TargetCreator
from pytest_zephyr.target.creations import Creations
from pytest_zephyr.target.find import find_target
from pytest_zephyr.target.find_cases import find_cases
from pytest_zephyr.target.snapshot import read_user_and_statuses


NAMES = {
    "project": "Payments",
    "release": "name:1.0",
    "cycle": "Build 7",
    "phase": "Regression",
    "create": "cycle",
}


class LateTargetClient(Client):
    """A client that calls *rival*, another job, just before it creates a place."""

    rival: Any

    def create_cycle(self, *args: Any, **options: Any) -> Any:
        self.rival("cycle")
        return super().create_cycle(*args, **options)

    def create_phase(self, *args: Any) -> Any:
        self.rival("phase", args[1].id)
        return super().create_phase(*args)


class LateCaseClient(Client):
    """A client that calls *rival*, another job, before it creates a folder or cases.

    *contested* says what the other job creates, too. Unless the client *can_delete*,
    deletions of test cases are refused.
    """

    rival: Any
    contested = ""
    can_delete = True

    def create_folder(self, name: str, release: int, parent: int | None) -> Any:
        self.rival("folder", name, parent)
        return super().create_folder(name, release, parent)

    def create_cases(self, cases: Any) -> Any:
        self.rival("cases", cases)
        return super().create_cases(cases)

    def delete_cases(self, folder: int, placements: Any) -> None:
        if not self.can_delete:
            msg = "not here"
            raise ZephyrNotFound(msg, http_status=404)
        super().delete_cases(folder, placements)


@pytest.fixture
def creator(target, make_settings, connect):
    """Return a function that creates a test case while another job creates *contested*.

    With *is_used*, a duplicate of ours is in the phase, so that it must stay. The
    function returns the names of the folders, the ids of the test cases in them, the id
    of the test case that we use, and the remarks.
    """
    settings = make_settings(unmapped="create", create="execution")
    client = connect(settings, LateCaseClient)
    new = NewCase("pay", "test_pay::test_card", "pay/test_pay.py::test_card")

    def rival(kind: str, *args: Any) -> None:
        if kind == client.contested:
            other_job = connect(settings)
            if kind == "cases":
                other_job.create_cases(args[0])
            elif args[0] == "Automation":
                other_job.create_folder("Automation", target.release, None)

    client.rival = rival
    details = NewCaseTests("Automation/{package}")
    creations = Creations()
    creator = CaseCreator(client, target.release, {new: details}, creations)

    def run(contested: str, *, is_used: bool = False, can_delete: bool = True) -> Any:
        client.contested, client.can_delete = contested, can_delete
        creator.find()
        creator.create()
        duplicates = [each.case for each in creator.duplicates]
        creator.remove_duplicates(duplicates if is_used else [])
        (root,) = [
            each
            for each in client.root_folders(target.release)
            if each.name == "Automation"
        ]
        tree = list(client.folder(root.id).walk())
        cases = [each.case for node in tree for each in client.folder_cases(node.id)]
        names = [each.name for each in tree]
        return names, cases, creations.placements[new].case, creations.remarks

    return run


@pytest.mark.parametrize("contested", ["folder", "cases", "neither"])
def test_two_jobs_that_create_a_test_case_share_one(creator, contested):
    """Duplicates of ours are removed."""
    names, cases, chosen, remarks = creator(contested)

    assert names == ["Automation", "pay"]
    assert cases == [chosen]
    assert remarks == []


@pytest.mark.parametrize(
    "options",
    [{"is_used": True}, {"can_delete": False}],
    ids=["used", "cannot be removed"],
)
def test_a_duplicate_that_is_used_or_cannot_be_removed_is_named_once(creator, options):
    _, cases, chosen, remarks = creator("cases", **options)

    assert sorted(cases) == [chosen, chosen + 1]
    (remark,) = remarks
    assert (
        f"ours are not needed, but were not removed: test case {chosen + 1}" in remark
    )


@pytest.mark.parametrize("contested", ["cycle", "phase", "neither"])
def test_two_jobs_that_create_a_target_share_the_lowest_id(
    target, make_settings, connect, contested
):
    """The creator notes if the phase that counts was created by the other job.

    The parameter *contested* says what the other job creates.
    """
    store = target.sandbox.store
    settings = make_settings(**NAMES)
    client = connect(settings, LateTargetClient)
    rival_ids = {}

    def rival(kind: str, cycle: int = 0) -> None:
        if kind == contested == "cycle":
            rival_ids[kind] = store.add_cycle(target.release, "Build 7")
        elif kind == contested == "phase":
            rival_ids[kind] = store.add_phase(cycle, "Regression")

    client.rival = rival
    found = find_target(client, settings)
    creator = TargetCreator(client, settings, found, Creations())
    created = creator.create()

    (cycle,) = [c for c in store.cycles(target.release) if c.name == "Build 7"]
    (phase,) = store.phases(cycle.id)
    assert created.cycle is not None
    assert created.phase is not None
    ids = {"cycle": created.cycle.id, "phase": created.phase.id}
    assert ids == {"cycle": cycle.id, "phase": phase.id, **rival_ids}
    assert creator.contested == (contested == "phase")


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "hang_after"])
@pytest.mark.parametrize("path", ["/cycle", "/phase"])
def test_an_unanswered_creation_leaves_one_cycle_and_phase(
    target, make_settings, connect, kind, path
):
    target.sandbox.faults.add(Fault("POST", f"*{path}", kind=kind, seconds=0.1))
    settings = make_settings(**NAMES, retries="0")
    client = connect(settings)
    found = find_target(client, settings)
    TargetCreator(client, settings, found, Creations()).create()

    cycles = target.sandbox.store.cycles(target.release)
    (cycle,) = [each for each in cycles if each.name == "Build 7"]
    assert len(target.sandbox.store.phases(cycle.id)) == 1


@pytest.mark.parametrize(
    ("status", "requests"), [(400, 1), (500, 3), (504, 3)], ids=str
)
def test_a_folder_that_cannot_be_created_is_named_with_the_reason(
    target, client, status, requests
):
    """A refusal is final; after a server error the folder is tried three times."""
    fault = Fault("POST", "/testcasetree", status=status, times=None)
    target.sandbox.faults.add(fault)
    new = NewCase("pay", "test_card", "pay/test_pay.py::test_card")
    creations = Creations()
    details = NewCaseTests("Automation/{package}")
    creator = CaseCreator(client, target.release, {new: details}, creations)
    creator.find()
    creator.create()

    reason = creations.refused[new]
    assert reason.startswith("the folder Automation could not be created: http")
    assert f"answered {status} to POST testcasetree" in reason
    posts = [each for each in target.sandbox.requests if each.method == "POST"]
    assert len(posts) == requests


# Finding test cases


def test_cases_that_are_only_in_another_release_are_found(target, client):
    store = target.sandbox.store
    other = store.add_release(target.project, "2.0")
    for case in range(500, 560):
        store.add_case(other, testcase_id=case)
    lookup = find_cases(client, range(500, 560), target.release)

    assert {each.release for each in lookup.placements.values()} == {other}
    assert not lookup.uncertain


def test_a_search_asks_for_at_most_100_ids_at_a_time(target, client):
    for case in range(1000, 1250):
        target.sandbox.store.add_case(target.release, testcase_id=case)
    before = len(target.sandbox.requests)
    lookup = find_cases(client, range(1000, 1250), target.release)

    assert len(lookup.placements) == 250
    assert len(target.sandbox.requests) - before == 3


def test_alt_ids_are_found_and_shared_ones_are_ambiguous(target, client):
    store = target.sandbox.store
    unique = store.add_case(target.release, alt="A-1")
    shared = [store.add_case(target.release, alt="A-2") for _ in range(2)]
    lookup = find_cases(client, ["A-1", "A-2", "A-3"], target.release)

    assert lookup.placements["A-1"].case == unique
    assert lookup.ambiguous == {"A-2": shared}
    assert not lookup.has("A-3")


def test_many_alt_ids_are_found_with_fewer_requests(target, client):
    """The folders of the release are read instead of a search for each Alt ID."""
    for number in range(40):
        target.sandbox.store.add_case(target.release, alt=f"A-{number}")
    before = len(target.sandbox.requests)
    lookup = find_cases(client, [f"A-{n}" for n in range(40)], target.release)

    assert len(lookup.placements) == 40
    assert len(target.sandbox.requests) - before < 40


def test_among_many_alt_ids_a_shared_one_is_ambiguous(target, client):
    store = target.sandbox.store
    for number in range(30):
        store.add_case(target.release, alt=f"A-{number}")
    other = store.add_folder(target.release, "Zoo")
    store.add_case(target.release, alt="A-29", folder=other)
    lookup = find_cases(client, [f"A-{n}" for n in range(30)], target.release)

    assert list(lookup.ambiguous) == ["A-29"]


def test_ids_are_uncertain_if_the_search_fails_and_no_release_is_known(target, client):
    """With a release, its folders are read instead."""
    target.sandbox.faults.add(Fault(path="/advancesearch", status=500, times=None))
    target.sandbox.store.add_case(target.release, testcase_id=500)
    lookup = find_cases(client, [500], target.release)
    lookup_without_release = find_cases(client, [501], None)

    assert 500 in lookup.placements
    assert lookup_without_release.uncertain == {501}


def test_a_later_search_says_nothing_about_other_test_cases(target, client):
    """Of a test case that is looked up again, the newest answer counts."""
    snapshot = read_user_and_statuses(client)
    snapshot.target = Target("Smoke")
    fault = Fault(path="/advancesearch", status=500, times=None)
    target.sandbox.faults.add(fault)
    snapshot.look_up(client, [501, 502], thorough=False)
    target.sandbox.faults.clear()
    snapshot.look_up(client, [502, 503], thorough=False)

    codes = {case: snapshot.why_missing(case)[1] for case in (501, 502, 503)}
    assert codes == {501: "not-in-phase", 502: "unknown-case", 503: "unknown-case"}
