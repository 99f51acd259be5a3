"""Tests may change their own process; their results still reach the server."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from tests.conftest import CASES
from tests.conftest import needs_xdist
from tests.conftest import without_and_with_xdist


needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX file descriptors")


# Network guards


#: What a guard does when a socket is created.
GUARDS = {
    "fail": "pytest.fail('no network in these tests')",
    "skip": "pytest.skip('no network in these tests')",
    "exit": "pytest.exit('no network in these tests')",
    "SystemExit": "sys.exit(9)",
}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("when", ["import", "session"])
def test_network_guard_does_not_change_the_run(
    pytester, run_zephyr, target, guard, when
):
    """The test does not use the network, so outcome and exit code stay the same."""
    pytester.makeconftest(
        f"""
        import os, socket, sys
        import pytest

        class Guarded(socket.socket):
            def __new__(cls, *args, **kwargs):
                {GUARDS[guard]}

        if {when!r} == "import":
            socket.socket = Guarded

        @pytest.fixture(scope="session", autouse=True)
        def no_network():
            socket.socket = Guarded
        """
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    ran = run_zephyr(subprocess=True, check_exit_code=False)

    assert ran.ret == 0
    assert "1 passed" in ran.text
    assert target.statuses()[101] == "1"
    assert "INTERNALERROR" not in ran.text


# Terminals


#: A conftest that puts an object with one method in place of the terminal reporter.
PLAIN_REPORTER = """
    import pytest

    class Plain:
        verbosity = 0
        def line(self, text, **markup): print(text)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(config):
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(Plain(), "terminalreporter")
"""

CLOSED_STDOUT = """
    import sys, pytest

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish():
        sys.stdout.close()
"""


@pytest.mark.parametrize(
    "conftest", [PLAIN_REPORTER, CLOSED_STDOUT], ids=["another class", "closed"]
)
def test_results_do_not_need_a_terminal(pytester, run_zephyr, target, conftest):
    """Results are delivered, and the summary goes to stderr."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(101, 999)\ndef test_a(): assert 0\n"
    )
    ran = run_zephyr("-s", subprocess=True, check_exit_code=False)

    assert target.statuses()[101] == "2"
    summary = ran.result.stderr.str()
    assert "2 test cases: 1 reported (1 Fail), 1 refused" in summary
    assert "internal error in pytest_sessionfinish" not in summary


