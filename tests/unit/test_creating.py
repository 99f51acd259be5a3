"""Dates, names and folders of what a push creates, and rows that it reads for that."""

from __future__ import annotations

from datetime import date
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.client import decode
from pytest_zephyr.client import readers
from pytest_zephyr.config import placeholders
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.target.create_cases import folder_path
from pytest_zephyr.target.create_cycle import cycle_dates
from pytest_zephyr.text import MAX_NAME_LENGTH
from pytest_zephyr.text import shorten_name
from tests.unit.make import deterministic


TODAY = date(2026, 11, 24)
BEFORE, AFTER = date(2026, 11, 1), date(2026, 12, 31)


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        pytest.param([BEFORE], [AFTER], (TODAY, AFTER), id="release has begun"),
        pytest.param(
            [AFTER], [None], (AFTER, AFTER + timedelta(30)), id="release is to come"
        ),
        pytest.param([BEFORE], [BEFORE], (BEFORE, BEFORE), id="release is over"),
        pytest.param([None], [None], (TODAY, TODAY + timedelta(30)), id="no dates"),
        pytest.param(
            [None, BEFORE], [None, AFTER], (TODAY, AFTER), id="dates of the project"
        ),
        pytest.param(
            [BEFORE, AFTER],
            [AFTER, TODAY + timedelta(90)],
            (AFTER, AFTER),
            id="dates of release and project",
        ),
    ],
)
def test_a_new_cycle_lies_within_release_and_project(starts, ends, expected):
    assert cycle_dates(TODAY, starts, ends) == expected


@deterministic
@given(st.dates(), st.lists(st.none() | st.dates()), st.lists(st.none() | st.dates()))
def test_a_cycle_ends_no_later_than_its_release_and_project(today, starts, ends):
    start, end = cycle_dates(today, starts, ends)
    last = min(filter(None, ends), default=None)

    assert start <= end or last is not None
    assert last is None or end == last


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("11/01/2019", date(2019, 11, 1)),
        ("2019-11-01", date(2019, 11, 1)),
        (" 3/5/2025 ", date(2025, 3, 5)),
        # Midnight in California, and midnight in a British summer.
        (1572591600000, date(2019, 11, 1)),
        ("1743375600000", date(2025, 3, 31)),
        ("13/45/2019", None),
        ("soon", None),
        (None, None),
        (True, None),
        (10**30, None),
    ],
    ids=str,
)
def test_a_day_is_read_in_every_form(value, expected):
    assert decode.date(value) == expected


def test_long_names_that_are_cut_stay_different():
    long = "test_" + "x" * 400
    names = {shorten_name(long + end) for end in "ab"}

    assert len(names) == 2
    assert {len(name) for name in names} == {MAX_NAME_LENGTH}
    assert shorten_name("short") == "short"


@pytest.mark.parametrize(
    ("template", "package", "expected"),
    [
        ("Automation/{package}", "tests/api", ("Automation", "tests", "api")),
        ("Automation/{package}", "", ("Automation",)),
        ("{package}", "", ("Automation",)),
        ("/CI/ {package} /", "a", ("CI", "a")),
        ("{{x}}/{package}", "a", ("{x}", "a")),
    ],
    ids=str,
)
def test_a_folder_template_becomes_the_names_of_nested_folders(
    template, package, expected
):
    assert folder_path(NewCase(package, "t"), template) == expected


def test_the_placeholder_for_the_package_is_filled_for_each_test():
    """The other placeholders are filled in once for all tests."""
    values = {"build": "7", "date": "2026-11-24"}
    filled = placeholders.fill_folder("CI {build}/{package}/{{a}}", values)

    assert filled == "CI 7/{package}/{{a}}"
    assert folder_path(NewCase("p", "t"), filled) == ("CI 7", "p", "{a}")


def test_an_unknown_placeholder_of_a_folder_gets_a_hint():
    with pytest.raises(InvalidValue, match=r"Did you mean \{package\}"):
        placeholders.fill_folder("{pakage}", {"build": "7"})


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
