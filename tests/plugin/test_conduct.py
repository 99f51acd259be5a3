"""Internal errors, bad servers, full disks and wrong settings change no outcome.

With ``--zephyr-on-error=fail`` they may change the exit code, or end the run before its
first test.
"""

from __future__ import annotations

import errno
from itertools import pairwise
import os
import stat

import pytest

from pytest_zephyr.cli import main
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.sandbox import Fault
from tests.conftest import needs_xdist
from tests.conftest import without_and_with_xdist
from tests.conftest import without_tag


SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_a(): pass

    @pytest.mark.zephyr(102)
    def test_b(): {body}
"""

#: Statuses of HTTP that say that a request failed.
HTTP_ERRORS = (400, 401, 403, 404, 413, 429, 500, 503)


def raise_error(*_args: object, **_more: object) -> None:
    raise ZeroDivisionError("on purpose")


#: Functions that a run of `SUITE` calls, some only if a test fails.
FUNCTIONS = [
    "pytest_zephyr.plugin.collection.marks.Marks.of",
    "pytest_zephyr.plugin.collection.items.item_of",
    "pytest_zephyr.plugin.reports.item_of",
    "pytest_zephyr.journal.format.item_text",
    "pytest_zephyr.journal.format.start_text",
    "pytest_zephyr.journal.format.passed_text",
    "pytest_zephyr.journal.format.line_of",
    "pytest_zephyr.plugin.reports.to_record",
    "pytest_zephyr.plugin.reporter.ZephyrReporter._finish",
    "pytest_zephyr.plugin.reporter.ZephyrReporter._push",
    "pytest_zephyr.journal.runs.prune",
    "pytest_zephyr.push.summary.counts",
    "pytest_zephyr.push.workflow.push",
]


@pytest.mark.parametrize("body", ["pass", "assert False"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_internal_error_does_not_change_the_run(
    pytester, run_zephyr, monkeypatch, function, body
):
    """Exit code and outcomes are those of a run that does not report."""
    pytester.makepyfile(SUITE.format(body=body))
    monkeypatch.setattr(function, raise_error)
    ran = run_zephyr()

    failed = body != "pass"
    ran.result.assert_outcomes(passed=2 - failed, failed=int(failed))
    assert "INTERNALERROR" not in ran.text


def test_repeated_internal_error_is_reported_in_one_line(
    pytester, run_zephyr, monkeypatch
):
    pytester.makepyfile(SUITE.format(body="pass"))
    monkeypatch.setattr("pytest_zephyr.journal.format.passed_text", raise_error)
    ran = run_zephyr()

    ran.result.stdout.fnmatch_lines(
        [
            "zephyr: internal error in pytest_runtest_logreport: ZeroDivisionError*(2 times)*"
        ]
    )
    assert ran.text.count("internal error") == 1


@pytest.mark.parametrize(
    ("policy", "body", "ret"),
    [
        ("warn", "pass", 0),
        ("ignore", "pass", 0),
        ("fail", "pass", 8),
        ("fail", "assert False", 1),
    ],
)
@pytest.mark.parametrize(
    "problem",
    ["unreachable", "wrong token", "wrong name", "not in phase", "internal error"],
)
def test_on_error_decides_the_exit_code(
    pytester, run_zephyr, target, monkeypatch, problem, policy, body, ret
):
    """Only ``fail`` changes it.

    0 becomes 8. A wrong token or name ends the run with 4 before its first test.
    """
    pytester.makepyfile(SUITE.format(body=body))
    args = [f"--zephyr-on-error={policy}", "--zephyr-retries=0"]
    if problem == "unreachable":
        args.append("--zephyr-url=http://127.0.0.1:9")
    elif problem == "wrong token":
        monkeypatch.setenv("ZEPHYR_TOKEN", "0" * 40)
    elif problem == "wrong name":
        args += [f"--zephyr-cycle={target.cycle}", "--zephyr-phase=Smok"]
    elif problem == "not in phase":
        target.sandbox.store.add_case(target.release, testcase_id=999)
        pytester.makepyfile(SUITE.format(body=body).replace("101", "999"))
    else:
        monkeypatch.setattr("pytest_zephyr.journal.runs.prune", None)
    ran = run_zephyr(*args, check_exit_code=False)

    if policy == "fail" and problem.startswith("wrong"):
        ret = 4
    assert ran.ret == ret


#: Faults that apply to every request, by their status or kind.
BAD_SERVERS = {
    **{str(status): Fault(status=status, times=None) for status in HTTP_ERRORS},
    **{
        kind: Fault(kind=kind, seconds=3600, times=None)
        for kind in ("html", "redirect", "cut_before", "hang", "not_utf8")
    },
}


@pytest.mark.parametrize(
    ("fault", "policy", "ret"),
    [
        *(
            pytest.param(
                BAD_SERVERS[name], "fail", 4 if name in {"401", "403"} else 8, id=name
            )
            for name in BAD_SERVERS
        ),
        pytest.param(BAD_SERVERS["503"], "warn", 0, id="warn-503"),
        pytest.param(BAD_SERVERS["html"], "warn", 0, id="warn-html"),
    ],
)
def test_bad_server_changes_the_exit_code_only_with_on_error_fail(
    pytester, run_zephyr, target, fault, policy, ret
):
    """With ``fail``, a refused login (401, 403) ends the run before its first test.

    ``--zephyr-timeout`` and ``--zephyr-deadline`` limit the wait for a server that hangs.
    """
    pytester.makepyfile(SUITE.format(body="pass"))
    target.sandbox.faults.add(fault)
    ran = run_zephyr(
        f"--zephyr-on-error={policy}",
        "--zephyr-timeout=0.3",
        "--zephyr-retries=1",
        "--zephyr-deadline=1",
        check_exit_code=False,
    )

    assert ran.ret == ret
    assert target.sandbox.token not in ran.text
    if ret == 4:
        assert " passed" not in ran.text
        return
    ran.result.assert_outcomes(passed=2)
    assert "2 results kept in .zephyr" in ran.text


def test_unchecked_certificates_are_a_warning_even_in_a_quiet_run(pytester, run_zephyr):
    pytester.makepyfile(SUITE.format(body="pass"))
    for args in ([], ["-q"]):
        ran = run_zephyr("--zephyr-verify=false", *args)
        assert (
            "zephyr: TLS certificates are not checked (from --zephyr-verify)"
            in ran.text
        )


def test_exit_code_stays_0_with_on_error_fail_if_all_is_delivered(pytester, run_zephyr):
    pytester.makepyfile(SUITE.format(body="pass"))
    ran = run_zephyr("--zephyr-on-error=fail")

    assert ran.ret == 0


def test_wrong_token_is_reported_with_what_to_do(pytester, run_zephyr, monkeypatch):
    monkeypatch.setenv("ZEPHYR_TOKEN", "0" * 40)
    pytester.makepyfile(SUITE.format(body="pass"))
    ran = run_zephyr()

    ran.result.stdout.fnmatch_lines(
        [
            (
                "zephyr: login failed: http* does not accept the token in ZEPHYR_TOKEN"
                ". It is wrong, expired or revoked: create a new one*"
            ),
            "zephyr: 2 results kept in .zephyr/*.jsonl",
            "*send them later with: * push .zephyr/*.jsonl",
        ]
    )


@pytest.mark.parametrize(
    ("args", "messages"),
    [
        (["--zephyr-push=never"], []),
        (
            ["--zephyr-url=http://127.0.0.1:9", "--zephyr-retries=0"],
            [
                "zephyr: 2 results kept in .zephyr/*.jsonl",
                "        send them later with: * push .zephyr/*.jsonl --zephyr-url *",
            ],
        ),
        (["--zephyr-dry-run"], ["dry run: *", "  test case 101: Pass on execution *"]),
    ],
    ids=["push never", "unreachable", "dry run"],
)
def test_quiet_keeps_whole_messages(pytester, run_zephyr, args, messages):
    """Results that could not be sent are shown with the command that sends them.

    A dry run is shown with its preview. With ``--zephyr-push=never`` nothing is shown.
    """
    pytester.makepyfile(SUITE.format(body="pass"))
    ran = run_zephyr("-q", *args)

    lines = ran.result.stdout.lines
    ran.result.stdout.fnmatch_lines(messages, consecutive=True)
    assert bool(messages) == any(" zephyr " in line for line in lines)
    lines_before_commands = [
        before for before, line in pairwise(lines) if "send them later" in line
    ]
    assert all(" kept in " in line for line in lines_before_commands)


@pytest.mark.parametrize("auth", ["token", "basic", "cookie", "auto"])
def test_results_are_delivered_with_every_kind_of_login(
    pytester, run_zephyr, target, monkeypatch, auth
):
    if auth in {"basic", "cookie"}:
        monkeypatch.setenv("ZEPHYR_USERNAME", target.sandbox.username)
        monkeypatch.setenv("ZEPHYR_PASSWORD", target.sandbox.password)
    pytester.makepyfile(SUITE.format(body="pass"))
    run_zephyr(f"--zephyr-auth={auth}")

    assert target.statuses()[101] == target.statuses()[102] == "1"


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0,
    reason="Windows and root ignore the mode of a directory",
)
def test_directory_that_is_not_writable_is_a_warning(pytester, run_zephyr, target):
    (pytester.path / ".zephyr").mkdir()
    (pytester.path / ".zephyr").chmod(stat.S_IRUSR | stat.S_IXUSR)
    pytester.makepyfile(SUITE.format(body="pass"))
    ran = run_zephyr()

    assert target.statuses()[101] == "1"
    assert "could not be written" in ran.text


@pytest.mark.parametrize("args", without_and_with_xdist(2))
def test_journal_that_cannot_be_created_is_a_warning(
    pytester, run_zephyr, target, args
):
    """``.zephyr`` is a file, not a directory; results are sent from memory."""
    (pytester.path / ".zephyr").write_text("in the way", encoding="utf-8")
    pytester.makepyfile(SUITE.format(body="pass"))
    ran = run_zephyr(*args, subprocess=bool(args))

    assert target.statuses()[101] == target.statuses()[102] == "1"
    assert "could not be written" in ran.text
    assert "nothing was lost" in ran.text


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
@pytest.mark.parametrize("push", ["never", "end"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("shutil.rmtree(directory)", "results kept in .zephyr"),
        (
            "shutil.rmtree(directory); directory.mkdir(); path.write_text('mine')",
            "what is neither delivered nor in it is lost",
        ),
        ("path.write_text('')", "outcomes are missing in it"),
        (
            "path.write_text(path.read_text().splitlines(True)[0])",
            "outcomes are missing in it",
        ),
    ],
    ids=["removed", "replaced", "emptied", "cut"],
)
def test_journal_that_a_test_damages_is_written_again_or_the_damage_is_reported(
    pytester, run_zephyr, run_shown_command, target, push, spoil, message
):
    """Nothing is missing in a journal that was removed: a push of it exits with 0.

    A push of one that was emptied or cut exits with 1. A foreign file in its place is not
    changed.
    """
    pytester.makepyfile(
        f"""
        import pathlib, shutil, pytest

        @pytest.mark.zephyr(101)
        def test_a(request):
            directory = request.config.rootpath / ".zephyr"
            (path,) = directory.glob("*.jsonl")
            {spoil}

        @pytest.mark.zephyr(102)
        def test_b(): assert 0
        """
    )
    target.sandbox.faults.add(Fault(status=503, times=None))
    ran = run_zephyr(
        f"--zephyr-push={push}", "--zephyr-retries=0", check_exit_code=False
    )
    target.sandbox.faults.clear()

    assert message in ran.text.replace(str(pytester.path) + "/", "")
    if "mine" in spoil:
        assert "kept in" not in ran.text
        assert ran.journals[0].read_text(encoding="utf-8") == "mine"
        return
    is_complete = spoil == "shutil.rmtree(directory)"
    assert run_shown_command(ran.text).ret == (0 if is_complete else 1)
    assert (target.statuses()[101], target.statuses()[102]) == ("1", "2")


@needs_xdist
def test_journals_of_workers_are_written_again_if_a_test_removes_them(
    pytester, run_zephyr, target
):
    """Comments are delivered; a lost attachment is named and counts as undelivered."""
    pytester.makepyfile(
        """
        import shutil, pytest

        @pytest.mark.zephyr(101)
        def test_a(zephyr, request):
            zephyr.comment("before")
            zephyr.attach_text("gone", name="gone.txt")
            shutil.rmtree(request.config.rootpath / ".zephyr")
            zephyr.comment("after")
        """
    )
    ran = run_zephyr(
        "-n1", "--zephyr-on-error=fail", check_exit_code=False, subprocess=True
    )

    assert ran.ret == 8
    assert "gone.txt was refused" in ran.text
    assert without_tag(target.execution(101).comment).splitlines()[1:] == [
        "comment: before",
        "comment: after",
    ]


@pytest.fixture
def limit_disk(monkeypatch):
    """Return a function that simulates a disk with *free_bytes* left for journals."""
    write = JournalWriter._write

    def limit(free_bytes: int) -> None:
        def write_limited(self: JournalWriter, data: bytes) -> bool:
            nonlocal free_bytes
            fits, free_bytes = data[:free_bytes], max(0, free_bytes - len(data))
            written = write(self, fits) if fits else True
            if len(fits) < len(data):
                self.broken = OSError(errno.ENOSPC, "No space left on device")
                return False
            return written

        monkeypatch.setattr(JournalWriter, "_write", write_limited)

    return limit


@pytest.mark.parametrize("free_bytes", [0, 50, 300, 700, 1000])
def test_full_disk_is_a_warning_and_loses_no_result(
    pytester, run_zephyr, target, limit_disk, free_bytes
):
    """What does not fit is kept in memory for the push at the end.

    An incomplete journal is removed after it.
    """
    pytester.makepyfile(SUITE.format(body="assert False"))
    limit_disk(free_bytes)
    ran = run_zephyr()

    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "2"
    assert (
        "could not be written (No space left on device); nothing was lost" in ran.text
    )
    assert ran.journals == []


def test_journal_on_a_full_disk_is_named_if_the_sender_fails(
    pytester, run_zephyr, monkeypatch
):
    """The journal that is left can be read, but is not complete."""
    write = JournalWriter._write
    calls = iter(range(1000))

    def fail_after_the_first_lines(self: JournalWriter, data: bytes) -> bool:
        if next(calls) < 3:
            return write(self, data)
        self.broken = OSError(errno.ENOSPC, "No space left on device")
        return False

    monkeypatch.setattr(JournalWriter, "_write", fail_after_the_first_lines)
    monkeypatch.setattr("pytest_zephyr.journal.runs.prune", lambda *_args: 1 / 0)
    pytester.makepyfile(SUITE.format(body="assert False"))
    ran = run_zephyr()

    (journal,) = ran.journals
    line = (
        f"zephyr: .zephyr/{journal.name} is incomplete; what is missing in it is lost."
    )
    assert line in ran.text
    assert (
        "what is neither delivered nor in it is lost when this process ends" in ran.text
    )


def test_results_are_written_when_the_disk_has_space_again(
    pytester, run_zephyr, target, monkeypatch
):
    """The journal has them at the end of the run, so a later push can send them."""
    pytester.makepyfile(SUITE.format(body="assert False"))
    write = JournalWriter._write
    calls = iter(range(1000))

    def fail_once(self: JournalWriter, data: bytes) -> bool:
        if next(calls) == 3:
            self.broken = OSError(errno.ENOSPC, "No space left on device")
            return False
        return write(self, data)

    target.sandbox.faults.add(Fault(status=503, times=None))
    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "_write", fail_once)
        ran = run_zephyr("--zephyr-retries=0", check_exit_code=False)
    target.sandbox.faults.clear()
    assert main(["push", str(ran.journals[0])]) == 0

    assert target.statuses()[101] == "1"
    assert target.statuses()[102] == "2"


def test_git_ignores_the_journal_directory(pytester, run_zephyr):
    pytester.makepyfile(SUITE.format(body="pass"))
    run_zephyr()

    assert (pytester.path / ".zephyr" / ".gitignore").read_text(
        encoding="utf-8"
    ) == "*\n"


@pytest.mark.parametrize("flag", ["--help", "--markers", "--fixtures", "--version"])
def test_pytest_options_that_only_print_need_no_settings(pytester, run_pytest, flag):
    pytester.makeini("[pytest]\nzephyr = true\n")
    ran = run_pytest(flag)

    assert ran.ret == 0
    assert ran.journals == []


# Where internal errors are reported


#: Functions that a test replaces by `raise_error`, by the place of the error in a run.
PLACES = {
    "header": "pytest_zephyr.plugin.startup_check.StartupCheck._destination",
    "summary": "pytest_zephyr.plugin.reporter.ZephyrReporter._write_summary",
    "exit code": "pytest_zephyr.plugin.reporter.ZephyrReporter._set_exit_code",
    "reporter": "pytest_zephyr.plugin.reporter.ZephyrReporter.__init__",
    "settings": "pytest_zephyr.plugin.settings.load_local",
    "items": "pytest_zephyr.plugin.collection.items.item_of",
    "preflight": "pytest_zephyr.push.preflight.check_server",
    "look-up": "pytest_zephyr.push.preflight.Preflight.look_up",
}


@pytest.mark.parametrize("place", PLACES)
def test_internal_error_is_reported_and_sets_the_exit_code(
    pytester, run_zephyr, monkeypatch, place
):
    """The exit code stays 0 only if the function that sets it raises the error."""
    pytester.makepyfile(SUITE.format(body="pass"))
    monkeypatch.setattr(PLACES[place], raise_error)
    ran = run_zephyr("--zephyr-on-error=fail", check_exit_code=False)

    ran.result.assert_outcomes(passed=2)
    assert "on purpose" in ran.text
    assert "INTERNALERROR" not in ran.text
    assert ran.ret == (0 if place == "exit code" else 8)


def test_kept_journal_is_named_if_the_summary_fails(pytester, run_zephyr, monkeypatch):
    pytester.makepyfile(SUITE.format(body="pass"))
    monkeypatch.setattr(PLACES["summary"], raise_error)
    ran = run_zephyr("--zephyr-url=http://127.0.0.1:9", "--zephyr-retries=0")

    assert " push .zephyr" in ran.text
