"""`pytest-zephyr journals`: list the journals, and discard some."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import needs_xdist


SUITE = """
import pytest

@pytest.mark.zephyr(101)
def test_a(zephyr):
    zephyr.attach_text("log", name="a.log")
"""


@pytest.fixture
def journal(pytester, run_zephyr):
    """Return the journal of a run that was not pushed; its test has attached a file."""
    pytester.makepyfile(SUITE)
    (journal,) = run_zephyr("--zephyr-push=never").journals
    return journal


def read_states(text: str) -> list[str]:
    """Return the first word of the state of each journal in the printed table."""
    return [line.split()[1] for line in text.partition("\n\n")[0].splitlines()[1:]]


def test_a_waiting_journal_is_listed_with_the_command_that_sends_it(
    run_command, run_shown_command, journal, target
):
    listed = run_command("journals").out

    assert listed.splitlines()[0].split() == ["JOURNAL", "STATE", "RUN"]
    assert f".zephyr/{journal.name}  waiting" in listed
    assert f"1 test  {target.phase}" in listed
    assert run_shown_command(listed).ret == 0
    assert read_states(run_command("journals").out) == ["delivered"]


def test_a_journal_with_a_dot_in_its_name_is_listed(run_command, journal):
    """A dot alone does not make it a file of a worker, such as ``first.gw0.jsonl``."""
    journal.rename(journal.with_name("first.copy.jsonl"))

    assert read_states(run_command("journals").out) == ["waiting"]


@needs_xdist
def test_a_file_of_a_worker_is_not_listed_beside_its_journal(
    pytester, run_command, run_zephyr
):
    """It is listed, as unreadable, if it is named, or if its journal is gone."""
    pytester.makepyfile(SUITE)
    ran = run_zephyr("-n1", "--zephyr-push=never", subprocess=True)
    assert read_states(run_command("journals").out) == ["waiting"]

    (journal,) = ran.journals
    (part,) = (pytester.path / ".zephyr").glob("*.gw0.jsonl")
    listed = run_command("journals", part).out
    assert f"is a part of another journal; push .zephyr/{journal.name}." in listed

    journal.unlink()
    listed = run_command("journals").out

    assert read_states(listed) == ["unreadable"]
    assert f"is a part of .zephyr/{journal.name}, which is gone." in listed
    assert run_command("journals", "--discard", part).ret == 0


def test_a_name_in_the_list_is_shown_as_zephyr_has_it(
    pytester, run_command, run_zephyr
):
    pytester.makepyfile(SUITE)
    run_zephyr("--zephyr-push=never", "--zephyr-phase=name:7", "--zephyr-cycle={{x}}")
    (entry,) = json.loads(run_command("journals", "--json").out)

    assert entry["target"] == "{x} > 7"


def test_json_has_the_state_of_a_journal(run_command, journal, target):
    (entry,) = json.loads(run_command("journals", "--json").out)

    assert entry["path"] == f".zephyr/{journal.name}"
    assert (entry["state"], entry["tests"]) == ("waiting", 1)
    assert (entry["server"], entry["target"]) == (target.sandbox.url, str(target.phase))


def test_a_dry_run_and_a_file_that_cannot_be_read_are_told_apart(
    pytester, run_command, run_zephyr
):
    pytester.makepyfile(SUITE)
    run_zephyr("--zephyr-dry-run")
    (pytester.path / ".zephyr" / "zzz.jsonl").write_text("no journal\n")
    listed = run_command("journals").out

    assert ".jsonl  dry run " in listed
    assert read_states(listed) == ["dry", "unreadable"]
    assert "is not a journal: its first line is not a header." in listed


def test_a_message_says_that_there_are_no_journals(run_command, pytester):
    ran = run_command("journals")

    assert (ran.ret, ran.out) == (0, "no journals in .zephyr\n")


def test_a_discarded_journal_is_gone_with_its_files(run_command, journal):
    for path in journal.parent.rglob("*"):
        # A new file is not removed, because a running session may be about to name it.
        os.utime(path, (0, 0))
    ran = run_command("journals", "--discard", journal)

    assert (ran.ret, ran.out) == (0, f"removed {journal}\n")
    names = [each.name for each in journal.parent.rglob("*") if each.is_file()]
    assert names == [".gitignore"]


def test_a_directory_is_not_discarded(run_command, journal):
    ran = run_command("journals", "--discard", journal.parent)

    assert ran.ret == 1
    assert "is a directory. Name the journals in it" in ran.err
    assert journal.exists()


def test_nothing_is_discarded_if_one_of_the_journals_does_not_exist(
    run_command, journal
):
    ran = run_command("journals", "--discard", journal, journal.with_name("gone.jsonl"))

    assert ran.ret == 1
    assert "gone.jsonl" in ran.err
    assert journal.exists()


def test_a_journal_that_cannot_be_removed_is_reported(run_command, journal):
    """One of its files cannot be unlinked, because it is a directory."""
    part = journal.with_suffix(".gw0.jsonl")
    part.mkdir()
    ran = run_command("journals", "--discard", journal)

    assert ran.ret == 2
    assert f"cannot remove {part}: Is a directory." in ran.err
    assert journal.exists()


def test_discard_without_journals_is_wrong_usage(run_command, journal):
    ran = run_command("journals", "--discard")

    assert ran.ret == 2
    assert "--discard needs the journals to remove: add their paths" in ran.err
    assert journal.exists()


def test_a_closed_pipe_is_no_error(journal):
    """A reader such as ``head`` may close its end of the pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        result = subprocess.run(
            [sys.executable, "-m", "pytest_zephyr", "journals"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (result.returncode, result.stderr) == (0, "")
