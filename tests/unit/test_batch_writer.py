"""The writer of batches; its subclasses are tested with a server."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import cast

import pytest

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrWriteUnanswered


Fault = Callable[[Sequence[int], set[int]], None]


class MemoryWriter(BatchWriter[int]):
    """Writes rows to memory; before that, *fault* may write some and raise."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(cast(Client, None))
        self.fault = fault
        self.written: set[int] = set()
        self.refused: dict[int, str] = {}

    def key(self, row: int) -> int:
        return row

    def write(self, rows: Sequence[int]) -> None:
        assert not self.written.intersection(rows), "no row is written twice"
        self.fault(rows, self.written)
        self.written.update(rows)
        self.finished.update(rows)

    def read_back(self, rows: Sequence[int]) -> Sequence[int]:
        self.finished.update(self.written)
        return rows

    def note_refused(self, rows: Sequence[int], reason: str) -> None:
        self.refused.update(dict.fromkeys(rows, reason))


ROWS = range(1200)


@pytest.mark.parametrize(
    "bad",
    [{7}, {0, 1199}, set(range(400, 450)), set(range(0, 1200, 24))],
    ids=["one", "first and last", "50 neighbours", "every 24th"],
)
def test_good_rows_are_written_and_bad_rows_refused(bad):
    def fault(rows: Sequence[int], _written: set[int]) -> None:
        if bad.intersection(rows):
            raise ZephyrRefused("400 no", http_status=400)

    writer = MemoryWriter(fault)
    writer.send_all(ROWS)

    assert writer.written == set(ROWS) - bad
    assert writer.refused == dict.fromkeys(bad, "400 no")


def test_a_server_that_fails_after_each_row_gets_all_of_them():
    """The writer repeats as long as each try writes at least one row."""

    def fault(rows: Sequence[int], written: set[int]) -> None:
        if len(rows) > 1:
            written.add(rows[0])
            raise ZephyrRefused("500 oops", http_status=500)

    writer = MemoryWriter(fault)
    writer.send_all(ROWS)

    assert writer.written == set(ROWS)
    assert writer.refused == {}


def test_an_unanswered_write_is_given_up_if_repeating_it_makes_no_progress():
    """The first try writes ten rows, the next two write none."""
    tries = 0

    def fault(rows: Sequence[int], written: set[int]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            written.update(rows[:10])
        raise ZephyrWriteUnanswered("no answer")

    writer = MemoryWriter(fault)
    with pytest.raises(ZephyrWriteUnanswered):
        writer.send_all(ROWS)

    assert tries == 3
    assert writer.written == set(range(10))
    assert writer.refused == {}


def test_the_writer_gives_up_on_a_server_that_refuses_everything():
    tries = 0

    def fault(_rows: Sequence[int], _written: set[int]) -> None:
        nonlocal tries
        tries += 1
        raise ZephyrRefused("400 no", http_status=400)

    writer = MemoryWriter(fault)
    writer.send_all(ROWS)

    assert tries < 60
    assert writer.refused == dict.fromkeys(ROWS, "400 no")


def test_a_login_error_is_raised_and_refuses_no_row():
    def fault(_rows: Sequence[int], _written: set[int]) -> None:
        raise ZephyrUnauthorized("401", http_status=401)

    writer = MemoryWriter(fault)
    with pytest.raises(ZephyrUnauthorized):
        writer.send_all(ROWS)

    assert writer.refused == {}


def test_rows_that_an_answer_leaves_out_are_refused():
    class IncompleteWriter(MemoryWriter):
        def write(self, rows: Sequence[int]) -> None:
            self.finished.update(rows[1:])

    writer = IncompleteWriter(lambda _rows, _written: None)
    writer.send_all(ROWS[:3])

    assert writer.refused == {
        0: "the server's answer left it out, and it was not written"
    }
