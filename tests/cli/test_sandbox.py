"""`pytest-zephyr sandbox`: a server of its own, and bad days to order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import requests


SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass
"""


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
