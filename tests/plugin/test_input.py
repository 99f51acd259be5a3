"""Unusual file names, parameters and texts of any size are reported and readable."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import without_and_with_xdist


@pytest.mark.skipif(sys.platform == "win32", reason="no such file names there")
@pytest.mark.parametrize(
    "name",
    [
        "test_[brackets].py",
        "test_with space.py",
        "test_größe_✓.py",
        "test_esc\x1b[31mred.py",
        "test_two\nlines.py",
    ],
    ids=ascii,
)
def test_a_file_may_have_any_name(pytester, run_zephyr, target, name):
    """Problems of its tests are shown without control characters."""
    (pytester.path / name).write_text(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n"
        "@pytest.mark.zephyr(999)\ndef test_b(): pass\n",
        encoding="utf-8",
    )
    ran = run_zephyr("--import-mode=importlib", check_exit_code=False)

    assert target.statuses()[101] == "1"
    lines = [line for line in ran.result.outlines if "test case 999" in line]
    # One of the check before the tests, and one of the summary.
    assert len(lines) == 2
    for line in lines:
        assert "test_b" in line
        assert line.isprintable()


PARAMS = """
    import pytest

    VALUES = ["", " ", "a::b", "a[b]c", "a/b", "\\x00", "\\x1b[31m", "\\n", "größe",
              "\\U0001f511", "\\x7f", "x" * 3000, "<b>&", '"', "\\\\"]

    @pytest.mark.parametrize("value", VALUES)
    @pytest.mark.zephyr(101)
    def test_a(value): assert value == "a::b"
"""


@pytest.mark.parametrize("args", without_and_with_xdist(2))
def test_a_parameter_may_have_any_value(pytester, run_zephyr, target, args):
    """One of fifteen tests passed, so the test case has failed."""
    pytester.makepyfile(PARAMS)
    run_zephyr(*args, subprocess=bool(args), check_exit_code=False)

    assert target.statuses()[101] == "2"
    notes = target.execution(101).comment
    assert notes.startswith("failed: 14 of 15 tests")
    assert len(notes) <= 4000
    assert "\x00" not in notes
    assert "<b>" not in notes


TEXTS = """
    import pytest

    HUGE = "x" * 10_000_000

    @pytest.mark.zephyr(101)
    def test_huge(): raise ValueError(HUGE)

    @pytest.mark.zephyr(102)
    def test_lines(): raise ValueError("line\\n" * 200_000)

    @pytest.mark.zephyr(103)
    @pytest.mark.xfail(reason=HUGE)
    def test_reason(): assert False

    @pytest.mark.zephyr(104)
    def test_skip(): pytest.skip(HUGE)

    @pytest.mark.zephyr(105)
    def test_odd():
        raise ValueError("half a pair \\ud800, \\x00, \\x1b[31mred, \\xff")
"""


def test_a_text_may_have_any_size_and_any_character(pytester, run_zephyr, target):
    """Journal and notes stay small; control characters are removed or replaced."""
    pytester.makepyfile(TEXTS)
    ran = run_zephyr("--tb=line", check_exit_code=False)

    statuses = target.statuses()
    assert [statuses[case] for case in (101, 102, 103, 105)] == ["2", "2", "4", "2"]
    assert ran.journals[0].stat().st_size < 200_000
    for case in (101, 102, 103, 105):
        assert 0 < len(target.execution(case).comment) <= 4000
    odd = target.execution(105).comment
    assert "half a pair \ufffd, \ufffd, red, ÿ" in odd
