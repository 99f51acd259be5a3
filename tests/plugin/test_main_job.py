"""The main job: marked tests run, and their test cases get statuses in Zephyr."""

from __future__ import annotations

import textwrap

import pytest

from pytest_zephyr.sandbox import Fault


OUTCOMES = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_passes():
        pass

    @pytest.mark.zephyr(102)
    def test_fails():
        assert 1 == 2, "one is not two"

    @pytest.fixture
    def broken():
        raise RuntimeError("no database")

    @pytest.mark.zephyr(103)
    def test_errors(broken):
        pass

    @pytest.mark.zephyr(104)
    @pytest.mark.skip(reason="later")
    def test_skipped():
        pass

    @pytest.mark.zephyr(105)
    @pytest.mark.xfail(reason="BUG-1")
    def test_xfails():
        assert False

    @pytest.mark.zephyr(106)
    @pytest.mark.xfail(reason="BUG-2")
    def test_xpasses():
        pass
"""


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(test_suite=OUTCOMES)


@pytest.mark.usefixtures("suite")
def test_each_outcome_has_its_default_status(run_zephyr, target):
    """The status of a test case does not change if its test is skipped."""
    run_zephyr()

    assert target.statuses() == {
        101: "1", 102: "2", 103: "2", 104: None, 105: "4", 106: "1"
    }  # fmt: skip


@pytest.mark.usefixtures("suite")
def test_notes_have_the_failure_text(run_zephyr, target):
    """An expected failure has its reason instead. An ordinary pass gets no notes."""
    run_zephyr()

    assert "one is not two" in target.execution(102).comment
    assert "no database" in target.execution(103).comment
    assert "BUG-1" in target.execution(105).comment
    assert "assert False" not in target.execution(105).comment
    assert not target.execution(101).comment


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize(
    ("choice", "noted"),
    [
        ("never", set()),
        ("failed", {102, 103, 105, 106}),
        ("always", {101, 102, 103, 105, 106}),
    ],
    ids=["never", "failed", "always"],
)
def test_comment_option_decides_which_notes_are_written(
    run_zephyr, target, choice, noted
):
    """With any status but Pass, notes at least have the line that names the run."""
    run_zephyr(f"--zephyr-comment={choice}")

    notes = {c: target.execution(c).comment or "" for c in range(101, 107)}
    commented = {c for c, text in notes.items() if text and text[0] != "["}
    tagged = {c for c, text in notes.items() if "[pytest-zephyr run=" in text}
    assert tagged == noted | {102, 103, 105}
    assert commented == noted


@pytest.mark.usefixtures("suite")
def test_summary_has_numbers_and_link(run_zephyr, target):
    ran = run_zephyr()

    ran.result.stdout.fnmatch_lines(
        [
            f"zephyr: {target.sandbox.url} as *",
            "*= zephyr =*",
            "6 test cases: 5 reported (2 Pass, 2 Fail, 1 Blocked), 1 unchanged (skipped)",
            f"View results: {target.sandbox.url}/flex/html5/*  (phase id *)",
        ]
    )


@pytest.mark.usefixtures("suite")
def test_quiet_run_prints_no_section_when_all_is_well(run_zephyr):
    ran = run_zephyr("-q")

    assert "reported" not in ran.text
    assert "= zephyr =" not in ran.text


def test_phase_is_found_by_names(pytester, run_zephyr, target, monkeypatch):
    """The names are those of project, release, cycle and phase."""
    monkeypatch.delenv("ZEPHYR_PHASE")
    pytester.makeini(
        """
        [pytest]
        zephyr_project = Payments
        zephyr_release = 1.0
        zephyr_cycle = Nightly
        zephyr_phase = Smoke
        """
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    ran = run_zephyr()

    assert target.statuses()[101] == "1"
    page = f"{target.sandbox.url}/flex/html5/release/{target.release}"
    where = "Payments > 1.0 > Nightly > Smoke"
    assert f"View results: {page}  ({where})" in ran.text


def test_name_prefix_finds_a_release_named_by_digits(pytester, run_zephyr, target):
    """``1`` would be an id; ``name:1`` is the release called 1."""
    release = target.sandbox.store.add_release(target.project, "1")
    cycle = target.sandbox.store.add_cycle(release, "Nightly")
    phase = target.sandbox.store.add_phase(cycle, "Smoke")
    target.sandbox.store.schedule(
        phase, target.sandbox.store.add_case(release, testcase_id=201)
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(201)\ndef test_a(): pass\n")
    run_zephyr(
        "--zephyr-project=Payments",
        "--zephyr-release=name:1",
        "--zephyr-cycle=Nightly",
        "--zephyr-phase=Smoke",
    )

    execution = target.sandbox.store.execution(phase, 201)
    assert execution is not None
    assert execution.status == "1"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--zephyr-phase=Smok", "--zephyr-cycle=Nightly"],
            "'Smok' (from --zephyr-phase) is not a phase of cycle 'Nightly'. Did you mean 'Smoke'?",
        ),
        (
            ["--zephyr-phase=Smoke", "--zephyr-cycle=nightly"],
            (
                "'nightly' (from --zephyr-cycle) is not a cycle of release '1.0'. Did you mean"
                " 'Nightly'?"
            ),
        ),
    ],
    ids=["phase", "cycle"],
)
def test_unknown_name_suggests_a_similar_one(
    pytester, run_zephyr, target, args, message
):
    """Nothing is written to Zephyr, and the journal is kept."""
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    ran = run_zephyr("--zephyr-project=Payments", "--zephyr-release=name:1.0", *args)

    assert message in ran.text
    assert target.writes == []
    assert " push .zephyr" in ran.text
    assert len(ran.journals) == 1


def test_unknown_test_case_is_named_and_the_rest_is_delivered(
    pytester, run_zephyr, target
):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_known(): pass

        @pytest.mark.zephyr(999)
        def test_unknown(): pass
        """
    )
    ran = run_zephyr()

    assert target.statuses()[101] == "1"
    assert "test case 999 is not known to Zephyr" in ran.text
    assert "test_unknown" in ran.text
    assert "2 test cases: 1 reported (1 Pass), 1 refused" in ran.text


