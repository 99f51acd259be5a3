"""``--zephyr-map``: a file names the test cases of tests whose markers name none."""

from __future__ import annotations

import json

import pytest

from tests.conftest import needs_xdist
from tests.conftest import SandboxTarget


SUITE = """
    import pytest

    def test_passes(): pass

    def test_fails(): assert False

    @pytest.mark.parametrize("x", ["a[1]", "größe"])
    def test_params(x): pass

    class TestCart:
        def test_pay(self): pass

        @pytest.mark.zephyr(105)
        def test_marked(self): pass
"""

MAP = """\
test_m.py::test_passes,101
test_m.py::test_fails,102
test_m.py::test_params[größe],103
test_m.TestCart.test_pay,104
test_m.py::TestCart::test_marked,106
"""

#: Statuses after a run with `MAP`. 106 has 10, not executed: the test in its row has a
#: marker, which wins.
EXPECTED_STATUSES = {101: "1", 102: "2", 103: "1", 104: "1", 105: "1", 106: "10"}


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(test_m=SUITE)
    return pytester.path


def statuses(target: SandboxTarget) -> dict[int, str | None]:
    """Return the status of each test case, 10 (not executed) for one without."""
    return {case: status or "10" for case, status in target.statuses().items()}


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_map_names_the_test_cases(suite, target, run_zephyr, kind):
    """A marker wins over the mapping file; a row without effect is named."""
    path = suite / f"map.{kind}"
    if kind == "json":
        rows = dict(line.rsplit(",", 1) for line in MAP.splitlines())
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text(MAP, encoding="utf-8")
    ran = run_zephyr("--zephyr-map", path)

    assert statuses(target) == EXPECTED_STATUSES
    line = 5 if kind == "csv" else 1
    assert (
        f"zephyr: rows of map.{kind} match no test, or only tests with a marker:"
        f" line {line} 'test_m.py::TestCart::test_marked'\n" in ran.text
    )
    assert "test_m.py::test_passes'" not in ran.text


@needs_xdist
def test_map_is_used_with_xdist_and_each_message_is_shown_once(
    suite, target, run_zephyr
):
    """Of two rows that match a test, the one with its exact name counts."""
    (suite / "map.csv").write_text(
        MAP + "*::test_pay,106\ntest_gone.py::test_x,7\n", encoding="utf-8"
    )
    ran = run_zephyr("--zephyr-map=map.csv", "-n2", subprocess=True)

    assert statuses(target) == EXPECTED_STATUSES
    assert ran.text.count("'test_m.py::TestCart::test_marked'") == 1
    assert ran.text.count("line 7 'test_gone.py::test_x'") == 1
    assert ran.text.count("test_m.py::TestCart::test_pay (lines 4, 6)") == 1


@needs_xdist
def test_rows_are_compared_without_the_group_of_pytest_xdist(
    pytester, target, run_zephyr
):
    """pytest-xdist appends the name of the group to node ids."""
    pytester.makepyfile(
        test_m="""
        import pytest

        @pytest.mark.xdist_group("one")
        @pytest.mark.parametrize("x", [1])
        def test_a(x): pass
        """
    )
    pytester.makefile(".csv", map="test_m.py::test_a[1],101\n")
    args = ("-n1", "--dist=loadgroup")
    run_zephyr("--zephyr-map=map.csv", *args, subprocess=True)

    assert target.statuses()[101] == "1"


def test_push_needs_no_map(suite, target, run_zephyr, run_command):
    path = suite / "map.csv"
    path.write_text(MAP, encoding="utf-8")
    ran = run_zephyr("--zephyr-map=map.csv", "--zephyr-push=never")
    path.unlink()
    assert set(statuses(target).values()) == {"10"}

    assert run_command("push", *ran.journals).ret == 0
    assert statuses(target) == EXPECTED_STATUSES


def test_path_in_an_ini_file_is_relative_to_that_file(
    suite, target, run_zephyr, pytester, monkeypatch
):
    (suite / "map.csv").write_text(MAP, encoding="utf-8")
    pytester.makeini("[pytest]\nzephyr_map = map.csv\n")
    pytester.mkdir("sub")
    monkeypatch.chdir(suite / "sub")
    run_zephyr("..", "--rootdir", "..")

    assert statuses(target) == EXPECTED_STATUSES


