"""Calls of the client: what they send, and how they read the answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import json
from typing import Any

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Release
from pytest_zephyr.client.entities import User
from pytest_zephyr.client.executions import ExecutionWrite
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.results.status import Status
from pytest_zephyr.results.status import STOCK
from pytest_zephyr.sandbox import Fault
from tests.client.servers import answer
from tests.client.servers import Request
from tests.client.servers import ScriptedServer
from tests.client.servers import settings_for
from tests.conftest import CASES


@pytest.fixture
def client_of(
    start_server: Callable[..., ScriptedServer], connect: Callable[..., Client]
) -> Callable[..., tuple[Client, ScriptedServer]]:
    """Return a function that starts a server and a client of it.

    *response* is the JSON of each answer, or a function that answers a request.
    """

    def start(response: Any) -> tuple[Client, ScriptedServer]:
        is_function = callable(response)
        server = start_server(response if is_function else lambda _: answer(response))
        settings = settings_for("t0ken", url=server.url, retries=0)
        return connect(settings), server

    return start


def execution_row(number: int, **more: Any) -> dict[str, Any]:
    """Return an execution of phase 7 as a server lists it."""
    case = {"id": number + 2000, "testcaseId": number + 100}
    tree = {"id": number + 1000, "testcase": case}
    return {"id": number, "cyclePhaseId": 7, "tcrTreeTestcase": tree, **more}


def envelope(rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"firstResult": 0, "resultSize": len(rows), "results": rows, **more}


LIST_SHAPES: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda rows: rows,
    "envelope": envelope,
    "envelope in a list": lambda rows: [envelope(rows)],
    "envelope with more": lambda rows: envelope(rows, type="x", new={"a": None}),
}


def paged(
    total: int, page_limit: int = 500, shape: Callable[[list[Any]], Any] = envelope
) -> Callable[[Request], bytes]:
    """Return a function that answers with executions 1 to *total* in pages.

    A page has at most *page_limit* executions.
    """

    def respond(request: Request) -> bytes:
        offset = int(request.query["offset"])
        size = min(int(request.query["pagesize"]), page_limit)
        rows = [
            execution_row(n) for n in range(offset + 1, min(offset + size, total) + 1)
        ]
        body = shape(rows)
        if isinstance(body, dict):
            body["pageNumber"] = size
        return answer(body)

    return respond


def execution_ids(client: Client) -> list[int]:
    return [each.id for each in client.executions(7)]


# Single calls


def test_current_user_is_the_owner_of_the_token(target, client):
    assert client.current_user() == User(target.sandbox.store.user.id, "Test Manager")


def test_statuses_are_those_of_the_server(target, client):
    target.sandbox.store.set_statuses(
        [("1", "Bestanden", True), ("2", "Fail", True), ("11", "Flaky", False)]
    )

    assert client.statuses() == [
        Status("1", "Bestanden"),
        Status("2", "Fail"),
        Status("11", "Flaky", active=False),
    ]


def test_projects_releases_cycles_and_phases_are_listed(target, client):
    (project,) = client.projects()
    releases = client.releases(target.project)
    (cycle,) = client.cycles(target.release)
    (phase,) = cycle.phases

    assert (project.id, project.name) == (target.project, "Payments")
    assert (target.release, "1.0") in [(each.id, each.name) for each in releases]
    assert [each.hidden for each in releases].count(True) == 1
    assert (cycle.id, cycle.name, cycle.release) == (
        target.cycle, "Nightly", target.release
    )  # fmt: skip
    assert (phase.id, phase.name, phase.free_form) == (target.phase, "Smoke", True)
    assert client.cycle(target.cycle) == cycle


def test_a_cycle_that_does_not_exist_is_refused(client):
    with pytest.raises(ZephyrRefused, match="500 to GET cycle/999999"):
        client.cycle(999_999)


def test_executions_of_a_phase_are_listed(target, client):
    target.schedule(107, alt="AUTH-1")

    executions = list(client.executions(target.phase))

    assert [each.case for each in executions] == [101, 102, 103, 104, 105, 106, 107]
    assert {each.status_id for each in executions} == {""}
    assert [each.alt for each in executions] == [""] * 6 + ["AUTH-1"]


def test_executions_of_other_testers_are_listed(target, client):
    store = target.sandbox.store
    other, _token = store.add_user("grace", "grace")
    store.add_case(target.release, testcase_id=107)
    store.schedule(target.phase, 107, tester=other)

    assert 107 in [each.case for each in client.executions(target.phase)]


def test_executions_of_other_phases_are_not_listed(target, client):
    phase = target.sandbox.store.add_phase(target.cycle, "Full")
    target.sandbox.store.schedule(phase, 101)

    assert [each.case for each in client.executions(phase, target.release)] == [101]


def test_execute_writes_status_notes_and_times(target, client):
    before = target.execution(101)
    tester = client.current_user().id
    written = client.execute(
        [ExecutionWrite(before.id, "2", 1532, 1_764_633_600_000, "größer & <b>")],
        tester,
    )

    now = target.execution(101)
    assert (now.status, now.comment) == ("2", "größer & <b>")
    assert (now.actual_time, now.executed_on) == (1532, 1_764_633_600_000)
    assert (now.executed_by, now.tester, now.result_count) == (tester, before.tester, 1)
    assert [(each.id, each.status_id) for each in written] == [(before.id, "2")]


def test_execute_without_notes_keeps_those_of_the_execution(target, client):
    """The server fails on a null, so the request has no notes at all."""
    tester = client.current_user().id
    execution = target.execution(101).id
    client.execute([ExecutionWrite(execution, "2", 1, 1, "by hand")], tester)
    client.execute([ExecutionWrite(execution, "1", 1, 2)], tester)

    assert target.execution(101).comment == "by hand"


def test_execute_status_writes_one_status_to_many(target, client):
    tester = client.current_user().id
    ids = [target.execution(case).id for case in (101, 102)]

    written = client.execute_status(ids, "1", tester)

    assert [(each.id, each.status_id) for each in written] == [(n, "1") for n in ids]
    assert target.statuses() == dict.fromkeys((101, 102), "1") | dict.fromkeys(
        (103, 104, 105, 106)
    )


@pytest.mark.parametrize("notes", [None, "", "by hand"], ids=repr)
def test_execute_one_writes_one_execution(target, client, notes):
    tester = client.current_user().id

    client.execute_one(
        ExecutionWrite(target.execution(101).id, "4", 90, 1, notes), tester
    )

    now = target.execution(101)
    assert (now.status, now.actual_time, now.result_count) == ("4", 90, 1)
    assert (now.comment or None) == (notes or None)
    assert target.statuses() == {**dict.fromkeys(CASES), 101: "4"}


def test_execute_one_uses_post_where_put_is_not_allowed(client_of):
    """One page of the vendor's documentation says POST."""
    client, server = client_of(
        lambda request: answer({}, status=405 if request.method == "PUT" else 200)
    )

    client.execute_one(ExecutionWrite(5, "1", 90, 1, "n"), 7)

    assert server.calls == ["PUT execution/5", "POST execution/5"]
    assert server.requests[0].query == server.requests[1].query
    assert server.requests[0].body == server.requests[1].body == b'{"notes": "n"}'


