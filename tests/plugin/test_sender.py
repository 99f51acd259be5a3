"""The sender, the process that talks to Zephyr: how it starts, fails to start and ends."""

from __future__ import annotations

import importlib
from importlib.metadata import distribution
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import zipapp

import pytest

from pytest_zephyr.sandbox import Fault
from tests.client.servers import ScriptedServer
from tests.client.servers import unused_port
from tests.conftest import HANGING_WRITE
from tests.conftest import needs_xdist
from tests.conftest import wait_until


ONE_TEST = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass
"""

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs signals or a shell")


@pytest.fixture
def run_python(pytester, target_variables):
    """Write `ONE_TEST`, and return a function that runs Python in its directory.

    It runs *command* instead of Python if that is given. Environment variables name the
    sandbox.
    """
    pytester.makepyfile(ONE_TEST)

    def run(
        *args: object, command: list[str] | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*(command or [sys.executable]), *map(str, args)],
            **{"cwd": pytester.path, "capture_output": True, "text": True} | options,
        )

    return run


# What the test process and the sender do


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--zephyr-url=sandbox"],
        ["--zephyr-push=never"],
        ["--zephyr-dry-run"],
        ["--zephyr-only-planned"],
        pytest.param(["-n2"], marks=needs_xdist),
    ],
    ids=str,
)
def test_test_process_does_not_talk_to_zephyr(pytester, run_python, args):
    """It loads no HTTP library; tests find no process, thread or pipe of a sender."""
    pytester.makeconftest(
        """
        import os, sys, time

        def pipes():
            links = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
            found = {os.readlink(each) for each in links if os.path.lexists(each)}
            return {each for each in found if each.startswith("pipe:")}

        BEFORE = pipes() if os.path.isdir("/proc/self/fd") else set()

        def pytest_runtest_call(item):
            if hasattr(item.config, "workerinput") or not os.path.isdir("/proc/self/fd"):
                return
            while len(threads := os.listdir("/proc/self/task")) > 1:
                # The system may still list threads that have ended.
                time.sleep(0.001)
            with open(f"/proc/self/task/{threads[0]}/children") as children:
                assert children.read().split() == [], "processes"
            assert pipes() - BEFORE == set()

        def pytest_unconfigure():
            ours = ("push", "target", "client", "sender", "sandbox")
            found = {f"pytest_zephyr.{each}" for each in ours} | {"requests", "urllib3"}
            assert not {"flask", "sqlalchemy", *found} & set(sys.modules), "loaded"
        """
    )
    done = run_python("-m", "pytest", "--zephyr", *args)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_server_without_v3_is_asked_for_it_once(pytester, run_zephyr, target):
    """The push uses the version that the check before the tests has found."""
    target.sandbox.faults.add(Fault(path="/v3/", kind="missing", times=None))
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    run_zephyr()

    assert target.statuses()[101] == "1"
    assert sum("/v3/" in each.path for each in target.sandbox.requests) == 1


def test_variables_of_tests_do_not_reach_the_sender(pytester, run_python, target):
    """Tests do not always restore them."""
    pytester.makepyfile(
        f"""
        import os, pytest

        @pytest.mark.zephyr(101)
        def test_a():
            os.environ["HTTP_PROXY"] = "http://127.0.0.1:{unused_port()}"
            os.environ["all_proxy"] = os.environ["HTTP_PROXY"]
            os.environ["NO_PROXY"] = ""
            os.environ["REQUESTS_CA_BUNDLE"] = "nowhere.pem"
            os.environ["PYTHONHOME"] = "/nowhere"
        """
    )
    run_python("-m", "pytest", "--zephyr")

    assert target.statuses()[101] == "1"


# How the sender starts


@pytest.mark.parametrize("added_by", ["python -m", "PYTHONPATH", "pytest"])
def test_modules_of_a_suite_do_not_break_the_sender(
    pytester, run_python, target, monkeypatch, added_by
):
    """They may have the names of libraries that the sender imports.

    *added_by* is what adds their directory to `sys.path`.
    """
    tests = pytester.mkdir("tests")
    for name in ("queue", "requests", "urllib3", "idna"):
        broken = "raise ZeroDivisionError\n"
        (tests / f"{name}.py").write_text(broken, encoding="utf-8")
    shutil.move(next(pytester.path.glob("test_*.py")), tests)
    if added_by == "PYTHONPATH":
        ours = os.environ.get("PYTHONPATH", "")
        monkeypatch.setenv("PYTHONPATH", f"{tests}{os.pathsep}{ours}")
    # Other plugins would import these modules in the test process.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS")
    cwd = tests if added_by == "python -m" else pytester.path
    done = run_python("-m", "pytest", "-p", "pytest_zephyr.plugin", "--zephyr", cwd=cwd)

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


def test_sender_gets_no_variables_that_change_python(run_python, target, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONINSPECT", "1")
    run_python("-m", "pytest", "--zephyr", "-W", "default", stdin=subprocess.DEVNULL)

    assert target.statuses()[101] == "1"


def test_coverage_of_subprocesses_does_not_record_the_sender(
    pytester, run_python, target
):
    settings = "[run]\nparallel = true\npatch = subprocess\n"
    (pytester.path / ".coveragerc").write_text(settings, encoding="utf-8")
    pytester.makepyfile(
        """
        import subprocess, sys, pytest

        @pytest.mark.zephyr(101)
        def test_a():
            subprocess.run([sys.executable, "-c", "pass"], check=True)
        """
    )
    done = run_python("-m", "coverage", "run", "-m", "pytest", "--zephyr")

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"
    # One file is of the process of pytest, one of the process that the test starts.
    assert len(list(pytester.path.glob(".coverage.*"))) == 2


def test_sender_starts_from_a_zipapp(run_python, target, tmp_path):
    """The sender must import its modules from the archive."""
    app = tmp_path / "app"
    app.mkdir()
    needed = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "pytest_zephyr")
    libraries = ("requests", "urllib3", "idna", "certifi", "charset_normalizer")
    for name in (*needed, *libraries, "_pytest", "py"):
        found = Path(str(importlib.import_module(name).__file__))
        if found.name == "__init__.py":
            shutil.copytree(found.parent, app / name)
        else:
            shutil.copy(found, app)
    for name in (*needed, *libraries):
        # pytest finds the plugin by the entry point in its metadata.
        info = Path(str(distribution(name)._path))  # type: ignore[attr-defined]
        shutil.copytree(info, app / info.name)
    script = "import sys, pytest\nsys.exit(pytest.main())\n"
    (app / "__main__.py").write_text(script, encoding="utf-8")
    zipapp.create_archive(app, tmp_path / "app.pyz")

    done = run_python("-S", tmp_path / "app.pyz", "--zephyr")

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1", done.stdout


@needs_posix
def test_sender_starts_with_a_closed_stdin(run_python, target):
    """A pipe to the sender must not become stdin, whose descriptor is free."""
    command = ["sh", "-c", 'exec "$0" -m pytest --zephyr <&-', sys.executable]
    done = run_python(command=command)

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


@needs_posix
def test_sender_starts_if_pytest_is_process_1(run_python, target):
    """In a container it may be. The sender must not believe that it is an orphan."""
    command = ["unshare", "--fork", "--pid", "--kill-child", sys.executable]
    if run_python("-c", "pass", command=command).returncode:
        pytest.skip("this user may not make a namespace of processes")
    done = run_python("-m", "pytest", "--zephyr", command=command)

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1", done.stdout


@pytest.mark.parametrize(
    "args", [["-p", "no:terminal"], ["-W", "error"], ["-s"]], ids=" ".join
)
def test_sender_works_with_options_of_pytest(run_python, target, args):
    done = run_python("-m", "pytest", "--zephyr", *args)

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


@needs_posix
def test_exit_handlers_do_not_hold_the_sender(
    pytester, run_python, target, monkeypatch
):
    """A library may register one in every Python process."""
    site = pytester.mkdir("site")
    (site / "sitecustomize.py").write_text(
        "import atexit, sys, time\n"
        "if '-c' in sys.orig_argv: atexit.register(time.sleep, 3600)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv(
        "PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    )
    done = run_python("-m", "pytest", "--zephyr")

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


#: Conftest files that change the process in which pytest runs.
CONFTESTS = {
    "no processes": """
        import subprocess

        class Guarded(subprocess.Popen):
            def __init__(self, *args, **kwargs): raise RuntimeError("no processes here")

        subprocess.Popen = Guarded
    """,
    "as gevent does": """
        import _thread, subprocess
        _thread.start_new_thread = subprocess.Popen = subprocess._fork_exec = None
    """,
    "signal of pipes": "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
    "leaves a fork": """
        import os, sys

        def pytest_collection():
            if os.fork() == 0:
                sys.exit(0)
    """,
    "goes on in a fork": """
        import os

        def pytest_collection():
            os.fork()
    """,
}


@needs_posix
@pytest.mark.parametrize("conftest", CONFTESTS.values(), ids=CONFTESTS)
@pytest.mark.parametrize(
    "args", [[], ["--zephyr-only-planned"]], ids=["all", "planned"]
)
def test_sender_works_with_a_conftest_that_changes_the_process(
    pytester, run_python, target, conftest, args
):
    pytester.makeconftest(conftest)
    done = run_python("-m", "pytest", "--zephyr", "--zephyr-on-error=fail", *args)

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"
    assert target.execution(101).result_count == 1


def test_sys_path_may_contain_path_objects(pytester, run_python, target):
    pytester.makepyfile(
        run="import sys, pathlib, pytest\n"
        "sys.path.insert(0, pathlib.Path.cwd())\n"
        "sys.exit(pytest.main(['--zephyr']))\n"
    )
    done = run_python("run.py")

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


def test_pythonpath_may_name_the_standard_library(run_python, target, monkeypatch):
    ours = os.environ.get("PYTHONPATH", "")
    library = str(Path(str(os.__file__)).parent)
    monkeypatch.setenv("PYTHONPATH", f"{library}{os.pathsep}{ours}")
    done = run_python("-m", "pytest", "--zephyr")

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize("text", ["print('hello')", "print('hello', end='')"])
def test_output_at_the_start_of_python_is_ignored(
    pytester, run_python, target, monkeypatch, text
):
    site = pytester.mkdir("site")
    (site / "sitecustomize.py").write_text(text, encoding="utf-8")
    ours = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{ours}")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    done = run_python("-m", "pytest", "--zephyr")

    assert done.returncode == 0, done.stdout + done.stderr
    assert target.statuses()[101] == "1"


# A sender that does not start, or is not started


def test_wait_for_a_sender_that_does_not_start_ends_at_the_deadline(
    pytester, run_python, monkeypatch
):
    site = pytester.mkdir("site")
    (site / "sitecustomize.py").write_text(
        "import sys, time\nif sys.argv[0] == '-c': time.sleep(3600)\n", encoding="utf-8"
    )
    ours = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{ours}")
    done = run_python("-m", "pytest", "--zephyr", "--zephyr-deadline=0.5")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the process that talks to Zephyr did not start within" in done.stdout
    assert "results kept in .zephyr" in done.stdout


def test_pipes_of_a_sender_are_closed_if_no_thread_can_be_started(pytester, run_python):
    """With ``-W error`` an open pipe would be an error of some test."""
    (pytester.path / "early.py").write_text(
        "import _thread\ndef no(*_args): raise RuntimeError('no thread left')\n"
        "_thread.start_new_thread = no\n",
        encoding="utf-8",
    )
    done = run_python("-m", "pytest", "-p", "early", "--zephyr", "-W", "error")

    assert done.returncode == 0, done.stdout + done.stderr


def test_journal_is_named_if_a_plugin_breaks_the_end_of_the_session(
    pytester, run_python
):
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_sessionfinish():
            raise ValueError("of a plugin")
            yield
        """
    )
    done = run_python("-m", "pytest", "--zephyr")

    output = done.stdout + done.stderr
    assert "the session ended before anything could be sent" in output
    assert "results kept in .zephyr" in output


