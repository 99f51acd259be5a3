"""The marker: its forms, which level wins, and warnings about invalid ones."""

from __future__ import annotations

import json

import pytest

from tests.conftest import without_tag


@pytest.fixture
def collect_cases(pytester, run_pytest, monkeypatch):
    """Return a function that runs a suite without a server.

    The function returns the test cases of each test, by node id without the file.
    """
    monkeypatch.setenv("ZEPHYR_PUSH", "never")

    def run(source: str, *args: str) -> dict[str, list[object]]:
        pytester.makepyfile(test_m=source)
        ran = run_pytest("--zephyr", "-p", "no:randomly", *args)
        lines = [
            json.loads(line)
            for line in ran.journals[-1].read_text(encoding="utf-8").splitlines()
        ]
        return {
            line["nodeid"].partition("::")[2]: line.get("cases", [])
            for line in lines
            if line["kind"] == "item"
        }

    return run


#: The arguments of a marker, and the test cases that they name.
MARKERS = {
    "343521": [343521],
    "101, 102": [101, 102],
    "[101, 102]": [101, 102],
    "(101, 102), 103": [101, 102, 103],
    "'101'": [101],
    "'TC-101'": [101],
    "'TC101', ' tc-102 '": [101, 102],
    "['TC-101', 102]": [101, 102],
    "alt='AUTH-1'": ["AUTH-1"],
    "alt=['AUTH-1', 'AUTH-2']": ["AUTH-1", "AUTH-2"],
    "101, alt='AUTH-1'": [101, "AUTH-1"],
    "101, 101": [101],
    "9223372036854775807": [9223372036854775807],
}


@pytest.mark.parametrize("arguments", MARKERS)
def test_marker_names_test_cases(collect_cases, arguments):
    found = collect_cases(
        f"import pytest\n@pytest.mark.zephyr({arguments})\ndef test_a(): pass\n"
    )

    assert found == {"test_a": MARKERS[arguments]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "the zephyr marker names no test case"),
        ("[]", "the zephyr marker names no test case"),
        ("0", "0 is not a test case id"),
        ("-1", "-1 is not a test case id"),
        ("True", "True is not a test case id"),
        ("None", "None is not a test case id"),
        ("1.5", "1.5 is not a test case id"),
        ("()", "the zephyr marker names no test case"),
        ("'TC-'", "'TC-' is not a test case id"),
        ("'TC-1 TC-2'", "'TC-1 TC-2' is not a test case id"),
        ("'SHOP-7'", "'SHOP-7' is not a test case id: use the number, as zephyr(123)"),
        ("'AUTH-9'", "zephyr(alt=…) for an Alt ID"),
        ("'ATC-9'", "'ATC-9' is not a test case id"),
        ("'TC--9'", "'TC--9' is not a test case id"),
        ("'PROJ-T123'", "a key of Zephyr Scale; in Zephyr Enterprise it is a number"),
        ("'abc-t7'", "in the ID column, as zephyr(101), or an Alt ID"),
        ("'１２'", "is not a test case id"),
        ("9223372036854775808", "9223372036854775808 is not a test case id"),
        ("alt=''", "'' is not an Alt ID"),
        ("alt=7", "7 is not an Alt ID"),
        ("id=7", "the zephyr marker takes no argument 'id'"),
        ("by_id={'a': 1}", "by_id is given, but the test has no parameters"),
        ("by_id=7", "by_id=7 is not a mapping"),
    ],
)
def test_marker_without_a_usable_id_is_a_warning_on_that_test(
    pytester, run_pytest, monkeypatch, arguments, message
):
    monkeypatch.setenv("ZEPHYR_PUSH", "never")
    source = f"import pytest\n@pytest.mark.zephyr({arguments})\ndef test_a(): pass\n"
    pytester.makepyfile(source)
    ran = run_pytest("--zephyr")

    ran.result.assert_outcomes(passed=1, warnings=1)
    assert message in ran.text
    assert "PytestZephyrWarning: " in ran.text
    assert "::test_a: " in ran.text


def test_invalid_marker_is_no_warning_while_reporting_is_off(pytester, run_pytest):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr('x')\ndef test_a(): pass\n")
    ran = run_pytest("-W", "error")

    ran.result.assert_outcomes(passed=1)


LEVELS = """
    import pytest

    pytestmark = pytest.mark.zephyr(1)

    def test_module(): pass

    @pytest.mark.zephyr(2)
    def test_function(): pass

    @pytest.mark.zephyr(3)
    class TestBase:
        def test_class(self): pass

        @pytest.mark.zephyr(4)
        def test_method(self): pass

        @pytest.mark.zephyr(5)
        @pytest.mark.parametrize(
            "x", [pytest.param(0, marks=pytest.mark.zephyr(6), id="six"), "plain"]
        )
        def test_param(self, x): pass

    class TestSame(TestBase): pass

    @pytest.mark.zephyr(7)
    class TestDerived(TestBase): pass
"""


