"""The mapping file: how it is read, and which row is used for a test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
import re

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.config.map_file import read_map
from pytest_zephyr.config.settings import Source
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.case_ids import CaseIdParser
from pytest_zephyr.results.case_map import CaseMap
from pytest_zephyr.results.case_map import junit_name
from pytest_zephyr.results.case_map import MapRow
from pytest_zephyr.results.records import CaseRef
from tests.unit.make import deterministic


IDS = CaseIdParser("(?:TC-?)?")


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a mapping file and reads it."""

    def call(content: str | bytes, name: str = "map.csv") -> CaseMap:
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        return read_map(path, Source("flag", "--zephyr-map"), IDS)

    return call


def cases_of(case_map: CaseMap, *names: str) -> tuple[CaseRef, ...]:
    return case_map.cases_of(names[0], names)


FUNCTION = "tests/test_a.py::test_x"
METHOD = "tests/test_a.py::TestB::test_y[1,2]"


@pytest.mark.parametrize(
    "content",
    [
        f'{FUNCTION},101\n"{METHOD}",102,alt:AUTH-1\n',
        f'{FUNCTION},101\r\n"{METHOD}","102,alt:AUTH-1"\r\n',
        f"\ufeff{FUNCTION};101\r\n{METHOD};102;alt:AUTH-1\r\n",
        f"{METHOD};102,alt:AUTH-1\n{FUNCTION};TC-101\n",
        f'"{METHOD}",102;alt:AUTH-1\n{FUNCTION},tc101\n',
        f"{FUNCTION}\t101\n{METHOD}\t102\talt:AUTH-1\n",
        f'Test,Case\n{FUNCTION},101\n"{METHOD}",TC-102\n"{METHOD}",ALT: AUTH-1\n',
        f"sep=;\n# ours\n\nTest Name;case\n{FUNCTION};101\n;;\n{METHOD};102;alt:AUTH-1;\n",
        f'{FUNCTION} , 101\r"{METHOD}", "102\nalt:AUTH-1"',
    ],
    ids=[
        *("commas", "CRLF", "Excel", "comma in list", "semicolon in list"),
        *("tabs", "heading", "comments and blank rows", "old Mac"),
    ],
)
def test_csv_of_common_programs_is_read(read, content):
    case_map = read(content)

    assert cases_of(case_map, FUNCTION) == (101,)
    assert cases_of(case_map, METHOD) == (102, "AUTH-1")
    assert case_map.remarks() == []


