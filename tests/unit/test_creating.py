"""The dates of cycles that a push creates, and the folders of new test cases."""

from __future__ import annotations

from datetime import date
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.config import placeholders
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.target.create_cases import folder_path
from pytest_zephyr.target.create_cycle import cycle_dates
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
    """*starts* and *ends* are the dates of the release, then those of the project."""
    assert cycle_dates(TODAY, starts, ends) == expected


#: Without the last dates that Python has: a cycle may end 30 days later.
DATES = st.dates(max_value=date.max - timedelta(30))


@deterministic
@given(DATES, st.lists(st.none() | DATES), st.lists(st.none() | DATES))
def test_a_cycle_ends_with_its_release_or_project_whichever_ends_first(
    today, starts, ends
):
    start, end = cycle_dates(today, starts, ends)
    first_end = min(filter(None, ends), default=None)

    assert start <= end
    assert first_end is None or end == first_end


@pytest.mark.parametrize(
    ("template", "package", "expected"),
    [
        ("Automation/{package}", "tests/api", ("Automation", "tests", "api")),
        ("Automation/{package}", "", ("Automation",)),
        ("{package}", "", ("Automation",)),
        ("/CI/ {package} /", "a", ("CI", "a")),
        ("{{x}}/{package}", "a", ("{x}", "a")),
    ],
    ids=["nested", "root directory", "nothing left", "spaces", "braces"],
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
    for package in ("p", "q"):
        assert folder_path(NewCase(package, "t"), filled) == ("CI 7", package, "{a}")


def test_an_unknown_placeholder_of_a_folder_gets_a_hint():
    with pytest.raises(InvalidValue, match=r"Did you mean \{package\}"):
        placeholders.fill_folder("{pakage}", {"build": "7"})
