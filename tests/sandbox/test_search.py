"""Searching by visible id and by alt id."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.sandbox.conftest import Api
from tests.sandbox.conftest import Target


def query(target: Target, word: str, **changes: Any) -> dict[str, Any]:
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
def cases(sandbox: Sandbox, target: Target) -> None:
    for testcase_id in (1, 2, 3):
        sandbox.store.add_case(target.release, testcase_id=testcase_id, alt="A")


def visible(answer: Any) -> list[int]:
    (envelope,) = answer.json()
    return [row["testcase"]["testcaseId"] for row in envelope["results"]]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("testcaseId in (1,3)", [1, 3]),
        ("testcaseId in (1, 3, 99)", [1, 3]),
        ("testcaseId = 2", [2]),
        ("testcaseId=99", []),
    ],
)
@pytest.mark.usefixtures("cases")
def test_cases_are_found_by_visible_id(
    api: Api, target: Target, word: str, found: list[int]
) -> None:
    """Both calls answer with an array of one envelope of placements."""
    assert visible(api.get("/advancesearch", params=query(target, word))) == found
    assert visible(api.post("/advancesearch/zql", json=query(target, word))) == found


def test_hundred_rows_are_the_most(sandbox: Sandbox, api: Api, target: Target) -> None:
    """More are never answered; the rest is on the next page."""
    sandbox.store.adopt(target.phase, range(1, 151))
    word = f"testcaseId in ({','.join(map(str, range(1, 151)))})"

    first = api.post("/advancesearch/zql", json=query(target, word, maxresults=500))
    rest = api.post("/advancesearch/zql", json=query(target, word, firstresult=100))

    assert len(visible(first)) == 100
    assert visible(first) + visible(rest) == list(range(1, 151))


@pytest.mark.usefixtures("cases")
def test_other_projects_are_not_searched(
    sandbox: Sandbox, api: Api, target: Target
) -> None:
    """The release says which project is meant."""
    project = sandbox.store.add_project("Other")
    other = sandbox.store.add_release(project, "Release")

    answer = api.post(
        "/advancesearch/zql", json=query(target, "testcaseId = 1", releaseid=other)
    )

    assert visible(answer) == []


@pytest.mark.usefixtures("cases")
def test_executions_are_found(sandbox: Sandbox, api: Api, target: Target) -> None:
    """A search of executions answers with executions."""
    execution = sandbox.store.schedule(target.phase, 2)
    body = query(target, "testcaseId = 2", entitytype="execution")

    (envelope,) = api.post("/advancesearch/zql", json=body).json()

    assert envelope["type"] == "testSchedule"
    assert [row["id"] for row in envelope["results"]] == [execution]


@pytest.mark.parametrize(
    "changes", [{"word": "name ~ x"}, {"entitytype": "defect"}], ids=["zql", "type"]
)
def test_what_is_not_understood_is_refused(
    api: Api, target: Target, changes: dict[str, str]
) -> None:
    """Other ZQL is an error of the client."""
    body = query(target, "testcaseId = 1") | changes

    assert api.post("/advancesearch/zql", json=body).status_code == 400


def test_search_needs_a_word(api: Api) -> None:
    """The server says what is missing."""
    answer = api.get("/advancesearch")

    assert answer.status_code == 400
    assert "word and zqlquery both cannot be null" in answer.json()["errorMsg"]


@pytest.mark.usefixtures("cases")
def test_words_are_found_in_names(sandbox: Sandbox, api: Api, target: Target) -> None:
    """Without ZQL the word is looked for in names."""
    sandbox.store.add_case(target.release, "Log in", testcase_id=9)

    answer = api.get("/advancesearch", params=query(target, "Log", zql="false"))

    assert visible(answer) == [9]


@pytest.mark.usefixtures("cases")
def test_alt_ids_need_not_be_unique(sandbox: Sandbox, api: Api, target: Target) -> None:
    """Every case with the alt id is answered, as a placement."""
    sandbox.store.add_case(target.release, testcase_id=9, alt="B,1")

    one = api.get("/testcase/altid", params={"altids": "A"}).json()
    odd = api.get("/testcase/altid", params={"altids": "B,1"}).json()

    assert [row["testcase"]["testcaseId"] for row in one] == [1, 2, 3]
    assert [row["testcase"]["testcaseId"] for row in odd] == [9]
    assert api.get("/testcase/altid", params={"altids": "Z"}).json() == []
