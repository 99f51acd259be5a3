"""`pytest-zephyr journals`: what waits, what was delivered, and what is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


SUITE = """
import pytest

@pytest.mark.zephyr(101)
def test_a(zephyr):
    zephyr.attach_text("log", name="a.log")
"""


@pytest.fixture
def journal(pytester, run_zephyr):
    """A journal that waits, with an attachment."""
    pytester.makepyfile(SUITE)
    (journal,) = run_zephyr("--zephyr-push=never").journals
    return journal


def states(text: str) -> list[str]:
    return [line.split()[1] for line in text.partition("\n\n")[0].splitlines()[1:]]


def test_a_journal_that_waits_is_listed_with_the_command_that_sends_it(
    command, paste, journal, world
):
    listed = command("journals").out

    assert listed.splitlines()[0].split() == ["JOURNAL", "STATE", "RUN"]
    assert f".zephyr/{journal.name}  waiting" in listed
    assert f"1 test  {world.phase}" in listed
    assert paste(listed).ret == 0
    assert states(command("journals").out) == ["delivered"]


def test_scripts_read_the_same(command, journal, world):
    (entry,) = json.loads(command("journals", "--json").out)

    assert entry["path"] == f".zephyr/{journal.name}"
    assert (entry["state"], entry["tests"]) == ("waiting", 1)
    assert (entry["server"], entry["target"]) == (world.sandbox.url, str(world.phase))


def test_a_dry_run_and_a_file_that_cannot_be_read_are_told_apart(
    pytester, command, run_zephyr
):
    pytester.makepyfile(SUITE)
    run_zephyr("--zephyr-dry-run")
    (pytester.path / ".zephyr" / "zzz.jsonl").write_text("no journal\n")
    listed = command("journals").out

    assert ".jsonl  dry run " in listed
    assert states(listed) == ["dry", "unreadable"]
    assert "is not a journal: its first line is not a header." in listed


def test_a_directory_without_journals_says_so(command, pytester):
    ran = command("journals")

    assert (ran.ret, ran.out) == (0, "no journals in .zephyr\n")


def test_a_discarded_journal_is_gone_with_its_attachments(command, journal):
    for path in journal.parent.rglob("*"):
        # A file that was stored a moment ago may be of a run that goes on.
        os.utime(path, (0, 0))
    ran = command("journals", "--discard", journal)

    assert (ran.ret, ran.out) == (0, f"removed {journal}\n")
    kept = [each.name for each in journal.parent.rglob("*") if each.is_file()]
    assert [name for name in kept if name != ".gitignore"] == []


def test_a_directory_is_never_discarded_as_a_whole(command, journal):
    ran = command("journals", "--discard", journal.parent)

    assert ran.ret == 1
    assert "is a directory. Name the journals in it" in ran.err
    assert journal.exists()


def test_nothing_is_discarded_if_one_of_the_names_is_wrong(command, journal):
    ran = command("journals", "--discard", journal, journal.with_name("gone.jsonl"))

    assert ran.ret == 1
    assert "gone.jsonl" in ran.err
    assert journal.exists()


def test_discard_needs_names(command, journal):
    ran = command("journals", "--discard")

    assert ran.ret == 1
    assert "--discard needs the journals to remove" in ran.err
    assert journal.exists()


def test_a_reader_that_stops_reading_ends_nothing(journal):
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