def test_execute_one_does_not_post_after_another_error(client_of):
    client, server = client_of(lambda _request: answer({}, status=400))

    with pytest.raises(ZephyrRefused, match="400 to PUT execution/5"):
        client.execute_one(ExecutionWrite(5, "1", 90, 1), 7)

    assert len(server.requests) == 1


def test_execute_returns_none_without_a_list_in_the_answer(target, client):
    target.sandbox.faults.add(Fault("PUT", kind="plain_text"))
    tester = client.current_user().id
    writes = [ExecutionWrite(target.execution(101).id, "1", 1, 1)]

    assert client.execute(writes, tester) is None


def test_execute_raises_not_found_if_the_server_lacks_the_call(target, client):
    target.sandbox.faults.add(Fault("PUT", kind="missing"))
    tester = client.current_user().id
    writes = [ExecutionWrite(target.execution(101).id, "1", 1, 1)]

    with pytest.raises(ZephyrNotFound):
        client.execute(writes, tester)


# Pages


@pytest.mark.parametrize(
    ("total", "offsets"),
    [
        pytest.param(0, [0], id="empty"),
        pytest.param(1, [0], id="short"),
        pytest.param(499, [0], id="nearly full"),
        pytest.param(500, [0, 500], id="exactly full"),
        pytest.param(501, [0, 500], id="one more"),
        pytest.param(1200, [0, 500, 1000], id="three"),
    ],
)
@pytest.mark.parametrize("shape", LIST_SHAPES)
def test_pages_are_read_until_one_is_short(client_of, total, offsets, shape):
    client, server = client_of(paged(total, shape=LIST_SHAPES[shape]))

    assert execution_ids(client) == list(range(1, total + 1))
    assert [int(each.query["offset"]) for each in server.requests] == offsets
    assert {each.query["pagesize"] for each in server.requests} == {"500"}