def test_characters_that_an_output_cannot_encode_are_escaped(pytester):
    env = {**os.environ, "PYTHONIOENCODING": "cp1252", "ZEPHYR_CYCLE": "夜間"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--zephyr-show-config"],
        cwd=pytester.path,
        env=env,
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert b"zephyr_cycle" in done.stdout
    assert rb"\u591c\u9593" in done.stdout


# Runs of pytest inside tests


@pytest.mark.parametrize("where", ["environment", "ini"])
@pytest.mark.parametrize("how", ["inprocess", "subprocess"])
def test_run_that_a_test_starts_does_not_report(
    pytester, run_zephyr, target, monkeypatch, where, how
):
    """Its outcomes do not change, and one line says why the run does not report."""
    if where == "environment":
        monkeypatch.setenv("ZEPHYR", "1")
    pytester.makeconftest("pytest_plugins = ['pytester']")
    inner_ini = "[pytest]\nzephyr = true" if where == "ini" else "[pytest]"
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.zephyr(101)
        def test_our_plugin(pytester):
            pytester.makeini({inner_ini!r})
            pytester.makepyfile(
                "import pytest\\n@pytest.mark.zephyr(102)\\ndef test_x(): assert 0"
            )
            result = pytester.runpytest_{how}("-p", "zephyr")
            result.assert_outcomes(failed=1)
            result.stdout.fnmatch_lines(["zephyr: not reporting, because a test of a reporting run (process *) started this one; *"])
            result.stdout.no_fnmatch_line("*reported (*")
        """
    )
    ran = run_zephyr("-p", "pytester", subprocess=True, check_exit_code=False)

    assert ran.ret == 0, ran.text
    assert target.statuses()[101] == "1"
    assert target.statuses()[102] is None


#: A test that runs its own file again in another process, where the test fails.
NESTED = """
    import os, subprocess, sys
    import pytest

    @pytest.mark.zephyr(101)
    def test_starts_another():
        if "NESTED" in os.environ:
            assert 0
        env = {**os.environ, "NESTED": "1"}
        subprocess.run([sys.executable, "-m", "pytest", __file__], env=env)
"""


def test_variable_of_a_finished_run_is_ignored(
    pytester, run_zephyr, target, monkeypatch
):
    """No process has the id in the variable; this run replaces the id by its own.

    So the run that its test starts does not report.
    """
    # Linux gives no process an id this high.
    monkeypatch.setenv("_ZEPHYR_SESSION", "4194999")
    monkeypatch.setenv("ZEPHYR", "1")
    pytester.makepyfile(NESTED)
    run_zephyr(subprocess=True, check_exit_code=False)

    assert target.statuses()[101] == "1"
    assert target.execution(101).result_count == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows starts another process")
def test_run_that_replaces_its_process_reports(
    pytester, run_zephyr, target, monkeypatch
):
    monkeypatch.setenv("ZEPHYR", "1")
    pytester.makeconftest(
        """
        import os, sys

        def pytest_sessionstart():
            if "AGAIN" not in os.environ:
                os.environ["AGAIN"] = "1"
                args = [sys.executable, "-m", "pytest", *sys.argv[1:]]
                os.execv(sys.executable, args)
        """
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    run_zephyr(subprocess=True, check_exit_code=False)

    assert target.statuses()[101] == "1"


def test_a_run_after_one_that_reported_reports_too(pytester, run_zephyr, target):
    for case in (101, 102):
        pytester.makepyfile(
            f"import pytest\n@pytest.mark.zephyr({case})\ndef test_{case}(): pass\n"
        )
        run_zephyr(check_exit_code=False)

    assert target.statuses()[102] == "1"
    assert "_ZEPHYR_SESSION" not in os.environ


@pytest.mark.parametrize(
    "how", ["delenv('_ZEPHYR_SESSION')", "setenv('_ZEPHYR_SESSION', '1')"]
)
def test_run_that_a_test_starts_in_its_process_does_not_report(
    pytester, run_zephyr, target, how
):
    """The test removes or changes the variable with the id of the reporting process."""
    inner = pytester.mkdir("inner")
    (inner / "pytest.ini").write_text("[pytest]\nzephyr = true\n", encoding="utf-8")
    (inner / "test_inner.py").write_text(
        "import pytest\n@pytest.mark.zephyr(102)\ndef test_x(): pass\n",
        encoding="utf-8",
    )
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(monkeypatch):
            monkeypatch.{how}
            assert pytest.main(["inner", "-c", "inner/pytest.ini"]) == 0
        """
    )
    run_zephyr(
        "test_run_that_a_test_starts_in_its_process_does_not_report.py",
        subprocess=True,
        check_exit_code=False,
    )

    assert (target.statuses()[101], target.statuses()[102]) == ("1", None)
    assert not (inner / ".zephyr").exists()


@needs_xdist
def test_workers_of_a_run_inside_a_test_read_no_settings(pytester, run_zephyr, target):
    """A setting of that run is invalid, and the run passes."""
    inner = pytester.mkdir("inner")
    (inner / "pytest.ini").write_text(
        "[pytest]\nzephyr = true\nzephyr_id_prefix = ((\n", encoding="utf-8"
    )
    (inner / "test_inner.py").write_text("def test_x(): pass\n", encoding="utf-8")
    pytester.makepyfile(
        """
        import subprocess, sys, pytest

        @pytest.mark.zephyr(101)
        def test_a():
            call = [sys.executable, "-m", "pytest", "-n1", "-c", "pytest.ini"]
            subprocess.run(call, cwd="inner", check=True)
        """
    )
    run_zephyr("--ignore=inner", check_exit_code=False, subprocess=True)

    assert target.statuses()[101] == "1"


