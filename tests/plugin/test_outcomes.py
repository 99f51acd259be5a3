"""The status in Zephyr for each outcome, in one process and under pytest-xdist."""

from __future__ import annotations

import pytest

from tests.conftest import without_and_with_xdist


SUITE = """
    import unittest
    import pytest

    case = pytest.mark.zephyr

    @pytest.fixture
    def bad_setup():
        raise RuntimeError("setup broke")

    @pytest.fixture
    def bad_teardown():
        yield
        raise RuntimeError("teardown broke")

    @case(1)
    def test_passes(): pass

    @case(2)
    def test_fails(): assert False, "call broke"

    @case(3)
    def test_setup_error(bad_setup): pass

    @case(4)
    def test_teardown_error_after_a_pass(bad_teardown): pass

    @case(5)
    def test_fail_and_teardown_error(bad_teardown): assert False, "call broke"

    @case(6)
    @pytest.mark.skip(reason="later")
    def test_skip_marker(): pass

    @case(7)
    def test_skip_in_body(): pytest.skip("not here")

    @pytest.fixture
    def skips(): pytest.skip("not in setup")

    @case(8)
    def test_skip_in_setup(skips): pass

    @case(9)
    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert False

    @case(10)
    @pytest.mark.xfail(reason="known")
    def test_xpass(): pass

    @case(11)
    @pytest.mark.xfail(strict=True, reason="known")
    def test_strict_xpass(): pass

    @case(12)
    def test_xfail_in_body(): pytest.xfail("known")

    @case(13)
    @pytest.mark.parametrize("n", range(5))
    def test_one_parameter_of_five(n): assert n != 2

    @case(14)
    @pytest.mark.xdist_group("stacked")
    @pytest.mark.parametrize("a", [1, 2])
    @pytest.mark.parametrize("b", [1, 2])
    def test_stacked(a, b): pass

    @case(15)
    def test_first_of_two(): assert False

    @case(15)
    def test_second_of_two(): pass

    @case(16, 17)
    def test_two_cases(): assert False

    @case(18)
    @pytest.mark.parametrize("n", [0, 1])
    def test_pass_and_skip(n):
        if n: pytest.skip("one of two")

    @case(19)
    @pytest.mark.parametrize("n", [0, 1])
    def test_pass_and_xfail(n):
        if n: pytest.xfail("one of two")

    @case(20)
    @pytest.mark.xfail(raises=ValueError)
    def test_xfail_of_another_kind(): assert False

    @case(21)
    @pytest.mark.xfail(reason="known")
    def test_xfail_covers_a_teardown_error(bad_teardown): assert False

    class TestUnit(unittest.TestCase):
        @case(22)
        def test_passes(self): pass

        @case(23)
        def test_fails(self): self.fail("unit broke")

        @case(24)
        @unittest.skip("later")
        def test_skipped(self): pass

        @case(25)
        @unittest.expectedFailure
        def test_expected(self): self.fail("expected")

        @case(26)
        @unittest.expectedFailure
        def test_unexpected(self): pass

    @case(27)
    class TestClass:
        def test_a(self): pass
        def test_b(self): raise ValueError("b broke")

    @case(28)
    @pytest.mark.anyio
    async def test_async(anyio_backend): assert False

    @case(29)
    def test_raises_system_exit(): raise SystemExit(3)
"""

#: 1 is Pass, 2 Fail, 4 Blocked; `None` leaves the test case unchanged.
STATUSES = {
    1: "1", 2: "2", 3: "2", 4: "2", 5: "2", 6: None, 7: None, 8: None, 9: "4", 10: "1",
    11: "2", 12: "4", 13: "2", 14: "1", 15: "2", 16: "2", 17: "2", 18: "1", 19: "4",
    20: "2", 21: "4", 22: "1", 23: "2", 24: None, 25: "4", 26: "2", 27: "2", 28: "2",
    29: "2",
}  # fmt: skip

