"""Lists that come in pages; the total that a server names is not used."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_zephyr.client import decode


#: Rows to ask for in one page.
PAGE = 500


@dataclass(frozen=True)
class Page:
    """Rows of a list, and the page size that the server states."""

    rows: list[dict[str, Any]]
    size: int | None = None


def row_key(row: Mapping[str, Any]) -> object:
    """Return what identifies a row: its id, or the object itself without one."""
    number = decode.integer(row.get("id"))
    return id(row) if number is None else number


def read_pages(
    read: Callable[[int], Page],
    key: Callable[[Mapping[str, Any]], object] = row_key,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a list; *read* returns the page that starts at an offset.

    The list ends with a page that is shorter than `PAGE` and than the size that the
    server states, or that repeats earlier rows because the server ignores the offset.
    """
    seen: set[object] = set()
    offset = 0
    while True:
        page = read(offset)
        fresh = [row for row in page.rows if key(row) not in seen]
        seen.update(map(key, fresh))
        yield from fresh
        full = len(page.rows) >= PAGE or len(page.rows) == page.size
        if not full or not fresh:
            return
        offset += len(page.rows)
