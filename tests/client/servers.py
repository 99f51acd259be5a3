"""Servers that the sandbox cannot replace: proxies, other hosts, and odd answers."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
import base64
from collections.abc import Callable
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
import http.client
import json
import socket
import socketserver
import threading
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.resolve import resolve
from pytest_zephyr.config.settings import Settings


if TYPE_CHECKING:
    from typing_extensions import Self

REST = "/flex/services/rest"


def settings_for(
    token: str = "",
    username: str = "",
    password: str = "",
    **options: Any,
) -> Settings:
    """Return the settings for *options* as flags, and credentials in the environment."""
    environ = {
        "ZEPHYR_TOKEN": token,
        "ZEPHYR_USERNAME": username,
        "ZEPHYR_PASSWORD": password,
    }
    flags = {name: value for name, value in options.items() if value is not None}
    return resolve(OptionSources(flags=flags, environ=environ))


@dataclass(frozen=True)
class Request:
    """A request that was received; the names of *headers* are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path after the REST base and the version of the API."""
        path = urlsplit(self.target).path
        return path.removeprefix(REST).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        parameters = parse_qs(urlsplit(self.target).query)
        return {name: values[0] for name, values in parameters.items()}


Responder = Callable[[Request], bytes | Iterable[bytes]]


def answer(
    body: object = b"",
    status: int = 200,
    content_type: str = "application/json",
    **headers: str,
) -> bytes:
    """Return a whole answer; a *body* that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(data)}"]
    if data:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + data


class LocalServer(ABC):
    """Passes each request, with its connection, to `handle` in a thread of its own."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                request = _read_request(self.rfile)
                if request is not None:
                    server.requests.append(request)
                    server.handle(request, self)

        self._server = _ThreadingServer(("127.0.0.1", 0), Handler)
        self.connection_closed = self._server.connection_closed
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @abstractmethod
    def handle(
        self, request: Request, connection: socketserver.StreamRequestHandler
    ) -> None:
        """Answer *request* on *connection*, or close it."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ScriptedServer(LocalServer):
    """Answers every request with what *respond* returns, and closes the connection.

    An answer of several parts may wait on `stopped` between them.
    """

    def __init__(self, respond: Responder) -> None:
        super().__init__()
        self._respond = respond
        self.stopped = threading.Event()

    def handle(
        self, request: Request, connection: socketserver.StreamRequestHandler
    ) -> None:
        answer = self._respond(request)
        # The client may close the connection early.
        with suppress(OSError):
            for part in [answer] if isinstance(answer, bytes) else answer:
                connection.wfile.write(part)

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        super().__exit__(*error)

    @property
    def calls(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.requests]

    def trickle(
        self, begin: bytes, part: bytes = b" ", seconds: float = 0.1
    ) -> Iterable[bytes]:
        """Yield *begin*, and then *part* every *seconds* until the server stops."""
        yield begin
        while not self.stopped.wait(seconds):
            yield part


class _ThreadingServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.connection_closed = threading.Event()

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.connection_closed.set()


def _read_request(file: Any) -> Request | None:
    line = file.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = http.client.parse_headers(file)
    length = int(headers.get("Content-Length", 0))
    named = {name.lower(): text for name, text in headers.items()}
    return Request(line[0], line[1], named, file.read(length))


@dataclass
class ForwardProxy:
    """Answers each request with the answer of the host that it names, as a proxy does."""

    forwarded: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> bytes:
        self.forwarded.append(request)
        parts = urlsplit(request.target)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port)
        headers = {
            name: text
            for name, text in request.headers.items()
            if name not in {"proxy-authorization", "accept-encoding"}
        }
        target = parts._replace(scheme="", netloc="").geturl()
        try:
            connection.request(
                request.method, target, request.body or None, headers=headers
            )
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        cookie = response.headers.get("Set-Cookie")
        return answer(
            data, response.status, **({"Set_Cookie": cookie} if cookie else {})
        )


class ConnectProxy(LocalServer):
    """A proxy that opens tunnels; with a *password*, only for clients that send it."""

    def __init__(self, password: str = "") -> None:
        super().__init__()
        self.tunnels: list[str] = []
        login = base64.b64encode(f"mallory:{password}".encode()).decode()
        self._expected = f"Basic {login}" if password else None

    def handle(
        self, request: Request, connection: socketserver.StreamRequestHandler
    ) -> None:
        header = request.headers.get("proxy-authorization")
        if self._expected not in {None, header}:
            connection.wfile.write(answer(status=407, content_type="text/html"))
            return
        self.tunnels.append(request.target)
        host, _, port = request.target.rpartition(":")
        with socket.create_connection((host, int(port))) as onward:
            connection.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(
                target=_pass_bytes, args=(onward, connection.connection)
            )
            back.start()
            _pass_bytes(connection.connection, onward)
            back.join()


def _pass_bytes(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until there are no more, and end the stream to *target*."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def unused_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
