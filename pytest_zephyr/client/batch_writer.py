"""Write rows in batches, and decide what happens to a batch that fails."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Generic
from typing import TypeVar

from pytest_zephyr.client.api import Client
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrWriteUnanswered


#: The most rows that one call takes.
BATCH_SIZE = 500

#: The most files and bytes of one upload; a single file may have more bytes.
MAX_UPLOAD_FILES = 100
MAX_UPLOAD_BYTES = 1024 * 1024

#: The most times that the same rows are sent as one batch.
_MAX_TRIES = 3

#: Refusals without any success between them, after which the writer checks whether the
#: server refuses everything.
#: Finding one bad row in a batch of 500 takes at most ten refusals.
_MAX_REFUSALS = 30

#: How many rows are sent for this check, each alone, spread over all unfinished rows.
_SAMPLE_SIZE = 10

Row = TypeVar("Row")


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Split *rows* into batches of at most `BATCH_SIZE`."""
    for start in range(0, len(rows), BATCH_SIZE):
        yield rows[start : start + BATCH_SIZE]


def count_batches(row_count: int) -> int:
    """Return how many batches *row_count* rows need."""
    return -(-row_count // BATCH_SIZE)


def upload_batches(
    files: Iterable[Row], size_of: Callable[[Row], int]
) -> Iterator[list[Row]]:
    """Yield the *files* of each upload; *size_of* returns the size of one, in bytes."""
    batch: list[Row] = []
    size = 0
    for file in files:
        size += size_of(file)
        if batch and (size > MAX_UPLOAD_BYTES or len(batch) == MAX_UPLOAD_FILES):
            yield batch
            batch, size = [], size_of(file)
        batch.append(file)
    if batch:
        yield batch


class BatchWriter(ABC, Generic[Row]):
    """Sends rows in batches, reads back unanswered batches, and halves refused ones.

    *finished* has the keys of rows that are written, refused or given up. *changed* has those
    of rows that somebody else has changed; they are sent again. Subclasses add to both.
    """

    #: Whether a refused write is read back, because a part of it may have been carried out.
    #: After a server error it always is.
    reads_back_refusals = False

    def __init__(self, client: Client) -> None:
        self._client = client
        self._rows: Sequence[Row] = ()
        self._refusals = 0
        self.finished: set[Hashable] = set()
        self.changed: set[Hashable] = set()

    @abstractmethod
    def key(self, row: Row) -> Hashable:
        """Return what identifies *row*."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Write *rows*, and add those that the answer confirms to *finished*."""

    @abstractmethod
    def read_back(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Find out which of *rows* were written, and add those to *finished*.

        Returns *rows* as the server has them now; finished rows may be left out.
        """

    @abstractmethod
    def note_refused(self, rows: Sequence[Row], reason: str) -> None:
        """Note why *rows* are not written."""

    def split(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Yield the batches of *rows*, each just before it is sent."""
        return batches(rows)

    def refuse(self, rows: Sequence[Row], reason: str) -> None:
        if rows:
            self.finished.update(map(self.key, rows))
            self.note_refused(rows, reason)

    def note_given_up(self, rows: Sequence[Row], refused: ZephyrRefused) -> None:
        """Note that *rows* are not sent, because the server refuses everything."""
        self.note_refused(rows, str(refused))

    def unfinished(self, rows: Iterable[Row]) -> Sequence[Row]:
        return [row for row in rows if self.key(row) not in self.finished]

    def send_all(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        for batch in self.split(rows):
            self.send(batch)

    def send(self, batch: Sequence[Row]) -> None:
        """Send *batch* until all its rows are finished; if it is refused, send halves.

        Raises ZephyrWriteUnanswered if the third try gets no answer. A try that finishes
        only some rows counts as the first try of the others. Errors that concern all
        rows, such as a refused login, are raised at once.
        """
        tries = 0
        error: ZephyrRefused | ZephyrWriteUnanswered | None = None
        while (batch := self.unfinished(batch)) and tries < _MAX_TRIES:
            size, error, refused, may_land_within = len(batch), None, None, 0.0
            try:
                self.write(batch)
            except ZephyrRefused as failed:
                error = refused = failed
            except ZephyrWriteUnanswered as failed:
                error, may_land_within = failed, failed.may_land_within
            if (
                refused is None
                or refused.http_status >= 500
                or self.reads_back_refusals
            ):
                batch = self.read_unfinished(batch)
            if batch and may_land_within:
                # A slow server may still be writing these rows: do not write them twice.
                self._client.pause(may_land_within)
                batch = self.read_unfinished(batch)
            batch = self.unfinished(batch)
            has_progress = len(batch) < size
            if has_progress:
                self._refusals = 0
            # After a server error with progress, the bad row may be among the finished
            # ones: the others are sent again as one batch.
            if refused is not None and not (
                has_progress and refused.http_status >= 500
            ):
                self._divide(batch, refused)
                return
            if error is None:
                unwritten = [row for row in batch if self.key(row) not in self.changed]
                reason = "the server's answer left it out, and it was not written"
                self.refuse(unwritten, reason)
                self.changed.clear()
            tries = 1 if has_progress else tries + 1
        if batch and error is not None:
            raise error
        self.refuse(batch, "somebody else keeps changing its execution")

    def read_unfinished(self, batch: Sequence[Row]) -> Sequence[Row]:
        """Read *batch* back; return its rows that are neither written nor refused."""
        batch = self.unfinished(batch)
        return self.unfinished(self.read_back(batch)) if batch else batch

    def _divide(self, batch: Sequence[Row], refused: ZephyrRefused) -> None:
        """Send the halves of a refused batch; a single row is noted as refused."""
        self._refusals += 1
        if len(batch) == 1:
            self.refuse(batch, str(refused))
        if self._refusals == _MAX_REFUSALS:
            self._sample(refused)
        if len(batch) > 1:
            middle = len(batch) // 2
            self.send(batch[:middle])
            self.send(batch[middle:])

    def _sample(self, refused: ZephyrRefused) -> None:
        """Send a few rows, each alone, and give up if the server refuses all of them.

        The rows refused so far may be neighbours, with good ones further on.
        """
        unfinished = self.unfinished(self._rows)
        last = len(unfinished) - 1
        for number in range(_SAMPLE_SIZE):
            self.send(unfinished[number * last // (_SAMPLE_SIZE - 1) :][:1])
            if not self._refusals:
                return
        if unfinished := self.unfinished(unfinished):
            self.finished.update(map(self.key, unfinished))
            self.note_given_up(unfinished, refused)