@pytest.mark.usefixtures("target_variables")
def test_a_wrong_row_is_a_usage_error_before_the_first_test(
    suite, run_pytest, monkeypatch
):
    """A run that does not report does not read the file."""
    (suite / "map.csv").write_text("a::b;1\nc::d;x;\n", encoding="utf-8")
    monkeypatch.setenv("ZEPHYR_MAP", "map.csv")
    ran = run_pytest("--zephyr")

    assert ran.ret == 4
    assert (
        "zephyr: map.csv (from ZEPHYR_MAP), line 2: 'x' is not a test case: use its number,"
        " as 123 or TC-123, or alt:AUTH-1 for an Alt ID." in ran.text
    )
    assert not ran.journals
    assert run_pytest("--no-zephyr").ret == 1


def test_alt_ids_of_the_map_are_looked_up(suite, target, run_zephyr):
    target.schedule(110, alt="AUTH 1")
    (suite / "map.csv").write_text("*::test_passes,alt:AUTH 1", encoding="utf-8")
    run_zephyr("--zephyr-map=map.csv")

    assert target.execution(110).status == "1"


def test_map_is_not_used_for_ignored_tests_invalid_markers_and_cases_of_a_hook(
    pytester, target, run_zephyr
):
    """It is used for a test whose marker only has a comment."""
    pytester.makeconftest(
        """
        def pytest_zephyr_cases(item):
            return {"test_hooked": 102, "test_none": []}.get(item.name)
        """
    )
    pytester.makepyfile(
        test_m="""
        import pytest

        def test_hooked(): pass

        def test_none(): pass

        @pytest.mark.zephyr_ignore
        def test_ignored(): pass

        @pytest.mark.zephyr("nonsense")
        def test_invalid(): pass

        @pytest.mark.zephyr(comment="by hand")
        def test_comment(): pass
        """
    )
    pytester.makefile(
        ".csv",
        map="*test_hooked,101\n*test_none,103\n*test_i*,104\n*test_comment,105\n",
    )
    run_zephyr("--zephyr-map=map.csv")

    expected = dict.fromkeys([101, 103, 104, 106], "10")
    assert statuses(target) == {**expected, 102: "1", 105: "1"}
    assert "by hand" in target.execution(105).comment


def test_no_test_case_is_created_for_a_mapped_test(
    suite, target, run_zephyr, monkeypatch
):
    monkeypatch.setenv("ZEPHYR_RELEASE", str(target.release))
    (suite / "map.csv").write_text("test_m.py*,101\n")
    create = ("--zephyr-create=execution", "--zephyr-unmapped=create")
    run_zephyr("--zephyr-map=map.csv", *create)
    assert not any("testcase" in write for write in target.writes)

    run_zephyr(*create)
    assert any("testcase" in write for write in target.writes)


def test_only_planned_runs_tests_that_are_mapped_to_planned_test_cases(
    suite, run_zephyr
):
    (suite / "map.csv").write_text("*::test_passes,101\n*::test_pay,999\n")
    ran = run_zephyr("--zephyr-map=map.csv", "--zephyr-only-planned")

    ran.result.assert_outcomes(passed=2, deselected=4)
    assert "match no test" not in ran.text


def test_rows_of_tests_that_are_not_selected_are_not_named(suite, pytester, run_zephyr):
    """Nor are rows for a file or directory in which no test was collected."""
    pytester.makepyfile(test_other="def test_a(): pass")
    pytester.mkdir("more")
    (suite / "map.csv").write_text(
        MAP.replace("test_m.py::TestCart::test_marked", "*fails")
        + "test_other.py::test_a,101\nmore/*,101\n",
        encoding="utf-8",
    )
    by_file = run_zephyr("--zephyr-map=map.csv", "test_m.py")
    by_name = run_zephyr("--zephyr-map=map.csv", "-k", "passes")
    by_id = run_zephyr("--zephyr-map=map.csv", "test_m.py::test_passes")

    for ran in (by_file, by_name, by_id):
        assert "match no test" not in ran.text


def test_message_about_two_rows_hides_the_value_of_a_secret_parameter(
    pytester, target, run_zephyr
):
    pytester.makepyfile(
        test_m="""
        import pytest

        @pytest.mark.parametrize("password", ["hunter2hunter2"])
        def test_login(password): pass
        """
    )
    pytester.makefile(".csv", map="*::test_login*,101\ntest_m.py*,102\n")
    ran = run_zephyr("--zephyr-map=map.csv")

    assert statuses(target)[101] == "1"
    assert "(lines 1, 2)" in ran.text
    assert "hunter2" not in ran.text.partition("= zephyr =")[2]
