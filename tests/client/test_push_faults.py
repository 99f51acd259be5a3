"""A push with a fault at one of its calls: no result is lost, and few are doubled."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
import time
from types import SimpleNamespace

import pytest

from pytest_zephyr.cli import main
from pytest_zephyr.client import transport
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import Report
from pytest_zephyr.sandbox import Fault
from tests.conftest import CASES
from tests.conftest import SandboxTarget


#: The calls of a push that logs in for a cookie and finds its phase by names: method
#: and path, to which the test adds a fault.
CALLS = {
    "login": Fault("GET", "/latest/manifest"),
    "user": Fault("GET", "/user/current"),
    "statuses": Fault("GET", "/admin/preference"),
    "projects": Fault("GET", "/project/lite"),
    "releases": Fault("GET", "/release/project/"),
    "cycles": Fault("GET", "/cycle/release/"),
    "executions": Fault("GET", "/v3/execution"),
    "write": Fault("PUT", "/execution/bulk/execute"),
}

STATUSES = (400, 401, 403, 404, 405, 409, 410, 413, 417, 428, 429, 500, 502, 503, 504)

#: With *after* in the name, the request is carried out before the fault.
FAULTS = {
    **{str(status): Fault(status=status) for status in STATUSES},
    **{
        f"{status} after": Fault(kind="status_after", status=status)
        for status in (401, 429, 500, 502, 503, 504)
    },
    "retry in an hour": Fault(kind="retry_after", status=429, seconds=3600),
    "web page": Fault(kind="html"),
    "redirect": Fault(kind="redirect", location="https://sso.example/login"),
    "cut before": Fault(kind="cut_before"),
    "cut after": Fault(kind="cut_after"),
    "hang": Fault(kind="hang", seconds=3600),
    "hang after": Fault(kind="hang_after", seconds=3600),
    "latency": Fault(kind="latency", seconds=0.5),
    "truncated": Fault(kind="truncate"),
    "not JSON": Fault(kind="not_json"),
    "not UTF-8": Fault(kind="not_utf8"),
    "plain text": Fault(kind="plain_text"),
    "empty body": Fault(kind="plain_text", body=""),
    "huge": Fault(kind="huge", rows=65),
    "rows left out": Fault(kind="omit_rows", rows=2),
    "all rows left out": Fault(kind="omit_rows", rows=99),
    "cookies expired": Fault(kind="expire_cookie"),
}

#: Faults that take long, or after which a push waits, unless its time limits are low.
SLOW_FAULTS = {"hang", "hang after", "latency", "504", "504 after"}

#: Answers which wrongly say that a write was not carried out, so that it is repeated.
FALSE_REFUSALS = {
    ("write", "401 after"),
    ("write", "429 after"),
    ("write", "503 after"),
}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a run in which every second test failed."""
    path = tmp_path / "journals" / "run.jsonl"
    header = Header(
        "run",
        started=1,
        options={
            "project": "Payments",
            "release": "name:1.0",
            "cycle": "Nightly",
            "phase": "Smoke",
        },
    )
    with closing(JournalWriter.create(path, header)) as writer:
        for case in CASES:
            nodeid = f"test_a.py::test_{case}"
            outcome = "failed" if case % 2 else "passed"
            writer.append(Item(nodeid, (case,)))
            call = Report(nodeid, "call", outcome, at=1, text="E no")
            setup, teardown = (
                replace(call, when=when, outcome="passed")
                for when in ("setup", "teardown")
            )
            writer.append(setup, call, teardown)
        writer.append(End())
    return path


@pytest.fixture
def push(
    target: SandboxTarget,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    journal: Path,
) -> Callable[[], tuple[int, str]]:
    """Return a function that pushes *journal*; it returns exit code and output."""
    # A pause gives a slow server time to finish; a second is enough here.
    short_pauses = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 1.0)))
    monkeypatch.setattr(transport, "time", short_pauses)
    for name, value in {
        "URL": target.sandbox.url,
        "AUTH": "cookie",
        "USERNAME": target.sandbox.username,
        "PASSWORD": target.sandbox.password,
        "RETRIES": "1",
    }.items():
        monkeypatch.setenv(f"ZEPHYR_{name}", value)

    def call() -> tuple[int, str]:
        code = main(["push", str(journal)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


#: The calls to test with all faults; the others are plain reads.
SPECIAL_CALLS = ("login", "user", "write")

#: The faults to test with plain reads: some of `FAULTS`.
READ_FAULTS = (
    *("400", "401", "403", "404", "429", "500", "503", "500 after"),
    *("web page", "cut after", "hang", "truncated", "empty body", "all rows left out"),
)

CALLS_WITH_FAULTS = [
    *product(SPECIAL_CALLS, FAULTS, [1]),
    *product(CALLS.keys() - SPECIAL_CALLS, READ_FAULTS, [1]),
    *product(("user", "write"), FAULTS, [None]),
]


@pytest.mark.parametrize(
    ("call", "fault", "times"),
    [
        pytest.param(
            *parameters,
            id="-".join([*parameters[:2], "once" if parameters[2] else "always"]),
        )
        for parameters in sorted(CALLS_WITH_FAULTS, key=str)
    ],
)
def test_nothing_is_lost_or_doubled_after_a_fault(
    target, push, journal, monkeypatch, call, fault, times
):
    """The next push, without the fault, sends the rest.

    Only after `FALSE_REFUSALS` may executions have more than one result.
    """
    where = CALLS[call]
    target.sandbox.faults.add(
        replace(FAULTS[fault], method=where.method, path=where.path, times=times)
    )
    if fault in SLOW_FAULTS:
        monkeypatch.setenv("ZEPHYR_TIMEOUT", "0.3")
        monkeypatch.setenv("ZEPHYR_DEADLINE", "1")
    code, output = push()

    assert code in {0, 1}
    if code == 1:
        problems = [line for line in output.splitlines() if line.startswith("zephyr: ")]
        assert problems
        assert "Traceback" not in output
        assert "internal error" not in output
    target.sandbox.faults.clear()
    monkeypatch.setenv("ZEPHYR_DEADLINE", "60")
    monkeypatch.setenv("ZEPHYR_TIMEOUT", "20")
    second_code, second_output = push()

    assert second_code == 0
    assert target.statuses() == {case: "2" if case % 2 else "1" for case in CASES}
    executions = target.sandbox.store.executions(target.phase)
    results = {each.testcase_id: each.result_count for each in executions}
    if (call, fault) not in FALSE_REFUSALS:
        assert results == dict.fromkeys(CASES, 1)
    password = target.sandbox.password
    pair = f"{target.sandbox.username}:{password}".encode()
    for secret in (password, base64.b64encode(pair).decode()):
        assert secret not in output + second_output
        assert secret not in journal.read_text(encoding="utf-8")
