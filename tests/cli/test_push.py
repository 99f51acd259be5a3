"""`pytest-zephyr push`: what is sent, to which server, and what is printed."""

from __future__ import annotations

from collections.abc import Mapping
import io
import json
import os
from pathlib import Path
import sys

import pytest

from pytest_zephyr.sandbox import Fault
from tests.client.servers import answer
from tests.conftest import backdate
from tests.conftest import needs_xdist


ONE_TEST = """
import pytest

@pytest.mark.zephyr({case})
def test_it(zephyr):
    {body}
"""


@pytest.fixture
def push(pytester, target_variables, run_command):
    """Return a function that calls the command and returns its exit code and output."""

    def call(*args: object) -> tuple[int, str]:
        ran = run_command("push", *args)
        return ran.ret, ran.text

    return call


@pytest.fixture
def journal(pytester, run_zephyr):
    """Return the journal of a run with a pass, a failure and a skip; nothing was sent."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): pass

        @pytest.mark.zephyr(102)
        def test_b(): assert False, "broke"

        @pytest.mark.zephyr(103)
        def test_c(): pytest.skip("later")
        """
    )
    ran = run_zephyr("--zephyr-push=never", check_exit_code=False)
    assert "results kept in" in ran.text
    return ran.journals[0]


def copy_with_options(journal: Path, **options: str) -> Path:
    """Return a copy of *journal* with changed *options* in its header."""
    lines = journal.read_text(encoding="utf-8").split("\n")
    header = json.loads(lines[0])
    header["options"] |= options
    path = journal.with_name("edited.jsonl")
    path.write_text("\n".join([json.dumps(header), *lines[1:]]), encoding="utf-8")
    return path


def test_push_sends_a_journal_and_a_second_push_writes_nothing(push, journal, target):
    code, printed = push(journal)

    assert code == 0
    assert (
        "3 test cases: 2 reported (1 Pass, 1 Fail), 1 unchanged (skipped)\n" in printed
    )
    assert target.statuses()[101] == "1"
    assert "broke" in target.execution(102).comment

    assert push(journal)[0] == 0
    assert len(target.writes) == 1


@pytest.mark.usefixtures("journal")
def test_without_arguments_all_undelivered_journals_are_sent(push, run_zephyr, target):
    run_zephyr("--zephyr-push=never", check_exit_code=False)

    assert push()[0] == 0
    assert target.statuses()[102] == "2"
    assert target.execution(102).result_count == 2

    code, printed = push()

    assert code == 0
    assert printed == "nothing to send\n"


@pytest.mark.usefixtures("journal")
def test_the_time_budget_is_for_the_whole_command(push, run_zephyr, target):
    """A server that hangs uses it up once, not once for each run."""
    for _ in range(3):
        run_zephyr("--zephyr-push=never", check_exit_code=False)
    target.sandbox.faults.add(Fault(kind="hang", seconds=3600, times=None))
    code, printed = push("--zephyr-deadline=1")

    assert code == 1
    assert printed.count("the time budget of 1 s (zephyr_deadline) is spent") == 4
    assert len(target.sandbox.requests) <= 1
    target.sandbox.faults.clear()
    assert push()[0] == 0
    assert target.statuses()[101] == "1"


def test_a_dry_run_prints_what_would_be_written(push, journal, target):
    code, printed = push("--dry-run", journal)

    assert code == 0
    assert target.writes == []
    assert "2 would be reported (1 Pass, 1 Fail), 1 unchanged (skipped)" in printed
    assert "test case 101: Pass on execution" in printed
    assert "test case 102: Fail on execution" in printed
    assert "test case 103: unchanged (skipped)" in printed
    assert push(journal)[0] == 0
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            "zephyr.attach(b'a', 'a.txt')",
            ["with 1 attachment and 0 steps, which may take more requests"],
            id="file",
        ),
        pytest.param("zephyr.comment('slow')", [], id="only a comment"),
    ],
)
def test_a_dry_run_counts_attachments_and_steps_only_if_there_are_any(
    pytester, push, run_zephyr, target, body, expected
):
    pytester.makepyfile(ONE_TEST.format(case=101, body=body))
    journal = run_zephyr("--zephyr-push=never").journals[0]
    printed = push("--dry-run", journal)[1]

    lines = [line.strip() for line in printed.splitlines()]
    assert [line for line in lines if line.startswith("with ")] == expected
    assert any(line.startswith("test case 101: Pass on execution") for line in lines)
    assert target.writes == []


