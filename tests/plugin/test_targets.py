"""Finding the target, creating what is missing, planned tests and startup checks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from datetime import timedelta
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pytest_zephyr.client import base
from pytest_zephyr.sandbox import Fault
from tests.conftest import needs_xdist
from tests.conftest import wait_until
from tests.conftest import without_and_with_xdist


#: Flags that name a cycle and a phase that do not exist, in a release that exists.
NAMES = (
    "--zephyr-project=Payments",
    "--zephyr-release=name:1.0",
    "--zephyr-cycle=Build 7",
    "--zephyr-phase=Regression",
)

#: Tests for the test cases from *first* to *last* - 1. Every tenth test fails.
MANY_TESTS = """
    import pytest

    @pytest.mark.parametrize(
        "n", [pytest.param(n, marks=pytest.mark.zephyr(n)) for n in range({first}, {last})]
    )
    def test_many(n): assert n % 10
"""

ONE_TEST = "import pytest\n@pytest.mark.zephyr({case})\ndef test_a(): pass\n"


@pytest.fixture
def no_phase_id(target_variables, monkeypatch):
    """Unset the variable with the id of the phase, so that names must lead to it."""
    monkeypatch.delenv("ZEPHYR_PHASE")


def add_cases(target, cases, folder=None):
    """Create test cases with these visible ids, which are in no phase."""
    for case in cases:
        target.sandbox.store.add_case(target.release, testcase_id=case, folder=folder)


def cycles(target, name="Build 7"):
    return [c for c in target.sandbox.store.cycles(target.release) if c.name == name]


def statuses(target, name="Build 7"):
    """Return the statuses of a cycle that has one phase, by visible id."""
    (cycle,) = cycles(target, name)
    (phase,) = target.sandbox.store.phases(cycle.id)
    return {e.testcase_id: e.status for e in target.sandbox.store.executions(phase.id)}


# Creating


@pytest.mark.usefixtures("no_phase_id")
def test_three_hundred_results_fill_a_new_cycle_with_at_most_20_requests(
    pytester, run_zephyr, target
):
    add_cases(target, range(1000, 1300))
    pytester.makepyfile(MANY_TESTS.format(first=1000, last=1300))
    ran = run_zephyr(*NAMES, "--zephyr-create=cycle", check_exit_code=False)

    assert statuses(target) == {n: "1" if n % 10 else "2" for n in range(1000, 1300)}
    assert len(target.sandbox.requests) <= 20
    assert "Created cycle 'Build 7', phase 'Regression' and 300 executions" in ran.text
    assert "300 test cases: 300 reported (270 Pass, 30 Fail)" in ran.text


@pytest.mark.usefixtures("no_phase_id")
def test_twelve_hundred_test_cases_in_twelve_folders_cost_at_most_48_requests(
    pytester, run_zephyr, target
):
    store = target.sandbox.store
    for number in range(12):
        folder = store.add_folder(target.release, f"Part {number}")
        add_cases(target, range(1000 + 100 * number, 1100 + 100 * number), folder)
    pytester.makepyfile(MANY_TESTS.format(first=1000, last=2200))
    run_zephyr(*NAMES, "--zephyr-create=cycle", "-q", check_exit_code=False)

    assert len(statuses(target)) == 1200
    assert len(target.sandbox.requests) <= 48


@pytest.mark.usefixtures("no_phase_id")
def test_second_run_finds_what_the_first_created(pytester, run_zephyr, target):
    add_cases(target, [201])
    pytester.makepyfile(ONE_TEST.format(case=201))
    run_zephyr(*NAMES, "--zephyr-create=cycle", check_exit_code=False)
    before = len(target.writes)
    run_zephyr(*NAMES, "--zephyr-create=cycle", check_exit_code=False)

    assert statuses(target) == {201: "1"}
    assert target.writes[before:] == [
        "PUT /flex/services/rest/v3/execution/bulk/execute"
    ]


@pytest.mark.usefixtures("no_phase_id")
def test_new_cycle_has_dates_build_and_environment(pytester, run_zephyr, target):
    today = date.today()
    end = today + timedelta(days=5)
    release = target.sandbox.store.add_release(
        target.project, "2.0", start=today - timedelta(days=9), end=end
    )
    target.sandbox.store.add_case(release, testcase_id=201)
    pytester.makepyfile(ONE_TEST.format(case=201))
    run_zephyr(
        *NAMES, "--zephyr-release=name:2.0", "--zephyr-create=cycle",
        "--zephyr-environment=UAT", "--zephyr-build=7.1", check_exit_code=False,
    )  # fmt: skip

    (cycle,) = target.sandbox.store.cycles(release)
    # Midnight may have come in between.
    assert cycle.start in {today, date.today()}
    assert cycle.end == end
    assert (cycle.build, cycle.environment) == ("7.1", "UAT")
    (phase,) = target.sandbox.store.phases(cycle.id)
    assert (phase.start, phase.end) == (cycle.start, end)


@pytest.mark.usefixtures("no_phase_id")
def test_missing_mandatory_environment_is_reported_before_the_tests(
    pytester, run_zephyr, target
):
    target.sandbox.store.set_preference("cycle.environment.enabled", "true")
    add_cases(target, [201])
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(
        *NAMES, "--zephyr-create=cycle", "--zephyr-on-error=fail", check_exit_code=False
    )

    assert ran.ret == 4
    assert "requires an environment on every cycle. Set zephyr_environment" in ran.text
    assert cycles(target) == []


@pytest.mark.usefixtures("no_phase_id")
def test_refused_cycle_in_a_release_that_has_ended_is_explained(
    pytester, run_zephyr, target
):
    end = date.today() - timedelta(days=30)
    release = target.sandbox.store.add_release(
        target.project, "0.9", start=end - timedelta(days=9), end=end
    )
    target.sandbox.store.add_case(release, testcase_id=201)
    target.sandbox.faults.add(
        Fault(method="POST", path="/cycle", kind="status", status=400)
    )
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(
        *NAMES,
        "--zephyr-release=name:0.9",
        "--zephyr-create=cycle",
        check_exit_code=False,
    )

    assert f"ended on {end}; a cycle needs a release that has not ended" in ran.text
    assert "1 test case: 1 not sent" in ran.text


@pytest.mark.usefixtures("no_phase_id")
def test_new_cycle_waits_for_a_locked_release(
    pytester, run_zephyr, target, monkeypatch
):
    """The release is unlocked during the wait."""
    add_cases(target, [201])
    target.sandbox.store.lock_release(target.release)
    waits = []

    def unlock(seconds):
        waits.append(seconds)
        target.sandbox.store.unlock_release(target.release)

    monkeypatch.setattr(base, "time", SimpleNamespace(sleep=unlock))
    pytester.makepyfile(ONE_TEST.format(case=201))
    run_zephyr(*NAMES, "--zephyr-create=cycle", check_exit_code=False)

    assert waits == [15.0]
    assert statuses(target) == {201: "1"}


@pytest.mark.usefixtures("no_phase_id")
def test_release_that_stays_locked_is_named(pytester, run_zephyr, target):
    add_cases(target, [201])
    target.sandbox.store.lock_release(target.release)
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(
        *NAMES, "--zephyr-create=cycle", "--zephyr-deadline=10", check_exit_code=False
    )

    assert "name1.0 is locked" in ran.text
    assert "1 test case: 1 not sent" in ran.text
    assert cycles(target) == []


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize(
    ("body", "options"),
    [
        ("def test_a(): pytest.skip('later')", []),
        ("def test_a(): pass", ["--collect-only"]),
        ("def test_a(): pass", ["--zephyr-dry-run"]),
        ("def test_a(): pass", ["--zephyr-push=never"]),
    ],
    ids=["nothing to send", "collect-only", "dry run", "push never"],
)
def test_nothing_is_created_without_a_result_to_send(
    pytester, run_zephyr, target, body, options
):
    add_cases(target, [201])
    pytester.makepyfile(f"import pytest\n@pytest.mark.zephyr(201)\n{body}\n")
    run_zephyr(*NAMES, "--zephyr-create=cycle", *options)

    assert target.writes == []


@pytest.mark.usefixtures("no_phase_id")
def test_nothing_is_created_for_unknown_ids(pytester, run_zephyr, target):
    pytester.makepyfile(ONE_TEST.format(case=999))
    ran = run_zephyr(*NAMES, "--zephyr-create=cycle")

    assert target.writes == []
    assert "test case 999 is not known to Zephyr" in ran.text


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize("create", ["never", "execution", "phase"])
def test_missing_cycle_is_named_if_it_may_not_be_created(
    pytester, run_zephyr, target, create
):
    """The cycle of another build is not suggested: results would go to the wrong one."""
    add_cases(target, [201])
    target.sandbox.store.add_cycle(target.release, "Build 6")
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(*NAMES, f"--zephyr-create={create}")

    assert "'Build 7' (from --zephyr-cycle) is not a cycle of release '1.0'" in ran.text
    assert "To create it: --zephyr-create=cycle." in ran.text
    assert "--zephyr-cycle 'Build 6'" not in ran.text
    assert target.writes == []


@pytest.mark.usefixtures("no_phase_id")
def test_four_jobs_at_once_create_one_cycle(pytester, target):
    """Each may create a cycle, but only one is left, and it has all results."""
    add_cases(target, range(1000, 1040))
    pytester.makepyfile(MANY_TESTS.format(first=1000, last=1040))
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--zephyr",
        *NAMES, "--zephyr-create=cycle",
    ]  # fmt: skip

    def job(number):
        done = subprocess.run(
            [*command, f"--zephyr-journal=journals-{number}"],
            cwd=pytester.path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    with ThreadPoolExecutor(4) as jobs:
        outputs = list(jobs.map(job, range(4)))

    assert statuses(target) == {n: "1" if n % 10 else "2" for n in range(1000, 1040)}, (
        outputs
    )
    assert all("not sent" not in text for text in outputs), outputs


# Adding test cases to a phase


def test_case_outside_the_phase_is_added_assigned_and_executed(
    pytester, run_zephyr, target
):
    add_cases(target, [201])
    target.sandbox.store.add_case(target.release, testcase_id=202, alt="AUTH-2")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101, 201)
        def test_a(): pass

        @pytest.mark.zephyr(alt="AUTH-2")
        def test_b(): assert 0
        """
    )
    ran = run_zephyr("--zephyr-create=execution")

    assert target.statuses() == {
        **dict.fromkeys(range(101, 107)), 101: "1", 201: "1", 202: "2"
    }  # fmt: skip
    assert "Created 2 executions" in ran.text
    assert len(target.sandbox.store.placed_ids(target.phase)) == 8


