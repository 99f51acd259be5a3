"""What tests do to their own process, and what stands on the server all the same."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time

import pytest

from tests.conftest import needs_xdist


needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs its descriptors")


# Outcome exceptions: they are no `Exception`


GUARDS = {
    "fail": "pytest.fail('no network in these tests')",
    "skip": "pytest.skip('no network in these tests')",
    "exit": "pytest.exit('no network in these tests')",
    "SystemExit": "sys.exit(9)",
}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("when", ["import", "session"])
def test_a_guard_that_ends_tests_ends_no_run(pytester, run_zephyr, world, guard, when):
    """Its outcome changes no test, no exit code and no summary, and is none of ours."""
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
    ran = run_zephyr(subprocess=True, same_exit=False)

    assert ran.ret == 0
    assert "1 passed" in ran.text
    assert world.statuses()[101] == "1"
    assert "INTERNALERROR" not in ran.text


# Decoration


PLAIN = """
    import pytest

    class Plain:
        verbosity = 0
        def line(self, text, **markup): print(text)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(config):
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(Plain(), "terminalreporter")
"""

CLOSED = """
    import sys, pytest

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish():
        sys.stdout.close()
"""


@pytest.mark.parametrize("conftest", [PLAIN, CLOSED], ids=["another class", "closed"])
def test_results_do_not_need_a_terminal(pytester, run_zephyr, world, conftest):
    """They are delivered, and what there is to say goes to stderr."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(101, 999)\ndef test_a(): assert 0\n"
    )
    ran = run_zephyr("-s", subprocess=True, same_exit=False)

    assert world.statuses()[101] == "2"
    assert "2 test cases: 1 reported (1 Fail), 1 refused" in ran.text
    assert "internal error in pytest_sessionfinish" not in ran.text


def test_what_an_output_cannot_encode_is_escaped(pytester):
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


# Runs inside of tests


@pytest.mark.parametrize("where", ["environment", "ini"])
@pytest.mark.parametrize("how", ["inprocess", "subprocess"])
def test_a_run_that_a_test_starts_is_not_this_run(
    pytester, run_zephyr, world, monkeypatch, where, how
):
    """It reports nothing, ends as without us, and says why in one line."""
    if where == "environment":
        monkeypatch.setenv("ZEPHYR", "1")
    pytester.makeconftest("pytest_plugins = ['pytester']")
    inner = "[pytest]\nzephyr = true" if where == "ini" else "[pytest]"
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.zephyr(101)
        def test_our_plugin(pytester):
            pytester.makeini({inner!r})
            pytester.makepyfile(
                "import pytest\\n@pytest.mark.zephyr(102)\\ndef test_x(): assert 0"
            )
            result = pytester.runpytest_{how}("-p", "zephyr")
            result.assert_outcomes(failed=1)
            result.stdout.fnmatch_lines(["zephyr: not reporting, because a test of a reporting run (process *) started this one; *"])
            result.stdout.no_fnmatch_line("*reported (*")
        """
    )
    ran = run_zephyr("-p", "pytester", subprocess=True, same_exit=False)

    assert ran.ret == 0, ran.text
    assert world.statuses()[101] == "1"
    assert world.statuses()[102] is None


INNER = """
    import os, subprocess, sys
    import pytest

    @pytest.mark.zephyr(101)
    def test_starts_another():
        if "INNER" in os.environ:
            assert 0
        env = {**os.environ, "INNER": "1"}
        subprocess.run([sys.executable, "-m", "pytest", __file__], env=env)
