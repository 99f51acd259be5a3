"""Runs with several journals: shards, attempts and other jobs.

Also journals that are damaged or incomplete, and other files beside journals.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from pytest_zephyr.journal.lock import try_lock
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from tests.conftest import backdate
from tests.conftest import needs_xdist
from tests.conftest import without_and_with_xdist


#: A test that passes if *holds* is true.
ONE_TEST = "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): assert {holds}\n"


@pytest.fixture
def run_shard(pytester, run_zephyr):
    """Return a function that runs one shard, with run key K unless *args* have another.

    The shard is a file ``test_<name>.py`` with one test, which passes if *holds*.
    """

    def run(name: str, *args: str, holds: bool) -> None:
        (pytester.path / f"test_{name}.py").write_text(
            ONE_TEST.format(holds=holds), encoding="utf-8"
        )
        run_zephyr(
            f"test_{name}.py", "--zephyr-run-key=K", *args, check_exit_code=False
        )

    return run


def test_passed_shard_that_comes_late_does_not_replace_a_failure(
    run_command, run_shard, target
):
    """The journal that was delivered first still counts."""
    run_shard("red", "--zephyr-push=never", holds=False)
    assert run_command("push").ret == 0
    run_shard("green", "--zephyr-push=never", holds=True)
    assert run_command("push").ret == 0

    assert target.statuses()[101] == "2"
    assert "test_green.py::test_a" in target.execution(101).comment


def test_failure_counts_if_a_second_session_with_the_same_key_passes(run_shard, target):
    run_shard("red", holds=False)
    run_shard("green", holds=True)

    assert target.statuses()[101] == "2"


def test_shard_that_is_pushed_again_alone_writes_nothing(
    run_command, pytester, run_shard, target
):
    run_shard("red", "--zephyr-push=never", holds=False)
    run_shard("green", "--zephyr-push=never", holds=True)
    assert run_command("push").ret == 0
    writes = len(target.writes)
    for journal in (pytester.path / ".zephyr").glob("*.jsonl"):
        assert run_command("push", str(journal)).ret == 0

    assert len(target.writes) == writes
    assert target.statuses()[101] == "2"


def test_result_of_another_run_is_replaced(run_shard, target):
    run_shard("red", "--zephyr-run-key=A", holds=False)
    run_shard("green", "--zephyr-run-key=B", holds=True)

    assert target.statuses()[101] == "1"


@pytest.mark.parametrize("push", ["never", "end"], ids=["one push", "each at its end"])
def test_jobs_with_one_key_and_different_phases_are_different_runs(
    run_command, run_shard, target, push
):
    """A failure in one phase does not change the result in the other."""
    store = target.sandbox.store
    other = store.add_phase(target.cycle, "Other")
    store.schedule(other, 101)
    flag = f"--zephyr-push={push}"
    run_shard("red", flag, f"--zephyr-phase={target.phase}", holds=False)
    run_shard("green", flag, f"--zephyr-phase=id:{other}", holds=True)
    run_shard("green_2", flag, f"--zephyr-phase={other}", holds=True)
    if push == "never":
        assert run_command("push").ret == 0

    assert target.statuses()[101] == "2"
    (in_other,) = store.executions(other)
    assert in_other.status == "1"
    assert "test_red" not in (in_other.comment or "")


def test_results_delivered_to_one_phase_can_be_sent_to_another(
    run_command, pytester, run_shard, target
):
    """Their attachments are sent, too."""
    store = target.sandbox.store
    other = store.add_phase(target.cycle, "Other")
    store.schedule(other, 101)
    pytester.makeconftest(
        """
        def pytest_zephyr_record(record):
            if record.when == "call":
                record.attach_text("hello", name="a.txt")
        """
    )
    run_shard("red", holds=False)
    (journal,) = (pytester.path / ".zephyr").glob("*.jsonl")
    for _ in range(2):
        assert run_command("push", journal, f"--zephyr-phase={other}").ret == 0

    (in_other,) = store.executions(other)
    for execution in (in_other, target.execution(101)):
        assert (execution.status, execution.result_count) == ("2", 1)
        assert [name for name, _, _ in execution.attachments] == ["a.txt"]


def test_results_delivered_to_one_server_can_be_sent_to_another(
    run_command, pytester, run_shard, target, filled_database, tmp_path
):
    """Both servers have the same ids, as a server and its copy."""
    run_shard("red", holds=False)
    (journal,) = (pytester.path / ".zephyr").glob("*.jsonl")
    phase = f"--zephyr-phase={target.phase}"
    shutil.copyfile(filled_database[0], tmp_path / "other.db")
    with Sandbox(tmp_path / "other.db") as other:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZEPHYR_TOKEN", other.token)
            for _ in range(2):
                assert (
                    run_command("push", journal, f"--zephyr-url={other.url}", phase).ret
                    == 0
                )
        execution = other.store.execution(target.phase, 101)
        assert execution is not None
        assert (execution.status, execution.result_count) == ("2", 1)
    again = run_command("push", journal, f"--zephyr-url={target.sandbox.url}", phase)

    assert again.ret == 0
    assert "1 test case: 1 reported before (1 Fail)" in again.text
    assert target.execution(101).result_count == 1


@pytest.mark.parametrize("first", ["red", "green"])
def test_jobs_that_a_flag_sends_to_one_phase_are_one_run(
    run_command, run_shard, target, first
):
    """The worst result counts."""
    own_phases = {"red": 4991, "green": 4992}
    for name in sorted(own_phases, key=lambda name: name != first):
        phase = f"--zephyr-phase={own_phases[name]}"
        run_shard(name, "--zephyr-push=never", phase, holds=name == "green")
    assert run_command("push", f"--zephyr-phase={target.phase}").ret == 0

    assert target.statuses()[101] == "2"
    assert target.execution(101).result_count == 1


def test_copy_of_a_delivered_journal_is_not_sent_again(
    run_command, pytester, run_shard, target
):
    """The copy is from before the delivery and has no receipts.

    A job of a pipeline that pushes for the others has such copies if it runs again.
    """
    run_shard("red", "--zephyr-push=never", holds=False)
    shutil.copytree(pytester.path / ".zephyr", pytester.path / "copy")
    assert run_command("push").ret == 0
    pushed = run_command("push", "copy")

    assert pushed.ret == 0
    assert target.execution(101).result_count == 1


def test_push_needs_no_values_for_placeholders_of_the_ini_file(
    run_command, pytester, run_shard, target, monkeypatch
):
    pytester.makeini(
        "[pytest]\nzephyr_project = Payments\nzephyr_release = name:1.0\n"
        "zephyr_cycle = Night{env:ENDING}\n"
    )
    monkeypatch.setenv("ENDING", "ly")
    run_shard("green", "--zephyr-push=never", holds=True)
    monkeypatch.delenv("ENDING")

    assert run_command("push").ret == 0
    assert target.statuses()[101] == "1"


# Full disks


MANY_TESTS = """
    import pytest

    @pytest.mark.parametrize(
        "n", [pytest.param(n, marks=pytest.mark.zephyr(1000 + n)) for n in range(40)]
    )
    def test_x(n): pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