def test_closest_marker_wins(collect_cases):
    found = collect_cases(LEVELS)

    assert found == {
        "test_module": [1],
        "test_function": [2],
        "TestBase::test_class": [3],
        "TestBase::test_method": [4],
        "TestBase::test_param[six]": [6],
        "TestBase::test_param[plain]": [5],
        "TestSame::test_class": [3],
        "TestSame::test_method": [4],
        "TestSame::test_param[six]": [6],
        "TestSame::test_param[plain]": [5],
        "TestDerived::test_class": [7],
        "TestDerived::test_method": [4],
        "TestDerived::test_param[six]": [6],
        "TestDerived::test_param[plain]": [5],
    }


def test_union_takes_all_levels(collect_cases):
    found = collect_cases(LEVELS, "-o", "zephyr_inherit=union")

    assert found["TestBase::test_param[six]"] == [6, 5, 3, 1]
    assert found["TestDerived::test_class"] == [7, 3, 1]


def test_two_markers_on_one_level_both_count(collect_cases):
    found = collect_cases(
        """
        import pytest

        @pytest.mark.zephyr(1)
        @pytest.mark.zephyr(2)
        def test_a(): pass
        """
    )

    assert sorted(found["test_a"]) == [1, 2]


def test_by_id_names_the_test_cases_of_each_combination(collect_cases):
    found = collect_cases(
        """
        import pytest

        @pytest.mark.zephyr(by_id={"chrome-fast": 7, "firefox-fast": [8, "TC-9"]})
        @pytest.mark.parametrize("speed", ["fast"])
        @pytest.mark.parametrize("browser", ["chrome", "firefox"])
        def test_a(browser, speed): pass
        """
    )

    assert found == {"test_a[chrome-fast]": [7], "test_a[firefox-fast]": [8, 9]}


def test_by_id_may_have_any_letters(collect_cases):
    """Pytest escapes characters that are not ASCII in the ids of parameters."""
    found = collect_cases(
        """
        import pytest

        @pytest.mark.zephyr(by_id={"größe": 7, "日本": 8, "a-größe": 9})
        @pytest.mark.parametrize("x", ["größe", "日本", pytest.param(1, id="a-größe")])
        def test_a(x): pass
        """
    )

    assert list(found.values()) == [[7], [8], [9]]


def test_by_id_that_lacks_the_id_of_a_parameter_is_a_warning(
    pytester, run_pytest, monkeypatch
):
    monkeypatch.setenv("ZEPHYR_PUSH", "never")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(by_id={"a": 1})
        @pytest.mark.parametrize("x", ["a", "b"])
        def test_a(x): pass
        """
    )
    ran = run_pytest("--zephyr")

    ran.result.assert_outcomes(passed=2, warnings=1)
    assert "test_a[b]: by_id names no test case for 'b'" in ran.text


@pytest.mark.parametrize("level", ["function", "class", "module", "param"])
def test_ignore_marker_on_any_level_leaves_a_test_without_test_cases(
    collect_cases, level
):
    marks = dict.fromkeys(("function", "class", "module", "param"), "")
    marks[level] = "pytest.mark.zephyr_ignore"
    found = collect_cases(
        f"""
        import pytest

        pytestmark = [{marks["module"]}]
        nothing = lambda thing: thing

        @({marks["class"] or "nothing"})
        class TestA:
            @pytest.mark.zephyr(1)
            @({marks["function"] or "nothing"})
            @pytest.mark.parametrize("x", [pytest.param(1, marks=[{marks["param"]}])])
            def test_a(self, x): pass
        """
    )

    assert list(found.values()) == [[]]


@pytest.mark.parametrize("prefix", [r"REQ_\d+/", r"(REQ|TC)_(\d)/", r"[A-Z]+_\d+/"])
def test_id_prefix_is_a_pattern(collect_cases, prefix):
    """The pattern may contain groups."""
    found = collect_cases(
        "import pytest\n@pytest.mark.zephyr('REQ_7/101')\ndef test_a(): pass\n",
        "-o",
        f"zephyr_id_prefix={prefix}",
    )

    assert found == {"test_a": [101]}


def test_marker_added_while_collecting_counts(pytester, collect_cases):
    """A conftest file may add markers."""
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.zephyr(42))
        """
    )
    found = collect_cases("def test_a(): pass")

    assert found == {"test_a": [42]}


def test_marker_without_test_cases_adds_to_the_marker_of_the_next_level(
    pytester, run_zephyr, target
):
    """If no level names a test case, that is a warning; so are values of a wrong type."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101, defects="BUG-2", fields={"a": 1, "b": True})
        class TestPay:
            @pytest.mark.zephyr(defects=["BUG-1"], comment="known", fields={"a": 2})
            def test_a(self): pass

        @pytest.mark.zephyr(defects=["BUG-3"])
        def test_b(): pass

        @pytest.mark.zephyr(102, fields=3, comment=4, defects=[5])
        def test_c(): pass
        """
    )
    ran = run_zephyr()

    assert without_tag(target.execution(101).comment).splitlines()[1:] == [
        "defects: BUG-1, BUG-2",
        "comment: known",
        "a: 2",
        "b: True",
    ]
    for message in (
        "test_b: the zephyr marker names no test case",
        "test_c: fields=3 is not a mapping",
        "test_c: comment=4 is not a text",
        "test_c: 5 is not the key of a defect",
    ):
        assert message in ran.text


def test_markers_are_registered(run_pytest):
    ran = run_pytest("--markers")

    assert "@pytest.mark.zephyr(" in ran.text
    assert "@pytest.mark.zephyr_ignore" in ran.text