@pytest.mark.parametrize("policy", ["warn", "fail"])
@pytest.mark.parametrize(
    "cause",
    [
        "sys.executable = ''",
        "sys.frozen = True",
        "sys.executable = '/nowhere/python'",
        pytest.param(
            "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))",
            marks=[
                needs_posix,
                pytest.mark.skipif(
                    os.name != "nt" and os.geteuid() == 0, reason="no limit for root"
                ),
            ],
            id="no process left",
        ),
        pytest.param(
            "import _thread\ndef no(*_args): raise RuntimeError('no thread left')\n"
            "_thread.start_new_thread = no",
            id="no thread left",
        ),
    ],
)
def test_results_are_kept_if_the_sender_cannot_be_started(
    pytester, run_python, target, run_command, cause, policy
):
    """A message says so before and after the tests; a later push sends the results."""
    (pytester.path / "early.py").write_text(f"import sys\n{cause}\n", encoding="utf-8")
    done = run_python(
        *("-m", "pytest", "-p", "early", "--zephyr", f"--zephyr-on-error={policy}")
    )

    assert done.returncode == (8 if policy == "fail" else 0), done.stdout + done.stderr
    assert (
        done.stdout.count("the process that talks to Zephyr cannot be started: ") == 2
    )
    assert "zephyr: results kept in .zephyr" in done.stdout
    assert target.statuses()[101] is None
    assert run_command("push").ret == 0
    assert target.statuses()[101] == "1"