def test_json_has_the_results_of_a_run(push, journal):
    code, printed = push("--json", journal)
    document = json.loads(printed)

    assert code == 0
    assert document["complete"] is True
    assert document["runs"][0]["reported"] == 2
    assert document["runs"][0]["statuses"] == {"Pass": 1, "Fail": 1}
    assert document["runs"][0]["server"] in document["runs"][0]["url"]
    assert document["runs"][0]["problems"] == []
    assert document["runs"][0]["journals"] == [f".zephyr/{journal.name}"]


def test_a_result_for_an_unknown_test_case_is_sent_again_only_if_its_journal_is_named(
    pytester, push, run_zephyr, target
):
    """The message says to fix the marker and suggests no push."""
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(999)\ndef test_a(): pass\n")
    journal = run_zephyr("--zephyr-push=never").journals[0]
    code, printed = push(journal)

    assert code == 1
    assert "test case 999 is not known to Zephyr" in printed
    assert "fix the marker and run the tests again" in printed
    assert "send" not in printed
    assert "1 test case: 1 refused" in printed
    assert push() == (0, "nothing to send\n")

    target.schedule(999)

    assert push(journal)[0] == 0
    assert target.statuses()[999] == "1"


def test_a_result_is_sent_after_its_test_case_was_added_to_the_phase(
    pytester, run_shown_command, run_zephyr, target
):
    target.sandbox.store.add_case(target.release, testcase_id=201)
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(201)\ndef test_a(): pass\n")
    printed = run_zephyr(check_exit_code=False).text
    assert "1 result kept in .zephyr" in printed
    assert run_shown_command(printed).ret == 1

    target.sandbox.store.schedule(target.phase, 201)

    assert run_shown_command(printed).ret == 0
    assert target.statuses()[201] == "1"


@pytest.mark.parametrize(
    "has_preview", [True, False], ids=["preview by the run", "only a journal"]
)
def test_the_journal_of_a_dry_run_is_sent_only_if_it_is_named(
    pytester, push, run_shown_command, run_zephyr, target, has_preview
):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    args = () if has_preview else ("--zephyr-push=never",)
    ran = run_zephyr("--zephyr-dry-run", *args, check_exit_code=False)
    assert ("1 test case: 1 would be reported (1 Pass)" in ran.text) == has_preview
    code, printed = push()

    assert code == 0
    assert printed.startswith("nothing to send\n")
    assert f"{ran.journals[0]} is the journal of a dry run. To send it: " in printed
    assert target.writes == []
    assert run_shown_command(ran.text if has_preview else printed).ret == 0
    assert target.statuses()[101] == "1"
    assert push() == (0, "nothing to send\n")


def test_the_printed_command_for_a_dry_run_has_the_flags_of_this_push(
    pytester, push, run_shown_command, run_zephyr, target
):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    typo = ("--zephyr-phase=Smok", "--zephyr-dry-run", "--zephyr-push=never")
    run_zephyr(*typo, check_exit_code=False)
    code, printed = push(f"--zephyr-phase={target.phase}")

    assert code == 0
    assert run_shown_command(printed).ret == 0
    assert target.statuses()[101] == "1"


def test_a_dry_run_does_not_count_in_a_run_with_the_same_key(
    pytester, push, run_zephyr, target
):
    path = pytester.makepyfile(test_a=ONE_TEST.format(case=101, body="assert False"))
    key = "--zephyr-run-key=nightly"
    run_zephyr("--zephyr-dry-run", key, check_exit_code=False)
    path.write_text(ONE_TEST.format(case=101, body="pass"), encoding="utf-8")
    run_zephyr(key, "--zephyr-push=never", check_exit_code=False)

    assert push()[0] == 0
    assert target.statuses()[101] == "1"