@pytest.mark.parametrize("kilobytes", [2, 4, 6])
@pytest.mark.parametrize("workers", without_and_with_xdist(2))
@pytest.mark.usefixtures("target_variables")
def test_full_disk_makes_no_passed_test_fail(
    run_command, pytester, target, kilobytes, workers
):
    """A push says that the disk was full, and fails.

    The next push does the same, because the journal is kept.
    """
    target.sandbox.store.schedule_all(target.phase, range(1000, 1040))
    pytester.makepyfile(MANY_TESTS)
    process = [sys.executable, "-m", "pytest", "--zephyr", "--zephyr-push=never", "-q"]
    limited = f'ulimit -f {kilobytes}; exec "$@"'
    subprocess.run(
        ["bash", "-c", limited, "bash", *process, "-p", "no:cacheprovider", *workers],
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    pushes = [run_command("push"), run_command("push")]

    assert set(target.statuses().values()) <= {None, "1"}
    for pushed in pushes:
        assert pushed.ret == 1
        assert "the disk was full when" in pushed.out


# Child processes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("target_variables")
def test_child_that_outlives_a_killed_run_does_not_hold_its_journal(
    run_command, pytester, target
):
    pytester.makepyfile(
        """
        import os, signal, time
        import pytest

        @pytest.fixture(scope="session")
        def live_server():
            child = os.fork()
            if not child:
                time.sleep(60)
                os._exit(0)
            with open("child", "w") as file:
                file.write(str(child))

        @pytest.mark.zephyr(101)
        def test_a(live_server): pass

        @pytest.mark.zephyr(102)
        def test_b(): os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    process = [sys.executable, "-m", "pytest", "--zephyr", "-q"]
    subprocess.run(
        process,
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    try:
        pushed = run_command("push")
    finally:
        child = int((pytester.path / "child").read_text(encoding="utf-8"))
        os.kill(child, signal.SIGKILL)

    assert pushed.ret == 0
    assert (target.statuses()[101], target.statuses()[102]) == ("1", "2")


# Other files beside journals, and wrong settings


def test_foreign_files_beside_journals_are_left_alone(run_command, pytester, run_shard):
    run_shard("green", "--zephyr-push=never", holds=True)
    directory = pytester.path / ".zephyr"
    foreign = {"report.jsonl": '{"$report_type": 1}\n', "torn.jsonl": '{"kind":"hea'}
    for name, text in foreign.items():
        (directory / name).write_text(text, encoding="utf-8")
    pushed = run_command("push", "--json")

    assert pushed.ret == 0
    assert json.loads(pushed.out)["problems"] == []
    for name, text in foreign.items():
        assert (directory / name).read_text(encoding="utf-8") == text


def test_directory_with_other_files_gets_no_gitignore(pytester, run_shard):
    run_shard("green", "--zephyr-push=never", "--zephyr-journal=.", holds=True)

    assert not (pytester.path / ".gitignore").exists()


def test_wrong_setting_of_one_run_stops_the_push_before_it_sends(
    run_command, run_shard, target, monkeypatch
):
    """No run is sent if another one has no server."""
    run_shard("green", "--zephyr-push=never", "--zephyr-run-key=A", holds=True)
    monkeypatch.delenv("ZEPHYR_URL")
    run_shard("red", "--zephyr-push=never", "--zephyr-run-key=B", holds=False)
    pushed = run_command("push", "--json")

    assert pushed.ret == 2
    assert "no server" in pushed.err
    assert target.writes == []


# Attempts of a job


FAILS_IF_BROKEN = """
    import os
    import pathlib
    import pytest

    @pytest.mark.zephyr(101)
    @pytest.mark.parametrize("n", [1, 2])
    def test_a(n):
        broken = pathlib.Path("broken")
        assert n == 1 or not broken.exists()
"""


@pytest.fixture
def broken_suite(pytester, monkeypatch):
    """Write a suite, and the file ``broken`` that makes it fail; set a run key."""
    monkeypatch.setenv("ZEPHYR_RUN_KEY", "K")
    (pytester.path / "broken").touch()
    pytester.makepyfile(FAILS_IF_BROKEN)


def repair(pytester: pytest.Pytester) -> None:
    (pytester.path / "broken").unlink()


@pytest.mark.parametrize("push", ["end", "never"], ids=["each at its end", "one push"])
@pytest.mark.parametrize(
    "again",
    [
        pytest.param(["--lf"], id="last failed"),
        pytest.param(["--lf", "-n2", "-v"], id="last failed, xdist", marks=needs_xdist),
        pytest.param([], id="all tests"),
    ],
)
@pytest.mark.usefixtures("broken_suite")
def test_last_attempt_of_a_job_counts(
    pytester, run_zephyr, run_command, target, again, push
):
    """``pytest || pytest --lf`` and the retry step of a CI service start two attempts."""
    flag = f"--zephyr-push={push}"
    first = run_zephyr(flag, check_exit_code=False)
    repair(pytester)
    second = run_zephyr(flag, *again, check_exit_code=False)
    output = second.text if push == "end" else run_command("push").text

    assert first.ret == 1
    assert second.ret == 0
    execution = target.execution(101)
    assert execution.status == "1"
    notes = execution.comment
    assert re.search(r"test_a\[2\] \(\d\.\d\d s\) after 2 attempts", notes)
    assert "1 result of" in output or "2 results of" in output
    assert "replaced by a later attempt of the same job" in output


@pytest.mark.usefixtures("broken_suite")
def test_last_attempt_counts_if_it_fails(pytester, run_zephyr, target):
    repair(pytester)
    run_zephyr(check_exit_code=False)
    (pytester.path / "broken").touch()
    run_zephyr(check_exit_code=False)

    assert target.statuses()[101] == "2"


@pytest.mark.usefixtures("broken_suite")
def test_attempt_that_only_skips_replaces_nothing(pytester, run_zephyr, target):
    run_zephyr(check_exit_code=False)
    pytester.makeconftest(
        """
        import pytest

        def pytest_runtest_setup():
            pytest.skip("not today")
        """
    )
    run_zephyr(check_exit_code=False)

    assert target.statuses()[101] == "2"


@pytest.mark.parametrize(
    ("variable", "first", "second"),
    [
        ("BROWSER", "chrome", "firefox"),
        ("TOX_ENV_NAME", "py310", "py311"),
        ("CI_NODE_INDEX", "1", "2"),
        ("GITHUB_JOB", "unit", "e2e"),
    ],
)
@pytest.mark.usefixtures("broken_suite")
def test_another_environment_is_another_job(
    pytester, run_zephyr, target, monkeypatch, variable, first, second
):
    """The failure still counts, and the summary names the variable that differs."""
    monkeypatch.setenv(variable, first)
    run_zephyr(check_exit_code=False)
    repair(pytester)
    monkeypatch.setenv(variable, second)
    ran = run_zephyr(check_exit_code=False)

    assert target.statuses()[101] == "2"
    assert f"jobs of this run: they differ in the variable {variable}" in ran.text


#: What each CI service sets in two attempts of a job, perhaps on different machines.
ATTEMPTS = {
    "GitHub": [
        {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1", "RUNNER_NAME": "a"},
        {"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "RUNNER_NAME": "b"},
    ],
    "GitLab": [
        {"CI_PIPELINE_ID": "7", "CI_JOB_NAME": "e2e 1/2", "CI_JOB_ID": "1001"},
        {"CI_PIPELINE_ID": "7", "CI_JOB_NAME": "e2e 1/2", "CI_JOB_ID": "1002"},
    ],
    "Azure": [
        {"BUILD_BUILDID": "7", "SYSTEM_JOBATTEMPT": "1", "AGENT_NAME": "a"},
        {"BUILD_BUILDID": "7", "SYSTEM_JOBATTEMPT": "2", "AGENT_NAME": "b"},
    ],
}


@pytest.mark.parametrize("service", ATTEMPTS)
@pytest.mark.parametrize(
    "is_one_push", [True, False], ids=["one push", "each at its end"]
)
@pytest.mark.usefixtures("broken_suite")
def test_attempts_of_a_ci_job_may_run_on_different_machines(
    pytester, run_zephyr, run_command, target, monkeypatch, service, is_one_push
):
    monkeypatch.delenv("ZEPHYR_RUN_KEY")
    for attempt, environ in enumerate(ATTEMPTS[service]):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("platform.node", lambda attempt=attempt: f"host{attempt}")
        push = "never" if is_one_push else "end"
        monkeypatch.setenv("ZEPHYR_JOURNAL", f"journals{attempt}")
        run_zephyr(f"--zephyr-push={push}", check_exit_code=False)
        if attempt == 0:
            repair(pytester)
    if is_one_push:
        # The job that pushes may get the journals in any order.
        assert run_command("push", "journals1", "journals0").ret == 0

    assert target.statuses()[101] == "1"


@pytest.mark.parametrize("first", ["red", "green"])
def test_worst_result_counts_if_each_job_pushes(run_shard, target, monkeypatch, first):
    """The jobs share no directory for journals, as on different machines."""
    for name in (first, {"red": "green", "green": "red"}[first]):
        monkeypatch.setenv("ZEPHYR_JOURNAL", name)
        run_shard(name, holds=name == "green")

    assert target.statuses()[101] == "2"
    assert "test_red.py::test_a" in target.execution(101).comment


def test_job_says_that_a_worse_result_of_another_job_stays(pytester, run_zephyr):
    pytester.makepyfile(
        test_red=ONE_TEST.format(holds=False), test_green=ONE_TEST.format(holds=True)
    )
    key = "--zephyr-run-key=K"
    run_zephyr(key, "test_red.py", "--zephyr-journal=a", check_exit_code=False)
    ran = run_zephyr(key, "test_green.py", "--zephyr-journal=b", check_exit_code=False)

    assert ran.ret == 0
    assert "1 test case: 1 unchanged (worse result of another job)" in ran.text
    assert "this run count for 1 test case, which is unchanged" in ran.text


@pytest.mark.parametrize(
    "directories", [[], ["red", "green"]], ids=["one directory", "two directories"]
)
def test_journal_that_an_earlier_push_delivered_still_counts(
    run_command, run_shard, target, monkeypatch, directories
):
    """A person has replaced the notes on the server before the last push."""
    for name in ("red", "green"):
        if directories:
            monkeypatch.setenv("ZEPHYR_JOURNAL", name)
        run_shard(name, "--zephyr-push=never", holds=name == "green")
        if name == "red":
            assert run_command("push", *directories[:1]).ret == 0
            assert target.statuses()[101] == "2"
    target.overwrite_notes(101, "looked at it")
    assert run_command("push", *directories).ret == 0

    assert target.statuses()[101] == "2"


def test_each_journal_of_a_run_has_its_own_options(run_command, run_shard, target):
    """The status map of ``red`` gives WIP; ``red_2`` gives Fail, which is worse.

    So the option for comments of ``red_2`` decides about the notes.
    """
    run_shard(
        "red", "--zephyr-push=never", "--zephyr-status-map=failed=WIP", holds=False
    )
    run_shard("red_2", "--zephyr-push=never", "--zephyr-comment=never", holds=False)
    assert run_command("push").ret == 0

    execution = target.execution(101)
    assert execution.status == "2"
    assert execution.comment.startswith("[pytest-zephyr run=")


def test_journal_of_a_dry_run_does_not_count(run_command, pytester, run_shard, target):
    run_shard("red", "--zephyr-dry-run", holds=False)
    run_shard("green", "--zephyr-push=never", holds=True)
    output = run_command(
        "push", *sorted((pytester.path / ".zephyr").glob("*.jsonl"))
    ).text

    assert target.statuses()[101] == "1"
    assert "is the journal of a dry run" in output


@pytest.mark.usefixtures("broken_suite")
def test_older_attempt_does_not_replace_a_later_one(
    run_command, pytester, run_zephyr, target
):
    """The journals of the two attempts are in different directories."""
    repair(pytester)
    run_zephyr("--zephyr-push=never", "--zephyr-journal=a", check_exit_code=False)
    (pytester.path / "broken").touch()
    run_zephyr("--zephyr-journal=b", check_exit_code=False)
    ran = run_command("push", "a")

    assert ran.ret == 0
    assert target.statuses()[101] == "2"
    assert "the server has newer results for 1 test case," in ran.text


@pytest.mark.usefixtures("broken_suite")
def test_journals_of_a_run_stay_until_all_are_sent(
    run_command, pytester, run_zephyr, target
):
    """Other delivered ones are removed once a day old and not among the last 20."""
    target.sandbox.faults.add(Fault("PUT", status=503, times=None))
    run_zephyr("--zephyr-retries=0", check_exit_code=False)
    target.sandbox.faults.clear()
    repair(pytester)
    journals = run_zephyr("--lf", check_exit_code=False).journals
    assert target.statuses()[101] == "1"
    for journal in journals:
        backdate(journal, 2 * 24 * 3600)
    for number in range(22):
        run_zephyr(
            f"--zephyr-run-key=other{number}", "-k", "nothing", check_exit_code=False
        )
    assert all(journal.exists() for journal in journals)
    run_command("push")

    assert target.statuses()[101] == "1"


def test_each_journal_decides_which_test_cases_are_created(
    run_command, pytester, run_zephyr, target
):
    """Each also decides whether an unknown test case is a problem."""
    key, push = "--zephyr-run-key=K", "--zephyr-push=never"
    place = [
        f"--zephyr-project=id:{target.project}",
        f"--zephyr-release=id:{target.release}",
    ]
    pytester.makepyfile(
        test_1="import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\ndef test_b(): pass\n",
        test_2="import pytest\n@pytest.mark.zephyr(998)\ndef test_c(): pass\ndef test_d(): pass\n",
    )
    run_zephyr(
        key,
        push,
        *place,
        "test_1.py",
        "--zephyr-unknown-case=ignore",
        check_exit_code=False,
    )
    create = ["--zephyr-unmapped=create", "--zephyr-create=execution"]
    run_zephyr(
        key, push, *place, "test_2.py", *create, "--zephyr-unknown-case=error",
        check_exit_code=False,
    )  # fmt: skip
    ran = run_command("push")

    assert ran.ret == 1
    assert "test case 998 is not known to Zephyr" in ran.text
    created = [
        e for e in target.sandbox.store.executions(target.phase) if e.testcase_id > 110
    ]
    assert [each.name for each in created] == ["test_2::test_d"]


def test_a_session_that_only_skips_writes_nothing(pytester, run_zephyr, target):
    pytester.makepyfile(
        test_1="import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n",
        test_2="import pytest\n@pytest.mark.zephyr(101)\ndef test_b(): pytest.skip()\n",
    )
    for name in ("test_1.py", "test_2.py", "test_2.py"):
        run_zephyr("--zephyr-run-key=K", name, check_exit_code=False)

    assert target.execution(101).result_count == 1


def test_result_is_as_old_as_its_own_session(
    run_command, pytester, run_shard, run_zephyr, target
):
    """A later session of the same run does not make it newer."""
    run_shard("red", "--zephyr-push=never", holds=False)
    (red,) = (pytester.path / ".zephyr").glob("*.jsonl")
    backdate(red, 7200)
    run_shard("green", "--zephyr-run-key=L", "--zephyr-journal=other", holds=True)
    pytester.makepyfile(
        test_b="import pytest\n@pytest.mark.zephyr(102)\ndef test_b(): pass\n"
    )
    (pytester.path / "test_red.py").unlink()
    (pytester.path / "test_green.py").unlink()
    run_zephyr("--zephyr-run-key=K", check_exit_code=False)
    run_command("push")

    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "1"


def test_sessions_are_sent_while_another_one_is_running(
    run_command, pytester, run_shard, target
):
    run_shard("red", "--zephyr-push=never", holds=False)
    (ended,) = (pytester.path / ".zephyr").glob("*.jsonl")
    header = json.loads(ended.read_text(encoding="ascii").splitlines()[0])
    running = ended.with_name("2999-01-01T00-00-00-abcdef.jsonl")
    with running.open("xb", buffering=0) as file:
        assert try_lock(file.fileno())
        file.write(json.dumps({**header, "session": running.stem}).encode() + b"\n")
        ran = run_command("push")

    assert ran.ret == 1
    assert f"{running} is in use" in ran.text
    assert target.statuses()[101] == "2"


@pytest.mark.usefixtures("broken_suite")
def test_session_that_starts_while_another_one_runs_is_not_its_next_attempt(
    run_command, pytester, run_zephyr, target
):
    run_zephyr("--zephyr-push=never", check_exit_code=False)
    (first,) = (pytester.path / ".zephyr").glob("*.jsonl")
    lines = first.read_bytes().splitlines(keepends=True)
    # A session that is running has locked its journal, and has no end line yet.
    first.write_bytes(b"".join(line for line in lines if b'"end"' not in line))
    with first.open("r+b", buffering=0) as file:
        assert try_lock(file.fileno())
        repair(pytester)
        run_zephyr("--zephyr-push=never", check_exit_code=False)
    run_command("push")

    assert target.statuses()[101] == "2"


FAILS_WITH_STEP = """
    import pytest

    @pytest.mark.zephyr({case})
    def test_{case}(zephyr):
        with zephyr.step("only here"): pass
        assert 0, "SECRETDETAIL" * {times}
"""


@pytest.mark.parametrize(
    "never_first", [True, False], ids=["never first", "failed first"]
)
def test_notes_follow_the_options_of_their_own_journal(
    run_command, pytester, run_zephyr, target, never_first
):
    """The order of the journals does not matter.

    Steps that the test case does not have in Zephyr are in the notes even with
    ``never``.
    """
    pytester.makepyfile(
        test_101=FAILS_WITH_STEP.format(case=101, times=900),
        test_102=FAILS_WITH_STEP.format(case=102, times=900),
    )
    runs = [("test_101.py", "never"), ("test_102.py", "failed")]
    for name, comment in runs if never_first else runs[::-1]:
        run_zephyr(
            *(name, "--zephyr-run-key=K", "--zephyr-push=never"),
            f"--zephyr-comment={comment}",
            check_exit_code=False,
        )
    assert run_command("push").ret == 0

    with_never, with_failed = target.execution(101), target.execution(102)
    assert "SECRETDETAIL" not in with_never.comment
    assert "SECRETDETAIL" in with_failed.comment
    for execution in (with_never, with_failed):
        assert "passed only here" in execution.comment
    assert [name for name, _, _ in with_failed.attachments] == ["notes.txt"]
    for content in target.sandbox.store.attachment_bytes(
        target.phase, 101, "notes.txt"
    ):
        assert b"SECRETDETAIL" not in content


def test_session_sends_no_results_of_other_journals(
    pytester, run_shard, run_zephyr, target
):
    """A session that only skips a test does not send its old result again."""
    run_shard("red", holds=False)
    run_shard("green", "--zephyr-run-key=L", "--zephyr-journal=other", holds=True)
    assert target.statuses()[101] == "1"
    (pytester.path / "test_red.py").write_text(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pytest.skip()\n",
        encoding="utf-8",
    )
    ran = run_zephyr("test_red.py", "--zephyr-run-key=K", check_exit_code=False)

    assert "1 skipped" in ran.text
    assert target.statuses()[101] == "1"
    assert target.execution(101).result_count == 2


def test_damaged_journal_does_not_keep_others_of_its_run_from_being_sent(
    run_command, pytester, run_shard, run_zephyr, target
):
    """The damaged line, a receipt, is named; the next push has nothing to send."""
    run_shard("red", holds=False)
    (first,) = (pytester.path / ".zephyr").glob("*.jsonl")
    lines = first.read_bytes().splitlines(keepends=True)
    index = next(n for n, line in enumerate(lines) if b'"receipt"' in line)
    lines[index] = lines[index][:-4] + b"\n"
    first.write_bytes(b"".join(lines))
    run_shard("green", "--zephyr-push=never", holds=True)
    pytester.makepyfile(
        test_b="import pytest\n@pytest.mark.zephyr(102)\ndef test_b(): pass\n"
    )
    run_zephyr("test_b.py", "--zephyr-run-key=K", "--zephyr-push=never")
    ran = run_command("push")

    assert ran.ret == 0
    assert f"{first}, line {index + 1} cannot be read" in ran.text
    assert (target.statuses()[101], target.statuses()[102]) == ("2", "1")
    assert run_command("push").text == "nothing to send\n"