# How the sender ends


#: The beginning of an answer with a body of 200,000 bytes.
HEADERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n"
)


@pytest.fixture
def trickle(start_server):
    """Return a function that starts a server, and returns its address.

    The server sends *begin* and then *part* again and again, without an end.
    """

    def start(begin: bytes, part: bytes) -> str:
        server: ScriptedServer = start_server(
            lambda _request: server.trickle(begin, part)
        )
        return server.url

    return start


#: What `trickle` sends. The ids name the part of the answer that never ends.
TRICKLES = [
    pytest.param(HEADERS + b"\r\n", b" ", id="body"),
    pytest.param(HEADERS, b"X-Slow: 1\r\n", id="headers"),
    pytest.param(b"", b"H", id="status line"),
]


@pytest.mark.parametrize(("begin", "part"), TRICKLES)
def test_wait_for_an_endless_answer_ends_at_the_deadline(
    run_python, trickle, begin, part
):
    """Each byte arrives within the timeout, but the answer never ends."""
    url = trickle(begin, part)
    done = run_python(
        *("-m", "pytest", "--zephyr", f"--zephyr-url={url}", "--zephyr-deadline=0.5"),
        "--zephyr-timeout=0.4",
    )

    assert done.returncode == 0
    assert "zephyr: the server could not be checked before the tests: " in done.stdout
    assert "results kept in .zephyr" in done.stdout