# Markers that are added late


LATE_MARKS = """
    import pytest

    @pytest.fixture
    def case(request):
        request.applymarker(pytest.mark.zephyr(101))

    @pytest.fixture
    def marker_in_teardown(request):
        yield
        request.node.add_marker(pytest.mark.zephyr(103, comment="from a finalizer"))

    @pytest.fixture
    def ignored(request):
        request.node.add_marker("zephyr_ignore")

    def test_in_fixture(case): pass

    @pytest.mark.parametrize("n", [102, 999])
    def test_in_body(request, n):
        request.node.add_marker(pytest.mark.zephyr(n))
        assert n != 102

    @pytest.mark.zephyr(104)
    def test_in_finalizer(marker_in_teardown): pass

    @pytest.mark.zephyr(105)
    def test_ignored(ignored): pass

    def test_wrong(request):
        request.node.add_marker(pytest.mark.zephyr("no id"))
"""


@pytest.mark.parametrize("args", without_and_with_xdist(2))
@pytest.mark.parametrize("push", ["end", "never"])
def test_markers_added_while_a_test_runs_count(
    pytester, run_zephyr, run_command, target, args, push
):
    pytester.makepyfile(LATE_MARKS)
    ran = run_zephyr(*args, f"--zephyr-push={push}", check_exit_code=False)
    if push == "never":
        run_command("push")

    assert target.statuses() == {
        101: "1", 102: "2", 103: "1", 104: "1", 105: None, 106: None
    }  # fmt: skip
    assert "comment: from a finalizer" in target.execution(103).comment
    assert "'no id' is not a test case id" in ran.text


@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_markers_added_between_collection_and_setup_count(
    pytester, run_zephyr, target, args
):
    """A marker that a test adds to its module counts, too."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(item):
            if item.name == "test_ignored":
                item.add_marker(pytest.mark.zephyr_ignore)
            if item.name == "test_comment":
                item.add_marker(pytest.mark.zephyr(comment="late"))
            return (yield)
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_ignored(): assert 0

        @pytest.mark.zephyr(102)
        def test_comment(): pass

        def test_above(request):
            request.node.parent.add_marker(pytest.mark.zephyr(103))
        """
    )
    run_zephyr(*args, check_exit_code=False)

    assert target.statuses()[101] is None
    assert target.statuses()[103] == "1"
    assert "comment: late" in target.execution(102).comment


def test_markers_that_a_wrapper_adds_after_the_test_count(pytester, run_zephyr, target):
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(item):
            result = yield
            item.add_marker(pytest.mark.zephyr(104))
            return result
        """
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    run_zephyr(check_exit_code=False)

    assert target.statuses()[104] == "1"


def test_only_planned_sees_markers_that_the_outermost_wrapper_adds(
    pytester, run_zephyr, target
):
    """The wrapper adds them after all plugins have changed the list of items."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_collection_modifyitems(items):
            result = yield
            for item in items:
                item.add_marker(pytest.mark.zephyr(101))
            return result
        """
    )
    pytester.makepyfile("def test_a(): pass")
    ran = run_zephyr("--zephyr-only-planned", check_exit_code=False)

    assert "1 passed" in ran.text
    assert target.statuses()[101] == "1"


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("end", ["pytest.fail()", "os._exit(0)", "sys.exit(0)"])
def test_a_process_that_a_test_forks_neither_writes_nor_sends(
    pytester, run_zephyr, target, end
):
    """The forked process may even go on with the session of pytest to its end."""
    pytester.makepyfile(
        f"""
        import os, sys
        import pytest

        @pytest.mark.zephyr(101)
        def test_forks(zephyr):
            pid = os.fork()
            if pid == 0:
                zephyr.comment("of the child")
                {end}
            os.waitpid(pid, 0)

        @pytest.mark.zephyr(102)
        def test_after(): pass
        """
    )
    ran = run_zephyr(subprocess=True, check_exit_code=False)

    assert target.execution(101).result_count == target.execution(102).result_count == 1
    assert target.statuses()[101] == target.statuses()[102] == "1"
    assert not target.execution(101).comment
    assert ran.text.count("2 reported (2 Pass)") == 1


EVIDENCE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_pays(zephyr):
        zephyr.comment("paid")
        zephyr.defect("SHOP-7")
        zephyr.attach_text("log", name="server.log")
"""