@pytest.mark.parametrize(
    "content",
    [
        f'{{"{FUNCTION}": 101, "{METHOD}": [102, "alt:AUTH-1"]}}',
        f'{{"{FUNCTION}": "TC-101", "{METHOD}": "102, alt:AUTH-1"}}',
        f'[["{FUNCTION}", 101], ["{METHOD}", 102, "alt:AUTH-1"]]',
        f'[{{"test": "{FUNCTION}", "case": 101}}, {{"pattern": "{METHOD}", "cases": [102, "alt:AUTH-1"]}}]',
        f'\ufeff{{"{FUNCTION}": 101, "{METHOD}": 102, "{METHOD}": "alt:AUTH-1"}}',
    ],
    ids=["object", "texts", "lists", "objects", "repeated key"],
)
def test_json_is_read(read, content):
    case_map = read(content, "map.JSON")

    assert cases_of(case_map, FUNCTION) == (101,)
    assert cases_of(case_map, METHOD) == (102, "AUTH-1")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a.py::t,101\na.py::u,abc\n", "line 2: 'abc' is not a test case: use its"),
        ("a.py::t,101\na.py::u\n", "line 2: there is no test case next to the name"),
        (
            "a.py::t;101\n\na.py::u;SHOP-T7\n",
            "line 3: 'SHOP-T7' is not a test case but a",
        ),
        ("a.py::t,0\n", "line 1: '0' is not a test case"),
        ("a.py::t,alt:\n", "line 1: 'alt:' is not a test case"),
        ("a.py::t,9223372036854775808\n", "line 1: '9223372036854775808' is not a"),
        ("a.py::t,101 102\n", "line 1: '101 102' is not a test case"),
        (",101\n", "line 1: '' is not the name of a test"),
        ("a.py::t\u200b,101\n", "line 1: 'a.py::t\\u200b' is not the name of a test"),
        ('a.py::t,"101\na.py::u,102\n', "line 1: unexpected end of data"),
        ('"a.py::t"x,101\n', "line 1: ',' expected after '\"'"),
        ("a.py::t|101\n", "line 1: there is no test case next to the name"),
        pytest.param(
            b"a.py::t,101\ngr\xf6\xdfe,102\n",
            ", line 2: the text is not UTF-8",
            id="Latin-1",
        ),
        pytest.param(
            "a.py::t,101".encode("utf-16"),
            ", line 1: the text is not UTF-8",
            id="UTF-16",
        ),
        pytest.param(b"a.py::t,101\0\n", "line 1:", id="null character"),
        pytest.param(
            'a.py::t,"' + "x" * 200_000 + '"\n',
            "line 1: field larger than field limit",
            id="long field",
        ),
    ],
)
def test_a_problem_in_a_csv_file_is_reported_with_its_line(read, content, problem):
    with pytest.raises(SettingsError) as raised:
        read(content)

    assert problem in str(raised.value)
    assert "map.csv (from --zephyr-map), line " in str(raised.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "Expecting value: line 1 column 1"),
        ("7", "expected {pattern: test cases}, got 7"),
        ('{"a": 1.5}', "line 1: 1.5 is not a test case"),
        ('{"a": true}', "line 1: True is not a test case"),
        ('{\n"a": 1,\n"b": {"c": 1}}', "line 3: [('c', 1)] is not a test case"),
        ('{\n"b": 1,\n"b": "x"}', "line 3: 'x' is not a test case"),
        ("[7]", "line 1: 7 is not the name of a test"),
        ("[[]]", "line 1: [] is not the name of a test"),
        ("[null]", "line 1: None is not the name of a test"),
        ('[{"cases": 1}]', "line 1: 1 is not the name of a test"),
        ('["a"]', "line 1: there is no test case next to the name"),
        ('{"a": 0}', "line 1: 0 is not a test case"),
        ('{"a": false}', "line 1: False is not a test case"),
        ('{"a": [[1]]}', "line 1: [1] is not a test case"),
        ("[{}]", "line 1: [] is not the name of a test"),
        pytest.param("[" * 100_000, "recursion", id="deeply nested"),
        pytest.param(
            '{"a": ' + "9" * 5000 + "}", "(from --zephyr-map), ", id="long number"
        ),
        ('{"a": 1,}', ": line 1 column "),
    ],
)
def test_a_problem_in_a_json_file_is_reported(read, content, problem):
    with pytest.raises(SettingsError) as raised:
        read(content, "map.json")

    assert problem in str(raised.value)


def test_problems_are_listed_together_up_to_twenty(read):
    with pytest.raises(SettingsError) as raised:
        read("".join(f"a.py::t{number},x\n" for number in range(30)))

    lines = str(raised.value).splitlines()
    assert len(lines) == 21
    assert "line 20: 'x' is not" in lines[19]
    assert lines[20].startswith("and 10 more in ")


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda path: None], ids=["directory", "missing"]
)
def test_a_path_that_is_not_a_file_is_an_error(tmp_path, make):
    make(tmp_path / "map.csv")

    with pytest.raises(
        SettingsError, match=r"there is no file .*map.csv \(from ZEPHYR_MAP\)"
    ):
        read_map(tmp_path / "map.csv", Source("environment", "ZEPHYR_MAP"), IDS)


@pytest.mark.parametrize(
    ("name", "content"),
    [("m.csv", ""), ("m.csv", "\ufeff"), ("m.json", "{}")],
    ids=["CSV", "CSV with a byte order mark", "JSON"],
)
def test_an_empty_file_has_no_rows(read, name, content):
    """A row would cause a remark, because no test matches it."""
    assert read(content, name).remarks() == []


@pytest.mark.parametrize("cases", ["null", "[]", '""'])
def test_a_row_may_be_filled_in_later(read, cases):
    case_map = read(f'{{"a": {cases}}}', "map.json")

    assert "name no test case yet: line 1 'a'" in case_map.remarks()[0]


