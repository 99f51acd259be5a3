"""How calls of the server are made: lists, pages, writes, and what spoils them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
import time
from typing import Any
from typing import TypeVar

from pytest_zephyr.client import decode
from pytest_zephyr.client.paging import PAGE
from pytest_zephyr.client.paging import Page
from pytest_zephyr.client.paging import read_pages
from pytest_zephyr.client.paging import row_key
from pytest_zephyr.client.transport import Transport
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUncertain


#: Seconds between two tries while somebody else has a release locked (design 3).
LOCK_PAUSE = 15.0

Entity = TypeVar("Entity")


class Calls:
    """What every call of API section 3 has in common, over one `Transport`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def origin(self) -> str:
        return self._transport.origin

    @property
    def ahead(self) -> int:
        """How many milliseconds the server's clock is ahead of ours."""
        return self._transport.ahead

    def _date(self, at: int) -> int:
        """Return *at*, or the server's now if that is earlier.

        The clock of the tests may have been wrong, and nothing is in the future.
        """
        return min(at, now_ms() + self._transport.ahead)

    def renew(self, seconds: float) -> None:
        """Begin a new time budget of *seconds*; the login goes on."""
        self._transport.renew(Deadline(seconds))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Spend at most *seconds* of the time budget, also on what is under way."""
        whole = self.deadline
        self._transport.renew(Deadline(min(seconds, whole.left()), whole.name))
        try:
            yield
        finally:
            self._transport.renew(whole)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the deadline allows."""
        self._transport.pause(seconds)

    @property
    def deadline(self) -> Deadline:
        return self._transport.deadline

    # How calls are made

    def _get(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        api_version: str | None = None,
    ) -> object:
        return self._transport.send(
            "GET", path, params, api_version=api_version
        ).payload

    def _list(
        self, path: str, read: Callable[[Mapping[str, Any]], Entity | None]
    ) -> list[Entity]:
        listed = decode.rows(self._get(path))
        if listed is None:
            raise self._unusable(path, "no list in it")
        return [found for row in listed if (found := read(row)) is not None]

    def _write(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        body: object = None,
    ) -> object:
        """Send a write, again and again while somebody else has the release locked.

        Raises ZephyrUnreachable if it is still locked when the time is over.
        """
        while True:
            try:
                return self._transport.send(method, path, params, body).payload
            except ZephyrRefused as refused:
                if refused.status != 400 or "is locked" not in str(refused):
                    raise
                left = self._transport.deadline.left()
                if left <= LOCK_PAUSE:
                    msg = f"{refused} It was locked for as long as we waited."
                    raise ZephyrUnreachable(msg) from None
            time.sleep(LOCK_PAUSE)

    def _made(
        self,
        path: str,
        body: object,
        read: Callable[[Mapping[str, Any]], Entity | None],
        params: Mapping[str, object] | None = None,
    ) -> Entity:
        made = read(decode.mapping(self._write("POST", path, params, body)))
        if made is None:
            # What was made has an id that nobody told us; a look will show it.
            msg = f"POST {path}: {self.origin} did not say what it created."
            raise ZephyrWriteUncertain(msg)
        return made

    def _pages(
        self,
        path: str,
        params: Mapping[str, object],
        key: Callable[[Mapping[str, Any]], object] = row_key,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a paged list."""

        def read(offset: int) -> Page:
            payload = self._get(path, {**params, "offset": offset, "pagesize": PAGE})
            rows = decode.rows(payload)
            if rows is None:
                raise self._unusable(path, "no list in it")
            size = decode.integer(decode.mapping(payload).get("pageNumber"))
            return Page(rows, size)

        return read_pages(read, key)

    def _unusable(self, path: str, why: str) -> ZephyrRefused:
        msg = f"GET {path}: {self.origin} answered with {why}. Check zephyr_url."
        return ZephyrRefused(msg, method="GET", path=path, status=200)