#: A conftest that runs each test in a process of its own, as pytest-forked does.
FORKING = """
    import os, pickle
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            reports = runtestprotocol(item, log=False)
            os.write(writing, pickle.dumps(reports))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            reports = pickle.loads(file.read())
        os.waitpid(pid, 0)
        for each in reports:
            item.ihook.pytest_runtest_logreport(report=each)
        return True
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_evidence_of_a_forked_test_is_sent(pytester, run_zephyr, target, args):
    """pytest-forked sends the reports of the forked process to its parent."""
    pytester.makeconftest(FORKING)
    pytester.makepyfile(EVIDENCE)
    run_zephyr(*args, subprocess=True, check_exit_code=False)

    execution = target.execution(101)
    assert execution.status == "1"
    assert "defects: SHOP-7\ncomment: paid" in execution.comment
    assert [name for name, _, _ in execution.attachments] == ["server.log"]


def test_a_forked_process_does_not_repeat_internal_errors_of_its_parent(
    pytester, run_zephyr
):
    """For each of two tests, the parent notes an error, and the forked process another."""
    broken = """
        from pytest_zephyr.journal import format
        from pytest_zephyr.plugin import reports
        format.start_text = reports.begin_attempt = None
    """
    pytester.makeconftest(textwrap.dedent(FORKING) + textwrap.dedent(broken))
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass\n")
    ran = run_zephyr(subprocess=True)

    ran.result.stdout.fnmatch_lines(
        [
            "zephyr: internal error in pytest_runtest_protocol: TypeError*(2 times)*",
            "zephyr: internal error in pytest_runtest_setup: TypeError*(2 times)*",
        ]
    )


# Node ids that plugins rewrite


REWRITTEN = """
    import pytest

    @pytest.mark.zephyr(101)
    @pytest.mark.parametrize("password", ["swordfish99"])
    def test_login(password): assert 0

    @pytest.mark.parametrize("n", [1, 2])
    def test_without_marker(n): pass
"""

SUFFIX = """
    def pytest_collection_modifyitems(items):
        for item in items:
            item._nodeid = f"{item.nodeid}@db"
"""


@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_suffix_of_a_node_id_does_not_change_the_test_case(
    pytester, run_zephyr, target, args
):
    """One test case is created for all parameters, and no secret is shown."""
    pytester.makeconftest(SUFFIX)
    pytester.makepyfile(REWRITTEN)
    ran = run_zephyr(
        *args,
        f"--zephyr-project=id:{target.project}",
        f"--zephyr-release=id:{target.release}",
        "--zephyr-unmapped=create",
        "--zephyr-create=execution",
        check_exit_code=False,
    )

    created = [
        each
        for each in target.sandbox.store.executions(target.phase)
        if each.testcase_id not in CASES
    ]
    assert len(created) == 1, ran.text
    notes = target.execution(101).comment
    assert "test_login[password=&lt;hidden&gt;]" in notes
    assert "swordfish99" not in notes


# Clocks


TIME_MACHINE = """
    import datetime
    import pytest, time_machine

    @pytest.fixture(autouse=True)
    def far_away():
        with time_machine.travel(datetime.datetime(2099, 1, 1), tick=False):
            yield
