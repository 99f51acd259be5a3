"""``--collect-only --zephyr`` checks markers and test cases, and writes nothing."""

from __future__ import annotations

import re

import pytest

from pytest_zephyr.sandbox import Fault
from tests.conftest import needs_xdist


SUITE = """
    import pytest

    @pytest.mark.zephyr(101, 102)
    def test_right(): raise SystemExit("it ran")

    @pytest.mark.zephyr(201)
    def test_elsewhere(): pass

    @pytest.mark.zephyr(1011)
    def test_unknown(): pass

    @pytest.mark.zephyr("SHOP-7", 103)
    def test_invalid(): pass

    def test_unmarked(): pass
"""

#: What a check of `SUITE` prints about its test cases.
CHECKED = [
    "*= zephyr =*",
    "5 test cases of 5 tests: 3 with an execution, 1 without an execution, 1 unknown to Zephyr",
    "1 test has no test case, 1 has an invalid marker (* drift shows them)",
    "zephyr: test_shop.py::test_invalid: 'SHOP-7' is not a test case id: *",
    "zephyr: test case 201 has no execution in phase id *; to have it added: *",
    "zephyr: test case 1011 is not known to Zephyr. Did you mean 101? (*unknown)",
]


@pytest.fixture
def suite(pytester, target):
    """Write `SUITE`, and create its test case 201, which is not in the phase."""
    target.sandbox.store.add_case(target.release, testcase_id=201)
    pytester.makepyfile(test_shop=SUITE)


@pytest.fixture
def check(suite, pytester, run_zephyr, target):
    """Return a function that collects `SUITE`, and asserts that nothing is written.

    No request writes to the server, and there is no directory ``.zephyr``.
    """

    def run(*args, **options):
        options.setdefault("check_exit_code", False)
        ran = run_zephyr("--collect-only", *args, **options)
        assert target.writes == []
        assert not (pytester.path / ".zephyr").exists()
        return ran

    return run


def test_every_test_case_is_checked(check):
    ran = check()

    assert ran.ret == 0
    ran.result.stdout.fnmatch_lines(["*<Function test_right>", *CHECKED])


@pytest.mark.parametrize(("policy", "ret"), [("warn", 0), ("fail", 8)])
def test_on_error_decides_the_exit_code(check, policy, ret):
    assert check(f"--zephyr-on-error={policy}").ret == ret


def test_test_cases_that_would_be_added_are_no_problem(check):
    """Nor are unknown ones with ``--zephyr-unknown-case=ignore``."""
    ran = check("--zephyr-create=execution", "--zephyr-unknown-case=ignore")

    assert (
        "3 with an execution, 1 to be added to the phase, 1 unknown to Zephyr"
        in ran.text
    )
    assert "has no execution" not in ran.text
    assert "is not known" not in ran.text


def test_quiet_keeps_the_problems(check):
    ran = check("-q")

    assert "zephyr: test case 1011 is not known to Zephyr" in ran.text
    assert "5 test cases of" not in ran.text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("GET", "*", status=401, times=None), "login failed"),
        (
            Fault("GET", "*search*", status=503, times=None),
            "answered 503 to GET advancesearch",
        ),
    ],
    ids=["login", "look-up"],
)
def test_failed_request_is_reported_once(check, target, fault, message):
    target.sandbox.faults.add(fault)
    ran = check("--zephyr-retries=0")

    assert ran.text.count(message) == 1
    assert "5 test cases of 5 tests: not checked" in ran.text
    assert "zephyr: test_shop.py::test_invalid: " in ran.text


def test_only_planned_lists_what_would_run(check):
    ran = check("--zephyr-only-planned")

    assert re.findall(r"<Function (\w+)>", ran.text) == ["test_right", "test_invalid"]
    assert "3 test cases of 2 tests: 3 with an execution" in ran.text


@pytest.mark.parametrize("flag", ["--zephyr-push=never", "--zephyr-url=sandbox"])
def test_only_the_markers_are_checked_if_no_server_is_asked(check, target, flag):
    ran = check(flag)

    assert "5 test cases of 5 tests: not looked up, because " in ran.text
    assert "zephyr: test_shop.py::test_invalid: " in ran.text
    assert target.sandbox.requests == []


@needs_xdist
def test_xdist_does_not_change_the_check(check):
    ran = check("-n2", subprocess=True)

    ran.result.stdout.fnmatch_lines(CHECKED)


@pytest.mark.usefixtures("suite", "target_variables")
def test_ini_option_alone_does_not_start_the_check(pytester, run_pytest, target):
    """An editor that lists tests sends no request: only the flag starts the check."""
    pytester.makeini("[pytest]\nzephyr = true\n")
    ran = run_pytest("--collect-only")

    assert "zephyr: " not in ran.text
    assert target.sandbox.requests == []


def test_tests_that_differ_in_a_parameter_with_a_colon_are_counted_separately(
    pytester, run_zephyr
):
    """``test_a[k: 1]`` and ``test_a[k: 2]`` are two tests with an invalid marker."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr("SHOP-7")
        @pytest.mark.parametrize("text", ["k: 1", "k: 2"])
        def test_a(text): pass
        """
    )
    ran = run_zephyr("--collect-only", check_exit_code=False)

    assert "2 tests have an invalid marker" in ran.text


def test_counts_are_green_only_if_nothing_is_wrong(check):
    """A test case without an execution is a problem, unless it would be added."""
    flags = ("--color=yes", "-k=right or elsewhere")

    assert "\x1b[32m3 test cases" not in check(*flags).text
    assert "\x1b[32m3 test cases" in check(*flags, "--zephyr-create=execution").text