"""


def test_what_a_run_that_is_over_left_in_the_environment_is_nothing(
    pytester, run_zephyr, world, monkeypatch
):
    """Its process is gone; this run puts its own there."""
    monkeypatch.setenv("_ZEPHYR_RUN", "4194999")
    monkeypatch.setenv("ZEPHYR", "1")
    pytester.makepyfile(INNER)
    run_zephyr(subprocess=True, same_exit=False)

    assert world.statuses()[101] == "1"
    assert world.execution(101).results == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows starts another process")
def test_a_run_that_replaces_itself_reports(pytester, run_zephyr, world, monkeypatch):
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
    run_zephyr(subprocess=True, same_exit=False)

    assert world.statuses()[101] == "1"


def test_a_run_after_one_that_reported_reports_too(pytester, run_zephyr, world):
    for case in (101, 102):
        pytester.makepyfile(
            f"import pytest\n@pytest.mark.zephyr({case})\ndef test_{case}(): pass\n"
        )
        run_zephyr(same_exit=False)

    assert world.statuses()[102] == "1"
    assert "_ZEPHYR_RUN" not in os.environ


# Markers while a test runs


LATE_MARKS = """
    import pytest

    @pytest.fixture
    def case(request):
        request.applymarker(pytest.mark.zephyr(101))

    @pytest.fixture
    def late(request):
        yield
        request.node.add_marker(pytest.mark.zephyr(103, comment="from a finalizer"))

    @pytest.fixture
    def not_today(request):
        request.node.add_marker("zephyr_ignore")

    def test_in_fixture(case): pass

    @pytest.mark.parametrize("n", [102, 999])
    def test_in_body(request, n):
        request.node.add_marker(pytest.mark.zephyr(n))
        assert n != 102

    @pytest.mark.zephyr(104)
    def test_in_finalizer(late): pass

    @pytest.mark.zephyr(105)
    def test_ignored(not_today): pass

    def test_wrong(request):
        request.node.add_marker(pytest.mark.zephyr("no id"))
"""


@pytest.mark.parametrize("args", [[], pytest.param(["-n2"], marks=needs_xdist)])
@pytest.mark.parametrize("when", ["end", "never"])
def test_markers_count_as_they_stand_when_the_test_is_over(
    pytester, run_zephyr, command, world, args, when
):
    pytester.makepyfile(LATE_MARKS)
    ran = run_zephyr(*args, f"--zephyr-push={when}", same_exit=False)
    if when == "never":
        command("push")

    assert world.statuses() == {
        101: "1", 102: "2", 103: "1", 104: "1", 105: None, 106: None
    }  # fmt: skip
    assert "comment: from a finalizer" in world.execution(103).comment
    assert "'no id' is not a test case id" in ran.text


@pytest.mark.parametrize("args", [[], pytest.param(["-n1"], marks=needs_xdist)])
def test_markers_that_come_between_collection_and_setup_count(
    pytester, run_zephyr, world, args
):
    """Also those of what is above the test."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(item):
            if item.name == "test_ignored":
                item.add_marker(pytest.mark.zephyr_ignore)
            if item.name == "test_said":
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
        def test_said(): pass

        def test_above(request):
            request.node.parent.add_marker(pytest.mark.zephyr(103))
        """
    )
    run_zephyr(*args, same_exit=False)

    assert world.statuses()[101] is None
    assert world.statuses()[103] == "1"
    assert "comment: late" in world.execution(102).comment


def test_markers_of_a_late_wrapper_count_for_the_plan(pytester, run_zephyr, world):
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
    ran = run_zephyr("--zephyr-only-planned", same_exit=False)

    assert "1 passed" in ran.text
    assert world.statuses()[101] == "1"


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("end", ["go on", "os._exit(0)", "sys.exit(0)"])
def test_a_forked_process_neither_writes_nor_sends(pytester, run_zephyr, world, end):
    """Also if it goes on behind the test, and ends the session as pytest does."""
    pytester.makepyfile(
        f"""
        import os, sys
        import pytest

        @pytest.mark.zephyr(101)
        def test_forks(zephyr):
            pid = os.fork()
            if pid == 0:
                zephyr.comment("of the child")
                {"" if end == "go on" else end}
                pytest.fail("in the child")
            os.waitpid(pid, 0)

        @pytest.mark.zephyr(102)
        def test_after(): pass
        """
    )
    ran = run_zephyr(subprocess=True, same_exit=False)

    assert world.execution(101).results == world.execution(102).results == 1
    assert world.statuses()[101] == world.statuses()[102] == "1"
    assert not world.execution(101).comment
    assert ran.text.count("2 reported (2 Pass)") == 1


EVIDENCE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_pays(zephyr):
        zephyr.comment("paid")
        zephyr.defect("SHOP-7")
        zephyr.attach_text("log", name="server.log")
"""


