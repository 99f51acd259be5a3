"""Tolerant reading of values in answers of a server."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.client import decode
from tests.unit.make import deterministic


@pytest.mark.parametrize(
    ("value", "number"),
    [
        pytest.param(7, 7, id="number"),
        pytest.param(0, 0, id="zero"),
        pytest.param(-10, -10, id="negative"),
        pytest.param(1_764_633_600_000, 1_764_633_600_000, id="milliseconds"),
        pytest.param("7", 7, id="digits"),
        pytest.param(" 7 ", 7, id="digits with space"),
        pytest.param("-10", -10, id="negative digits"),
        pytest.param(7.0, 7, id="whole float"),
        pytest.param("7.0", 7, id="whole float as text"),
        pytest.param(None, None, id="null"),
        pytest.param(True, None, id="true"),
        pytest.param(7.5, None, id="fraction"),
        pytest.param("7.5", None, id="fraction as text"),
        pytest.param(float("nan"), None, id="NaN"),
        pytest.param(float("inf"), None, id="infinity"),
        pytest.param("", None, id="empty"),
        pytest.param("-", None, id="dash"),
        pytest.param("--7", None, id="two dashes"),
        pytest.param("7-", None, id="dash after a digit"),
        pytest.param("2026-11-23", None, id="date"),
        pytest.param("seven", None, id="word"),
        pytest.param("٧", None, id="digit of another script"),
        pytest.param("9" * 20, None, id="too long"),
        pytest.param([7], None, id="list"),
        pytest.param({"id": 7}, None, id="object"),
    ],
)
def test_a_whole_number_comes_as_a_number_or_a_text(value, number):
    """Other values give `None`."""
    assert decode.integer(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("Pass", "Pass", id="text"),
        pytest.param(" a ", " a ", id="white space stays"),
        pytest.param(1, "1", id="number"),
        pytest.param(1.0, "1", id="whole float"),
        pytest.param(None, "", id="null"),
        pytest.param(False, "", id="boolean"),
        pytest.param(["a"], "", id="list"),
        pytest.param({}, "", id="object"),
    ],
)
def test_a_text_comes_as_a_text_or_a_whole_number(value, text):
    """Other values give an empty text."""
    assert decode.text(value) == text


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        pytest.param(True, False, True, id="true"),
        pytest.param(False, True, False, id="false"),
        pytest.param("true", False, True, id="text"),
        pytest.param(" False ", True, False, id="text in another case"),
        pytest.param(None, True, True, id="missing"),
        pytest.param(1, False, False, id="number"),
        pytest.param("yes", False, False, id="another word"),
    ],
)
def test_a_boolean_comes_as_a_boolean_or_a_word(value, default, expected):
    """The words are true and false. Other values give the default."""
    assert decode.boolean(value, default=default) is expected


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
def test_a_date_comes_as_a_text_or_in_milliseconds(value, expected):
    """Other values give `None`."""
    assert decode.date(value) == expected


@pytest.mark.parametrize(
    ("payload", "ids"),
    [
        pytest.param([{"id": 1}, {"id": 2}], [1, 2], id="bare list"),
        pytest.param([{"id": 1}], [1], id="bare list of one"),
        pytest.param([], [], id="empty list"),
        pytest.param(
            {"firstResult": 0, "resultSize": 0, "results": [{"id": 1}]},
            [1],
            id="envelope with a wrong size",
        ),
        pytest.param({"results": []}, [], id="empty envelope"),
        pytest.param(
            [{"results": [{"id": 1}, {"id": 2}]}], [1, 2], id="envelope in a list"
        ),
        pytest.param([{"results": []}], [], id="empty envelope in a list"),
        pytest.param([1, None, {"id": 2}, "x"], [2], id="other rows in a list"),
        pytest.param(
            {"results": [None, {"id": 2}]}, [2], id="other rows in an envelope"
        ),
    ],
)
def test_a_list_comes_bare_or_in_an_envelope(payload, ids):
    """An envelope is an object with the list in ``results``; its size is ignored.

    Rows that are not objects are left out.
    """
    rows = decode.rows(payload)

    assert rows is not None
    assert [row["id"] for row in rows] == ids


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(None, id="empty body"),
        pytest.param("OK", id="text"),
        pytest.param({}, id="object"),
        pytest.param({"results": None}, id="envelope without rows"),
        pytest.param({"results": {"id": 1}}, id="envelope of an object"),
        pytest.param(7, id="number"),
    ],
)
def test_payloads_that_are_not_lists_give_none(payload):
    """So callers can distinguish no rows from no list."""
    assert decode.rows(payload) is None


@pytest.mark.parametrize("value", [None, [], "x", 1], ids=repr)
def test_values_that_are_not_objects_give_an_empty_object(value):
    """So nested values are missing instead of raising an error."""
    assert decode.mapping(value) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@deterministic
@given(JSON | st.text(st.sampled_from("-0123456789. ")))
def test_no_value_raises_an_error(value: object) -> None:
    """Every function returns a value of its type, or `None`, for any JSON value."""
    assert isinstance(decode.integer(value), int | None)
    assert isinstance(decode.text(value), str)
    assert isinstance(decode.boolean(value, default=True), bool)
    assert isinstance(decode.date(value), date | None)
    assert isinstance(decode.mapping(value), dict)
    assert isinstance(decode.rows(value), list | None)
    assert isinstance(decode.entities(value, lambda row: row), list | None)
