"""Lists that come in pages: read until a page is short, whatever total is named."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_zephyr.client import decode


#: Rows that are asked for in a page.
PAGE = 500


@dataclass(frozen=True)
class Page:
    """Rows of a list, and the size that the server says it cuts pages to."""

    rows: list[dict[str, Any]]
    size: int | None = None


def row_key(row: Mapping[str, Any]) -> object:
    """Return what identifies a row: its id, or itself where it has none."""
    number = decode.integer(row.get("id"))
    return id(row) if number is None else number


def read_pages(
    read: Callable[[int], Page],
    key: Callable[[Mapping[str, Any]], object] = row_key,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a list; *read* returns the page that begins at an offset.

    A page is full with `PAGE` rows, or with as many as the server says it cuts pages
    to. A server that ignores the offset sends rows that were there before; that ends
    the list, too.
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