@pytest.mark.parametrize("page_limit", [1, 10, 100, 250])
def test_shorter_pages_with_a_stated_size_are_read_to_the_end(client_of, page_limit):
    """The field pageNumber has the size of a page, not its number."""
    client, _ = client_of(paged(305, page_limit))

    assert execution_ids(client) == list(range(1, 306))


def test_a_full_last_page_needs_one_more_request(client_of):
    client, server = client_of(paged(200, 100))

    assert execution_ids(client) == list(range(1, 201))
    assert len(server.requests) == 3


def test_a_list_ends_if_the_server_ignores_the_offset(target, client):
    target.sandbox.store.schedule_all(target.phase, range(1001, 1501))
    target.sandbox.faults.add(Fault(kind="ignore_offset", times=None))

    listed_ids = [each.id for each in client.executions(target.phase)]

    assert len(listed_ids) == len(set(listed_ids)) == 500
    assert len(target.sandbox.requests) == 2


def test_rows_are_listed_once_if_the_server_ignores_the_page_size(client_of):
    rows = [execution_row(number) for number in range(1, 1201)]
    client, _ = client_of(envelope(rows))

    assert execution_ids(client) == list(range(1, 1201))


def test_a_result_size_of_zero_is_ignored(target, client):
    target.sandbox.store.schedule_all(target.phase, range(1001, 1601))
    target.sandbox.faults.add(Fault(kind="lie_result_size", times=None))

    assert len(list(client.executions(target.phase))) == 606


@pytest.mark.parametrize("size", [None, "many", 10**9, -1])
def test_other_wrong_result_sizes_are_ignored(client_of, size):
    rows = [execution_row(1), execution_row(2)]
    client, server = client_of({"results": rows, "resultSize": size})

    assert execution_ids(client) == [1, 2]
    assert len(server.requests) == 1


@pytest.mark.parametrize("shift", [1, 499], ids=["one", "nearly a page"])
def test_a_row_that_moves_between_pages_is_listed_once(client_of, shift):
    """Somebody adds executions while the list is read."""

    def respond(request: Request) -> bytes:
        offset = int(request.query["offset"])
        begin = offset + 1 - (shift if offset else 0)
        rows = [execution_row(n) for n in range(begin, min(begin + 499, 700) + 1)]
        return answer(envelope(rows))

    client, _ = client_of(respond)

    assert execution_ids(client) == list(range(1, 701))


# Rows


def test_rows_of_another_phase_are_refused(target, client):
    """A server that ignores a filter answers with executions of other phases."""
    target.sandbox.faults.add(Fault(kind="foreign_rows", rows=2))

    with pytest.raises(ZephyrRefused) as caught:
        list(client.executions(target.phase))

    assert str(caught.value) == (
        f"the server returned an execution of phase {target.phase + 500_000} in the list"
        f" of phase {target.phase}. Nothing was written to that execution."
    )


def test_rows_that_do_not_say_their_phase_are_refused(client_of):
    """Their phase cannot be checked, so nothing may be written to them."""
    row = execution_row(1)
    del row["cyclePhaseId"]
    client, _ = client_of([row])

    with pytest.raises(ZephyrRefused, match=r"of phase unknown .* Nothing was written"):
        execution_ids(client)


def test_ids_are_read_from_numbers_and_digits(client_of):
    row = execution_row(1, tcrTreeTestcase={"testcase": {"testcaseId": "101"}})
    client, _ = client_of([{**row, "id": "1", "cyclePhaseId": "7", "status": 2}])

    (execution,) = client.executions(7)

    assert (execution.id, execution.case) == (1, 101)
    assert execution.status_id == "2"