"""

FREEZEGUN = """
    import freezegun, pytest

    @pytest.fixture(scope="module", autouse=True)
    def frozen():
        with freezegun.freeze_time("2099-01-01"):
            yield
"""

PAST = """
    import pytest, time_machine

    @pytest.fixture(scope="module", autouse=True)
    def long_ago():
        with time_machine.travel("1999-12-31"):
            yield
"""


@pytest.mark.parametrize(
    "conftest",
    [TIME_MACHINE, FREEZEGUN, PAST],
    ids=["time-machine", "freezegun", "time-machine, past"],
)
@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_clocks_changed_by_tests_change_no_date_and_no_duration(
    pytester, run_zephyr, target, conftest, args
):
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_first(): pass

        @pytest.mark.zephyr(102)
        def test_last(zephyr):
            with zephyr.step(1): pass
        """
    )
    before_ms = time.time() * 1000
    run_zephyr(*args, subprocess=True, check_exit_code=False)
    after_ms = time.time() * 1000

    for case in (101, 102):
        execution = target.execution(case)
        assert execution.status == "1"
        assert before_ms - 1000 <= execution.executed_on <= after_ms + 1000
        assert 0 <= execution.actual_time <= after_ms - before_ms


# File systems


def test_files_of_a_fake_file_system_are_copied_to_the_disk(
    pytester, run_zephyr, target
):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_with_fake_files(fs, zephyr):
            zephyr.attach(b"content", name="a.bin")
            fs.create_file("/data/report.txt", contents="made by the test")
            zephyr.attach("/data/report.txt")

        @pytest.mark.zephyr(102)
        def test_without(zephyr):
            zephyr.attach(b"content", name="same.bin")
        """
    )
    ran = run_zephyr(subprocess=True, check_exit_code=False)

    attachments = {
        (case, name): target.sandbox.store.attachment_bytes(target.phase, case, name)
        for case, name in ((101, "a.bin"), (101, "report.txt"), (102, "same.bin"))
    }
    assert attachments == {
        (101, "a.bin"): [b"content"],
        (101, "report.txt"): [b"made by the test"],
        (102, "same.bin"): [b"content"],
    }, ran.text


def test_copy_that_a_test_removes_is_restored(pytester, run_zephyr, target):
    """The next test that attaches the same content writes the copy again."""
    pytester.makepyfile(
        """
        import pathlib, shutil
        import pytest

        @pytest.mark.zephyr(101)
        def test_removes(zephyr):
            zephyr.attach(b"content", name="a.bin")
            shutil.rmtree(pathlib.Path(".zephyr", "files"))

        @pytest.mark.zephyr(102)
        def test_after(zephyr):
            zephyr.attach(b"content", name="b.bin")
        """
    )
    run_zephyr(check_exit_code=False)

    for case, name in ((101, "a.bin"), (102, "b.bin")):
        assert target.execution(case).attachments == (
            (name, "application/octet-stream", 7),
        )


# Mocks that are not undone


MOCKS = {
    "request": "requests.Session.request = MagicMock(return_value=answer)",
    "send": "requests.Session.send = MagicMock(return_value=answer)",
    "adapter": "requests.adapters.HTTPAdapter.send = MagicMock(return_value=answer)",
    "urlopen": "urllib3.connectionpool.HTTPConnectionPool.urlopen = MagicMock()",
    "session": "sys.modules['requests'].Session = MagicMock()",
}


@pytest.mark.parametrize("mock", MOCKS)
@pytest.mark.parametrize("where", ["test", "conftest"])
def test_mock_of_the_http_library_loses_no_result(
    pytester, run_zephyr, run_command, target, mock, where
):
    """A run that cannot send its results names the journal, and a push sends them."""
    leak = f"answer = MagicMock(status_code=200); {MOCKS[mock]}"
    imports = (
        "import pytest, requests, sys, urllib3\nfrom unittest.mock import MagicMock\n"
    )
    pytester.makeconftest(imports + (leak if where == "conftest" else ""))
    pytester.makepyfile(
        imports
        + "@pytest.mark.zephyr(101)\n"
        + f"def test_leaks(): {leak if where == 'test' else 'pass'}\n"
    )
    ran = run_zephyr(subprocess=True, check_exit_code=False)

    assert ran.ret == 0, ran.text
    if target.statuses()[101] is None:
        assert "results kept in" in ran.text
        assert run_command("push").ret == 0
    assert target.statuses()[101] == "1"


# Repetitions


@pytest.mark.parametrize("plugin", ["flaky", "pytest-retry"])
@pytest.mark.parametrize("args", without_and_with_xdist(1))
def test_last_attempt_counts_with_other_rerun_plugins(
    pytester, run_zephyr, target, plugin, args
):
    """The conftest does the same as these plugins.

    If a test fails and is repeated, flaky logs no report of the failure; pytest-retry
    logs one with the outcome ``retried``.
    """
    pytester.makeconftest(
        f"""
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            log = item.ihook.pytest_runtest_logreport
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for last in (False, False, True):
                reports = runtestprotocol(item, log=False, nextitem=nextitem)
                for report in reports:
                    if report.failed and not last:
                        if {plugin!r} == "flaky":
                            continue
                        report.outcome = "retried"
                    log(report=report)
                if all(each.passed for each in reports):
                    break
            return True
        """
    )
    pytester.makepyfile(
        """
        import pytest

        tries = []

        @pytest.mark.zephyr(101)
        def test_f(zephyr):
            tries.append(1)
            zephyr.comment(f"attempt {len(tries)}")
            zephyr.attach_text("log", name=f"log{len(tries)}.txt")
            assert len(tries) > 2
        """
    )
    run_zephyr("-p", "no:rerunfailures", *args, check_exit_code=False)

    execution = target.execution(101)
    assert execution.status == "1"
    assert "after 3 attempts\ncomment: attempt 3\n" in execution.comment
    assert "first attempt: " in execution.comment
    assert [name for name, _, _ in execution.attachments] == ["log3.txt"]


# Two items with one node id


TWINS = """
    import os
    import pytest

    class Twin(pytest.Item):
        def __init__(self, case, body, **kwargs):
            super().__init__(**kwargs)
            self.add_marker(pytest.mark.zephyr(case))
            self.body = body

        def runtest(self):
            self.body()

    def succeed():
        pass

    def fail():
        assert 0

    def crash():
        os._exit(1)

    class File(pytest.File):
        def collect(self):
            for case, body in ((101, succeed), (102, {body}), (103, succeed)):
                yield Twin.from_parent(self, name="same", case=case, body=body)

    def pytest_collect_file(file_path, parent):
        if file_path.suffix == ".twin":
            return File.from_parent(parent, path=file_path)
