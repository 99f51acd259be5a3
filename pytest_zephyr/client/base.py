"""What all calls share: lists, pages, writes, and their errors."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
import time
from typing import Any
from typing import TypeVar

from pytest_zephyr import errors
from pytest_zephyr.client import decode
from pytest_zephyr.client.transport import Transport
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms


#: The rows to ask for in one page of a list.
PAGE = 500

#: Seconds between two tries while another user has a release locked.
LOCK_PAUSE = 15.0

Entity = TypeVar("Entity")

#: Reads an entity from its row; `None` if it is not in it.
Reader = Callable[[Mapping[str, Any]], Entity | None]


class Calls(Transport):
    """The base of all groups of calls."""

    def _date(self, at: int) -> int:
        """Return *at*, or the server's time if that is earlier: no result is in the future."""
        return min(at, now_ms() + self.clock_offset)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit the calls inside to *seconds* of the time budget."""
        whole = self.deadline
        self.deadline = Deadline(min(seconds, whole.remaining()), whole.name)
        try:
            yield
        finally:
            self.deadline = whole

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

        Raises ZephyrUnreachable if it is still locked when the time budget ends.
        """
        while True:
            try:
                return self.send(method, path, params, body)
            except errors.ZephyrRefused as refused:
                if refused.status != 400 or "is locked" not in str(refused):
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
            msg = f"{self.server.origin} did not say what POST {path} created."
            raise errors.ZephyrWriteUncertain(msg)
        return created

    def _pages(
        self,
        path: str,
        params: Mapping[str, object],
        entity: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list that comes in pages; *entity* returns what has their id.

        It ends with a page that is shorter than `PAGE` and than the size that the server
        states, or that repeats earlier rows because the server ignores the offset. The
        total that a server names is not used.
        """
        ids: set[int | None] = set()
        offset = 0
        while True:
            payload = self._get(path, {**params, "offset": offset, "pagesize": PAGE})
            rows = decode.rows(payload)
            if rows is None:
                raise self._unusable(path, "list")
            numbers = [decode.integer(entity(row).get("id")) for row in rows]
            fresh = [
                row
                for row, number in zip(rows, numbers, strict=True)
                if number is None or number not in ids
            ]
            ids.update(numbers)
            yield from fresh
            size = decode.integer(decode.mapping(payload).get("pageNumber"))
            if not fresh or (len(rows) < PAGE and len(rows) != size):
                return
            offset += len(rows)

    def _unusable(self, path: str, kind: str) -> errors.ZephyrRefused:
        msg = (
            f"{self.server} answered GET {path} with no {kind} in it. Check zephyr_url."
        )
        return errors.ZephyrRefused(msg, status=200)