def test_push_to_an_unreachable_server_exits_with_one_and_loses_nothing(
    push, journal, target
):
    unreachable = ("--zephyr-url=http://127.0.0.1:9", f"--zephyr-phase={target.phase}")
    code, printed = push(*unreachable, "--zephyr-retries=0", journal)

    assert code == 1
    assert "no answer from http://127.0.0.1:9" in printed
    assert "3 test cases: 1 unchanged (skipped), 2 not sent" in printed
    assert push(journal)[0] == 0
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["no/such.jsonl"], "cannot be read"),
        (["--zephyr-timeout=soon"], "'soon' (from --zephyr-timeout)"),
        (["--zephyr-nonsense"], "unrecognized arguments"),
        (["--zephyr-run-key=K"], "unrecognized arguments"),
        (["-c", "absent.ini"], "there is no file"),
    ],
    ids=["no journal", "wrong value", "unknown flag", "run key", "no ini file"],
)
def test_wrong_usage_exits_with_two(push, args, message):
    code, printed = push(*args)

    assert code == 2
    assert message in printed


def test_a_journal_of_a_newer_version_is_refused(push, journal):
    lines = journal.read_text(encoding="utf-8").splitlines()
    header = json.loads(lines[0]) | {"format": 99}
    journal.write_text("\n".join([json.dumps(header), *lines[1:]]), encoding="utf-8")
    code, printed = push(journal)

    assert code == 2
    assert "has format 99" in printed
    assert "Install a newer version" in printed


def test_an_incomplete_last_line_is_skipped(push, journal, target):
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"kind":"report","nodeid":"test_x.py::te')
    code, _ = push(journal)

    assert code == 0
    assert target.statuses()[101] == "1"
    assert push(journal)[0] == 0
    assert len(target.writes) == 1


def test_the_worst_result_of_two_jobs_counts(pytester, push, run_zephyr, target):
    """Two jobs with one run key are one run."""
    source = """
        import os
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(): assert os.environ["SHARD"] != "1"

        @pytest.mark.zephyr({own})
        def test_b(): pass
    """
    with pytest.MonkeyPatch.context() as patch:
        for shard, own in (("1", 102), ("2", 103)):
            patch.setenv("SHARD", shard)
            pytester.makepyfile(**{f"test_{shard}": source.format(own=own)})
            run_zephyr(
                f"test_{shard}.py",
                "--zephyr-push=never",
                "--zephyr-run-key=build-7",
                check_exit_code=False,
            )
    code, printed = push()

    assert code == 0
    assert len(target.writes) == 1
    assert {c: target.statuses()[c] for c in (101, 102, 103)} == {
        101: "2", 102: "1", 103: "1"
    }  # fmt: skip
    assert "3 test cases: 3 reported (2 Pass, 1 Fail)" in printed
    assert push()[1] == "nothing to send\n"


def test_runs_with_different_keys_are_sent_in_order(pytester, push, run_zephyr, target):
    """The result of the later run counts, and both are in the history."""
    path = pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): assert 0\n"
    )
    run_zephyr("--zephyr-push=never", "--zephyr-run-key=1", check_exit_code=False)
    path.write_text(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): assert 'now passes'\n",
        encoding="utf-8",
    )
    run_zephyr("--zephyr-push=never", "--zephyr-run-key=2", check_exit_code=False)

    assert push()[0] == 0
    assert target.statuses()[101] == "1"
    assert target.execution(101).result_count == 2