@pytest.mark.parametrize(
    "bad_row",
    [
        pytest.param(None, id="null"),
        pytest.param(7, id="number"),
        pytest.param("row", id="text"),
        pytest.param([], id="list"),
        pytest.param({}, id="empty object"),
        pytest.param({"id": None}, id="no id"),
        pytest.param({"id": True}, id="boolean id"),
        pytest.param({"id": "1e3"}, id="not only digits"),
    ],
)
def test_rows_without_an_id_are_left_out(client_of, bad_row):
    client, _ = client_of([execution_row(1), bad_row, execution_row(2)])

    assert execution_ids(client) == [1, 2]


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param({}, id="no case"),
        pytest.param({"testcase": None}, id="null case"),
        pytest.param({"testcase": {"testcaseId": {}}}, id="bad id"),
    ],
)
def test_an_execution_may_have_no_test_case(client_of, tree):
    client, _ = client_of([execution_row(1, tcrTreeTestcase=tree)])

    assert [each.case for each in client.executions(7)] == [None]


def test_an_execution_without_a_status_has_that_of_its_last_result(client_of):
    last = {"id": 62, "executionStatus": "4", "executionDate": "1490812485000"}
    client, _ = client_of([execution_row(1, lastTestResult=last)])

    (execution,) = client.executions(7)

    assert (execution.status_id, execution.executed_on) == ("4", 1_490_812_485_000)


def test_an_execution_has_another_stamp_after_each_result(target, client):
    tester = client.current_user().id
    stamps = set()
    for _ in range(3):
        stamps.add(next(client.executions(target.phase)).stamp)
        client.execute([ExecutionWrite(target.execution(101).id, "1", 5, 5)], tester)

    assert len(stamps) == 3


@pytest.mark.parametrize("shape", LIST_SHAPES)
def test_releases_are_read_in_every_shape(client_of, shape):
    rows = [{"id": "3", "name": "A"}, {"id": 4, "name": "B", "projectRelease": "true"}]
    client, _ = client_of(LIST_SHAPES[shape](rows))

    assert client.releases(1) == [Release(3, "A"), Release(4, "B", hidden=True)]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client: client.projects(), id="projects"),
        pytest.param(lambda client: client.releases(1), id="releases"),
        pytest.param(lambda client: client.cycles(1), id="cycles"),
        pytest.param(lambda client: client.cycle(1), id="cycle"),
        pytest.param(lambda client: client.current_user(), id="user"),
        pytest.param(execution_ids, id="executions"),
    ],
)
@pytest.mark.parametrize(
    "payload",
    [{}, {"results": None}, {"results": {}}, 7, "text", True, None],
    ids=repr,
)
def test_an_unknown_shape_is_an_error_and_not_an_empty_list(client_of, call, payload):
    """An empty list would mean that nothing exists."""
    client, server = client_of(payload)

    with pytest.raises(ZephyrRefused) as caught:
        call(client)

    text = str(caught.value)
    assert text.startswith(f"{server.url} (from --zephyr-url) answered GET ")
    assert text.endswith("Check zephyr_url.")


def test_an_empty_body_is_not_an_empty_list(client_of):
    client, _ = client_of(lambda _request: answer())

    with pytest.raises(ZephyrRefused, match="no list in it"):
        client.projects()


# Users


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"id": "7", "fullName": "Ada L.", "username": "ada"}, "Ada L."),
        ({"id": 7, "fullName": None, "username": "ada", "loginName": "al"}, "ada"),
        ({"id": 7, "loginName": "al"}, "al"),
        ({"id": 7}, "user 7"),
    ],
    ids=["full name", "user name", "login name", "no name"],
)
def test_the_name_of_a_user_is_the_first_that_is_set(client_of, payload, name):
    client, _ = client_of(payload)

    assert client.current_user() == User(7, name)


# Statuses

