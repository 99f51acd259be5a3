"""The size of requests: rows, files and bytes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TypeVar


#: The most rows that one call takes, and the rows to ask for in one page.
BATCH = PAGE = 500

#: The most files and bytes of one upload; a single file may have more bytes.
UPLOAD_FILES = 100
UPLOAD_BYTES = 1024 * 1024

Row = TypeVar("Row")


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Split *rows* into batches of at most `BATCH`."""
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def count_batches(rows: int) -> int:
    """Return the number of batches for a number of *rows*."""
    return -(-rows // BATCH)


def upload_batches(
    files: Iterable[Row], size_of: Callable[[Row], int]
) -> Iterator[list[Row]]:
    """Split *files* into batches for one upload each."""
    batch: list[Row] = []
    size = 0
    for file in files:
        more = size_of(file)
        if batch and (size + more > UPLOAD_BYTES or len(batch) == UPLOAD_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += more
    if batch:
        yield batch
