"""A client that attaches every answer to the result, and a shop to test."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
import json
import threading
from typing import Any

import pytest
import requests

from pytest_zephyr import Zephyr


class Api:
    """Calls the shop and attaches each answer to the result."""

    def __init__(self, base: str, zephyr: Zephyr) -> None:
        self._base = base
        self._zephyr = zephyr

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = requests.request(method, self._base + path, timeout=10, **options)
        log = f"{method} {path}: {answer.status_code}\n\n{answer.text}"
        self._zephyr.attach_text(log, name=f"{method.lower()}{path}.txt")
        return answer


@pytest.fixture
def api(shop: str, zephyr: Zephyr) -> Api:
    return Api(shop, zephyr)


@pytest.fixture(scope="session")
def shop() -> Iterator[str]:
    """Return the address of the system under test; here a small server is enough."""
    server = HTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Shop(BaseHTTPRequestHandler):
    orders: dict[str, Any] = {}  # noqa: RUF012 - one shop for all requests

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        order = json.loads(self.rfile.read(length))
        order["id"] = str(len(self.orders) + 1)
        self.orders[order["id"]] = order
        self.send_answer(201, order)

    def do_GET(self) -> None:
        order = self.orders.get(self.path.rpartition("/")[2])
        self.send_answer(200 if order else 404, order)

    def send_answer(self, status: int, content: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *args: object) -> None:
        """Do not log requests."""
