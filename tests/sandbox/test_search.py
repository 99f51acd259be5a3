"""Searching by word, by ZQL (the query language of the server) and by Alt ID.

An envelope is the object with the rows of a page; a placement, a test case in a folder.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


def search_body(target: SandboxTarget, word: str, **changes: Any) -> dict[str, Any]:
    return {
        "word": word,
        "entitytype": "testcase",
        "releaseid": target.release,
        "zql": True,
        "firstresult": 0,
        "maxresults": 100,
        **changes,
    }


@pytest.fixture
def cases(sandbox: Sandbox, target: SandboxTarget) -> None:
    """Create test cases 1, 2 and 3, which share an Alt ID."""
    for testcase_id in (1, 2, 3):
        sandbox.store.add_case(target.release, testcase_id=testcase_id, alt="A")


def visible_ids(answer: Any) -> list[int]:
    """Return the visible ids of the test cases that a search has found."""
    (envelope,) = answer.json()
    return [row["testcase"]["testcaseId"] for row in envelope["results"]]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("testcaseId in (1,3)", [1, 3]),
        ("testcaseId in (1, 3, 99)", [1, 3]),
        ("testcaseId = 2", [2]),
        ("testcaseId=99", []),
    ],
)
@pytest.mark.usefixtures("cases")
def test_cases_are_found_by_visible_id(
    api: Api, target: SandboxTarget, word: str, expected: list[int]
) -> None:
    """Both calls answer a list with one envelope, whose rows are placements."""
    assert (
        visible_ids(api.get("/advancesearch", params=search_body(target, word)))
        == expected
    )
    assert (
        visible_ids(api.post("/advancesearch/zql", json=search_body(target, word)))
        == expected
    )


def test_a_search_answers_at_most_100_rows(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A larger maxresults counts as 100; the other rows are on the next page."""
    sandbox.store.schedule_all(target.phase, range(1, 151))
    word = f"testcaseId in ({','.join(map(str, range(1, 151)))})"

    first = api.post(
        "/advancesearch/zql", json=search_body(target, word, maxresults=500)
    )
    rest = api.post(
        "/advancesearch/zql", json=search_body(target, word, firstresult=100)
    )

    assert len(visible_ids(first)) == 100
    assert visible_ids(first) + visible_ids(rest) == list(range(1, 151))