@pytest.mark.parametrize(
    "words", [["push"], ["check"], ["list", "projects"]], ids=" ".join
)
def test_command_with_an_endless_answer_ends_at_the_deadline(
    run_python, target, trickle, words
):
    run_python("-m", "pytest", "--zephyr", "--zephyr-push=never")
    flags = [f"--zephyr-url={trickle(*TRICKLES[0].values)}", "--zephyr-deadline=0.5"]
    if words[0] != "list":
        flags.append(f"--zephyr-phase={target.phase}")
    done = run_python("-m", "pytest_zephyr", *words, *flags)

    assert done.returncode == 1
    assert "the time budget of 0.5 s (zephyr_deadline) is spent" in done.stderr


def children(pid: int) -> list[int]:
    """Return the ids of the child processes of *pid*."""
    tasks = Path(f"/proc/{pid}/task")
    found = (each / "children" for each in tasks.iterdir())
    return [int(child) for each in found for child in each.read_text().split()]


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def is_running(pid: int) -> bool:
    """Return whether the process *pid* exists and is no zombie."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*/stat"))
        return any(") Z " not in each.read_text() for each in tasks)
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("forked", [False, True], ids=["alone", "with a forked child"])
@pytest.mark.parametrize("killed", ["pytest", "sender", "both"])
def test_kill_leaves_no_sender_and_loses_no_result(
    pytester, run_python, target, run_command, killed, forked
):
    """A child process of the suite may outlive pytest, and hold its descriptors."""
    if forked:
        # At the fork, the sender of the check before the tests runs: the child has its
        # pipes, but not those of the sender that pushes.
        pytester.makeconftest(
            """
            import os, time

            def pytest_collection():
                if os.fork() == 0:
                    while os.path.exists("hold"):
                        time.sleep(0.02)
                    os._exit(0)
            """
        )
    (hold := pytester.path / "hold").touch()
    target.sandbox.faults.add(HANGING_WRITE)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--zephyr"],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(target.has_met_fault)
    (sender,) = (each for each in children(process.pid) if "-c" in command_line(each))
    for pid in {"pytest": [process.pid], "sender": [sender]}.get(
        killed, [process.pid, sender]
    ):
        os.kill(pid, signal.SIGKILL)
    ret = process.wait()
    wait_until(lambda: not is_running(sender))
    hold.unlink()
    output, _ = process.communicate()
    if killed == "sender":
        assert ret == 0
        assert (
            "zephyr: the process that talks to Zephyr ended without an answer" in output
        )
        assert "results kept in .zephyr" in output

    target.sandbox.faults.clear()
    assert run_command("push").ret == 0
    assert target.statuses()[101] == "1"
    assert target.execution(101).result_count == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_write_in_progress_at_a_kill_is_not_repeated(
    pytester, run_python, target, monkeypatch
):
    """The push first waits until the timeout has passed since that write."""
    monkeypatch.setenv("ZEPHYR_TIMEOUT", "3")
    target.sandbox.faults.add(Fault("PUT", "bulk/execute", kind="latency", seconds=1))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--zephyr"],
        cwd=pytester.path,
        stdout=subprocess.DEVNULL,
    )
    wait_until(target.has_met_fault)
    process.kill()
    process.wait()
    pushed = run_python("-m", "pytest_zephyr", "push")

    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    assert target.statuses()[101] == "1"
    assert target.execution(101).result_count == 1
