"""Entities of Zephyr, read from the server's JSON."""

from __future__ import annotations

import copy
from dataclasses import replace
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.client import readers
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import Release
from pytest_zephyr.client.entities import User
from pytest_zephyr.results.status import Status
from tests.unit.make import deterministic


ROW: dict[str, Any] = {
    "id": 33023,
    "actualTime": 90,
    "status": "1",
    "comment": "seen",
    "cyclePhaseId": 446,
    "lastModifiedOn": 1764670921000,
    "lastTestResult": {
        "id": 62,
        "executionDate": 1490812485000,
        "executionStatus": "1",
    },
    "tcrTreeTestcase": {
        "id": 80360,
        "testcase": {"id": 41219, "testcaseId": 39117, "externalId": " AUTH-1 "},
    },
}


def test_an_execution_is_read_from_its_row():
    """The id of the test case is the visible one, not one of the other ids in the row."""
    entity = readers.execution(ROW)

    assert entity is not None
    assert (entity.id, entity.case, entity.alt) == (33023, 39117, "AUTH-1")
    assert (entity.status_id, entity.notes, entity.milliseconds) == ("1", "seen", 90)
    assert entity.executed_on == 1490812485000
    assert entity.stamp_is_reliable


@pytest.mark.parametrize(
    ("changes", "executed_on"),
    [
        pytest.param({}, 1490812485000, id="date of the result"),
        pytest.param(
            {"lastTestResult": {"execDate": 5}}, 5, id="other name of that date"
        ),
        pytest.param(
            {"lastTestResult": {"executionDate": "03/29/2017", "execDate": 5}},
            5,
            id="a text beside a number",
        ),
        pytest.param(
            {"lastTestResult": {"executionDate": "03/29/2017"}},
            1764670921000,
            id="only a text",
        ),
        pytest.param({"lastTestResult": None}, 1764670921000, id="no result"),
        pytest.param({"lastTestResult": None, "status": None}, None, id="no status"),
    ],
)
def test_the_time_of_an_execution_is_the_first_that_is_a_number(changes, executed_on):
    """If no date of the result is a number, the last change counts, given a status."""
    entity = readers.execution({**ROW, **changes})

    assert entity is not None
    assert entity.executed_on == executed_on


def test_numbers_may_be_texts():
    """Only the stamp differs, because it is a digest of the values in the row."""
    row = json.loads(json.dumps(ROW), parse_int=str)
    entity, plain = readers.execution(row), readers.execution(ROW)

    assert entity is not None
    assert plain is not None
    assert replace(entity, stamp=plain.stamp) == plain


def test_a_row_that_was_never_executed_has_no_status():
    """The server leaves out fields that it has no value for."""
    entity = readers.execution({"id": 5, "tcrTreeTestcase": {}})

    assert entity is not None
    assert (entity.status_id, entity.notes, entity.alt) == ("", "", "")
    assert (entity.case, entity.executed_on, entity.milliseconds) == (None, None, None)
    assert not entity.stamp_is_reliable


@pytest.mark.parametrize(
    ("row", "status"),
    [
        pytest.param({"status": "2"}, "2", id="of the row"),
        pytest.param({"status": 2}, "2", id="number"),
        pytest.param(
            {"lastTestResult": {"executionStatus": "2"}}, "2", id="of the result"
        ),
        pytest.param(
            {"status": None, "lastTestResult": {"executionStatus": 2}}, "2", id="null"
        ),
        pytest.param(
            {"status": "1", "lastTestResult": {"executionStatus": "2"}},
            "1",
            id="the row takes precedence",
        ),
        pytest.param({"lastTestResult": None}, "", id="none"),
    ],
)
def test_status_is_in_the_row_or_in_its_last_result(row, status):
    """Some servers fill in only one of them."""
    entity = readers.execution({"id": 1, **row})

    assert entity is not None
    assert entity.status_id == status


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({}, id="no id"),
        pytest.param({"id": None}, id="null"),
        pytest.param({"id": "new"}, id="word"),
    ],
)
def test_rows_without_an_id_give_none(row):
    """No request could name such an entity."""
    assert readers.execution(row) is None
    assert readers.project(row) is None
    assert readers.release(row) is None
    assert readers.phase(row) is None
    assert readers.folder(row) is None
    assert readers.placement(row) is None
    assert readers.phase_row({"tct": row}) is None
    assert readers.cycle(row) is None
    assert readers.user(row) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("status",), "2", id="status"),
        pytest.param(("comment",), "new", id="comment"),
        pytest.param(("actualTime",), 91, id="time"),
        pytest.param(("lastModifiedOn",), 1764670921001, id="row changed"),
        pytest.param(("lastTestResult", "id"), 63, id="another result"),
        pytest.param(("lastTestResult", "executionDate"), 1, id="executed again"),
    ],
)
def test_another_state_has_another_stamp(path, value):
    """So a write that happened can be recognised in the row."""
    changed = copy.deepcopy(ROW)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    before, after = readers.execution(ROW), readers.execution(changed)

    assert before is not None
    assert after is not None
    assert after.stamp != before.stamp


def test_the_same_state_has_the_same_stamp():
    """Fields that are not part of the state make no difference."""
    before, after = readers.execution(ROW), readers.execution({**ROW, "testerId": 1})

    assert before is not None
    assert after is not None
    assert after.stamp == before.stamp


