"""How long a request may take: every wait of a connection ends with the time budget."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from http.client import HTTPResponse
import io
import socket
import threading
from typing import Any
from typing import TYPE_CHECKING

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util import Timeout

from pytest_zephyr.client.retries import PatientRetry
from pytest_zephyr.clock import Deadline


if TYPE_CHECKING:
    _Connection = HTTPConnection
else:
    _Connection = object

#: Bytes that are handed to a connection at once, each time with a timeout of its own.
_CHUNK = 16 * 1024


class DeadlineTimeout(Timeout):
    """A timeout that is cut to what is left of a deadline at every single try."""

    def __init__(self, seconds: float, deadline: Deadline) -> None:
        super().__init__(connect=seconds, read=seconds)
        self._seconds = seconds
        self._deadline = deadline

    def clone(self) -> Timeout:
        seconds = max(0.05, min(self._seconds, self._deadline.left()))
        return Timeout(connect=seconds, read=seconds)


class BudgetAdapter(HTTPAdapter):
    """Keeps every connection it opens, to a server or to a proxy, within a deadline.

    The timeout of a socket begins anew with every byte, so that alone it would let a
    server that trickles hold us for ever.
    """

    def __init__(self, retry: PatientRetry, seconds: float) -> None:
        self._deadline = retry.deadline
        self._seconds = seconds
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._bind(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            self._bind(manager)
        return manager

    def _bind(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: partial(self._pool, kind)
            for scheme, kind in manager.pool_classes_by_scheme.items()
        }

    def _pool(self, kind: type[Any], *args: Any, **kwargs: Any) -> Any:
        """Make a pool whose connections are bounded, whatever they are besides."""
        pool = kind(*args, **kwargs)
        bounds = {"deadline": self._deadline, "seconds": self._seconds}
        pool.ConnectionCls = type(
            "BoundedConnection", (_Bounded, pool.ConnectionCls), bounds
        )
        return pool


class _Bounded(_Connection):
    """A connection that waits for each part of its work at most until the deadline."""

    deadline: Deadline
    seconds: float
    #: Whoever sets this to see what is sent would see our credential.
    debuglevel = 0

    def connect(self) -> None:
        """Connect in a thread: nothing else bounds the look-up of a name."""
        connect = super().connect
        failures: list[BaseException] = []
        given_up = threading.Event()

        def run() -> None:
            try:
                connect()
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)
            if given_up.is_set():
                self.close()

        thread = threading.Thread(target=run, name="zephyr-connect", daemon=True)
        thread.start()
        try:
            patience = Deadline(self.deadline.left() + 0.1)
            while thread.is_alive() and not patience.spent:
                # In slices, between which Windows hears Ctrl-C.
                thread.join(min(0.5, patience.left()))
        finally:
            if thread.is_alive():
                given_up.set()
                self._hang_up()
                thread.join(0.1)
        failure = failures[0] if failures else None
        if given_up.is_set() or isinstance(failure, TimeoutError):
            # Whatever took too long, a tunnel or a handshake: nothing was sent yet.
            raise ConnectTimeoutError(self, "the connection was not made in time")
        if failure is not None:
            raise failure

    def send(self, data: Any) -> None:
        if not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _CHUNK):
            if self.sock is not None:
                self.limit(self.sock)
            super().send(data[start : start + _CHUNK])

    def response_class(  # type: ignore[override]
        self, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> HTTPResponse:
        response = HTTPResponse(sock, *args, **kwargs)
        raw = response.fp.detach()
        response.fp = io.BufferedReader(_BoundedReader(self, sock, raw))
        return response

    def limit(self, sock: socket.socket) -> None:
        """Let the next wait on *sock* last as long as it may. Raises TimeoutError."""
        if self.deadline.spent:
            raise TimeoutError
        # Zero would mean not to wait at all, and not to say so.
        sock.settimeout(max(0.001, min(self.seconds, self.deadline.left())))

    def _hang_up(self) -> None:
        """End what another thread does with the socket."""
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _BoundedReader(io.RawIOBase):
    """Reads an answer; each part of it is waited for at most until the deadline."""

    def __init__(
        self, connection: _Bounded, sock: socket.socket, raw: io.RawIOBase
    ) -> None:
        self._connection = connection
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.limit(self._sock)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