#: Runs each test in a process of its own, as pytest-forked does.
FORKING = """
    import os, pickle
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        there, here = os.pipe()
        pid = os.fork()
        if pid == 0:
            reports = runtestprotocol(item, log=False)
            os.write(here, pickle.dumps(reports))
            os._exit(0)
        os.close(here)
        with os.fdopen(there, "rb") as file:
            reports = pickle.loads(file.read())
        os.waitpid(pid, 0)
        for each in reports:
            item.ihook.pytest_runtest_logreport(report=each)
        return True
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
@pytest.mark.parametrize("args", [[], pytest.param(["-n1"], marks=needs_xdist)])
def test_evidence_of_a_test_that_runs_in_a_fork_arrives(
    pytester, run_zephyr, world, args
):
    """As pytest-forked runs it: the reports come home with what they carry."""
    pytester.makeconftest(FORKING)
    pytester.makepyfile(EVIDENCE)
    run_zephyr(*args, subprocess=True, same_exit=False)

    held = world.execution(101)
    assert held.status == "1"
    assert "defects: SHOP-7\ncomment: paid" in held.comment
    assert [name for name, _, _ in held.attachments] == ["server.log"]


def test_a_bug_before_a_fork_is_reported_once(pytester, run_zephyr):
    """A forked process sends its own bugs, not those that its parent has noted."""
    broken = "from pytest_zephyr.journal import format\nformat.start_text = None\n"
    pytester.makeconftest(textwrap.dedent(FORKING) + broken)
    pytester.makepyfile("def test_a(): pass\ndef test_b(): pass\n")
    ran = run_zephyr(subprocess=True)

    assert "internal error in pytest_runtest_protocol: TypeError" in ran.text
    assert "(2 times)" in ran.text


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


@pytest.mark.parametrize("args", [[], pytest.param(["-n1"], marks=needs_xdist)])
def test_parameters_are_not_taken_off_by_text(pytester, run_zephyr, world, args):
    """A suffix of the node id makes no other test cases, and shows no secret."""
    pytester.makeconftest(SUFFIX)
    pytester.makepyfile(REWRITTEN)
    ran = run_zephyr(
        *args,
        f"--zephyr-project=id:{world.project}",
        f"--zephyr-release=id:{world.release}",
        "--zephyr-unmapped=create",
        "--zephyr-create=execution",
        same_exit=False,
    )

    made = [
        e for e in world.sandbox.store.executions(world.phase) if e.testcase_id > 110
    ]
    assert len(made) == 1, ran.text
    notes = world.execution(101).comment
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
    ids=["time-machine", "freezegun", "past"],
)
@pytest.mark.parametrize("args", [[], pytest.param(["-n1"], marks=needs_xdist)])
def test_clocks_of_tests_change_no_date_and_no_duration(
    pytester, run_zephyr, world, conftest, args
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
    before = time.time() * 1000
    run_zephyr(*args, subprocess=True, same_exit=False)
    after = time.time() * 1000

    for case in (101, 102):
        held = world.execution(case)
        assert held.status == "1"
        assert before - 1000 <= held.executed_on <= after + 1000
        assert 0 <= held.actual_time <= after - before


# File systems


def test_attachments_are_copied_past_a_fake_file_system(pytester, run_zephyr, world):
    """What a test sees is copied, to the disk that everybody sees."""
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
    ran = run_zephyr(subprocess=True, same_exit=False)

    held = {
        (case, name): world.sandbox.store.attachment_bytes(world.phase, case, name)
        for case, name in ((101, "a.bin"), (101, "report.txt"), (102, "same.bin"))
    }
    assert held == {
        (101, "a.bin"): [b"content"],
        (101, "report.txt"): [b"made by the test"],
        (102, "same.bin"): [b"content"],
    }, ran.text


def test_a_copy_that_a_test_removed_is_made_again(pytester, run_zephyr, world):
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
    run_zephyr(same_exit=False)

    for case, name in ((101, "a.bin"), (102, "b.bin")):
        assert world.execution(case).attachments == (
            (name, "application/octet-stream", 7),
        )


# Mocks that are left behind


MOCKS = {
    "request": "requests.Session.request = MagicMock(return_value=answer)",
    "send": "requests.Session.send = MagicMock(return_value=answer)",
    "adapter": "requests.adapters.HTTPAdapter.send = MagicMock(return_value=answer)",
    "urlopen": "urllib3.connectionpool.HTTPConnectionPool.urlopen = MagicMock()",
    "all of it": "sys.modules['requests'].Session = MagicMock()",
}


@pytest.mark.parametrize("mock", MOCKS)
@pytest.mark.parametrize("where", ["test", "conftest"])
def test_a_mock_of_the_http_library_costs_no_result(
    pytester, run_zephyr, command, world, mock, where
):
    """The run ends, says that its results are kept, and a push sends them."""
    leak = f"answer = MagicMock(status_code=200); {MOCKS[mock]}"
    heads = (
        "import pytest, requests, sys, urllib3\nfrom unittest.mock import MagicMock\n"
    )
    pytester.makeconftest(heads + (leak if where == "conftest" else ""))
    pytester.makepyfile(
        heads
        + "@pytest.mark.zephyr(101)\n"
        + f"def test_leaks(): {leak if where == 'test' else 'pass'}\n"
    )
    ran = run_zephyr(subprocess=True, same_exit=False)

    assert ran.ret == 0, ran.text
    if world.statuses()[101] is None:
        assert "results kept in" in ran.text
        assert command("push").ret == 0
    assert world.statuses()[101] == "1"


# Repetitions


@pytest.mark.parametrize("like", ["flaky", "retry"])
@pytest.mark.parametrize("args", [[], pytest.param(["-n1"], marks=needs_xdist)])
def test_the_last_attempt_counts_whichever_plugin_repeats_it(
    pytester, run_zephyr, world, like, args
):
    """With its own evidence. flaky logs no report of a failed call, pytest-retry a word of its own."""
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
                        if {like!r} == "flaky":
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
    run_zephyr("-p", "no:rerunfailures", *args, same_exit=False)

    held = world.execution(101)
    assert held.status == "1"
    assert "after 3 attempts\ncomment: attempt 3\n" in held.comment
    assert "first attempt: " in held.comment
    assert [name for name, _, _ in held.attachments] == ["log3.txt"]


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

    def crash():
        os._exit(1)

    def fail():
        assert 0

    class File(pytest.File):
        def collect(self):
            for case, body in ((101, len), (102, {body}), (103, len)):
                call = (lambda: None) if body is len else body
                yield Twin.from_parent(self, name="same", case=case, body=call)

    def pytest_collect_file(file_path, parent):
        if file_path.suffix == ".twin":
            return File.from_parent(parent, path=file_path)
"""