@pytest.mark.parametrize(
    ("row", "is_reliable"),
    [
        pytest.param({"lastTestResult": {"id": 62}}, True, id="id of the result"),
        pytest.param(
            {"lastTestResult": {"executionDate": 5}}, True, id="time of the result"
        ),
        pytest.param({"lastModifiedOn": 5}, True, id="time of the last change"),
        pytest.param(
            {"lastTestResult": {"executionStatus": "1"}}, False, id="status only"
        ),
        pytest.param({"status": "1"}, False, id="status of the row"),
    ],
)
def test_a_stamp_is_reliable_if_it_depends_on_an_id_or_a_time(row, is_reliable):
    """Without them, a second result of the same status has the same stamp."""
    entity = readers.execution({"id": 1, **row})

    assert entity is not None
    assert entity.stamp_is_reliable is is_reliable


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            {"id": 7, "fullName": "Ada L.", "username": "ada"},
            User(7, "Ada L."),
            id="full",
        ),
        pytest.param({"id": "7", "username": "ada"}, User(7, "ada"), id="user name"),
        pytest.param({"id": 7, "loginName": "ada"}, User(7, "ada"), id="login name"),
        pytest.param({"id": 7, "fullName": ""}, User(7, "user 7"), id="no name"),
    ],
)
def test_a_user_has_an_id_and_a_name(row, expected):
    """A user without a name is called by the id."""
    assert readers.user(row) == expected


def test_a_cycle_has_its_phases():
    """Phases without an id are left out; phases may be missing altogether."""
    row = {
        "id": 3,
        "name": "Nightly",
        "cyclePhases": [{"id": "4", "name": "Smoke"}, {}],
    }

    assert readers.cycle(row) == Cycle(3, "Nightly", (Phase(4, "Smoke"),))
    assert readers.cycle({"id": 3, "name": "Nightly"}) == Cycle(3, "Nightly")


def test_the_release_of_the_repository_is_hidden():
    """Results cannot go to this release."""
    assert readers.release({"id": 1, "name": "r", "projectRelease": "true"}) == Release(
        1, "r", hidden=True
    )


CASE = {"id": "2024", "testcaseId": 2016, "name": "N", "externalId": " A-1 "}


def test_the_three_ids_of_a_case_are_read():
    entity = readers.placement({"id": "2025", "tcrCatalogTreeId": 8, "testcase": CASE})

    assert entity is not None
    assert (entity.case, entity.version, entity.id, entity.folder) == (
        2016,
        2024,
        2025,
        8,
    )
    assert entity.alt == "A-1"


@pytest.mark.parametrize("missing", ["id", "testcaseId"])
def test_a_case_that_lacks_an_id_is_read_as_none(missing):
    case = {key: value for key, value in CASE.items() if key != missing}

    assert readers.placement({"id": 1, "testcase": case}) is None


@pytest.mark.parametrize(
    ("row", "assigned"),
    [
        ({"tct": {"id": 5, "testcase": CASE}}, False),
        ({"tct": {"id": 5}, "testcase": CASE, "rts": None}, False),
        ({"tct": {"id": 5}, "testcase": CASE, "rts": {"id": "9"}}, True),
    ],
    ids=["inside", "beside", "assigned"],
)
def test_a_planning_row_has_its_case_inside_or_beside_the_placement(row, assigned):
    entity = readers.phase_row(row)

    assert entity is not None
    assert (entity.placement.case, entity.assigned) == (2016, assigned)


def test_folders_are_walked_from_the_root():
    entity = readers.folder(
        {"id": 1, "name": "a", "categories": [{"id": 2, "categories": [{"id": 3}]}, {}]}
    )

    assert entity is not None
    assert [each.id for each in entity.walk()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            '[{"id":1,"value":"Pass","active":true},{"id":2,"value":"Fail"}]',
            [Status("1", "Pass"), Status("2", "Fail")],
            id="text",
        ),
        pytest.param([{"id": "1", "value": "Pass"}], [Status("1", "Pass")], id="list"),
        pytest.param('[{"id":1.0,"value":"Pass"}]', [Status("1", "Pass")], id="float"),
        pytest.param(
            '[{"id":"1.0","value":"Pass"}]', [Status("1", "Pass")], id="float as text"
        ),
        pytest.param(
            '[{"id":"4","value":"Blocked","active":"false"}]',
            [Status("4", "Blocked", active=False)],
            id="inactive as text",
        ),
        pytest.param('[{"id":"ok","value":"Pass"}]', [Status("ok", "Pass")], id="word"),
        pytest.param('[{"value":"Pass"},7,null]', [], id="no ids"),
        pytest.param("[{", [], id="broken"),
        pytest.param("", [], id="empty"),
        pytest.param(None, [], id="missing"),
        pytest.param("7", [], id="number"),
    ],
)
def test_statuses_are_read_from_the_value_of_a_preference(value, expected):
    """Entries that cannot be read are left out."""
    assert readers.statuses({"value": value}) == expected


@pytest.mark.parametrize("payload", [None, "<html>", [], 7], ids=repr)
def test_a_preference_of_another_shape_has_no_statuses(payload):
    """The stock statuses are used then."""
    assert readers.statuses(payload) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "testcase", "name", "results", "executionDate"]),
            inner,
        )
    ),
    max_leaves=6,
)


@deterministic
@given(st.dictionaries(st.sampled_from([*ROW, "name", "cyclePhases", "value"]), VALUES))
def test_no_row_raises_an_error(row: dict[str, Any]) -> None:
    """A row is read or left out, and reading it again gives an equal entity."""
    for read in (
        readers.execution,
        readers.execution_state,
        readers.project,
        readers.release,
        readers.folder,
        readers.placement,
        readers.phase,
        readers.phase_row,
        readers.cycle,
        readers.user,
        readers.statuses,
        readers.case_step,
        readers.uploaded,
        readers.attachment,
    ):
        assert read(row) == read(copy.deepcopy(row))