def map_of(*rows: str) -> CaseMap:
    return CaseMap(MapRow(number, row, (number,)) for number, row in enumerate(rows, 1))


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a.py::t", "a.py::t", True),
        ("a.py::t", "a.py::T", False),
        ("a.py::t", "a.py::t[1]", False),
        ("a.py::t*", "a.py::t[1]", True),
        ("a.py::t[1]", "a.py::t1", False),
        ("a.py::t?", "a.py::tx", False),
        ("a.py::t[*]", "a.py::t[x-y]", True),
        ("a.py::t[*]", "a.py::t[*]", True),
        ("*", "anything", True),
        ("*::t", "b/a.py::T::t", True),
        ("*login*", "b/test_login.py::t", True),
        ("b/*/x*.py::t*", "b/c/d/x1.py::t2", True),
        ("b/*/x*.py::t*", "b/x1.py::t2", False),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("a*b*c", "ac-b", False),
        ("**x", "x", True),
        ("größe.py::t[ä*]", "größe.py::t[\\xe4-1]", True),
        ("a.py::t[größe]", "a.py::t[gr\\xf6\\xdfe]", True),
        ("a.py::t[gr\\xf6\\xdfe]", "a.py::t[gr\\xf6\\xdfe]", True),
        ("a.py::t[日本]", "a.py::t[日本]", True),
    ],
    ids=lambda value: {True: "match", False: "no match"}.get(value, value),
)
def test_only_a_star_is_special_in_a_pattern(pattern, name, expected):
    """Parameters may be written as in the source, or escaped as in the node id."""
    assert cases_of(map_of(pattern), name) == ((1,) if expected else ())


@deterministic
@given(st.text("ab*:", min_size=1), st.text("ab:"))
def test_a_glob_matches_what_a_regular_expression_does(pattern, name):
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name)

    assert bool(cases_of(map_of(pattern), name)) == bool(expected)


def test_an_exact_name_takes_precedence_and_then_the_first_glob():
    case_map = map_of("*", "a.py::*", "a.py::t", "a.t", "*::u")

    assert cases_of(case_map, "a.py::t", "a.t") == (3,)
    assert cases_of(case_map, "b.py::u") == (1,)
    assert case_map.remarks() == [
        (
            "tests match several rows of the map; an exact name counts, else the"
            " first row: a.py::t (lines 3, 4, 1, 2), b.py::u (lines 1, 5)"
        )
    ]


def test_rows_with_the_same_pattern_are_merged_and_repetitions_are_named(read):
    case_map = read("a*,101\na*,102\na*,101\nb,103\nb,103,104\n")

    assert cases_of(case_map, "a") == (101, 102)
    assert cases_of(case_map, "b") == (103, 104)
    assert case_map.remarks() == ["rows of map.csv repeat an earlier one: line 3 'a*'"]


def test_rows_without_effect_are_named(read):
    """A row is not named if its tests were not selected."""
    case_map = read("a,101\nb*,102\nc,\nd,103\n")
    cases_of(case_map, "a")

    assert cases_of(case_map, "c") == ()
    assert case_map.remarks(lambda row: row.pattern != "d") == [
        ("rows of map.csv match no test, or only tests with a marker: line 2 'b*'"),
        "rows of map.csv name no test case yet: line 3 'c'",
    ]


def test_rows_also_match_the_names_that_pytest_writes_to_junit_xml():
    assert junit_name("tests/a/test_b.py::TestC::test_d[x/y::z]") == (
        "tests.a.test_b.TestC.test_d[x/y::z]"
    )
    for row in ("tests/a/test_b.py::TestC::test_d[x]", "tests/a/*", "*::test_d[*]"):
        assert cases_of(map_of(row), "tests.a.test_b.TestC.test_d[x]") == (1,)
        assert cases_of(map_of(row), "tests.b.test_b.TestC.test_e[x]") == ()


class CountingName(str):
    """A name that counts how often a glob is tried with it."""

    tries = 0
    __slots__ = ()

    def startswith(self, *args: object) -> bool:
        type(self).tries += 1
        return super().startswith(*args)  # type: ignore[arg-type]


def test_a_test_is_compared_with_few_of_many_rows():
    """The text that distinguishes a glob from others may be anywhere in the glob."""
    rows: Iterable[str] = (
        row
        for number in range(1000)
        for row in (
            f"tests/area_{number}/*",
            f"*::test_number_{number}_x",
            f"*::TestCase{number}Y::*",
            f"tests/test_mod_{number}.py::test_a",
        )
    )
    case_map = map_of(*rows)
    name = CountingName("tests/area_77/test_x.py::TestCase500Y::test_number_903_x")

    assert case_map.cases_of(name, [name]) == (309,)
    assert case_map.remarks()[-1].endswith(f"{name} (lines 309, 2003, 3614)")
    assert CountingName.tries < 40