def test_a_newer_result_on_the_server_is_only_replaced_with_force(
    pytester, push, run_shown_command, run_zephyr, journal, target
):
    """An old journal is pushed after a newer run has reported."""
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(102)\ndef test_b(): pass\n")
    run_zephyr(check_exit_code=False)
    assert target.statuses()[102] == "1"
    backdate(journal, 90)
    code, printed = push(journal)

    assert code == 0
    assert target.statuses()[102] == "1"
    assert target.statuses()[101] == "1"
    assert "the server has newer results for 1 test case, which is unchanged" in printed

    assert run_shown_command(printed).ret == 0
    assert target.statuses()[102] == "2"


def test_a_journal_keeps_the_target_and_the_options_of_its_run(
    pytester, push, run_zephyr, target, monkeypatch
):
    """A push does not use the phase and the status map of the environment."""
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): assert 0\n"
    )
    journal = run_zephyr(
        "--zephyr-push=never",
        "--zephyr-status-map=failed=Blocked",
        check_exit_code=False,
    ).journals[0]
    monkeypatch.setenv("ZEPHYR_PHASE", "1")
    monkeypatch.setenv("ZEPHYR_STATUS_MAP", "failed=WIP")

    assert push(journal)[0] == 0
    assert target.statuses()[101] == "4"
    assert target.sandbox.token not in journal.read_text(encoding="utf-8")


def test_a_journal_in_use_is_not_sent(push, journal, target):
    import fcntl

    with journal.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, printed = push(journal)

    assert code == 1
    assert "is in use" in printed
    assert target.writes == []


def test_only_delivered_journals_are_pruned(pytester, run_zephyr):
    """The last 20 delivered journals stay."""
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    (undelivered,) = run_zephyr("--zephyr-push=never").journals
    journals = [run_zephyr(check_exit_code=False).journals for _ in range(24)][-1]

    assert len(journals) == 21
    assert undelivered in journals


def test_python_dash_m_is_the_same_command(pytester):
    result = pytester.runpython_c(
        "import runpy, sys; sys.argv = ['x', '--help'];"
        " runpy.run_module('pytest_zephyr', run_name='__main__')"
    )

    result.stdout.fnmatch_lines(["usage: pytest-zephyr*"])


@needs_xdist
def test_files_of_workers_belong_to_their_journal(pytester, push, run_zephyr, target):
    """With the journal they are accepted and not sent twice; alone they are an error."""
    pytester.makepyfile(ONE_TEST.format(case=101, body="zephyr.comment('hello')"))
    ran = run_zephyr(
        "-n1", "--zephyr-push=never", subprocess=True, check_exit_code=False
    )
    (part,) = (pytester.path / ".zephyr").glob("*.gw0.jsonl")
    (journal,) = ran.journals

    assert push(part) == (
        2,
        f"zephyr: {part} is a part of another journal; push {journal}.\n",
    )
    code, printed = push(*sorted((pytester.path / ".zephyr").glob("*.jsonl")))

    assert code == 0
    assert "zephyr:" not in printed
    assert "hello" in target.execution(101).comment
    assert target.execution(101).result_count == 1


def test_each_push_warns_if_certificates_are_not_checked(push, journal, monkeypatch):
    monkeypatch.setenv("ZEPHYR_VERIFY", "false")

    for _ in range(2):
        printed = push(journal)[1]
        assert (
            "zephyr: TLS certificates are not checked (from ZEPHYR_VERIFY)" in printed
        )


def test_a_console_of_another_encoding_does_not_end_a_push(
    pytester, run_zephyr, monkeypatch
):
    """Characters that it cannot show are escaped. Test case 999 does not exist."""
    pytester.makepyfile(
        "import pytest\n@pytest.mark.zephyr(999)\ndef test_größe(): pass\n"
    )
    journal = run_zephyr("--zephyr-push=never", check_exit_code=False).journals[0]
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    ran = pytester.run(sys.executable, "-m", "pytest_zephyr", "push", journal)

    assert ran.ret == 1
    assert "test_gr\\xf6\\xdfe" in ran.stdout.str()