def test_unassigned_test_case_of_the_phase_is_assigned_and_not_added_again(
    pytester, run_zephyr, target
):
    """Other unassigned test cases stay unassigned."""
    store = target.sandbox.store
    add_cases(target, [201, 202, 203])
    store.add_to_phase(target.phase, 201)
    store.add_to_phase(target.phase, 202)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(201)
        def test_unassigned(): pass

        @pytest.mark.zephyr(203)
        def test_new(): pass
        """
    )
    run_zephyr("--zephyr-create=execution", check_exit_code=False)

    assert sorted(store.placed_ids(target.phase)) == [
        *range(101, 107),
        201,
        202,
        203,
    ]
    statuses = target.statuses()
    assert (statuses[201], statuses[203]) == ("1", "1")
    assert 202 not in statuses


def test_no_test_case_is_added_to_a_structured_phase(pytester, run_zephyr, target):
    store = target.sandbox.store
    add_cases(target, [201])
    store.add_phase(target.cycle, "Folders", free_form=False)
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(
        *NAMES[:2], "--zephyr-cycle=Nightly", "--zephyr-phase=Folders",
        "--zephyr-create=execution",
    )  # fmt: skip

    assert "it is a structured phase" in ran.text
    assert not any("bytree" in write for write in target.writes)


def test_no_test_case_is_created_for_a_structured_phase(pytester, run_zephyr, target):
    """The two tests would share a test case: they have the same name and folder."""
    target.sandbox.store.add_phase(target.cycle, "Folders", free_form=False)
    for package in ("api", "ui"):
        pytester.mkpydir(package)
        (pytester.path / package / "test_x.py").write_text(
            "def test_same(): pass\n", encoding="utf-8"
        )
    ran = run_zephyr(
        *NAMES[:2], "--zephyr-cycle=Nightly", "--zephyr-phase=Folders",
        "--zephyr-create=execution", "--zephyr-unmapped=create",
        "--zephyr-folder=Automation", check_exit_code=False,
    )  # fmt: skip

    assert target.writes == []
    assert "is structured, so no test case can be added to the phase" in ran.text
    assert "1 test case: 1 refused" in ran.text


def test_known_test_case_outside_the_phase_is_named_with_how_to_add_it(
    pytester, run_zephyr, target
):
    add_cases(target, [201])
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr("--zephyr-on-error=fail", check_exit_code=False)

    assert ran.ret == 8
    assert f"test case 201 has no execution in phase id {target.phase}" in ran.text
    assert "to have it added: --zephyr-create=execution" in ran.text


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path="/advancesearch", kind="status", status=500, times=None),
        Fault(path="/advancesearch", kind="omit_rows", rows=99, times=None),
        Fault(path="/bulk/tree/", kind="missing", times=None),
        Fault(method="POST", path="/bytree/", kind="cut_after"),
        Fault(method="POST", path="/bytree/", kind="cut_before"),
        Fault(method="PUT", path="/bulk/tree/", kind="cut_after"),
    ],
    ids=[
        "no search", "search lags", "no bulk assignment", "added without an answer",
        "not added", "assigned without an answer",
    ],
)  # fmt: skip
def test_test_case_is_added_once_whatever_call_fails(
    pytester, run_zephyr, target, fault
):
    add_cases(target, [201])
    target.sandbox.faults.add(fault)
    pytester.makepyfile(ONE_TEST.format(case=201))
    run_zephyr(
        *NAMES[:2], f"--zephyr-phase={target.phase}", "--zephyr-create=execution",
        "--zephyr-retries=0", check_exit_code=False,
    )  # fmt: skip

    assert target.statuses()[201] == "1"
    assert target.sandbox.store.placed_ids(target.phase).count(201) == 1


def test_refused_addition_does_not_affect_other_results(pytester, run_zephyr, target):
    """The test case that was not added is named; the others get their result."""
    add_cases(target, [201])
    # The first call is not answered, and later ones are refused.
    target.sandbox.faults.add(Fault(method="POST", path="/bytree/", kind="cut_before"))
    target.sandbox.faults.add(
        Fault(method="POST", path="/bytree/", status=400, times=None)
    )
    pytester.makepyfile(
        test_new=ONE_TEST.format(case=201), test_scheduled=ONE_TEST.format(case=101)
    )
    ran = run_zephyr(
        *NAMES[:2], f"--zephyr-phase={target.phase}", "--zephyr-create=execution",
        "--zephyr-retries=0", check_exit_code=False,
    )  # fmt: skip

    assert target.statuses()[101] == "1"
    assert "test case 201 could not be added to phase" in ran.text
    assert "answered 400 to POST assignmenttree" in ran.text


def test_refused_assignment_is_the_reason_for_a_missing_execution(
    pytester, run_zephyr, target
):
    """The call before, which adds the test case to the phase, has worked."""
    add_cases(target, [201])
    for method, path in (("PUT", "/bulk/tree/"), ("POST", "/execution/modify")):
        target.sandbox.faults.add(Fault(method, path, status=400, times=None))
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(
        *NAMES[:2], f"--zephyr-phase={target.phase}", "--zephyr-create=execution",
        check_exit_code=False,
    )  # fmt: skip

    assert target.sandbox.store.placed_ids(target.phase).count(201) == 1
    assert "test case 201 could not be added to phase" in ran.text
    assert "answered 400 to PUT assignmenttree" in ran.text


# Unknown ids, and tests without a marker


@pytest.mark.parametrize(
    ("policy", "on_error", "ret"),
    [
        ("ignore", "fail", 0),
        ("warn", "fail", 0),
        ("error", "warn", 0),
        ("error", "fail", 4),
    ],
)
def test_unknown_case_option_decides_what_an_unknown_id_does(
    pytester, run_zephyr, target, policy, on_error, ret
):
    """Only ``error`` with on_error=fail ends the run before the first test."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_known(): pass

        @pytest.mark.zephyr(1022)
        def test_typo(): pass
        """
    )
    ran = run_zephyr(
        f"--zephyr-unknown-case={policy}", f"--zephyr-on-error={on_error}",
        check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == ret
    message = "test case 1022 is not known to Zephyr. Did you mean 102?"
    assert (message in ran.text) == (policy != "ignore")
    assert target.statuses()[101] == (None if ret == 4 else "1")
    assert ("test_typo" in ran.text) == (policy != "ignore")


@needs_xdist
@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--zephyr-unknown-case=error",
            "test case 1022 is not known to Zephyr. Did you mean 102?",
        ),
        ("--zephyr-phase=4711", "'4711' (from --zephyr-phase) is not a phase"),
    ],
    ids=["unknown id", "wrong phase"],
)
def test_mistake_ends_a_distributed_run_before_the_first_test(
    pytester, run_zephyr, flag, message
):
    """No file is left, not even one of a worker that ran when the mistake was found."""
    pytester.makepyfile(ONE_TEST.format(case=1022))
    ran = run_zephyr(
        "-n2", flag, "--zephyr-on-error=fail", check_exit_code=False, subprocess=True
    )

    assert ran.ret == 4
    assert message in ran.text
    assert "INTERNALERROR" not in ran.text
    assert list((pytester.path / ".zephyr").glob("*.jsonl")) == []


@pytest.mark.parametrize(
    ("policy", "ret", "is_named"),
    [("ignore", 0, False), ("warn", 0, True), ("error", 8, True)],
)
def test_unmapped_option_decides_what_a_test_without_a_marker_does(
    pytester, run_zephyr, policy, ret, is_named
):
    """Only ``error`` changes the exit code with on_error=fail."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_marked(): pass

        def test_unmarked(): pass

        @pytest.mark.zephyr_ignore
        def test_ignored(): pass
        """
    )
    ran = run_zephyr(
        f"--zephyr-unmapped={policy}", "--zephyr-on-error=fail", check_exit_code=False
    )

    assert ran.ret == ret
    assert ("zephyr: 1 test has no test case: " in ran.text) == is_named
    assert ("::test_unmarked" in ran.text) == is_named
    assert "test_ignored" not in ran.text


#: Flags that create what is missing, even test cases.
CREATE = (*NAMES, "--zephyr-create=cycle", "--zephyr-unmapped=create")


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize("workers", without_and_with_xdist(2))
def test_test_cases_are_created_once_for_tests_without_a_test_case(
    pytester, run_zephyr, target, workers
):
    requirement = target.sandbox.store.add_requirement(target.release, "R", alt="REQ-1")
    pytester.mkpydir("pay")
    (pytester.path / "pay" / "test_card.py").write_text(
        """
