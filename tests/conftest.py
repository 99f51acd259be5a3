"""Fixtures for all tests: a server whose state tests can read, and runs of pytest."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import ExitStack
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
import importlib
import importlib.util
import json
import os
from pathlib import Path
import pkgutil
import re
import shlex
from shutil import copyfile
import signal
import ssl
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import trustme

import pytest_zephyr
from pytest_zephyr import protocol
from pytest_zephyr.cli import main
from pytest_zephyr.client import transport
from pytest_zephyr.config import ci
from pytest_zephyr.plugin import sender_process
from pytest_zephyr.sandbox import ExecutionState
from pytest_zephyr.sandbox import Fault
from pytest_zephyr.sandbox import Sandbox
from pytest_zephyr.sender.serve import serve
from tests.client.servers import Responder
from tests.client.servers import ScriptedServer
from tests.contract.contract import ContractMiddleware
from tests.short_reports import pytest_runtest_makereport as pytest_runtest_makereport


# An in-process run of pytest drops the modules that it imported first, so that the next run
# would import a second copy. So all modules are imported here.
for module in pkgutil.walk_packages(pytest_zephyr.__path__, "pytest_zephyr."):
    importlib.import_module(module.name)

# A shell that runs the suite in the background makes it ignore SIGINT, and the processes
# that tests start inherit this.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: The fault that a write of results is not answered for an hour.
HANGING_WRITE = Fault("PUT", "bulk/execute", kind="hang", seconds=3600, times=None)

#: The visible ids of the test cases that the phase of the fixture `target` has.
CASES = (101, 102, 103, 104, 105, 106)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of this machine that change what the plugin does."""
    prefixes = ("ZEPHYR", "GITHUB_", "CI_", "SYSTEM_", "BITBUCKET_")
    proxies = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
    others = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "COLUMNS"}
    others.update(" ".join(ci._VARIABLES.values()).split())
    for name in list(os.environ):
        if name.startswith(prefixes) or name.lower() in proxies or name in others:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that gets the pauses between tries, in seconds; they are skipped."""
    pauses: list[float] = []
    monkeypatch.setattr(transport, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


@dataclass(frozen=True)
class SandboxTarget:
    """The ids of a phase and of the places above it, and the sandbox that has them."""

    sandbox: Sandbox
    project: int
    release: int
    cycle: int
    phase: int

    def schedule(self, *cases: int, alt: str | None = None) -> None:
        """Create test cases with these visible ids, and assign them in the phase."""
        for case in cases:
            self.sandbox.store.add_case(self.release, testcase_id=case, alt=alt)
            self.sandbox.store.schedule(self.phase, case)

    def execution(self, case: int) -> ExecutionState:
        """Return the execution of a test case as the server stores it."""
        execution = self.sandbox.store.execution(self.phase, case)
        assert execution is not None, f"case {case} has no execution"
        return execution

    def overwrite_notes(self, case: int, text: str) -> None:
        """Overwrite the notes of an execution, as a person would."""
        execution = self.execution(case)
        answer = requests.put(
            f"{self.sandbox.url}/flex/services/rest/v3/execution/{execution.id}",
            params={"status": execution.status, "testerid": self.sandbox.store.user.id},
            json={"notes": text},
            headers={"Authorization": f"Bearer {self.sandbox.token}"},
            timeout=30,
        )
        assert answer.ok, answer.text

    def statuses(self) -> dict[int, str | None]:
        """Return the status of every assigned test case of the phase by its visible id.

        The status is `None` if the test case was not executed.
        """
        return {
            each.testcase_id: each.status
            for each in self.sandbox.store.executions(self.phase)
        }

    def count_requests(self, path: str) -> int:
        """Return how many requests so far had a path that ends with *path*."""
        return sum(each.path.endswith(path) for each in self.sandbox.requests)

    def has_met_fault(self) -> bool:
        """Return whether a request has met one of the active faults."""
        return any(each["met"] for each in self.sandbox.faults.listed())

    @property
    def writes(self) -> list[str]:
        """The method and path of each request so far whose method is not GET."""
        requests = [each for each in self.sandbox.requests if each.method != "GET"]
        return [f"{each.method} {each.path}" for each in requests]


@pytest.fixture(scope="session")
def filled_database(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, SandboxTarget]:
    """Return the file of a database, and its target, whose sandbox has stopped.

    The database has project Payments, release 1.0, cycle Nightly and phase Smoke with
    `CASES`.
    """
    path = tmp_path_factory.mktemp("filled") / "sandbox.db"
    with Sandbox(path) as sandbox:
        # A call with more rows is refused.
        sandbox.store.set_switch("batch_limit", 500)
        ids = sandbox.store.ensure_target("Payments", "1.0", "Nightly", "Smoke")
        target = SandboxTarget(sandbox, *ids)
        target.schedule(*CASES)
    return path, target


@contextmanager
def checked_sandbox(path: Path | None = None, *allowed: str) -> Iterator[Sandbox]:
    """Run a sandbox, and fail if its traffic violates the contract.

    Violations that match one of the regular expressions *allowed* are ignored. Without
    *path* the sandbox has no projects at first.
    """
    middlewares: list[ContractMiddleware] = []

    def wrap(app: Any) -> ContractMiddleware:
        middlewares.append(ContractMiddleware(app))
        for pattern in allowed:
            middlewares[-1].allow(pattern)
        return middlewares[-1]

    with Sandbox(path, wrap=wrap) as sandbox:
        yield sandbox
    assert [each.violations for each in middlewares] == [[]]


@pytest.fixture
def sandbox(
    filled_database: tuple[Path, SandboxTarget],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sandbox]:
    """Start a sandbox with a copy of `filled_database`; its traffic is checked."""
    path = tmp_path_factory.mktemp("server") / "sandbox.db"
    copyfile(filled_database[0], path)
    with checked_sandbox(path) as sandbox:
        yield sandbox


@pytest.fixture
def target(
    filled_database: tuple[Path, SandboxTarget], sandbox: Sandbox
) -> SandboxTarget:
    """Return the target of `filled_database` in the fixture `sandbox`."""
    return replace(filled_database[1], sandbox=sandbox)


@pytest.fixture
def start_server() -> Iterator[Callable[..., ScriptedServer]]:
    """Return a function that starts a server, which is stopped when the test ends."""
    with ExitStack() as stack:

        def start(respond: Responder) -> ScriptedServer:
            return stack.enter_context(ScriptedServer(respond))

        yield start


@pytest.fixture(scope="session")
def certificate_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_context(certificate_authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate_authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def tls_sandbox(tls_context: ssl.SSLContext) -> Iterator[Sandbox]:
    """Start a sandbox with TLS; its certificate is from `certificate_authority`."""
    with Sandbox(tls=tls_context) as sandbox:
        yield sandbox


class SenderThread:
    """A sender that runs as a thread and has the pipes of a process; it starts quicker.

    Tests in which the process matters run pytest in a separate process, whose sender is a
    process.
    """

    def __init__(self, *_args: object) -> None:
        reading, writing = os.pipe()
        self.stdin = os.fdopen(writing, "wb", 0)
        self._requests = os.fdopen(reading, "rb")
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading, "rb", 0)
        self._answers = os.fdopen(writing, "wb", 0)
        self.stderr = open(os.devnull, "rb", 0)  # noqa: PTH123, SIM115
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(OSError), self._requests, self._answers:
            # The first line tells a process how to start.
            self._requests.readline()
            serve(iter(self._requests.readline, b""), self._send)

    def _send(self, message: protocol.Message) -> None:
        self._answers.write(protocol.encode(message))

    def poll(self) -> int | None:
        return None if self._thread.is_alive() else 0

    def kill(self) -> None:
        """Do nothing: a thread cannot be killed, and ends when its pipe is closed."""


@pytest.fixture(autouse=True)
def sender_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs of pytest in this process start senders as threads."""
    monkeypatch.setattr(sender_process, "_start", SenderThread)