def test_other_journals_are_sent_if_one_has_invalid_options(push, journal, target):
    """The first journal is a copy of the other, with an invalid option."""
    damaged = journal.with_name("0000-damaged.jsonl")
    text = journal.read_text(encoding="utf-8")
    header = {
        "kind": "header",
        "format": 1,
        "session": "a",
        "options": {"comment": "no\x1b"},
    }
    rest = text.split("\n", 1)[1]
    damaged.write_text(f"{json.dumps(header)}\n{rest}", encoding="utf-8")
    code, printed = push()

    assert code == 1
    assert "invalid zephyr_comment 'no\\x1b' (from 0000-damaged.jsonl): " in printed
    assert "2 reported (1 Pass, 1 Fail)" in printed
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_a_credential_in_an_invalid_option_is_not_shown(push, journal, flags):
    """The credential is in the header of the journal."""
    token = os.environ["ZEPHYR_TOKEN"]
    code, printed = push(copy_with_options(journal, comment=f"{token}\x1b"), *flags)

    assert code == 2
    assert "invalid zephyr_comment '<hidden>" in printed
    assert token not in printed


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_a_password_of_the_proxy_in_an_option_is_not_shown(
    push, journal, monkeypatch, flags
):
    """A flag sets the proxy; the header of the journal has its password, too."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    proxy = "http://user:pr0xy-s3cret@proxy.example:3128"
    edited = copy_with_options(journal, status_map="failed=pr0xy-s3cret")
    code, printed = push(edited, "--zephyr-proxy", proxy, *flags)

    assert code == 1
    assert "<hidden>" in printed
    assert "pr0xy-s3cret" not in printed


def test_files_that_were_not_sent_are_sent_by_the_next_push(
    pytester, push, run_zephyr, target
):
    """A journal is delivered only when the server has the files, too."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr(101)
        def test_a(zephyr):
            zephyr.attach(b"picture", name="a.png")
        """
    )
    target.sandbox.faults.add(Fault("POST", "*/genericattachment", times=None))
    ran = run_zephyr(
        "--zephyr-retries=0", "--zephyr-on-error=fail", check_exit_code=False
    )

    assert ran.ret == 8
    assert "1 test case: 1 reported (1 Pass)" in ran.text
    assert "1 attachment not sent" in ran.text
    assert "evidence kept in .zephyr" in ran.text
    target.sandbox.faults.clear()

    assert push("--dry-run")[0] == 0
    code, printed = push()

    assert code == 0
    assert "1 test case: 1 reported before (1 Pass)" in printed
    assert "1 attachment uploaded" in printed
    assert target.execution(101).attachments == (("a.png", "image/png", 7),)
    assert target.execution(101).result_count == 1
    assert push() == (0, "nothing to send\n")


# Which server gets the credential


@pytest.fixture
def other_server(start_server):
    """Return a server whose address only an edited header names."""
    return start_server(lambda _request: answer({"id": 1}))


@pytest.mark.parametrize("auth", ["token", "basic", "cookie"])
@pytest.mark.parametrize("is_set", [True, False], ids=["another is set", "none is set"])
def test_an_address_that_only_a_header_names_gets_no_credential(
    push, journal, target, other_server, monkeypatch, is_set, auth
):
    monkeypatch.setenv("ZEPHYR_AUTH", auth)
    monkeypatch.setenv("ZEPHYR_USERNAME", target.sandbox.username)
    monkeypatch.setenv("ZEPHYR_PASSWORD", target.sandbox.password)
    if not is_set:
        monkeypatch.delenv("ZEPHYR_URL")
    path = copy_with_options(journal, url=other_server.url)
    code, printed = push(path)

    assert code == 2
    assert other_server.url in printed
    assert other_server.requests == []
    assert target.sandbox.requests == []


def test_the_command_that_is_printed_sends_to_the_server_that_it_names(
    push, run_shown_command, journal, target, monkeypatch
):
    """Without a terminal, push does not ask, but prints a command with the address."""
    monkeypatch.delenv("ZEPHYR_URL")
    code, printed = push(journal)
    assert code == 2

    assert run_shown_command(printed).ret == 0
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("reply", "is_sent"),
    [("y\n", True), ("n\n", False), ("\n", False), ("", False)],
    ids=["yes", "no", "empty line", "end of input"],
)
def test_a_person_at_a_terminal_is_asked(
    push, journal, target, monkeypatch, reply, is_sent
):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("ZEPHYR_URL")
    monkeypatch.setattr("sys.stdin", Terminal(reply))
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    code, _ = push(journal)

    question = f"Send the credential to {target.sandbox.url}? [y/N] "
    assert question in screen.getvalue()
    assert code == (0 if is_sent else 2)
    assert bool(target.sandbox.requests) == is_sent


def test_ids_of_a_header_are_not_used_on_another_server(push, journal, target):
    """On another server, the ids belong to something else."""
    other = copy_with_options(journal, url="https://zephyr.example")
    code, printed = push("--zephyr-url", target.sandbox.url, other)

    assert code == 2
    assert (
        f"'{target.phase}' (from edited.jsonl) is an id of https://zephyr.example"
        in printed
    )
    assert target.sandbox.requests == []
    flags = ("--zephyr-url", target.sandbox.url, "--zephyr-phase", str(target.phase))
    assert push(*flags, other)[0] == 0
    assert target.statuses()[101] == "1"


def test_a_phase_that_the_journal_does_not_name_is_only_taken_from_a_flag(
    push, journal, target
):
    """The phase in the environment of the push is not used."""
    lines = journal.read_text(encoding="utf-8").split("\n")
    header = json.loads(lines[0])
    del header["options"]["phase"]
    journal.write_text("\n".join([json.dumps(header), *lines[1:]]), encoding="utf-8")
    code, printed = push(journal)

    assert code == 2
    assert (
        f"no phase in {journal}. Give a name or an id with --zephyr-phase." in printed
    )
    assert push(journal, f"--zephyr-phase={target.phase}")[0] == 0


def test_a_push_does_not_fill_names_that_it_does_not_use(pytester, push):
    """The journal has its own names, whatever the ini file has where the push runs."""
    pytester.makeini("[pytest]\nzephyr_cycle = {build} Nightly\n")
    code, printed = push()

    assert code == 2
    assert "there is no directory of journals" in printed
    assert "{build}" not in printed


def test_other_journals_are_sent_if_one_has_no_phase(push, journal, target):
    """The first journal is only the header of the other, without a phase."""
    lines = journal.read_text(encoding="utf-8").split("\n")
    header = json.loads(lines[0])
    del header["options"]["phase"]
    path = journal.with_name("0000.jsonl")
    path.write_text(json.dumps(header | {"session": "0000"}) + "\n", encoding="utf-8")
    code, printed = push()

    assert code == 1
    assert ".zephyr/0000.jsonl: nothing sent: no project in " in printed
    assert "2 reported (1 Pass, 1 Fail)" in printed
    assert target.statuses()[101] == "1"


# The commands that are printed


@pytest.mark.parametrize(
    "typos",
    [
        {"phase": "Smok"},
        {"cycle": "Nightley"},
        {"status_map": "passed=Pased"},
        {"project": "Payment", "release": "1", "cycle": "Nightl", "phase": "Smok"},
    ],
    ids=lambda typos: ",".join(typos),
)
def test_the_printed_command_replaces_typos_that_were_fixed_since_the_run(
    pytester, run_zephyr, push, run_shown_command, target, monkeypatch, typos
):
    """The journal keeps its own values; the command has a flag for each that differs."""
    monkeypatch.delenv("ZEPHYR_PHASE")
    names = {"project": "Payments", "release": "1.0", "cycle": "Nightly"}
    names |= {"phase": "Smoke", "status_map": "passed=Pass"}

    def write_ini(names: Mapping[str, str]) -> None:
        lines = [f"zephyr_{name} = {text}" for name, text in names.items()]
        pytester.makeini("\n".join(["[pytest]", *lines]))

    write_ini(names | typos)
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    (journal,) = run_zephyr().journals
    write_ini(names)
    code, printed = push(journal)

    assert code == 1
    for name in typos:
        assert f"{names[name]!r} (from zephyr_{name} in tox.ini) is not used" in printed
    assert printed.count("is not used") == len(typos)
    assert run_shown_command(printed).ret == 0
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("status_map", "corrected"),
    [
        ("passed=Psss", "passed=Pass"),
        ("failed=Blocked,passed=Psss", "failed=Blocked,passed=Pass"),
        ("passed=Unheard", "passed=STATUS"),
    ],
)
def test_the_printed_command_replaces_a_wrong_status(
    pytester, run_zephyr, target, run_shown_command, status_map, corrected
):
    """A push without the flag would find the same status in the journal."""
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    ran = run_zephyr(f"--zephyr-status-map={status_map}")

    assert f"--zephyr-status-map {corrected}" in ran.text
    if "STATUS" not in corrected:
        assert run_shown_command(ran.text).ret == 0
        assert target.statuses()[101] == "1"


def test_a_place_that_is_not_set_now_is_unset_only_if_the_rest_is_enough(
    pytester, run_zephyr, push, target, monkeypatch
):
    """The current settings name no phase, so no command unsets the journal's."""
    monkeypatch.delenv("ZEPHYR_PHASE")
    pytester.makeini("[pytest]\nzephyr_project = Payments\nzephyr_release = 1.0\n")
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    run_zephyr("--zephyr-cycle=Nightly", "--zephyr-phase=Smokke", "--zephyr-push=never")
    code, printed = push()

    assert code == 1
    assert "Did you mean 'Smoke'?" in printed
    assert "--zephyr-phase ''" not in printed