import pytest

class TestCard:
    @pytest.mark.zephyr(requirements=["REQ-1"])
    @pytest.mark.smoke
    def test_ok(self):
        '''A good card is taken.'''

@pytest.mark.parametrize("n", [1, 2, 3])
def test_many(n): assert n != 2
""",
        encoding="utf-8",
    )
    pytester.makeini("[pytest]\nmarkers = smoke\n")
    for _ in range(2):
        ran = run_zephyr(
            *CREATE, *workers, check_exit_code=False, subprocess=bool(workers)
        )
        assert "2 test cases: 2 reported (1 Pass, 1 Fail)" in ran.text

    cases = {c.name: c for c in target.sandbox.store.cases(target.release)}
    new = {name: case for name, case in cases.items() if "::" in name}
    assert sorted(new) == ["test_card::TestCard::test_ok", "test_card::test_many"]
    ok = new["test_card::TestCard::test_ok"]
    assert (ok.folder, ok.automated, ok.tag) == ("Automation/pay", True, "smoke")
    assert ok.description == "A good card is taken."
    assert ok.script == "pay/test_card.py::TestCard::test_ok"
    assert ok.requirements == (requirement,)
    assert statuses(target) == {
        ok.id: "1", new["test_card::test_many"].id: "2"
    }  # fmt: skip


@pytest.mark.usefixtures("no_phase_id")
def test_dry_run_shows_what_would_be_created(
    pytester, run_zephyr, run_shown_command, target
):
    add_cases(target, [201])
    pytester.makepyfile(
        test_pay="""
        import pytest

        @pytest.mark.zephyr(201)
        def test_marked(): pass

        def test_unmarked(): pass
        """
    )
    ran = run_zephyr(*CREATE, "--zephyr-dry-run")

    assert "2 test cases: 2 would be reported (1 Pass, 1 new)" in ran.text
    for line in (
        "cycle 'Build 7' would be created",
        "phase 'Regression' would be created",
        "folder 'Automation' would be created",
        "test case 'test_pay::test_unmarked' would be created",
        "test case 201: Pass, once it is added",
    ):
        assert line in ran.text
    assert target.writes == []

    assert run_shown_command(ran.text).ret == 0
    assert len(statuses(target)) == 2


@pytest.mark.usefixtures("no_phase_id")
def test_dry_run_counts_a_test_case_that_an_earlier_run_created(pytester, run_zephyr):
    pytester.makepyfile(test_pay="def test_unmarked(): pass")
    run_zephyr(*CREATE)
    ran = run_zephyr(*CREATE, "--zephyr-dry-run")

    assert "1 test case: 1 would be reported (1 Pass)" in ran.text
    assert "would be created" not in ran.text


@pytest.mark.usefixtures("no_phase_id")
def test_a_test_case_is_created_for_a_result_with_a_custom_status(
    pytester, run_zephyr, target
):
    """A server may have statuses besides the default ones."""
    target.sandbox.store.set_statuses([("1", "Pass", True), ("11", "Waived", True)])
    pytester.makepyfile(test_pay="def test_unmarked(): pass")
    ran = run_zephyr(*CREATE, "--zephyr-status-map=passed=Waived")

    assert "1 test case: 1 reported (1 Waived)" in ran.text


def test_unmapped_create_needs_zephyr_create(pytester, run_zephyr):
    pytester.makepyfile("def test_a(): pass")
    ran = run_zephyr("--zephyr-unmapped=create", check_exit_code=False)

    assert ran.ret == 4
    assert "so zephyr_create must be execution, phase or cycle" in ran.text


@pytest.mark.usefixtures("no_phase_id")
def test_refused_test_case_is_named_and_the_others_are_created(
    pytester, run_zephyr, target
):
    """The message of the server about a mandatory field is shown with the test."""
    target.sandbox.store.add_field("testcase", "Component", "zcf_1", mandatory=True)
    pytester.makepyfile(
        test_pay="""
        import pytest

        def test_a(): pass

        @pytest.mark.zephyr(fields={"Component": "cards"})
        def test_b(): pass
        """
    )
    ran = run_zephyr(*CREATE, check_exit_code=False)

    assert "Custom field Component is mandatory" in ran.text
    assert "test_pay.py::test_a" in ran.text
    (case,) = [c for c in target.sandbox.store.cases(target.release) if "::" in c.name]
    assert (case.name, case.properties) == ("test_pay::test_b", {"zcf_1": "cards"})
    assert statuses(target) == {case.id: "1"}


UNMARKED = "".join(f"def test_{n}(): pass\n" for n in range(5))


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_test_cases_created_despite_a_server_error_are_not_created_again(
    pytester, run_zephyr, target, times
):
    fault = Fault("POST", "*/testcase/bulk", "status_after", status=500, times=times)
    target.sandbox.faults.add(fault)
    pytester.makepyfile(test_pay=UNMARKED)
    ran = run_zephyr(*CREATE, check_exit_code=False)

    names = [
        c.name for c in target.sandbox.store.cases(target.release) if "::" in c.name
    ]
    assert len(names) == len(set(names)) == 5
    assert "5 test cases: 5 reported (5 Pass)" in ran.text


@pytest.mark.usefixtures("no_phase_id")
def test_two_tests_of_one_name_in_one_folder_are_one_test_case(
    pytester, run_zephyr, target
):
    """Folder and name identify a test case; the worst result of its tests counts."""
    for package, body in (("api", "pass"), ("ui", "assert 0")):
        pytester.mkpydir(package)
        (pytester.path / package / "test_x.py").write_text(
            f"def test_same(): {body}\n", encoding="utf-8"
        )
    run_zephyr(*CREATE, "--zephyr-folder=Automation", check_exit_code=False)

    (case,) = [c for c in target.sandbox.store.cases(target.release) if "::" in c.name]
    assert statuses(target) == {case.id: "2"}


@pytest.mark.usefixtures("no_phase_id")
def test_dry_run_counts_the_writing_requests(pytester, run_zephyr, target):
    add_cases(target, [201, 202])
    for package in ("a", "b"):
        pytester.mkpydir(package)
        (pytester.path / package / f"test_{package}.py").write_text(
            "import pytest\n@pytest.mark.zephyr(201, 202)\ndef test_m(): pass\n"
            "def test_u(): pass\n",
            encoding="utf-8",
        )
    args = (*CREATE, "--zephyr-folder=A/{package}/B")
    preview = run_zephyr(*args, "--zephyr-dry-run", check_exit_code=False).text
    run_zephyr(*args, check_exit_code=False)

    count = re.search(
        r"nothing was written; a push takes (\d+) writing requests", preview
    )
    assert count is not None
    assert int(count[1]) == len(target.writes)


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize("marker", ["[]", "'SHOP-7'", "alt=''"])
def test_no_test_case_is_created_for_an_invalid_marker(
    pytester, run_zephyr, target, marker
):
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.zephyr({marker})\ndef test_a(): pass\n"
    )
    ran = run_zephyr(*CREATE, check_exit_code=False)

    ran.result.assert_outcomes(passed=1, warnings=1)
    assert target.writes == []


@pytest.mark.usefixtures("no_phase_id")
def test_field_of_a_result_is_in_the_notes(pytester, run_zephyr, target):
    pytester.makepyfile(
        test_pay="def test_a(zephyr): zephyr.field('browser', 'firefox')"
    )
    ran = run_zephyr(*CREATE, check_exit_code=False)

    assert "1 test case: 1 reported (1 Pass)" in ran.text
    (cycle,) = cycles(target)
    (phase,) = target.sandbox.store.phases(cycle.id)
    (execution,) = target.sandbox.store.executions(phase.id)
    assert "firefox" in execution.comment


# Only planned tests


PLANNED_AND_UNPLANNED = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_planned(): pass

    @pytest.mark.zephyr(999)
    def test_unplanned(): assert 0

    def test_unmarked(): assert 0
"""