TARGET_BY_NAMES = (
    "--zephyr-project=Payments",
    "--zephyr-release=name:1.0",
    "--zephyr-cycle=Nightly",
    "--zephyr-phase=Smoke",
)


@pytest.mark.parametrize(
    ("args", "requests"), [((), 4), (TARGET_BY_NAMES, 7)], ids=["phase id", "names"]
)
def test_three_hundred_results_cost_four_requests_or_seven_with_names(
    pytester, run_zephyr, target, args, requests
):
    cases = range(1000, 1300)
    target.sandbox.store.schedule_all(target.phase, cases)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize(
            "n", [pytest.param(n, marks=pytest.mark.zephyr(n)) for n in range(1000, 1300)]
        )
        def test_many(n): pass
        """
    )
    ran = run_zephyr(*args)

    assert "300 test cases: 300 reported (300 Pass)" in ran.text
    assert len(target.sandbox.requests) == requests
    statuses = target.statuses()
    assert {statuses[case] for case in cases} == {"1"}


def test_nothing_is_written_without_markers(pytester, run_zephyr, target):
    pytester.makepyfile("def test_a(): pass")
    ran = run_zephyr()

    assert "No test cases to report" in ran.text
    assert target.writes == []


def test_second_run_writes_again_and_replaces_the_old_notes(
    pytester, run_zephyr, target
):
    """After a failure, a pass removes the failure text."""
    path = pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): assert 0, 'boom'\n"
    )
    run_zephyr(check_exit_code=False)
    assert "boom" in target.execution(101).comment
    path.write_text(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): 'passes now'\n",
        encoding="utf-8",
    )
    run_zephyr(check_exit_code=False)

    assert target.execution(101).status == "1"
    assert "boom" not in target.execution(101).comment
    assert target.execution(101).result_count == 2


def test_pass_replaces_notes_with_a_node_id_of_two_lines(pytester, run_zephyr, target):
    body = """
        import pytest

        @pytest.mark.zephyr(101)
        @pytest.mark.parametrize("x", [1])
        def test_a(x): assert {x}
        """
    conftest = """
        def pytest_collection_modifyitems(items):
            for item in items:
                item._nodeid = item.nodeid + "\\nsecond line"
        """
    pytester.makeconftest(conftest)
    path = pytester.makepyfile(body.format(x=0))
    run_zephyr()
    assert "assert 0" in target.execution(101).comment
    path.write_text(textwrap.dedent(body.format(x=1)), encoding="utf-8")
    run_zephyr()

    execution = target.execution(101)
    assert execution.status == "1"
    assert "assert 0" not in execution.comment


def test_duration_and_time_of_execution_are_sent(pytester, run_zephyr, target):
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.zephyr(101)
        def test_slow(): time.sleep(0.05)
        """
    )
    run_zephyr(check_exit_code=False)

    execution = target.execution(101)
    assert execution.actual_time >= 50
    assert execution.executed_on is not None


@pytest.mark.parametrize(
    ("body", "colour", "first_line"),
    [
        ("pass", "32", "1 test case: 1 reported (1 Pass)"),
        ("pytest.skip('x')", "", "1 test case: 1 unchanged (skipped)"),
    ],
    ids=["green", "none"],
)
def test_first_line_of_the_summary_is_green_if_all_results_were_reported(
    pytester, run_zephyr, body, colour, first_line
):
    """The line has no colour if there was nothing to report."""
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): {body}\n"
    )
    text = run_zephyr("--color=yes").text

    if colour:
        assert f"\x1b[{colour}m{first_line}\x1b[0m" in text
    else:
        assert f"\n{first_line}\n" in text


def test_problems_are_yellow_and_a_failed_push_is_red(pytester, run_zephyr, target):
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(101, 999)\ndef test_a(): pass\n"
    )
    assert (
        "\x1b[33mzephyr: test case 999 is not known" in run_zephyr("--color=yes").text
    )

    target.sandbox.faults.add(Fault("PUT", "*bulk/execute", status=403, times=None))
    text = run_zephyr("--color=yes").text

    assert "\x1b[31m2 test cases: 2 not sent\x1b[0m" in text
    assert "\x1b[31mzephyr: 2 results kept in " in text