def test_a_placeholder_in_a_current_name_has_the_build_of_the_journal(
    pytester, run_zephyr, push, run_shown_command, target, monkeypatch
):
    """Names are compared after that, and only those that differ are printed."""
    monkeypatch.delenv("ZEPHYR_PHASE")
    monkeypatch.setenv("ZEPHYR_BUILD", "1")
    names = "[pytest]\nzephyr_project = Payments\nzephyr_release = name:1.0\n"
    pytester.makeini(
        f"{names}zephyr_cycle = Nightley\nzephyr_phase = {{build}} {{run}}"
    )
    store = target.sandbox.store
    store.schedule(store.add_phase(target.cycle, "1 night"), 101)
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    (journal,) = run_zephyr("--zephyr-run-key=night").journals
    pytester.makeini(f"{names}zephyr_cycle = Nightly\nzephyr_phase = {{build}} {{run}}")
    monkeypatch.setenv("ZEPHYR_BUILD", "2")
    printed = push(journal)[1]

    assert "'Nightly' (from zephyr_cycle in tox.ini) is not used" in printed
    assert printed.count("is not used") == 1
    pytester.makeini(f"{names}zephyr_cycle = Nightly\nzephyr_phase = {{run}}-{{build}}")
    printed = push(journal)[1]

    assert "'night-1' (from zephyr_phase in tox.ini) is not used" in printed
    assert "--zephyr-phase night-1" in printed


