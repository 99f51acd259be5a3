"""The sandbox as a running server, with its socket and its threads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
import io
from pathlib import Path
import socket
import sys
import tempfile
import threading
from types import TracebackType
from typing import Any
from typing import cast
from typing import IO
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from werkzeug.serving import DechunkedInput
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.serving import WSGIRequestHandler
from werkzeug.test import run_wsgi_app

from pytest_zephyr.sandbox.app import create_app
from pytest_zephyr.sandbox.data.store import Store
from pytest_zephyr.sandbox.faults import CutConnection
from pytest_zephyr.sandbox.faults import Faults
from pytest_zephyr.sandbox.faults import FaultyApp
from pytest_zephyr.sandbox.unsupported import UnsupportedCalls


if TYPE_CHECKING:
    import ssl

    from _typeshed.wsgi import WSGIApplication


#: How many requests `Sandbox.requests` has at most: the latest.
MAX_RECORDED_REQUESTS = 10_000


@dataclass(frozen=True)
class Request:
    """One request, and the status that it was answered with.

    *status* is 0 if the connection was closed without an answer; *body* is that of the
    request, or `None` if it was empty.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    status: int
    body: bytes | None


class Sandbox:
    """A Zephyr Enterprise server on this machine.

    *db* is its database, by default a temporary one. *wrap* gets the WSGI application
    and returns the one to serve; if a fault spoils an answer, the environ of its request
    has the key ``sandbox.fault``.
    """

    def __init__(
        self,
        db: Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        wrap: Callable[[WSGIApplication], WSGIApplication] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.faults = Faults()
        self.unsupported = UnsupportedCalls()
        self.requests: list[Request] = []
        self._db = db
        self._address = host, port
        self._wrap = wrap
        self._tls = tls
        self._store: Store | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._stopping = threading.Event()
        self._url = ""

    # typing.Self begins with Python 3.11.
    def __enter__(self) -> Sandbox:  # noqa: PYI034
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return self._url

    @property
    def store(self) -> Store:
        if self._store is None:
            raise RuntimeError("the sandbox is not running")
        return self._store

    @property
    def token(self) -> str:
        return self.store.token

    @property
    def username(self) -> str:
        return self.store.user.username

    @property
    def password(self) -> str:
        return self.store.user.password

    def phase_url(self, phase_id: int) -> str:
        """Return the address of the web page of a phase."""
        return f"{self._url}/phase/{phase_id}"

    def start(self) -> Sandbox:
        """Start to serve unless it serves already, and return the sandbox.

        Raise OSError if the port is taken or *db* is not a database of this version.
        """
        if self._server is not None:
            return self
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
        with listener:
            if self._db is None:
                self._directory = tempfile.TemporaryDirectory(
                    prefix="zephyr-sandbox-", ignore_cleanup_errors=True
                )
                db = Path(self._directory.name) / "sandbox.db"
            else:
                db = Path(self._db)
            self._store = Store(db)
            self._stopping = threading.Event()
            app: WSGIApplication = FaultyApp(
                create_app(self._store, self.faults, self.unsupported),
                self.faults,
                expire_cookies=self._store.expire_cookies,
                stopping=self._stopping,
            )
            if self._wrap is not None:
                app = self._wrap(app)
            self._server = _Server(listener, app, self._tls, self._record)
        scheme = "https" if self._tls else "http"
        url_host = f"[{host}]" if ":" in host else host
        self._url = f"{scheme}://{url_host}:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="zephyr-sandbox",
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Cut all connections, end all threads and close the database.

        A temporary database is deleted.
        """
        if self._server is None or self._thread is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.cut_connections()
        self._thread.join()
        self._server = self._thread = None
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _record(self, request: Request) -> None:
        self.requests.append(request)
        del self.requests[:-MAX_RECORDED_REQUESTS]


class _Handler(WSGIRequestHandler):
    """Answers the requests of one connection, which stays open between them.

    werkzeug's own handler closes it after every answer.
    """

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body = self._body(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["wsgi.input_terminated"] = True
        status = 0
        try:
            chunks, status_line, headers = run_wsgi_app(
                self.server.app, environ, buffered=True
            )
            data = b"".join(chunks)
            status = int(status_line.split()[0])
        except CutConnection:
            self.close_connection = True
            return
        finally:
            self.server.record(
                Request(
                    method=environ["REQUEST_METHOD"],
                    path=environ["PATH_INFO"]
                    .encode("latin-1")
                    .decode("utf-8", "replace"),
                    query=parse_qs(environ["QUERY_STRING"], keep_blank_values=True),
                    status=status,
                    body=body or None,
                )
            )
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        has_no_body = status in (204, 304)
        if has_no_body:
            headers.remove("Content-Length")
        elif "Content-Length" not in headers:
            headers["Content-Length"] = str(len(data))
        elif not is_head and int(headers["Content-Length"]) != len(data):
            self.close_connection = True
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [
            f"HTTP/1.1 {status_line}",
            *(f"{name}: {text}" for name, text in headers),
        ]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        # One write, so that small answers are one packet.
        self.wfile.write(head if is_head or has_no_body else head + data)

    def _body(self, environ: dict[str, Any]) -> bytes:
        if environ.get("wsgi.input_terminated"):
            return DechunkedInput(cast(IO[bytes], self.rfile)).read()
        length = environ.get("CONTENT_LENGTH") or "0"
        return self.rfile.read(int(length) if length.isdecimal() else 0)

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class _Server(ThreadedWSGIServer):
    """Accepts connections, and can cut the open ones."""

    # Threads are ended by cutting their connections, and joined.
    daemon_threads = False

    def __init__(
        self,
        listener: socket.socket,
        app: WSGIApplication,
        tls: ssl.SSLContext | None,
        record: Callable[[Request], None],
    ) -> None:
        self.record = record
        self._tls_context = tls
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        host, port = listener.getsockname()[:2]
        super().__init__(host, port, app, _Handler, fd=listener.fileno())
        self.port = port
        self.ssl_context = tls

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls_context is not None:
            # The handshake happens in the connection's own thread.
            connection = self._tls_context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._open_lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                # This wakes the thread that reads from the connection.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the error, unless it is an error of the connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
