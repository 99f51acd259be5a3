"""The hooks `pytest_zephyr_cases` and `pytest_zephyr_record` of a conftest file."""

from __future__ import annotations

from typing import get_args
from typing import get_type_hints

import pytest

from pytest_zephyr import ZephyrRecord
from tests.conftest import without_and_with_xdist


CASES_HOOK = """
    import re
    import pytest

    def pytest_zephyr_cases(item):
        if found := re.search(r"_TC(\\d+)", item.name):
            return int(found[1])
        if "alt" in item.name:
            return pytest.mark.zephyr(alt="ALT-1", comment="of the hook")
        if "nothing" in item.name:
            return []
        if "several" in item.name:
            return ["TC-104", 105]
"""


@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_cases_of_a_hook_replace_those_of_the_marker(
    pytester, run_zephyr, target, args
):
    """`None` keeps those of the marker, and an empty list removes them, without a warning.

    The hook may also return a marker. It changes nothing for a test with `zephyr_ignore`.
    """
    target.schedule(110, alt="ALT-1")
    pytester.makeconftest(CASES_HOOK)
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.zephyr(101)

        def test_by_name_TC102(): pass
        def test_alt(): assert False
        def test_nothing(): assert False
        def test_several(): pass
        def test_marker(): pass

        @pytest.mark.zephyr_ignore
        def test_ignored_TC106(): pass
        """
    )
    ran = run_zephyr(*args)

    assert target.statuses() == {
        101: "1", 102: "1", 103: None, 104: "1", 105: "1", 106: None, 110: "2"
    }  # fmt: skip
    assert "of the hook" in target.execution(110).comment
    assert "PytestZephyrWarning" not in ran.text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "raise KeyError('boom')",
            "pytest_zephyr_cases of *conftest.py: KeyError*boom*",
        ),
        ("return 'none'", "pytest_zephyr_cases: 'none' is not a test case id: *"),
        ("return 1.5", "*TypeError*"),
        ("import pytest; pytest.fail('no')", "*Failed*no*"),
        ("import sys; sys.exit('no list')", "*SystemExit: no list"),
    ],
    ids=["raises", "no id", "no list", "fails", "exits"],
)
def test_hook_that_fails_is_a_warning_on_the_test(
    pytester, run_zephyr, target, body, message
):
    """It may raise, or return what names no test case; other tests are reported."""
    pytester.makeconftest(
        f"""
        def pytest_zephyr_cases(item):
            if item.name == "test_a":
                {body}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        @pytest.mark.zephyr(102)
        def test_b(): pass
        """
    )
    ran = run_zephyr()

    ran.result.stdout.fnmatch_lines([f"*PytestZephyrWarning: *::test_a: {message}"])
    assert target.statuses()[102] == "1"


@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_record_hook_of_a_call_runs_before_fixtures_end(
    pytester, run_zephyr, target, args
):
    """The hook can take a screenshot, and remove a secret from the failure text."""
    pytester.makeconftest(
        """
        def pytest_zephyr_record(item, record):
            record.text = record.text.replace("hunter2", "***")
            if record.when == "call":
                record.field("seen", record.outcome)
            if record.failed and "page" in item.funcargs:
                record.attach(item.funcargs["page"].screenshot(), name="page.png")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        class Page:
            closed = False

            def screenshot(self):
                assert not self.closed
                return b"picture"

        @pytest.fixture
        def page():
            page = Page()
            yield page
            page.closed = True

        @pytest.mark.zephyr(101)
        def test_passes(page): pass

        @pytest.mark.zephyr(102)
        def test_fails(page):
            password = "hunter2"
            assert password == "", f"it was {password}"
        """
    )
    run_zephyr(*args)

    passed, failed = target.execution(101), target.execution(102)
    assert passed.attachments == ()
    assert "seen: passed" in passed.comment
    assert failed.attachments == (("page.png", "image/png", 7),)
    assert 'password = "***"' in failed.comment
    assert "it was ***" in failed.comment
    assert "hunter2" not in failed.comment


@pytest.mark.parametrize("error", ["ValueError", "SystemExit"])
@pytest.mark.parametrize(
    ("args", "passed", "failed"),
    [([], 2, 0), (["-W", "error::pytest.PytestWarning"], 0, 2)],
    ids=["default", "-W error"],
)
def test_record_hook_that_raises_is_a_warning(
    pytester, run_zephyr, target, args, passed, failed, error
):
    """Under ``-W error`` it fails the test, and the run goes on."""
    pytester.makeconftest(
        f"""
        def pytest_zephyr_record(item, record):
            if record.when == "call":
                raise {error}("no page")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        @pytest.mark.zephyr(102)
        def test_b(): pass
        """
    )
    ran = run_zephyr(*args, check_exit_code=False)

    ran.result.assert_outcomes(
        passed=passed, failed=failed, warnings=2 if passed else 0
    )
    ran.result.stdout.fnmatch_lines(
        [f"*::test_a: pytest_zephyr_record of *conftest.py: {error}*no page*"]
    )
    assert target.statuses()[101] == ("1" if passed else "2")


def test_the_text_of_a_skipped_test_has_its_reason(pytester, run_zephyr, target):
    pytester.makeconftest(
        """
        def pytest_zephyr_record(item, record):
            if record.outcome == "skipped":
                print("text:", record.text)
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pytest.skip("no browser")
        """
    )
    ran = run_zephyr("-s")

    assert "text: Skipped: no browser" in ran.text
    assert target.statuses()[101] is None


def test_ctrl_c_in_a_record_hook_ends_the_run(pytester, run_zephyr, target):
    pytester.makeconftest(
        """
        def pytest_zephyr_record(item, record):
            if item.name == "test_b":
                raise KeyboardInterrupt
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        @pytest.mark.zephyr(102)
        def test_b(): pass
        """
    )
    ran = run_zephyr(check_exit_code=False, subprocess=True)

    assert ran.result.ret == pytest.ExitCode.INTERRUPTED
    assert target.statuses()[101] == "1"
    assert target.statuses()[102] is None


def test_when_and_outcome_of_a_record_have_literal_types():
    """A type checker reports a comparison with a word that pytest does not use."""
    hints = get_type_hints(ZephyrRecord)

    assert get_args(hints["when"]) == ("setup", "call", "teardown")
    assert get_args(hints["outcome"]) == ("passed", "failed", "skipped")


def test_steps_of_hooks_and_tests_are_in_order(pytester, run_zephyr, target):
    pytester.makeconftest(
        """
        def pytest_zephyr_record(item, record):
            with record.step(f"Look at {record.when}"):
                pass
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(zephyr):
            with zephyr.step("Open the page"): pass
            with zephyr.step("Read it"): pass
        """
    )
    run_zephyr()

    notes = target.execution(101).comment
    assert notes.partition("steps:\n")[2].split("\n") == [
        "  passed Look at setup",
        "  passed Open the page",
        "  passed Read it",
        "  passed Look at call",
        "  passed Look at teardown",
    ]