def test_the_printed_command_names_all_journals_of_a_run(
    pytester, run_zephyr, push, run_shown_command, target, monkeypatch
):
    """The command also has the current zephyr_create, if that differs."""
    monkeypatch.delenv("ZEPHYR_PHASE")
    names = "[pytest]\nzephyr_project = Payments\nzephyr_release = name:1.0\n"
    names += "zephyr_cycle = Nightly\nzephyr_phase = New\n"
    pytester.makeini(names)
    for case in (101, 102):
        pytester.makepyfile(
            f"import pytest\n@pytest.mark.zephyr({case})\ndef test_{case}(): pass\n"
        )
        run_zephyr("--zephyr-run-key=K", "--zephyr-push=never", check_exit_code=False)
    pytester.makeini(f"{names}zephyr_create = phase\n")
    code, printed = push()

    assert code == 1
    assert "'phase' (from zephyr_create in tox.ini) is not used" in printed
    assert run_shown_command(printed).ret == 0
    assert push() == (0, "nothing to send\n")
    phases = target.sandbox.store.phases(target.cycle)
    (created,) = [each.id for each in phases if each.name == "New"]
    executions = target.sandbox.store.executions(created)
    assert {each.testcase_id for each in executions} == {101, 102}


def test_the_printed_command_unsets_a_place_that_is_no_longer_set(
    pytester, run_zephyr, push, run_shown_command, target, monkeypatch
):
    monkeypatch.delenv("ZEPHYR_PHASE")
    pytester.makeini(f"[pytest]\nzephyr_cycle = Nope\nzephyr_phase = {target.phase}")
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    (journal,) = run_zephyr().journals
    pytester.makeini(f"[pytest]\nzephyr_phase = {target.phase}")
    code, printed = push(journal)

    assert code == 1
    assert "zephyr_cycle: it is not set; the journal keeps its own" in printed
    assert run_shown_command(printed).ret == 0
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("files", "args"),
    [
        ({"conf/z.ini": "[pytest]"}, ["-c", "conf/z.ini"]),
        ({"sub/pytest.ini": "[pytest]"}, ["sub"]),
        ({}, ["-o"]),
        ({}, ["--zephyr-url", "--zephyr-journal=-j"]),
    ],
    ids=["-c", "ini file below", "-o", "value with a dash"],
)
def test_a_printed_command_finds_the_settings_of_its_run(
    pytester, run_zephyr, run_shown_command, target, monkeypatch, files, args
):
    """The command is printed after a dry run, and again after a push that failed."""
    url = target.sandbox.url
    test = "import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): 0\n"
    monkeypatch.delenv("ZEPHYR_URL")
    (pytester.path / "sub").mkdir()
    (pytester.path / "sub" / "test_a.py").write_text(test, encoding="utf-8")
    for name, text in files.items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(
            f"{text}\nzephyr_url = {url}\n", encoding="utf-8"
        )
    if args == ["-o"]:
        args = ["-o", f"zephyr_url={url}"]
    elif args[0] == "--zephyr-url":
        args = [f"--zephyr-url={url}", *args[1:]]
    paths = [] if "sub" in args else ["sub"]
    ran = run_zephyr(*args, "--zephyr-dry-run", *paths)
    assert "dry run: to send it" in ran.text
    target.sandbox.faults.add(Fault("PUT", status=503, times=None))
    failed = run_shown_command(ran.text)
    assert failed.ret == 1
    target.sandbox.faults.clear()

    assert run_shown_command(failed.out).ret == 0
    assert target.statuses()[101] == "1"