@pytest.mark.parametrize("workers", without_and_with_xdist(2))
def test_only_planned_tests_run(pytester, run_zephyr, target, workers):
    pytester.makepyfile(PLANNED_AND_UNPLANNED)
    add_cases(target, [201])
    target.sandbox.store.add_to_phase(target.phase, 201)
    ran = run_zephyr(
        "--zephyr-only-planned",
        *workers,
        check_exit_code=False,
        subprocess=bool(workers),
    )

    ran.result.assert_outcomes(passed=1, deselected=0 if workers else 2)
    assert target.statuses()[101] == "1"
    assert (
        "only planned: 2 tests were not run, their test case is not in the phase;"
        " 6 test cases of the phase have no test" in ran.text
    )


def test_only_planned_works_with_push_never(pytester, run_zephyr):
    pytester.makepyfile(PLANNED_AND_UNPLANNED)
    ran = run_zephyr(
        "--zephyr-only-planned", "--zephyr-push=never", check_exit_code=False
    )

    ran.result.assert_outcomes(passed=1, deselected=2)


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize(
    ("create", "workers"),
    [
        pytest.param("never", [], id="never"),
        pytest.param("phase", [], id="phase"),
        pytest.param("phase", ["-n1"], id="phase, xdist", marks=needs_xdist),
        pytest.param("cycle", [], id="cycle"),
    ],
)
def test_only_planned_selects_nothing_if_the_phase_does_not_exist(
    pytester, run_zephyr, target, create, workers
):
    """No test runs, and no phase is created."""
    pytester.makepyfile(PLANNED_AND_UNPLANNED)
    ran = run_zephyr(
        *NAMES, "--zephyr-cycle=Nightly", "--zephyr-phase=Tomorrow",
        "--zephyr-only-planned", f"--zephyr-create={create}", *workers,
        check_exit_code=False, subprocess=bool(workers),
    )  # fmt: skip

    assert ran.ret == 5
    assert (
        "zephyr: only tests of planned test cases run, and there are none." in ran.text
    )
    assert "'Tomorrow' (from --zephyr-phase)" in ran.text
    assert target.writes == []