@pytest.fixture
def pytester(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """Return pytest's own fixture; its runs do not load plugins that few tests need."""
    unused = ("schemathesis", "hypothesispytest", "rerunfailures", "pytest-bdd")
    blocked = " ".join(f"-p no:{name}" for name in unused)
    monkeypatch.setenv("PYTEST_ADDOPTS", blocked)
    return pytester


@dataclass(frozen=True)
class PytestRun:
    """One run of pytest: what it printed, and the journals that it left."""

    result: pytest.RunResult
    path: Path

    @property
    def text(self) -> str:
        return self.result.stdout.str() + self.result.stderr.str()

    @property
    def ret(self) -> int:
        return int(self.result.ret)

    @property
    def journals(self) -> list[Path]:
        """The journals in ``.zephyr``, sorted by name, without the files of workers."""
        paths = sorted((self.path / ".zephyr").glob("*.jsonl"))
        return [path for path in paths if ".gw" not in path.name]


@pytest.fixture
def run_pytest(pytester: pytest.Pytester) -> Callable[..., PytestRun]:
    """Return a function that runs pytest.

    It runs in this process, or in one of its own with ``subprocess=True``.
    """

    def run(*args: object, subprocess: bool = False) -> PytestRun:
        call = (
            pytester.runpytest_subprocess
            if subprocess
            else pytester.runpytest_inprocess
        )
        # The filter "error" of this suite would also apply to a run in process.
        return PytestRun(call("-W", "default", *map(str, args)), pytester.path)

    return run


@pytest.fixture
def target_variables(target: SandboxTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables that name the server, token and phase of *target*."""
    monkeypatch.setenv("ZEPHYR_URL", target.sandbox.url)
    monkeypatch.setenv("ZEPHYR_TOKEN", target.sandbox.token)
    monkeypatch.setenv("ZEPHYR_PHASE", str(target.phase))


@pytest.fixture
def run_zephyr(
    run_pytest: Callable[..., PytestRun], target_variables: None
) -> Callable[..., PytestRun]:
    """Return a function that runs pytest with reporting on, to the phase of *target*.

    With *check_exit_code*, the exit code must follow from the outcomes, or be that of the
    same run with reporting off.
    """

    def run(*args: object, check_exit_code: bool = True, **options: Any) -> PytestRun:
        ran = run_pytest("--zephyr", *args, **options)
        if check_exit_code and ran.ret != expected_exit_code(ran):
            others = [each for each in args if not str(each).startswith("--zephyr")]
            assert ran.ret == run_pytest("--no-zephyr", *others, **options).ret
        return ran

    return run


def expected_exit_code(ran: PytestRun) -> int | None:
    """Return the exit code that follows from the outcomes, `None` if none are printed."""
    try:
        outcomes = ran.result.parseoutcomes()
    except ValueError:
        return None
    if outcomes.keys() & {"failed", "errors"}:
        return 1
    return 0 if outcomes.keys() & {"passed", "skipped", "xfailed", "xpassed"} else 5


@dataclass(frozen=True)
class CommandResult:
    """The exit code of one call of `pytest-zephyr`, and what it printed."""

    ret: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """Return a function that runs `pytest-zephyr` in this process and directory."""

    def call(*args: object) -> CommandResult:
        capsys.readouterr()
        try:
            ret = main(list(map(str, args)))
        except SystemExit as stop:
            ret = int(stop.code or 0)
        return CommandResult(ret, *capsys.readouterr())

    return call


def wait_until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.001)


def without_tag(notes: str) -> str:
    """Return *notes* without the line that names their run."""
    text, separator, tag = notes.rpartition("\n[pytest-zephyr run=")
    assert separator, notes
    assert tag.endswith("]")
    return text


def backdate(journal: Path, seconds: int) -> None:
    """Move all times in *journal* back by *seconds*."""

    def earlier(line: dict[str, Any]) -> dict[str, Any]:
        times = {"at", "started"} & line.keys()
        return {**line, **{name: line[name] - seconds * 1000 for name in times}}

    lines = map(json.loads, journal.read_text(encoding="ascii").splitlines())
    aged = (json.dumps(earlier(line), separators=(",", ":")) for line in lines)
    journal.write_text("".join(f"{line}\n" for line in aged), encoding="ascii")


@pytest.fixture
def run_shown_command(
    run_command: Callable[..., CommandResult],
) -> Callable[[str], CommandResult]:
    """Return a function that runs the last command in a text, as if it were pasted."""

    def run(text: str) -> CommandResult:
        lines = re.findall(r"(?:pytest-zephyr|-m pytest_zephyr) (\w+ .*)", text)
        return run_command(*shlex.split(lines[-1]))

    return run


needs_xdist = pytest.mark.skipif(
    importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed"
)


def without_and_with_xdist(workers: int) -> list[Any]:
    """Return parameters for a run without flags, and one with *workers* of xdist."""
    return [
        pytest.param([], id="one process"),
        pytest.param([f"-n{workers}"], id="xdist", marks=needs_xdist),
    ]
