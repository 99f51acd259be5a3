"""`pytest-zephyr sandbox`: the server, what the command prints, and faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
import os
from pathlib import Path
import re
import shlex
import signal
import sqlite3
import subprocess
import sys

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from pytest_zephyr.sandbox import Store


posix_shell = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows the printed lines are for PowerShell"
)


@contextmanager
def running_sandbox(*args: str, cwd: Path) -> Iterator[list[str]]:
    """Run the command, and yield the lines that it prints when it starts."""
    server = subprocess.Popen(
        [sys.executable, "-m", "pytest_zephyr", "sandbox", "--port=0", *args],
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    try:
        lines = [*iter(server.stdout.readline, "Stop the sandbox with Ctrl-C.\n")]
        yield [line.strip() for line in lines]
    finally:
        if sys.platform == "win32":
            server.terminate()
        else:
            server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=30)
    assert "Traceback" not in rest
    assert sys.platform == "win32" or server.returncode == 0


def start_and_stop(*args: str, cwd: Path) -> list[str]:
    """Start the command, stop it, and return the lines that it printed."""
    with running_sandbox(*args, cwd=cwd) as lines:
        return lines


def exported_variables(lines: list[str]) -> dict[str, str]:
    """Return the variables that *lines* export."""
    words = [shlex.split(line) for line in lines if line.startswith("export ")]
    return dict(word.split("=", 1) for _, word in words)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_ends_the_sandbox_as_ctrl_c_does(tmp_path):
    command = [sys.executable, "-m", "pytest_zephyr", "sandbox", "--port=0"]
    server = subprocess.Popen(
        [*command, "--db", "a.db"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert server.stdout is not None
    assert server.stdout.readline().startswith("Zephyr sandbox at ")
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=30)

    assert server.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
@pytest.mark.parametrize(
    ("args", "database", "ignored"),
    [
        ([], ".zephyr/sandbox.db", ".zephyr"),
        (["--db", "new/a.db"], "new/a.db", "new"),
        (["--db", "a.db"], "a.db", None),
    ],
    ids=["default", "a new directory", "an existing directory"],
)
def test_the_database_is_for_its_owner_and_not_for_git(
    tmp_path, args, database, ignored
):
    """The database has credentials. An existing directory gets no ``.gitignore``."""
    assert "Zephyr sandbox at" in start_and_stop(*args, cwd=tmp_path)[0]

    modes = {path.stat().st_mode & 0o077 for path in tmp_path.glob(f"{database}*")}
    assert modes == {0}
    directories = {path.parent.name for path in tmp_path.rglob(".gitignore")}
    assert directories == ({ignored} if ignored else set())


SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass
"""


def test_the_command_that_a_run_prints_serves_its_database(pytester, run_pytest):
    pytester.makepyfile(SUITE)
    ran = run_pytest("--zephyr", "--zephyr-url=sandbox")
    printed = re.search(r"(?:pytest-zephyr|pytest_zephyr) sandbox (.*)", ran.text)
    assert printed is not None
    database = str(pytester.path / ".zephyr" / "sandbox.db")

    text = start_and_stop(*shlex.split(printed[1]), cwd=pytester.path)[0]
    assert text.startswith("Zephyr sandbox at")
    assert Path(text.split(", database ")[1].strip()).resolve() == Path(database)


@posix_shell
def test_a_new_database_has_a_demo_to_report_to(pytester, run_pytest, monkeypatch):
    """The command lists the places of the demo; the exports name one of its phases."""
    pytester.makepyfile(SUITE)
    with running_sandbox("--db", "new.db", cwd=pytester.path) as lines:
        for name, value in exported_variables(lines).items():
            monkeypatch.setenv(name, value)
        ran = run_pytest("--zephyr")
        url = exported_variables(lines)["ZEPHYR_URL"]
        release = f"{url}/flex/html5/release/2002"
        (heading,) = re.findall(r"<h1>(\w+)", requests.get(release, timeout=30).text)

    printed = "\n".join(lines)
    for place in (
        "Demo shop (project 1001)",
        "1.0 (release 2002)",
        "Smoke (phase 4001)",
        "Regression (structured phase 4002)",
        "Test cases 101 to 112",
    ):
        assert place in printed
    assert ran.ret == 0
    assert heading == "Smoke"
    store = Store(pytester.path / "new.db")
    try:
        smoke, regression = store.executions(4001), store.executions(4002)
        cases = {case.id: case for case in store.cases(2002)}
    finally:
        store.close()
    assert {each.testcase_id: each.status for each in smoke}[101] == "1"
    assert {each.status for each in regression} == {"1", "2", "4", "5", None}
    assert cases[101].steps
    assert cases[101].requirements