@pytest.mark.usefixtures("cases")
def test_other_projects_are_not_searched(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A search is limited to the given project, or to the project of the release."""
    project = sandbox.store.add_project("Other")
    other = sandbox.store.add_release(project, "Release")
    sibling = sandbox.store.add_release(target.project, "Release 2")

    def find_ids(**where: int) -> list[int]:
        body = {"entitytype": "testcase", "word": "testcaseId = 1", **where}
        return visible_ids(api.post("/advancesearch/zql", json=body))

    assert find_ids(releaseid=other) == find_ids(projectid=project) == []
    assert find_ids(releaseid=sibling) == find_ids(projectid=target.project) == [1]


@pytest.mark.usefixtures("cases")
def test_executions_are_found(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """A search of executions answers with executions."""
    execution = sandbox.store.schedule(target.phase, 2)
    body = search_body(target, "testcaseId = 2", entitytype="execution")

    (envelope,) = api.post("/advancesearch/zql", json=body).json()

    assert envelope["type"] == "testSchedule"
    assert [row["id"] for row in envelope["results"]] == [execution]


@pytest.mark.parametrize(
    "changes",
    [
        {"entitytype": "defect"},
        {"entitytype": "requirement"},
        {"word": "name"},
        {"word": "colour = 1"},
        {"word": "name > 1"},
        {"word": "tag > 1"},
        {"word": "automated = maybe"},
        {"word": "automated in (true, false)"},
        {"word": "testcaseId = one"},
        {"word": "testcaseId in ()"},
        {"word": "testcaseId = (1, 2)"},
        {"word": f"testcaseId = {2**63}"},
        {"word": "testcaseId = 1 and"},
        {"word": "testcaseId = 1 or testcaseId = 2"},
        {"word": 'status = "Pass"'},
        {"word": 'status = "Passed"', "entitytype": "execution"},
        {"word": 'executedOn > "yesterday"', "entitytype": "execution"},
    ],
    ids=str,
)
def test_an_unsupported_search_is_refused(
    api: Api, target: SandboxTarget, changes: dict[str, str]
) -> None:
    """Entities that cannot be searched for and wrong or unsupported ZQL answer 400."""
    body = search_body(target, "testcaseId = 1") | changes

    assert api.post("/advancesearch/zql", json=body).status_code == 400


@pytest.mark.usefixtures("cases")
def test_search_without_a_word_finds_all_rows_of_the_release(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """Without a release, it finds the rows of all releases; ``*`` counts as no word."""
    other = sandbox.store.add_release(target.project, "Release 2")
    sandbox.store.add_case(other, testcase_id=9)
    here = {"releaseid": target.release}
    sandbox.store.schedule(target.phase, 2)

    def find_ids(entity: str, **params: Any) -> list[int]:
        params["entitytype"] = entity
        answer = api.get("/advancesearch", params=params).json()
        if entity == "execution":
            rows = [row["tcrTreeTestcase"] for row in answer[0]["results"]]
        else:
            rows = answer[0]["results"]
        return [row["testcase"]["testcaseId"] for row in rows]

    assert find_ids("testcase", **here) == [1, 2, 3]
    assert find_ids("testcase", word="*", **here) == [1, 2, 3]
    assert find_ids("testcase", word="*", zql="true") == [1, 2, 3, 9]
    assert find_ids("testcase", projectid=target.project) == [1, 2, 3, 9]
    assert find_ids("execution", **here) == [2]
    assert find_ids("execution", releaseid=other) == []
    assert find_ids("execution") == [2]


def test_search_of_cases_needs_a_word_or_a_query(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """The result is one envelope; without word and query, the answer is 400."""
    sandbox.store.add_case(target.release, "Log in", testcase_id=9)
    sandbox.store.add_case(target.release, "Log out", testcase_id=8)

    def find_ids(**params: Any) -> list[int]:
        rows = api.results("/testcase", **params)
        return [row["testcase"]["testcaseId"] for row in rows]

    assert find_ids(word="Log in") == find_ids(keyword="in") == [9]
    assert find_ids(zqlquery='name~"log"', releaseid=target.release) == [9, 8]
    assert find_ids(word="Log", pagesize=1, offset=1) == [8]
    answer = api.get("/testcase")
    assert answer.status_code == 400
    assert answer.json()["errorMsg"] == (
        "Insufficient parameters. word and zqlquery both cannot be null"
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ('name ~ "LOG"', [1, 2]),
        ('name ~ "log" and tag = "smoke"', [1]),
        ('name = "Log in"', [1]),
        ('name != "Log in"', [2, 3]),
        ('name ~ "50%"', [3]),
        ("tag = smoke", [1, 3]),
        ("tag = smo", []),
        ("tag ~ smo", [1, 3]),
        ("tag in (nightly, smoke)", [1, 2, 3]),
        ("tag != smoke", [2]),
        ("TestcaseId=2 AND version = 1", [2]),
        ("testcaseId >= 2 and testcaseId < 3", [2]),
        ("testcaseId > 1 and testcaseId <= 3 and testcaseId != 2", [3]),
        ('altId = "AUTH-1"', [1]),
        ('altId != "AUTH-1"', [2, 3]),
        ('folder = "Login"', [1, 2, 3]),
        (r'name = "say \"hi\", 50%"', [3]),
        ('project = "Shop" and release ~ "1" and creator != "ada"', [1, 2, 3]),
        ('creator = "ada"', []),
        ("automated = false", [1, 2, 3]),
        ("automated != FALSE", []),
        ("id = 3", [3]),
        ("id != 3", [1, 2]),
        ("id in (1, 3)", [1, 3]),
    ],
)
def test_zql_finds_cases(
    sandbox: Sandbox, api: Api, target: SandboxTarget, word: str, expected: list[int]
) -> None:
    """A search needs only an entity and a query, no release."""
    folder = sandbox.store.add_folder(target.release, "Login")
    for number, name, alt, tag in (
        (1, "Log in", "AUTH-1", "smoke"),
        (2, "log out", None, "nightly"),
        (3, 'say "hi", 50%', None, "nightly smoke"),
    ):
        sandbox.store.add_case(
            target.release, name, testcase_id=number, alt=alt, folder=folder
        )
        api.put(
            "/testcase",
            json={
                "testcase": {"testcaseId": number, "tag": tag},
                "releaseId": target.release,
            },
        )

    answer = api.post(
        "/advancesearch/zql", json={"entitytype": "testcase", "word": word}
    )

    assert visible_ids(answer) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ('status = "Pass"', [1]),
        ("status = pass", [1]),
        ("status = 2", [2]),
        ('status in ("Pass", "Fail")', [1, 2]),
        ('status != "Pass"', [2, 3]),
        ('status = "Unexecuted"', [3]),
        ('status = "Not executed"', [3]),
        ("cyclephaseid = {phase}", [1, 2, 3]),
        ("cyclephaseid = 4 and testcaseId = 1", []),
        ('cyclePhaseId = {phase} and status = "Fail"', [2]),
        ('executedOn > "2026-11-25"', [2]),
        ('executedOn <= "11/25/2026"', [1]),
        ("id = {execution}", [2]),
    ],
)
def test_zql_finds_executions(
    sandbox: Sandbox,
    api: Api,
    target: SandboxTarget,
    tester: int,
    word: str,
    expected: list[int],
) -> None:
    """ZQL finds executions by status id or name, by phase, by day and by id."""
    # Midnight of 2026-11-25 in UTC, and a day, in milliseconds.
    midnight, day = 1795564800000, 24 * 60 * 60 * 1000
    sandbox.store.schedule_all(target.phase, [1, 2, 3])
    rows = sandbox.store.executions(target.phase)
    row = {"testerId": tester}
    api.execute(
        {**row, "rtsId": rows[0].id, "status": "1", "executedOn": midnight},
        {**row, "rtsId": rows[1].id, "status": "2", "executedOn": midnight + day},
    )
    word = word.format(phase=target.phase, execution=rows[1].id)

    (envelope,) = api.post(
        "/advancesearch/zql", json={"entitytype": "execution", "word": word}
    ).json()

    cases = [row["tcrTreeTestcase"]["testcase"] for row in envelope["results"]]
    assert [case["testcaseId"] for case in cases] == expected


@pytest.mark.usefixtures("cases")
def test_a_word_without_zql_is_found_in_names(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """With zql=false, the word is not read as a query."""
    sandbox.store.add_case(target.release, "Log in", testcase_id=9)

    answer = api.get("/advancesearch", params=search_body(target, "Log", zql="false"))

    assert visible_ids(answer) == [9]


@pytest.mark.usefixtures("cases")
def test_alt_ids_need_not_be_unique(
    sandbox: Sandbox, api: Api, target: SandboxTarget
) -> None:
    """The answer has a placement of every test case with the Alt ID."""
    sandbox.store.add_case(target.release, testcase_id=9, alt="B,1")

    shared = api.get("/testcase/altid", params={"altids": "A"}).json()
    with_comma = api.get("/testcase/altid", params={"altids": "B,1"}).json()

    assert [row["testcase"]["testcaseId"] for row in shared] == [1, 2, 3]
    assert [row["testcase"]["testcaseId"] for row in with_comma] == [9]
    assert api.get("/testcase/altid", params={"altids": "Z"}).json() == []