CONFTEST = """
    import pytest

    @pytest.fixture
    def anyio_backend(): return "asyncio"
"""

MODES = {
    "one process": [],
    "n0": ["-n0"],
    # A worker without tests takes some that another one has not run yet.
    "worksteal": ["-n2", "--dist=worksteal"],
    # pytest-xdist appends the name of a group to the node ids of its tests.
    "loadgroup": ["-n2", "--dist=loadgroup"],
    # Every worker runs every test.
    "each": ["--dist=each", "--tx=2*popen"],
}


@pytest.fixture
def suite(pytester, target):
    for name in ("xdist", "anyio"):
        pytest.importorskip(name)
    target.sandbox.store.schedule_all(target.phase, STATUSES)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_suite=SUITE)


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize("args", MODES.values(), ids=MODES)
def test_every_outcome_has_its_status(run_zephyr, target, args):
    """Workers may run the tests, and one request writes all results."""
    run_zephyr(*args, subprocess=bool(args), check_exit_code=not args)

    executions = {case: target.execution(case) for case in STATUSES}
    assert {case: each.status for case, each in executions.items()} == STATUSES
    assert {each.result_count for each in executions.values()} == {0, 1}
    assert len(target.writes) == 1


@pytest.mark.usefixtures("suite")
def test_notes_have_the_texts_of_failures(run_zephyr, target):
    run_zephyr(check_exit_code=False)

    notes = {case: target.execution(case).comment or "" for case in STATUSES}
    assert "call broke" in notes[2]
    assert "setup broke" in notes[3]
    assert "teardown broke" in notes[4]
    assert "call broke" in notes[5]
    assert "teardown broke" in notes[5]
    assert "known" in notes[9]
    assert "failed: 1 of 5 tests" in notes[13]
    assert notes[13].count("test_one_parameter_of_five[") >= 5
    assert "unit broke" in notes[23]
    assert "failed: 1 of 2 tests" in notes[27]


def test_last_attempt_counts_and_notes_name_the_first_failure(
    pytester, run_zephyr, target
):
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile(
        """
        import pytest

        tries = []

        @pytest.mark.zephyr(101)
        def test_flaky():
            tries.append(1)
            assert len(tries) > 2, f"try {len(tries)} broke"

        @pytest.mark.zephyr(102)
        def test_hopeless(): assert False, "never"
        """
    )
    run_zephyr("-p", "rerunfailures", "--reruns=2", check_exit_code=False)

    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "2"
    assert "after 3 attempts" in target.execution(101).comment
    assert "try 1 broke" in target.execution(101).comment
    assert target.execution(101).result_count == 1


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="subtests came with pytest 9")
@pytest.mark.parametrize("args", without_and_with_xdist(2))
def test_failed_subtest_fails_its_test_case_and_is_named(
    pytester, run_zephyr, target, args
):
    pytester.makepyfile(
        """
        import pytest
        import unittest

        @pytest.mark.zephyr(101)
        def test_some(subtests):
            for n in range(3):
                with subtests.test("number", n=n):
                    assert n != 1

        class TestUnit(unittest.TestCase):
            @pytest.mark.zephyr(102)
            def test_some(self):
                for n in range(3):
                    with self.subTest(n=n):
                        self.assertNotEqual(n, 1)

        @pytest.mark.zephyr(103)
        def test_all_well(subtests):
            with subtests.test("fine"):
                pass
        """
    )
    run_zephyr(*args, check_exit_code=False, subprocess=bool(args))

    assert {c: target.statuses()[c] for c in (101, 102, 103)} == {
        101: "2", 102: "2", 103: "1"
    }  # fmt: skip
    assert "[number]" in target.execution(101).comment
    assert "(n=1)" in target.execution(102).comment


