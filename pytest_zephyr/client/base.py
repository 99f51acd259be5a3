"""What all calls share: reading lists and pages, writing, and errors."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
import time
from typing import Any

from pytest_zephyr import errors
from pytest_zephyr.client import decode
from pytest_zephyr.client.decode import Entity
from pytest_zephyr.client.decode import Reader
from pytest_zephyr.client.transport import Transport
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms


#: How many rows to ask for in one page of a list.
PAGE_SIZE = 500

#: Seconds between two tries while another user has a release locked.
LOCK_PAUSE = 15.0


class Calls(Transport):
    """The base of all groups of calls."""

    def _not_in_future(self, moment: int) -> int:
        """Return *moment*, or the server's time if that is earlier.

        Both are in milliseconds since the epoch.
        """
        return min(moment, now_ms() + self.clock_offset)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit all calls in the block together to *seconds*.

        What is left of the time budget is the limit if it is shorter.
        """
        outer = self.deadline
        self.deadline = Deadline(min(seconds, outer.remaining()), outer.reason)
        try:
            yield
        finally:
            self.deadline = outer

    def _get(self, path: str, params: Mapping[str, object] | None = None) -> object:
        return self.send("GET", path, params)

    def _list(
        self,
        path: str,
        read: Reader[Entity],
        params: Mapping[str, object] | None = None,
    ) -> list[Entity]:
        rows = decode.entities(self._get(path, params), read)
        if rows is None:
            raise self._unusable(path, "list")
        return rows

    def _one(self, path: str, read: Reader[Entity], kind: str) -> Entity:
        entity = read(decode.mapping(self._get(path)))
        if entity is None:
            raise self._unusable(path, kind)
        return entity

    def _write(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        body: object = None,
    ) -> object:
        """Send a write, and repeat it while another user has the release locked.

        Raises ZephyrUnreachable if it is still locked and no time is left to try again.
        """
        while True:
            try:
                return self.send(method, path, params, body)
            except errors.ZephyrRefused as refused:
                if refused.http_status != 400 or "is locked" not in str(refused):
                    raise
                if self.deadline.remaining() <= LOCK_PAUSE:
                    msg = f"{refused} Still locked when the time budget ended."
                    raise errors.ZephyrUnreachable(msg) from None
            time.sleep(LOCK_PAUSE)

    def _create(
        self,
        path: str,
        body: object,
        read: Reader[Entity],
        params: Mapping[str, object] | None = None,
    ) -> Entity:
        created = read(decode.mapping(self._write("POST", path, params, body)))
        if created is None:
            msg = f"{self.server.url} did not say what POST {path} created."
            raise errors.ZephyrWriteUnanswered(msg)
        return created

    def _pages(
        self,
        path: str,
        params: Mapping[str, object],
        part_with_id: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a paged list, without those that an earlier page had.

        *part_with_id* returns the part of a row that has its id. A page without new rows
        is the last; so is one with fewer than `PAGE_SIZE` rows, unless it is as long as
        the page size that the server states. The server's total is not used.
        """
        seen_ids: set[int | None] = set()
        offset = 0
        while True:
            payload = self._get(
                path, {**params, "offset": offset, "pagesize": PAGE_SIZE}
            )
            rows = decode.rows(payload)
            if rows is None:
                raise self._unusable(path, "list")
            ids = [decode.integer(part_with_id(row).get("id")) for row in rows]
            new_rows = [
                row
                for row, number in zip(rows, ids, strict=True)
                if number is None or number not in seen_ids
            ]
            seen_ids.update(ids)
            yield from new_rows
            # Despite its name, pageNumber is the size of a page.
            size = decode.integer(decode.mapping(payload).get("pageNumber"))
            if not new_rows or (len(rows) < PAGE_SIZE and len(rows) != size):
                return
            offset += len(rows)

    def _unusable(self, path: str, kind: str) -> errors.ZephyrRefused:
        msg = (
            f"{self.server} answered GET {path} with no {kind} in it. Check zephyr_url."
        )
        return errors.ZephyrRefused(msg, http_status=200)