"""


@pytest.mark.parametrize("args", without_and_with_xdist(1))
@pytest.mark.parametrize("body", ["fail", "crash"])
def test_items_with_one_node_id_are_separate_tests(
    pytester, run_zephyr, run_command, target, args, body
):
    """Each result reaches its own test case, also after a crash."""
    pytester.makeconftest(TWINS.replace("{body}", body))
    (pytester.path / "test_all.twin").touch()
    run_zephyr(*args, subprocess=True, check_exit_code=False)
    run_command("push")

    statuses = target.statuses()
    has_run_died = body == "crash" and not args
    assert [statuses[case] for case in (101, 102, 103)] == [
        "1", "2", None if has_run_died else "1"
    ]  # fmt: skip


# File descriptors


#: What a test does to the descriptor *number* of the journal *path*.
DAMAGE = {
    "closed": "os.close(number)",
    "all closed": "os.closerange(3, 200)",
    "replaced": "os.dup2(os.open('foreign', os.O_RDWR | os.O_CREAT), number)",
    "closed, and its number reused": "os.close(number); os.dup2(os.open('foreign', os.O_RDWR | os.O_CREAT), number)",
    "closed, and the file removed": "os.close(number); os.unlink(path)",
    "closed, and the directory removed": "os.close(number); shutil.rmtree(os.path.dirname(path))",
}


@needs_posix
@pytest.mark.parametrize("when", ["body", "teardown"])
@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_descriptors_lose_no_later_result(
    pytester, run_zephyr, target, how, when
):
    """Earlier results are lost only if the file was removed, too; this is reported.

    Nothing is written into files of the tests.
    """
    pytester.makepyfile(
        f"""
        import os, shutil, pytest

        def close():
            for number in range(3, 200):
                path = os.path.realpath(f"/proc/self/fd/{{number}}")
                if path.endswith(".jsonl"):
                    break
            {DAMAGE[how]}

        @pytest.fixture
        def closing():
            yield
            if {when!r} == "teardown":
                close()

        @pytest.mark.zephyr(104)
        def test_earlier(): pass

        @pytest.mark.zephyr(101)
        def test_a(closing):
            if {when!r} == "body":
                close()

        @pytest.mark.zephyr(102)
        def test_b(): assert 0

        @pytest.mark.zephyr(103)
        def test_c(zephyr): zephyr.comment("said")
        """
    )
    ran = run_zephyr(
        "-p", "no:cacheprovider", "-s", subprocess=True, check_exit_code=False
    )

    ran.result.assert_outcomes(passed=3, failed=1)
    statuses = target.statuses()
    assert [statuses[case] for case in (101, 102, 103)] == ["1", "2", "1"]
    is_lost = "removed" in how
    assert statuses[104] == (None if is_lost else "1")
    assert ("outcomes are missing" in ran.text) == is_lost
    foreign = pytester.path / "foreign"
    assert not foreign.exists() or foreign.read_bytes() == b""
    assert "said" in target.execution(103).comment


# Functions of the standard library that tests replace and do not restore


REPLACEMENTS = {
    "os.getpid": "mock.patch('os.getpid', return_value=1234).start()",
    "os.getpid raises": "mock.patch('os.getpid', side_effect=RuntimeError).start()",
    "os.close": "mock.patch('os.close').start()",
    "os.open": "mock.patch('os.open', return_value=0).start()",
    "os.set_blocking": "mock.patch('os.set_blocking', side_effect=OSError).start()",
    "json": "mock.patch('json.dumps', return_value='').start()\n"
    "    mock.patch('json.loads', return_value={}).start()\n"
    "    mock.patch('json.JSONEncoder.encode', return_value='{}').start()",
    "open": "mock.patch('io.open', side_effect=PermissionError).start()\n"
    "    mock.patch('builtins.open', side_effect=PermissionError).start()",
    "Popen": "mock.patch('subprocess.Popen.__init__', side_effect=OSError).start()",
    "sha256": "mock.patch('hashlib.sha256').start()",
    "Path": "mock.patch('pathlib.Path.open', side_effect=OSError).start()\n"
    "    mock.patch('pathlib.Path.exists', return_value=False).start()",
}


@pytest.mark.parametrize("function", REPLACEMENTS)
def test_replaced_functions_lose_no_result(pytester, run_zephyr, target, function):
    pytester.makepyfile(
        f"""
        from unittest import mock
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        def replace():
            {REPLACEMENTS[function].replace(chr(10), chr(10) + " " * 8)}

        @pytest.mark.zephyr(102)
        def test_b(zephyr):
            replace()
            zephyr.attach(b"1", name="a.bin")
            zephyr.attach_text("2", name="b.txt")

        @pytest.mark.zephyr(103)
        def test_c(): pass
        """
    )
    run_zephyr("-p", "no:cacheprovider", subprocess=True, check_exit_code=False)

    assert [target.statuses()[case] for case in (101, 102, 103)] == ["1", "1", "1"]
    attached = [each[0] for each in target.execution(102).attachments]
    assert attached == ["a.bin", "b.txt"]


def test_date_in_a_name_does_not_come_from_the_clock_of_a_conftest(
    pytester, run_zephyr
):
    pytester.makeconftest(
        "import freezegun\nfreezegun.freeze_time('2099-01-01').start()\n"
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    names = ("--zephyr-release=1", "--zephyr-cycle=Nightly {date}", "--zephyr-phase=A")
    ran = run_zephyr(
        *names, "--zephyr-push=never", subprocess=True, check_exit_code=False
    )

    (journal,) = ran.journals
    assert '"Nightly 20' in journal.read_text(encoding="ascii")
    assert "Nightly 2099" not in journal.read_text(encoding="ascii")
    assert not journal.name.startswith("2099")


# Unusual values in reports


def test_unusual_reasons_and_failures_lose_no_result(pytester, run_zephyr, target):
    pytester.makeconftest(
        """
        import pytest

        class Odd:
            def __str__(self): raise ValueError
            def toterminal(self, out): out.line("odd")

        class Item(pytest.Item):
            def runtest(self): raise ValueError
            def repr_failure(self, excinfo): return Odd()

        class File(pytest.File):
            def collect(self):
                item = Item.from_parent(self, name="odd")
                item.add_marker(pytest.mark.zephyr(102))
                yield item

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".odd":
                return File.from_parent(parent, path=file_path)
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        @pytest.mark.xfail(reason=404)
        def test_a(): assert 0
        """
    )
    pytester.makefile(".odd", a="")
    run_zephyr("--tb=no", check_exit_code=False)

    assert (target.statuses()[101], target.statuses()[102]) == ("4", "2")


# Items that are listed twice, and crashes


def test_item_that_is_listed_twice_is_two_tests(pytester, run_zephyr, target):
    pytester.makeconftest(
        "def pytest_collection_modifyitems(items): items[:] = items * 2\n"
    )
    pytester.makepyfile(
        """
        import pytest
        n = []

        @pytest.mark.zephyr(101)
        def test_a():
            n.append(1)
            assert len(n) > 1

        @pytest.mark.zephyr(102)
        def test_b(): pass
        """
    )
    run_zephyr(check_exit_code=False)

    assert (target.statuses()[101], target.statuses()[102]) == ("2", "1")


@needs_xdist
def test_crash_is_reported_for_the_item_that_crashed(pytester, run_zephyr, target):
    """All items have the same node id."""
    pytester.makeconftest(
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item._nodeid = item.nodeid.split("[")[0]
        """
    )
    pytester.makepyfile(
        """
        import os, pathlib, time, pytest

        cases = [pytest.param(n, marks=pytest.mark.zephyr(101 + n)) for n in range(4)]

        @pytest.mark.parametrize("n", cases)
        def test_a(n, tmp_path_factory):
            begun = pathlib.Path(__file__).with_name(f"begun{n}")
            begun.touch()
            if n == 0:
                # Wait until the other worker runs the test that crashes.
                while not begun.with_name("begun2").exists():
                    time.sleep(0.01)
            if n == 2:
                os.abort()
        """
    )
    run_zephyr("-n2", "--dist=load", subprocess=True, check_exit_code=False)

    assert [target.statuses()[101 + n] for n in range(4)] == ["1", "1", "2", "1"]


@needs_xdist
def test_rerun_that_passes_after_a_crash_is_a_pass(
    pytester, run_zephyr, target, monkeypatch
):
    pytest.importorskip("pytest_rerunfailures")
    # The fixture `pytester` disables pytest-rerunfailures.
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    pytester.makepyfile(
        """
        import os, pathlib, pytest

        @pytest.mark.zephyr(101)
        @pytest.mark.flaky(reruns=1)
        def test_a():
            died = pathlib.Path(__file__).with_name("died")
            if not died.exists():
                died.touch()
                os.abort()
        """
    )
    run_zephyr("-n2", subprocess=True, check_exit_code=False)

    assert target.statuses()[101] == "1"
