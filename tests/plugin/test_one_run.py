"""One run in several journals, and journals that a full disk has cut short."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import needs_xdist


ONE = "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): assert {holds}\n"


@pytest.fixture
def shard(pytester, run_zephyr):
    """Run one shard: a file with one test that passes or fails."""

    def run(name: str, *args: str, holds: bool) -> int:
        (pytester.path / f"test_{name}.py").write_text(
            ONE.format(holds=holds), encoding="utf-8"
        )
        ran = run_zephyr(
            f"test_{name}.py", "--zephyr-run-key=K", *args, same_exit=False
        )
        return int(ran.ret)

    return run


def test_late_shard_does_not_cover_a_failure_of_its_run(
    command, pytester, shard, world
):
    """The journal that was delivered before still counts."""
    shard("red", "--zephyr-push=never", holds=False)
    assert command("push").ret == 0
    shard("green", "--zephyr-push=never", holds=True)
    assert command("push").ret == 0

    assert world.statuses()[101] == "2"
    assert "test_green.py::test_a" in world.execution(101).comment


def test_second_run_of_pytest_in_one_job_belongs_to_the_first(shard, world):
    shard("red", holds=False)
    shard("green", holds=True)

    assert world.statuses()[101] == "2"


def test_shard_that_is_pushed_again_alone_writes_nothing(
    command, pytester, shard, world
):
    shard("red", "--zephyr-push=never", holds=False)
    shard("green", "--zephyr-push=never", holds=True)
    assert command("push").ret == 0
    writes = len(world.writes)
    for journal in (pytester.path / ".zephyr").glob("*.jsonl"):
        assert command("push", str(journal)).ret == 0

    assert len(world.writes) == writes
    assert world.statuses()[101] == "2"


def test_other_runs_are_none_of_its_business(shard, world):
    shard("red", "--zephyr-run-key=A", holds=False)
    shard("green", "--zephyr-run-key=B", holds=True)

    assert world.statuses()[101] == "1"


@pytest.mark.parametrize("when", ["never", "end"], ids=["one push", "each at its end"])
def test_jobs_of_one_key_with_another_phase_are_another_run(
    command, shard, world, when
):
    """Each goes to its own phase; red in one says nothing of the other."""
    store = world.sandbox.store
    other = store.add_phase(world.cycle, "Other")
    store.schedule(other, 101)
    push = f"--zephyr-push={when}"
    shard("red", push, f"--zephyr-phase={world.phase}", holds=False)
    shard("green", push, f"--zephyr-phase=id:{other}", holds=True)
    shard("too", push, f"--zephyr-phase={other}", holds=True)
    if when == "never":
        assert command("push").ret == 0

    assert world.statuses()[101] == "2"
    (there,) = store.executions(other)
    assert there.status == "1"
    assert "test_red" not in (there.comment or "")


def test_what_was_delivered_to_one_phase_is_new_to_another(
    command, pytester, shard, world
):
    """Results and evidence alike."""
    store = world.sandbox.store
    other = store.add_phase(world.cycle, "Other")
    store.schedule(other, 101)
    pytester.makeconftest(
        """
        def pytest_zephyr_record(record):
            if record.when == "call":
                record.attach_text("hello", name="a.txt")
        """
    )
    shard("red", holds=False)
    (journal,) = (pytester.path / ".zephyr").glob("*.jsonl")
    for _ in range(2):
        assert command("push", journal, f"--zephyr-phase={other}").ret == 0

    (there,) = store.executions(other)
    for held in (there, world.execution(101)):
        assert (held.status, held.results) == ("2", 1)
        assert [name for name, _, _ in held.attachments] == ["a.txt"]


def test_what_was_delivered_to_one_server_is_new_to_another(
    command, pytester, shard, world, filled, tmp_path
):
    """The ids may be the same there, as on a copy of the server."""
    shard("red", holds=False)
    (journal,) = (pytester.path / ".zephyr").glob("*.jsonl")
    phase = f"--zephyr-phase={world.phase}"
    shutil.copyfile(filled[0], tmp_path / "other.db")
    with Sandbox(tmp_path / "other.db") as other:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZEPHYR_TOKEN", other.token)
            for _ in range(2):
                assert (
                    command("push", journal, f"--zephyr-url={other.url}", phase).ret
                    == 0
                )
        held = other.store.execution(world.phase, 101)
        assert held is not None
        assert (held.status, held.results) == ("2", 1)
    again = command("push", journal, f"--zephyr-url={world.sandbox.url}", phase)

    assert again.ret == 0
    assert "0 delivered, 1 delivered before" in again.text
    assert world.execution(101).results == 1


@pytest.mark.parametrize("first", ["red", "green"])
def test_jobs_that_a_flag_sends_to_one_phase_are_one_run(command, shard, world, first):
    """The worst of them decides there."""
    for name in sorted(["red", "green"], key=lambda name: name != first):
        phase = f"--zephyr-phase={4990 + len(name)}"
        shard(name, "--zephyr-push=never", phase, holds=name == "green")
    assert command("push", f"--zephyr-phase={world.phase}").ret == 0

    assert world.statuses()[101] == "2"
    assert world.execution(101).results == 1


def test_journal_that_is_sent_from_a_copy_doubles_nothing(
    command, pytester, shard, world
):
    """As when the last job of a pipeline runs again: artefacts have no receipts."""
    shard("red", "--zephyr-push=never", holds=False)
    shutil.copytree(pytester.path / ".zephyr", pytester.path / "copy")
    assert command("push").ret == 0
    pushed = command("push", "copy")

    assert pushed.ret == 0
    assert world.execution(101).results == 1


def test_names_of_the_ini_file_need_no_value_where_a_journal_is_sent(
    command, pytester, shard, world, monkeypatch
):
    pytester.makeini(
        "[pytest]\nzephyr_project = Payments\nzephyr_release = name:1.0\n"
        "zephyr_cycle = Night{env:ENDING}\n"
    )
    monkeypatch.setenv("ENDING", "ly")
    shard("green", "--zephyr-push=never", holds=True)
    monkeypatch.delenv("ENDING")

    assert command("push").ret == 0
    assert world.statuses()[101] == "1"


# Disks


MANY = """
    import pytest

    @pytest.mark.parametrize(
        "n", [pytest.param(n, marks=pytest.mark.zephyr(1000 + n)) for n in range(40)]
    )
    def test_x(n): pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
