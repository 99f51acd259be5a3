"""`pytest-zephyr sandbox`: a server of its own, and bad days to order."""

from __future__ import annotations

import os
from pathlib import Path
import re
import shlex
import signal
import subprocess
import sys

import pytest
import requests


def serve(*args: str, cwd: Path) -> list[str]:
    """Run the command until it serves, and return the first line of what it said."""
    server = subprocess.Popen(
        [sys.executable, "-m", "pytest_zephyr", "sandbox", "--port=0", *args],
        stdout=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    try:
        return [server.stdout.readline()]
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
@pytest.mark.parametrize(
    ("args", "database", "ignored"),
    [
        ([], ".zephyr/sandbox.db", ".zephyr"),
        (["--db", "new/a.db"], "new/a.db", "new"),
        (["--db", "a.db"], "a.db", None),
    ],
    ids=["journals", "a new directory", "a directory that was there"],
)
def test_the_database_is_for_its_owner_and_not_for_git(
    tmp_path, args, database, ignored
):
    """It holds credentials; what was there before is not ours to hide."""
    assert "Zephyr sandbox at" in serve(*args, cwd=tmp_path)[0]

    for path in tmp_path.glob(f"{database}*"):
        assert path.stat().st_mode & 0o077 == 0
    found = {path.parent.name for path in tmp_path.rglob(".gitignore")}
    assert found == ({ignored} if ignored else set())


SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass
"""


def test_the_command_that_a_run_prints_shows_its_results(pytester, run_pytest):
    pytester.makepyfile(SUITE)
    ran = run_pytest("--zephyr", "--zephyr-url=sandbox")
    printed = re.search(
        r"(?:pytest-zephyr|pytest_zephyr) sandbox (.*) and open", ran.text
    )
    assert printed is not None
    database = str(pytester.path / ".zephyr" / "sandbox.db")

    (said,) = serve(*shlex.split(printed[1]), cwd=pytester.path)
    assert said.startswith("Zephyr sandbox at")
    assert Path(said.split(", database ")[1].strip()).resolve() == Path(database)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_users_try_their_pipeline_on_a_bad_day(
    pytester, run_pytest, monkeypatch, tmp_path
):
    """Faults are added over HTTP, while the command serves."""
    command = [sys.executable, "-m", "pytest_zephyr", "sandbox", "--port=0"]
    server = subprocess.Popen(
        [*command, "--db", str(tmp_path / "sandbox.db")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    lines = [server.stdout.readline().strip() for _ in range(4)]
    given = dict(line.split("=", 1) for line in lines if line.startswith("ZEPHYR_"))
    url = given["ZEPHYR_URL"]
    try:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ZEPHYR_PHASE", "4001")
        fault = {"kind": "html", "times": None}
        posted = requests.post(f"{url}/sandbox/faults", json=fault, timeout=30)
        pytester.makepyfile(SUITE)
        ran = run_pytest("--zephyr")
        (met,) = requests.get(f"{url}/sandbox/faults", timeout=30).json()
        gone = requests.delete(f"{url}/sandbox/faults", timeout=30)
        better = requests.get(f"{url}/flex/services/rest/v3/user/current", timeout=30)
    finally:
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=30)

    assert posted.status_code == gone.status_code == 200
    assert ran.ret == 0
    assert "a web page instead of JSON" in ran.text
    assert "1 results kept in .zephyr" in ran.text
    assert met["met"] >= 1
    assert better.status_code == 401
    assert server.returncode == 0
    assert "Traceback" not in rest