@pytest.mark.parametrize("args", [[], pytest.param(["-n1"], marks=needs_xdist)])
@pytest.mark.parametrize("body", ["fail", "crash"])
def test_items_with_one_node_id_are_tests_of_their_own(
    pytester, run_zephyr, command, world, args, body
):
    """Each result reaches its own test case, also after a crash."""
    pytester.makeconftest(TWINS.replace("{body}", body))
    (pytester.path / "test_all.twin").touch()
    run_zephyr(*args, subprocess=True, same_exit=False)
    command("push")

    found = world.statuses()
    if body == "crash" and not args:
        assert (found[101], found[102], found[103]) == ("1", "2", None)
    else:
        assert (found[101], found[102], found[103]) == ("1", "2", "1")


# Descriptors


CLOSE = {
    "closed": "os.close(number)",
    "all closed": "os.closerange(3, 200)",
    "replaced": "os.dup2(os.open('foreign', os.O_RDWR | os.O_CREAT), number)",
    "taken": "os.close(number); os.dup2(os.open('foreign', os.O_RDWR | os.O_CREAT), number)",
    "closed, and the file removed": "os.close(number); os.unlink(path)",
    "closed, and all removed": "os.close(number); shutil.rmtree(os.path.dirname(path))",
}


@needs_posix
@pytest.mark.parametrize("when", ["body", "teardown"])
@pytest.mark.parametrize("how", CLOSE)
def test_descriptors_that_a_test_closes_cost_nothing(
    pytester, run_zephyr, world, how, when
):
    """What follows is written all the same, and not a byte into a file of the tests."""
    pytester.makepyfile(
        f"""
        import os, shutil, pytest

        def close():
            for number in range(3, 200):
                path = os.path.realpath(f"/proc/self/fd/{{number}}")
                if path.endswith(".jsonl"):
                    break
            {CLOSE[how]}

        @pytest.fixture
        def closing():
            yield
            if {when!r} == "teardown":
                close()

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
    ran = run_zephyr("-p", "no:cacheprovider", "-s", subprocess=True, same_exit=False)

    ran.result.assert_outcomes(passed=2, failed=1)
    statuses = world.statuses()
    assert (statuses[102], statuses[103]) == ("2", "1")
    if "removed" not in how:
        assert statuses[101] == "1"
    foreign = pytester.path / "foreign"
    assert not foreign.exists() or foreign.read_bytes() == b""
    assert "said" in world.execution(103).comment


# What tests leave in the place of functions of the system


LEFT = {
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


@pytest.mark.parametrize("left", LEFT)
def test_what_a_test_leaves_in_the_place_of_functions_is_none_of_ours(
    pytester, run_zephyr, world, left
):
    pytester.makepyfile(
        f"""
        from unittest import mock
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        def leave():
            {LEFT[left].replace(chr(10), chr(10) + " " * 8)}

        @pytest.mark.zephyr(102)
        def test_b(zephyr):
            leave()
            zephyr.attach(b"1", name="a.bin")
            zephyr.attach_text("2", name="b.txt")

        @pytest.mark.zephyr(103)
        def test_c(): pass
        """
    )
    run_zephyr("-p", "no:cacheprovider", subprocess=True, same_exit=False)

    assert [world.statuses()[case] for case in (101, 102, 103)] == ["1", "1", "1"]
    attached = [each[0] for each in world.execution(102).attachments]
    assert attached == ["a.bin", "b.txt"]


def test_a_clock_that_is_moved_when_a_conftest_is_imported_names_no_cycle(
    pytester, run_zephyr
):
    pytester.makeconftest(
        "import freezegun\nfreezegun.freeze_time('2099-01-01').start()\n"
    )
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    target = ("--zephyr-release=1", "--zephyr-cycle=Nightly {date}", "--zephyr-phase=A")
    ran = run_zephyr(*target, "--zephyr-push=never", subprocess=True, same_exit=False)

    (journal,) = ran.journals
    assert "name:Nightly 20" in journal.read_text(encoding="ascii")
    assert "Nightly 2099" not in journal.read_text(encoding="ascii")
    assert not journal.name.startswith("2099")


# Reports that only pytest can read


def test_unusual_reasons_and_failures_lose_no_result(pytester, run_zephyr, world):
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
    run_zephyr("--tb=no", same_exit=False)

    assert (world.statuses()[101], world.statuses()[102]) == ("4", "2")


# One item several times, repeats of crashes, and twins


def test_an_item_that_is_there_twice_is_two_tests(pytester, run_zephyr, world):
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
    run_zephyr(same_exit=False)

    assert (world.statuses()[101], world.statuses()[102]) == ("2", "1")


@needs_xdist
def test_the_crash_of_a_twin_is_its_own(pytester, run_zephyr, world):
    """Which of them ran where decides, not which comes first."""
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
                # Another worker has the one that dies.
                while not begun.with_name("begun2").exists():
                    time.sleep(0.01)
            if n == 2:
                os.abort()
        """
    )
    run_zephyr("-n2", "--dist=load", subprocess=True, same_exit=False)

    assert [world.statuses()[101 + n] for n in range(4)] == ["1", "1", "2", "1"]