def test_interrupted_run_pushes_what_finished(pytester, run_zephyr, target):
    """Ctrl-C: the test cases of the running test and of later tests do not change."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_done(): pass

        @pytest.mark.zephyr(102)
        def test_interrupted(): raise KeyboardInterrupt

        @pytest.mark.zephyr(103)
        def test_never(): pass
        """
    )
    ran = run_zephyr(subprocess=True, check_exit_code=False)

    assert ran.ret == pytest.ExitCode.INTERRUPTED
    assert {c: target.statuses()[c] for c in (101, 102, 103)} == {
        101: "1", 102: None, 103: None
    }  # fmt: skip
    assert "3 test cases: 1 reported (1 Pass), 2 unchanged (not run)" in ran.text


@pytest.mark.parametrize(
    ("body", "args"),
    [
        ("assert False", ["-x"]),
        ("assert False", ["--maxfail=1"]),
        ("pytest.exit('enough')", []),
    ],
    ids=["-x", "--maxfail", "pytest.exit"],
)
def test_stopped_run_pushes_what_finished(pytester, run_zephyr, target, body, args):
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.zephyr(101)
        def test_done(): pass

        @pytest.mark.zephyr(102)
        def test_stops(): {body}

        @pytest.mark.zephyr(103)
        def test_never(): pass
        """
    )
    run_zephyr(*args)

    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == ("2" if args else None)
    assert target.statuses()[103] is None


def test_file_that_cannot_be_imported_is_named(pytester, run_zephyr, target):
    """Its test cases do not change; the others are reported."""
    pytester.makepyfile(
        test_broken="import nowhere\nimport pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n",
        test_fine="import pytest\n@pytest.mark.zephyr(102)\ndef test_a(): pass\n",
    )
    ran = run_zephyr("--continue-on-collection-errors")

    assert target.statuses()[101] is None
    assert target.statuses()[102] == "1"
    assert "the tests in test_broken.py could not be collected" in ran.text


@pytest.mark.parametrize(
    "args",
    [["--collect-only"], ["--setup-plan"], ["--setup-only"], ["-k", "absent"]],
    ids=" ".join,
)
def test_run_without_results_writes_nothing(pytester, run_zephyr, target, args):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    run_zephyr(*args)

    assert target.writes == []
    assert target.statuses()[101] is None


def test_module_level_skip_changes_no_test_case(pytester, run_zephyr, target):
    pytester.makepyfile(
        """
        import pytest

        pytest.skip("not on this machine", allow_module_level=True)

        @pytest.mark.zephyr(101)
        def test_a(): pass
        """
    )
    run_zephyr()

    assert target.statuses()[101] is None


def test_doctest_marked_by_a_conftest_is_reported(pytester, run_zephyr, target):
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.zephyr(101))
        """
    )
    pytester.makepyfile(
        module='''
        def two():
            """
            >>> two()
            3
            """
            return 2
        '''
    )
    run_zephyr("--doctest-modules")

    assert target.statuses()[101] == "2"


def test_problems_go_to_stderr_without_a_terminal_plugin(pytester, run_zephyr):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(999)\ndef test_a(): pass\n")
    ran = run_zephyr("-p", "no:terminal")

    assert "test case 999 is not known to Zephyr" in ran.result.stderr.str()


def test_last_failed_reports_only_what_ran(pytester, run_zephyr, target):
    path = pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        @pytest.mark.zephyr(102)
        def test_b(): assert False
        """
    )
    run_zephyr(check_exit_code=False)
    path.write_text(path.read_text(encoding="utf-8").replace("False", "True"))
    run_zephyr("--lf", check_exit_code=False)

    assert target.statuses()[102] == "1"
    assert target.execution(101).result_count == 1
    assert target.execution(102).result_count == 2


def test_timeout_by_signal_is_a_failure(pytester, run_zephyr, target):
    pytest.importorskip("pytest_timeout")
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.zephyr(101)
        @pytest.mark.timeout(0.2, method="signal")
        def test_slow(): time.sleep(30)
        """
    )
    run_zephyr(check_exit_code=False)

    assert target.statuses()[101] == "2"
    assert "Timeout" in target.execution(101).comment
