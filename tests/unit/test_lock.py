"""Locks on open files."""

from __future__ import annotations

import subprocess
import sys

from pytest_zephyr.journal.lock import try_lock


LOCK_AND_WAIT = """
import sys, time
from pytest_zephyr.journal.lock import try_lock
file = open(sys.argv[1], "ab")
print(try_lock(file.fileno()), flush=True)
time.sleep(60)
"""


def test_a_lock_keeps_others_out_until_its_file_is_closed(tmp_path):
    """A second lock fails without a wait."""
    path = tmp_path / "run.jsonl"
    with path.open("ab") as first, path.open("ab") as second:
        assert try_lock(first.fileno())
        assert not try_lock(second.fileno())

        first.close()

        assert try_lock(second.fileno())


def test_a_locked_file_can_be_read(tmp_path):
    """A journal can be read while its session is running."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"line\n")
    with path.open("ab") as file:
        assert try_lock(file.fileno())

        assert path.read_bytes() == b"line\n"


def test_a_lock_does_not_move_the_position_in_the_file(tmp_path):
    """The next write appends to the file."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"one\n")
    with path.open("ab", buffering=0) as file:
        assert try_lock(file.fileno())
        assert file.tell() == len(b"one\n")
        file.write(b"two\n")

    assert path.read_bytes() == b"one\ntwo\n"


def test_a_lock_ends_with_its_process(tmp_path):
    """A session that was killed does not lock its journal for ever."""
    path = tmp_path / "run.jsonl"
    command = [sys.executable, "-c", LOCK_AND_WAIT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        output = holder.stdout.readline().strip()
        with path.open("ab") as file:
            while_alive = try_lock(file.fileno())
            holder.kill()
            holder.wait()
            afterwards = try_lock(file.fileno())

    assert (output, while_alive, afterwards) == (b"True", False, True)