@needs_xdist
def test_a_crash_that_is_repeated_with_success_is_a_pass(
    pytester, run_zephyr, world, monkeypatch
):
    pytest.importorskip("pytest_rerunfailures")
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
    run_zephyr("-n2", subprocess=True, same_exit=False)

    assert world.statuses()[101] == "1"


# Markers, once more


def test_markers_that_a_wrapper_adds_after_the_test_count(pytester, run_zephyr, world):
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
    run_zephyr(same_exit=False)

    assert world.statuses()[104] == "1"


def test_only_planned_tests_run_also_if_nothing_is_sent(pytester, run_zephyr):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        @pytest.mark.zephyr(999)
        def test_b(): pass
        """
    )
    ran = run_zephyr("--zephyr-only-planned", "--zephyr-push=never", same_exit=False)

    ran.result.assert_outcomes(passed=1, deselected=1)


# Runs inside of tests, once more


@pytest.mark.parametrize("how", ["delenv('_ZEPHYR_RUN')", "setenv('_ZEPHYR_RUN', '1')"])
def test_a_run_in_the_process_of_this_one_is_silent_whatever_the_variable_says(
    pytester, run_zephyr, world, how
):
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
        "test_a_run_in_the_process_of_this_one_is_silent_whatever_the_variable_says.py",
        subprocess=True,
        same_exit=False,
    )

    assert (world.statuses()[101], world.statuses()[102]) == ("1", None)
    assert not (inner / ".zephyr").exists()


@needs_xdist
def test_workers_of_a_silent_run_read_nothing_of_ours(pytester, run_zephyr, world):
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
    run_zephyr("--ignore=inner", same_exit=False, subprocess=True)

    assert world.statuses()[101] == "1"
