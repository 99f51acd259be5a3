"""What all calls share: lists, pages, writes, and their errors."""

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


#: Seconds between two tries while another user has a release locked.
LOCK_PAUSE = 15.0

Entity = TypeVar("Entity")


class Calls:
    """The base of all groups of calls, over one `Transport`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def origin(self) -> str:
        return self._transport.origin

    @property
    def clock_offset(self) -> int:
        """How many milliseconds the server's clock is ahead of ours."""
        return self._transport.clock_offset

    def _date(self, at: int) -> int:
        """Return *at*, or the server's time if that is earlier: no result is in the future."""
        return min(at, now_ms() + self._transport.clock_offset)

    def renew(self, seconds: float) -> None:
        """Start a new time budget of *seconds*, and keep the login."""
        self._transport.renew(Deadline(seconds))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit the calls inside to *seconds* of the time budget."""
        whole = self.deadline
        self._transport.renew(Deadline(min(seconds, whole.remaining()), whole.name))
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

    def _get(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        api_version: str | None = None,
    ) -> object:
        answer = self._transport.send("GET", path, params, api_version=api_version)
        return answer.payload

    def _list(
        self, path: str, read: Callable[[Mapping[str, Any]], Entity | None]
    ) -> list[Entity]:
        listed = decode.entities(self._get(path), read)
        if listed is None:
            raise self._unusable(path, "list")
        return listed

    def _one(
        self, path: str, read: Callable[[Mapping[str, Any]], Entity | None], kind: str
    ) -> Entity:
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
                return self._transport.send(method, path, params, body).payload
            except ZephyrRefused as refused:
                if refused.status != 400 or "is locked" not in str(refused):
                    raise
                if self.deadline.remaining() <= LOCK_PAUSE:
                    msg = f"{refused} Still locked when the time budget ended."
                    raise ZephyrUnreachable(msg) from None
            time.sleep(LOCK_PAUSE)

    def _create(
        self,
        path: str,
        body: object,
        read: Callable[[Mapping[str, Any]], Entity | None],
        params: Mapping[str, object] | None = None,
    ) -> Entity:
        created = read(decode.mapping(self._write("POST", path, params, body)))
        if created is None:
            msg = f"POST {path}: {self.origin} did not say what it created."
            raise ZephyrWriteUncertain(msg)
        return created

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
                raise self._unusable(path, "list")
            size = decode.integer(decode.mapping(payload).get("pageNumber"))
            return Page(rows, size)

        return read_pages(read, key)

    def _unusable(self, path: str, kind: str) -> ZephyrRefused:
        msg = f"GET {path}: {self.origin} answered with no {kind} in it. Check zephyr_url."
        return ZephyrRefused(msg, status=200)