# Damaged journals


def test_a_line_that_cannot_be_read_is_reported(push, journal, target):
    """Only failures are sent, because the line may be about any test."""
    lines = journal.read_bytes().splitlines(keepends=True)
    index = next(n for n, line in enumerate(lines) if b'"report"' in line)
    lines[index] = lines[index][:20] + b"\n"
    journal.write_bytes(b"".join(lines))
    code, printed = push(journal)

    assert code == 1
    assert f"{journal}, line {index + 1} cannot be read" in printed
    assert (target.statuses()[101], target.statuses()[102]) == (None, "2")
    code, printed = push("--json", journal)
    assert code == 1
    document = json.loads(printed)
    assert document["complete"] is False
    path = f".zephyr/{journal.name}"
    assert document["runs"][0]["unreadable"] == {path: [index + 1]}


@needs_xdist
def test_a_directory_with_only_files_of_workers_is_an_error(pytester, push, run_zephyr):
    pytester.makepyfile(ONE_TEST.format(case=101, body="pass"))
    run_zephyr("-n1", "--zephyr-push=never", subprocess=True, check_exit_code=False)
    alone = pytester.mkdir("alone")
    (part,) = (pytester.path / ".zephyr").glob("*.gw0.jsonl")
    part.rename(alone / part.name)
    code, printed = push(alone)

    assert code == 2
    assert "is a part of" in printed