STATUS_ROWS = [{"id": 1, "value": "Pass", "active": True}]
PREFERENCE = "testresult.testresultStatus.LOV"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(json.dumps(STATUS_ROWS), id="JSON in a text"),
        pytest.param(STATUS_ROWS, id="list"),
        pytest.param(json.dumps([{**STATUS_ROWS[0], "id": "1"}]), id="id in digits"),
        pytest.param(json.dumps([{**STATUS_ROWS[0], "id": 1.0}]), id="id 1.0"),
        pytest.param(
            json.dumps([{**STATUS_ROWS[0], "active": "true"}]), id="active as text"
        ),
        pytest.param(json.dumps([{"id": 1, "value": "Pass"}]), id="no active"),
    ],
)
def test_statuses_are_read_in_every_format(client_of, value):
    client, server = client_of({"name": PREFERENCE, "value": value})

    assert client.statuses() == [Status("1", "Pass")]
    assert server.calls == ["GET admin/preference"]


@pytest.mark.parametrize(
    "first", [{}, {"name": "other", "value": "[]"}, [], 400, 404], ids=repr
)
def test_statuses_are_read_from_a_second_path_if_the_first_has_none(client_of, first):
    """Version 4 of the API lists all preferences of the system."""

    def respond(request: Request) -> bytes:
        if request.path == "admin/preference":
            return answer({}, status=first) if isinstance(first, int) else answer(first)
        other = {"name": "testresult.teststepresultStatus.LOV", "value": "[]"}
        return answer([other, {"name": PREFERENCE, "value": json.dumps(STATUS_ROWS)}])

    client, server = client_of(respond)

    assert client.statuses() == [Status("1", "Pass")]
    assert "/rest/v4/" in server.requests[1].target


def test_a_preference_of_another_name_is_ignored(client_of):
    """A server that ignores the key may answer with any preference."""
    client, _ = client_of([{"name": "other", "value": json.dumps(STATUS_ROWS)}])

    assert client.statuses() == []


@pytest.mark.parametrize(
    "value", [None, "", "null", "[", "{}", "7", [None], [[]]], ids=repr
)
def test_statuses_are_empty_if_their_list_cannot_be_read(client_of, value):
    client, _ = client_of({"name": PREFERENCE, "value": value})

    assert client.statuses() == []


def test_statuses_are_empty_if_the_server_refuses_the_list(client_of):
    client, server = client_of(lambda _request: answer({}, status=403))

    assert client.statuses() == []
    assert len(server.requests) == 2


def test_statuses_do_not_hide_a_refused_credential(client_of):
    client, server = client_of(lambda _request: answer({}, status=401))

    with pytest.raises(ZephyrUnauthorized):
        client.statuses()

    assert len(server.requests) == 1


def test_statuses_do_not_hide_an_unreachable_server(client_of):
    client, _ = client_of(lambda _request: answer({}, status=503))

    with pytest.raises(ZephyrUnreachable):
        client.statuses()


def test_the_stock_statuses_are_those_of_a_new_server(client):
    assert client.statuses() == list(STOCK)


# What is sent


def test_bulk_rows_have_required_fields_and_no_null(client_of):
    client, server = client_of([])

    client.execute(
        [ExecutionWrite(5, "1", 90, 17), ExecutionWrite(6, "2", 91, 18, "why")], 7
    )

    first, second = json.loads(server.requests[0].body)
    assert first == {
        "rtsId": 5,
        "testerId": 7,
        "status": "1",
        "actualTime": 90,
        "executedOn": 17,
        "changedOn": 17,
        "changeBy": 7,
    }
    assert second == {
        **first,
        "rtsId": 6,
        "status": "2",
        "actualTime": 91,
        "executedOn": 18,
        "changedOn": 18,
        "notes": "why",
    }


def test_execute_status_sends_a_field_as_the_api_misspells_it(client_of):
    client, server = client_of([])

    client.execute_status([5, 6], "1", 7)

    (request,) = server.requests
    assert json.loads(request.body) == {"ids": [5, 6], "serachView": False}
    assert request.query == {
        "status": "1",
        "testerid": "7",
        "allExecutions": "false",
        "includeanyoneuser": "true",
    }


def test_odd_answers_raise_only_errors_of_this_package(client_of):
    """Another exception would end a push before its receipts are written."""
    client, _ = client_of([{"results": [1, None, {"id": {}}]}, "x"])

    for call in (client.projects, client.statuses, lambda: execution_ids(client)):
        with suppress(ZephyrError):
            call()