def test_an_empty_database_stays_empty(tmp_path):
    """A later start without ``--empty`` does not add the demo either."""
    for args in (["--empty"], []):
        printed = "\n".join(start_and_stop("--db", "a.db", *args, cwd=tmp_path))

        assert "It has no project yet." in printed
        assert "ZEPHYR_TOKEN=" in printed
        assert "Demo" not in printed


@posix_shell
def test_names_that_options_cannot_express_are_exported_as_ids(tmp_path):
    """A name of digits would be read as an id, one with braces as a placeholder."""
    store = Store(tmp_path / "a.db")
    release = store.add_release(store.add_project("It's {new}"), "2026")
    store.add_phase(store.add_cycle(release, "Night's work"), "1")
    store.close()

    variables = exported_variables(start_and_stop("--db", "a.db", cwd=tmp_path))

    assert variables["ZEPHYR_PROJECT"] == "1001"
    assert variables["ZEPHYR_RELEASE"] == str(release)
    assert variables["ZEPHYR_CYCLE"] == "Night's work"
    assert variables["ZEPHYR_PHASE"] == "4001"


@posix_shell
def test_faults_are_added_over_http(pytester, run_pytest, monkeypatch, tmp_path):
    """A run meets a fault that was added while the command serves."""
    pytester.makepyfile(SUITE)
    with running_sandbox("--db", str(tmp_path / "sandbox.db"), cwd=tmp_path) as lines:
        variables = exported_variables(lines)
        url = variables["ZEPHYR_URL"]
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        fault = {"kind": "html", "times": None}
        posted = requests.post(f"{url}/sandbox/faults", json=fault, timeout=30)
        ran = run_pytest("--zephyr")
        (listed,) = requests.get(f"{url}/sandbox/faults", timeout=30).json()
        deleted = requests.delete(f"{url}/sandbox/faults", timeout=30)
        user = requests.get(f"{url}/flex/services/rest/v3/user/current", timeout=30)

    assert posted.status_code == deleted.status_code == 200
    assert ran.ret == 0
    assert "a web page instead of JSON" in ran.text
    assert "1 result kept in .zephyr" in ran.text
    assert listed["met"] >= 1
    # Without the fault, the server sees that this request has no token.
    assert user.status_code == 401


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_an_invalid_port_is_refused(run_command, port):
    ran = run_command("sandbox", f"--port={port}")

    assert ran.ret == 2
    assert f"invalid port '{port}': use a number from 0 to 65535" in ran.err


def test_a_path_that_is_not_a_database_is_refused(run_command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("Not a database, but a text that is long enough.", "utf-8")

    for path in ("a.txt", "."):
        called = run_command("sandbox", "--port=0", "--db", path)

        assert called.ret == 2
        assert f"cannot use {path}: not a database of the sandbox. " in called.err


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("ALTER TABLE release DROP COLUMN description", id="older"),
        pytest.param("ALTER TABLE release ADD COLUMN colour TEXT", id="newer"),
        pytest.param("CREATE TABLE bookmark (title TEXT)", id="with another table"),
    ],
)
def test_a_database_of_another_version_is_refused(
    run_command, monkeypatch, tmp_path, change
):
    """``sandbox`` and ``check`` say what to do, and leave the file unchanged."""
    monkeypatch.chdir(tmp_path)
    Path(".zephyr").mkdir()
    database = Path(".zephyr", "sandbox.db")
    with Sandbox(database):
        pass
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(change)
    before = database.read_bytes()

    sandbox = run_command("sandbox", "--port=0", "--db", str(database))
    check = run_command("check", "--zephyr-url=sandbox")

    for called in (sandbox, check):
        assert called.ret == 2
        printed = f"cannot use {database}: made by another version of the sandbox. "
        assert printed in called.err
        assert "rename it" in called.err.lower()
    assert database.read_bytes() == before


def test_a_port_in_use_is_refused(run_command, target):
    port = target.sandbox.url.rpartition(":")[2]
    called = run_command("sandbox", "--port", port)

    assert called.ret == 2
    assert f"cannot use port {port}: address already in use. Choose" in called.err