@pytest.mark.parametrize("kilobytes", [4, 6, 8])
@pytest.mark.parametrize("workers", [[], pytest.param(["-n2"], marks=needs_xdist)])
def test_green_run_on_a_full_disk_is_not_red(
    command, pytester, run_zephyr, world, kilobytes, workers
):
    """What is missing is said; nothing is made up for it, and nothing is closed."""
    world.sandbox.store.adopt(world.phase, range(1000, 1040))
    pytester.makepyfile(MANY)
    process = [sys.executable, "-m", "pytest", "--zephyr", "--zephyr-push=never", "-q"]
    limited = f'ulimit -f {kilobytes}; exec "$@"'
    subprocess.run(
        ["bash", "-c", limited, "bash", *process, "-p", "no:cacheprovider", *workers],
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    pushed = command("push")

    assert set(world.statuses().values()) <= {None, "1"}
    assert pushed.ret == 1
    assert "the disk was full when" in pushed.out
    assert command("push").ret == 1


# Children


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_child_that_outlives_a_killed_run_does_not_hold_its_journal(
    command, pytester, run_zephyr, world
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
        pushed = command("push")
    finally:
        child = int((pytester.path / "child").read_text(encoding="utf-8"))
        os.kill(child, signal.SIGKILL)

    assert pushed.ret == 0
    assert (world.statuses()[101], world.statuses()[102]) == ("1", "2")


# Things beside journals


def test_foreign_files_beside_journals_are_left_alone(command, pytester, shard, world):
    shard("green", "--zephyr-push=never", holds=True)
    directory = pytester.path / ".zephyr"
    (directory / "report.jsonl").write_text('{"$report_type": 1}\n', encoding="utf-8")
    (directory / "torn.jsonl").write_text('{"kind":"hea', encoding="utf-8")
    pushed = command("push", "--json")

    assert pushed.ret == 0
    assert json.loads(pushed.out)["problems"] == []


def test_directory_with_other_things_is_not_ignored_by_git(pytester, shard):
    shard("green", "--zephyr-push=never", "--zephyr-journal=.", holds=True)

    assert not (pytester.path / ".gitignore").exists()


def test_wrong_usage_is_said_before_anything_is_sent(
    command, pytester, shard, world, monkeypatch
):
    """A run that cannot be sent as it stands keeps the others from being half sent."""
    shard("green", "--zephyr-push=never", "--zephyr-run-key=A", holds=True)
    monkeypatch.delenv("ZEPHYR_URL")
    shard("red", "--zephyr-push=never", "--zephyr-run-key=B", holds=False)
    pushed = command("push", "--json")

    assert pushed.ret == 2
    assert "no server" in pushed.err
    assert world.writes == []