def test_only_planned_selects_nothing_if_no_phase_has_the_id(
    pytester, run_zephyr, target
):
    pytester.makepyfile(PLANNED_AND_UNPLANNED)
    ran = run_zephyr(
        "--zephyr-only-planned", "--zephyr-phase=4999", check_exit_code=False
    )

    assert ran.ret == 5
    assert (
        "zephyr: only tests of planned test cases run, and there are none." in ran.text
    )
    assert target.writes == []


@pytest.mark.parametrize(("on_error", "ret"), [("fail", 4), ("warn", 1)])
def test_only_planned_says_that_the_phase_cannot_be_read(
    pytester, run_zephyr, monkeypatch, on_error, ret
):
    """All tests run then, unless on_error=fail ends the session before them."""
    monkeypatch.setenv("ZEPHYR_URL", "http://127.0.0.1:9")
    pytester.makepyfile(PLANNED_AND_UNPLANNED)
    ran = run_zephyr(
        "--zephyr-only-planned", f"--zephyr-on-error={on_error}", "--zephyr-retries=0",
        check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == ret
    assert (
        "the test cases of the phase, for --zephyr-only-planned, cannot be read"
        in ran.text
    )
    if on_error == "warn":
        ran.result.assert_outcomes(passed=1, failed=2)


# Checks before the first test


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--zephyr-project=999"], "'999' (from --zephyr-project) is not a project"),
        (["--zephyr-release=999"], "'999' (from --zephyr-release) is not a release"),
        (["--zephyr-cycle=999"], "'999' (from --zephyr-cycle) is not a cycle"),
        (["--zephyr-phase=999"], "'999' (from --zephyr-phase) is not a phase"),
    ],
    ids=["project", "release", "cycle", "phase"],
)
def test_wrong_id_is_reported_before_the_first_test(
    pytester, run_zephyr, args, message
):
    """The server answers 500 to a wrong id, so the id is looked up in lists."""
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(
        "--zephyr-project=Payments", "--zephyr-release=name:1.0",
        "--zephyr-cycle=Nightly", "--zephyr-phase=Smoke", *args,
        "--zephyr-on-error=fail", "--zephyr-retries=0", check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == 4
    assert message in ran.text


def test_wrong_id_of_a_phase_alone_is_reported(pytester, run_zephyr):
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(
        "--zephyr-phase=999", "--zephyr-on-error=fail", "--zephyr-retries=0",
        check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == 4
    assert "'999' (from --zephyr-phase) is not a phase of this server" in ran.text


def test_unknown_id_is_reported_in_a_large_phase(pytester, run_zephyr, monkeypatch):
    """The startup check does not read the whole phase."""
    monkeypatch.setattr("pytest_zephyr.push.preflight.MAX_KEPT_EXECUTIONS", 2)
    pytester.makepyfile(ONE_TEST.format(case=1022))
    ran = run_zephyr(
        "--zephyr-unknown-case=error", "--zephyr-on-error=fail", check_exit_code=False
    )

    assert ran.ret == 4
    assert "test case 1022 is not known to Zephyr" in ran.text


def test_new_test_case_that_the_search_lacks_does_not_end_the_run(
    pytester, run_zephyr, target
):
    add_cases(target, [201])
    target.sandbox.faults.add(
        Fault(path="/advancesearch", kind="omit_rows", rows=99, times=None)
    )
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(
        *NAMES[:2], f"--zephyr-phase={target.phase}", "--zephyr-create=execution",
        "--zephyr-unknown-case=error", "--zephyr-on-error=fail", check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == 0
    assert target.statuses()[201] == "1"


@pytest.mark.usefixtures("no_phase_id")
def test_new_cycle_in_a_release_that_is_given_by_its_id_needs_the_project(
    pytester, run_zephyr, target
):
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(
        f"--zephyr-release={target.release}", *NAMES[2:], "--zephyr-create=cycle",
        "--zephyr-on-error=fail", check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == 4
    assert "a new cycle needs the dates of its release" in ran.text


def test_no_test_case_is_added_to_a_structured_phase_that_is_given_by_its_id(
    pytester, run_zephyr, target
):
    store = target.sandbox.store
    add_cases(target, [201])
    phase = store.add_phase(target.cycle, "Folders", free_form=False)
    pytester.makepyfile(ONE_TEST.format(case=201))
    ran = run_zephyr(f"--zephyr-phase={phase}", "--zephyr-create=execution")

    assert "it is a structured phase" in ran.text
    assert "Created" not in ran.text
    assert not any("bytree" in write for write in target.writes)


def test_results_wait_for_a_locked_release(pytester, run_zephyr, target, monkeypatch):
    locked = '{"errorMsg": "The Release with ID1 and name1 is locked."}'
    target.sandbox.faults.add(Fault("PUT", "/bulk/execute", status=400, body=locked))
    waits: list[float] = []
    monkeypatch.setattr(base, "time", SimpleNamespace(sleep=waits.append))
    pytester.makepyfile(ONE_TEST.format(case=101))
    run_zephyr(check_exit_code=False)

    assert waits == [15.0]
    assert target.statuses()[101] == "1"


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--zephyr-project=Payment", "(from --zephyr-project) is not a project of this server. Did you mean 'Payments'?"),
        ("--zephyr-release=name:1.00", "(from --zephyr-release) is not a release of project 'Payments'. Did you mean '1.0'?"),
        ("--zephyr-cycle=Nightley", "(from --zephyr-cycle) is not a cycle of release '1.0'. Did you mean 'Nightly'?"),
        ("--zephyr-phase=Smok", "(from --zephyr-phase) is not a phase of cycle 'Nightly'. Did you mean 'Smoke'?"),
        ("--zephyr-status-map=error=Blockd", "'Blockd' for error (from --zephyr-status-map) is not a status of this server. Did you mean Blocked?"),
        ("--zephyr-cycle=N {buidl}", "{buidl} is not a placeholder. Did you mean {build}?"),
    ],
    ids=["project", "release", "cycle", "phase", "status", "placeholder"],
)  # fmt: skip
def test_typo_is_reported_before_the_first_test(pytester, run_zephyr, wrong, message):
    pytester.makepyfile(
        "import pytest, pathlib\n@pytest.mark.zephyr(101)\n"
        "def test_a(): pathlib.Path('ran').touch()\n"
    )
    ran = run_zephyr(
        "--zephyr-project=Payments", "--zephyr-release=name:1.0",
        "--zephyr-cycle=Nightly", "--zephyr-phase=Smoke", wrong,
        "--zephyr-on-error=fail", check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == 4
    assert message in ran.text
    assert not (pytester.path / "ran").exists()
    assert ran.journals == []


@pytest.mark.usefixtures("no_phase_id")
@pytest.mark.parametrize(
    ("option", "typo", "name"),
    [
        ("project", "Payment", "Payments"),
        ("cycle", "Nightley", "Nightly"),
        ("phase", "Smok", "Smoke"),
    ],
)
def test_printed_command_corrects_a_typo(
    pytester, run_zephyr, target, run_shown_command, option, typo, name
):
    """The journal has the wrong name; the command has a flag with the suggested one."""
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(
        "--zephyr-project=Payments", "--zephyr-release=name:1.0",
        "--zephyr-cycle=Nightly", "--zephyr-phase=Smoke", f"--zephyr-{option}={typo}",
    )  # fmt: skip
    pasted = run_shown_command(ran.text)

    ran.result.stdout.fnmatch_lines(
        [f"*send them to the right {option} with: * push * --zephyr-{option} {name}*"]
    )
    assert pasted.ret == 0, pasted.out + pasted.err
    assert target.statuses()[101] == "1"


@pytest.mark.usefixtures("no_phase_id")
def test_printed_command_has_a_name_of_digits(
    pytester, run_zephyr, target, run_shown_command
):
    """The command has ``name:2024``, because ``2024`` would be an id.

    The message has the name of the phase with its placeholder filled in.
    """
    store = target.sandbox.store
    phase = store.add_phase(target.cycle, "2024")
    store.schedule(phase, 101)
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(*NAMES[:2], "--zephyr-cycle=Nightly", "--zephyr-phase={build}",
        "--zephyr-build=2024x",
    )  # fmt: skip

    assert "'2024x' (from --zephyr-phase) is not a phase of cycle" in ran.text
    assert "--zephyr-phase name:2024" in ran.text
    assert run_shown_command(ran.text).ret == 0
    assert store.execution(phase, 101).status == "1"


def test_problems_of_cycle_and_status_are_reported_together(pytester, run_zephyr):
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(
        *NAMES, "--zephyr-status-map=error=Blockd", "--zephyr-on-error=fail",
        check_exit_code=False,
    )  # fmt: skip

    assert ran.ret == 4
    assert "is not a cycle" in ran.text
    assert "is not a status" in ran.text


def test_refused_login_ends_the_run_only_with_on_error_fail(
    pytester, run_zephyr, monkeypatch
):
    monkeypatch.setenv("ZEPHYR_TOKEN", "wrong")
    pytester.makepyfile(ONE_TEST.format(case=101))
    strict = run_zephyr("--zephyr-on-error=fail", check_exit_code=False)
    lenient = run_zephyr(check_exit_code=False)

    assert (strict.ret, lenient.ret) == (4, 0)
    assert "does not accept the token in ZEPHYR_TOKEN" in strict.text
    assert "does not accept the token in ZEPHYR_TOKEN" in lenient.text


def test_unreachable_server_does_not_stop_the_tests(pytester, run_zephyr, monkeypatch):
    monkeypatch.setenv("ZEPHYR_URL", "http://127.0.0.1:9")
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(
        "--zephyr-on-error=fail", "--zephyr-retries=0", check_exit_code=False
    )

    assert ran.ret == 8
    assert "the server could not be checked before the tests" in ran.text
    ran.result.assert_outcomes(passed=1)
    assert len(ran.journals) == 1


def test_header_names_server_user_and_phase(pytester, run_zephyr, target):
    pytester.makepyfile(ONE_TEST.format(case=101))
    ran = run_zephyr(check_exit_code=False)

    where = (
        f"zephyr: {target.sandbox.url} as the owner of the token in ZEPHYR_TOKEN, id"
    )
    assert f"{where} {target.phase}" in ran.text


@pytest.mark.parametrize("create", ["never", "cycle"])
def test_run_check_and_push_report_the_same_target_problem(
    pytester, run_zephyr, target, run_command, monkeypatch, create
):
    """The given cycle does not exist; the given phase is in another cycle."""
    monkeypatch.setenv("ZEPHYR_CREATE", create)
    for name, value in (("PROJECT", "Payments"), ("RELEASE", "name:1.0")):
        monkeypatch.setenv(f"ZEPHYR_{name}", value)
    monkeypatch.setenv("ZEPHYR_CYCLE", "Release candidate")
    pytester.makepyfile(ONE_TEST.format(case=101))
    message = "'Release candidate' (from ZEPHYR_CYCLE) is not a cycle of release '1.0'."
    location = f"Phase {target.phase} is in cycle 'Nightly' ({target.cycle})."

    warned = run_zephyr(check_exit_code=False)
    checked = run_command("check")
    pushed = run_command("push", *warned.journals)
    failed = run_zephyr("--zephyr-on-error=fail", check_exit_code=False)

    for ran in (warned, checked, pushed, failed):
        # A push gives the journal as the source of the name.
        text = ran.text.replace(warned.journals[0].name, "ZEPHYR_CYCLE")
        assert message in text
        assert location in text
    assert (warned.ret, checked.ret, pushed.ret, failed.ret) == (0, 1, 1, 4)
    assert "FAIL" in checked.text
    assert target.writes == []


@needs_xdist
def test_check_does_not_hold_up_the_workers(pytester, run_zephyr, target, monkeypatch):
    """The server answers the check only once a worker collects."""
    pytester.makeconftest(
        """
        import os, pathlib

        def pytest_collection():
            if "PYTEST_XDIST_WORKER" in os.environ:
                pathlib.Path("collecting").touch()
        """
    )
    pytester.makepyfile(ONE_TEST.format(case=101))
    faults = target.sandbox.faults
    take = faults.take

    def wait_for_a_worker(method, path, start):
        if path.endswith("user/current"):
            wait_until((pytester.path / "collecting").exists)
        return take(method, path, start)

    monkeypatch.setattr(faults, "take", wait_for_a_worker)
    ran = run_zephyr("-n1", subprocess=True)

    assert "the server could not be checked" not in ran.text
    assert target.statuses()[101] == "1"
