"""The contract with Zephyr Enterprise, and the checks that a call keeps to it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
import io
from pathlib import Path
import re
import threading
from typing import Any
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import yaml

from tests.contract.operations import Answer
from tests.contract.operations import check_body
from tests.contract.operations import check_content
from tests.contract.operations import check_credential
from tests.contract.operations import check_path
from tests.contract.operations import check_query
from tests.contract.operations import credential_of
from tests.contract.operations import Operation
from tests.contract.operations import Parameter
from tests.contract.operations import Route
from tests.contract.schemas import Schema
from tests.contract.schemas import Schemas


if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

DOCUMENT = Path(__file__).with_name("zephyr-enterprise-openapi.yaml")
ROOTS = ("/flex/services", "/flex/upload", "/flex/download")
METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
FAULT = "sandbox.fault"

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Contract:
    """An OpenAPI document, asked whether calls are as it says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._schemas = Schemas(document)
        self._routes = [self._route(*entry) for entry in document["paths"].items()]
        self._routes.sort(key=lambda route: route.rank)

    @staticmethod
    @cache
    def load() -> Contract:
        """Return the contract of the file beside this module, read once."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        with DOCUMENT.open(encoding="utf-8") as file:
            return Contract(yaml.load(file, loader))  # noqa: S506 - a safe loader

    @property
    def operations(self) -> list[Operation]:
        return [each for route in self._routes for each in route.methods.values()]

    def check(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        request_headers: Headers,
        request_body: bytes,
        status: int,
        response_headers: Headers,
        response_body: bytes,
    ) -> list[str]:
        """Return what is not as the contract says; a page or the like never is."""
        return [
            *self.check_request(method, path, query, request_headers, request_body),
            *self.check_answer(method, path, status, response_headers, response_body),
        ]

    def check_request(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        headers: Headers,
        body: bytes,
    ) -> list[str]:
        if not is_contractual(path):
            return []
        route, values = self._find(path)
        if route is None:
            return ["request: the contract has no such path"]
        operation = route.methods.get(method)
        if operation is None:
            known = ", ".join(sorted(route.methods))
            return [f"request: {method} is not a method of {route.template}: {known}"]
        fields = dict(lower(headers))
        return [
            f"request: {problem}"
            for problem in (
                *check_path(operation, values),
                *check_query(operation, query),
                *check_credential(operation, fields),
                *check_body(operation, fields.get("content-type", ""), body),
            )
        ]

    def check_answer(
        self, method: str, path: str, status: int, headers: Headers, body: bytes
    ) -> list[str]:
        """Return what is wrong with an answer; one to an unknown operation cannot be."""
        route, _ = self._find(path) if is_contractual(path) else (None, {})
        operation = route.methods.get(method) if route else None
        if operation is None:
            return []
        answer = operation.answer(status)
        if answer is None:
            return [f"answer: status {status} is not declared"]
        kind = dict(lower(headers)).get("content-type", "")
        return [f"answer: {problem}" for problem in check_content(answer, kind, body)]

    def _find(self, path: str) -> tuple[Route | None, dict[str, str]]:
        segments = path.split("/")
        for route in self._routes:
            values = route.match(segments)
            if values is not None:
                return route, values
        return None, {}

    def _route(self, template: str, item: dict[str, Any]) -> Route:
        route = Route(template)
        for method in METHODS:
            if method in item:
                operation = self._operation(template, method, item, item[method])
                route.methods[operation.method] = operation
        return route

    def _operation(
        self, template: str, method: str, item: dict[str, Any], raw: dict[str, Any]
    ) -> Operation:
        parameters: dict[str, dict[str, Parameter]] = {"path": {}, "query": {}}
        for entry in (*item.get("parameters", ()), *raw.get("parameters", ())):
            declared = self._follow(entry)
            parameter = self._parameter(declared)
            parameters[declared["in"]][parameter.name] = parameter
        body = self._follow(raw.get("requestBody", {}))
        return Operation(
            name=raw["operationId"],
            method=method.upper(),
            template=template,
            path=parameters["path"],
            query=parameters["query"],
            body=self._media(body),
            body_required=body.get("required", False),
            credentials=self._credentials(raw),
            answers={
                status: self._answer(status, self._follow(answer))
                for status, answer in raw["responses"].items()
            },
        )

    def _parameter(self, raw: dict[str, Any]) -> Parameter:
        return Parameter(
            name=raw["name"],
            required=raw.get("required", False),
            repeated=raw["schema"].get("type") == "array",
            may_be_empty=raw.get("allowEmptyValue", False),
            schema=self._schemas.schema(raw["schema"]),
        )

    def _answer(self, status: str, raw: dict[str, Any]) -> Answer:
        media = self._media(raw)
        return Answer(
            media=media,
            # A failure may come without a body, and so may an answer that nobody
            # relies on: its schema says nothing.
            may_be_empty=status == "default"
            or not media
            or any(schema.accepts_anything for schema in media.values()),
            must_be_empty=status in ("204", "304"),
        )

    def _media(self, raw: dict[str, Any]) -> dict[str, Schema]:
        return {
            kind: self._schemas.schema(media.get("schema", {}))
            for kind, media in raw.get("content", {}).items()
        }

    def _credentials(self, raw: dict[str, Any]) -> frozenset[str]:
        declared = self.document["components"]["securitySchemes"]
        names = {
            name
            for requirement in raw.get("security", self.document["security"])
            for name in requirement
        }
        return frozenset(credential_of(declared[name]) for name in names)

    def _follow(self, raw: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in raw:
            return raw
        target: dict[str, Any] = self._schemas.target(raw["$ref"])
        return target


def is_contractual(path: str) -> bool:
    """Say whether *path* is the server's interface and not a page."""
    return any(path == root or path.startswith(f"{root}/") for root in ROOTS)


def lower(headers: Headers) -> Iterator[tuple[str, str]]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for name, value in pairs:
        yield name.lower(), value


class ContractMiddleware:
    """A WSGI application around *app* that collects what is not as in the contract.

    Nothing that passes is changed: bodies stream, exceptions go through, and an answer
    that is cut short is not judged. An application that breaks an answer on purpose
    says so with the key ``sandbox.fault`` in the environ; its request is still judged.
    A finding is there before the client has the end of the answer.
    """

    def __init__(self, app: WSGIApplication, contract: Contract | None = None) -> None:
        self._app = app
        self.contract = contract or Contract.load()
        self._lock = threading.Lock()
        self._allowed: list[re.Pattern[str]] = []
        self.violations: list[str] = []
        self.calls = 0

    def allow(self, pattern: str) -> None:
        """Leave out violations in which the regular expression *pattern* is found."""
        self._allowed.append(re.compile(pattern))

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not is_contractual(path_of(environ)):
            return self._app(environ, start_response)
        with self._lock:
            self.calls += 1
        exchange = Exchange(self, environ)
        exchange.check_request()
        return exchange.run(self._app, start_response)

    def add(self, violations: Iterable[str]) -> None:
        with self._lock:
            self.violations += [
                violation
                for violation in violations
                if not any(pattern.search(violation) for pattern in self._allowed)
            ]


class Exchange:
    """One request and its answer, watched while they pass."""

    def __init__(
        self, middleware: ContractMiddleware, environ: WSGIEnvironment
    ) -> None:
        self._middleware = middleware
        self._environ = environ
        self._path = path_of(environ)
        self._method: str = environ["REQUEST_METHOD"]
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._parts: list[bytes] = []
        self._length = 0
        self._announced: int | None = None
        self._ended = False

    def check_request(self) -> None:
        body = self._buffer()
        if body is None:
            return
        query = parse_qsl(self._environ.get("QUERY_STRING", ""), keep_blank_values=True)
        self._report(
            self._middleware.contract.check_request(
                self._method, self._path, query, headers_of(self._environ), body
            )
        )

    def run(
        self, app: WSGIApplication, start_response: StartResponse
    ) -> Iterator[bytes]:
        def start(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: OptExcInfo | None = None,
            /,
        ) -> Callable[[bytes], object]:
            write = start_response(status, headers, exc_info)
            self._status = int(status[:3])
            self._headers = list(headers)
            length = dict(lower(headers)).get("content-length", "")
            self._announced = int(length) if length.isdecimal() else None

            def tee(part: bytes, /) -> object:
                self.passes(part)
                return write(part)

            return tee

        return Watched(self, app(self._environ, start))

    def passes(self, part: bytes) -> None:
        self._parts.append(part)
        self._length += len(part)
        # The client goes on as soon as it has the last byte.
        if self._announced is not None and self._length >= self._announced:
            self.ends()

    def ends(self) -> None:
        if self._ended:
            return
        self._ended = True
        if FAULT not in self._environ:
            self._report(
                self._middleware.contract.check_answer(
                    self._method,
                    self._path,
                    self._status,
                    self._headers,
                    b"".join(self._parts),
                )
            )

    def _buffer(self) -> bytes | None:
        """Take the body and put a copy in its place; None is a body cut short."""
        environ = self._environ
        length = environ.get("CONTENT_LENGTH") or ""
        if length.isdecimal():
            body: bytes = environ["wsgi.input"].read(int(length))
            complete = len(body) == int(length)
        elif environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
            complete = True
        else:
            return b""
        environ["wsgi.input"] = io.BytesIO(body)
        return body if complete else None

    def _report(self, problems: list[str]) -> None:
        self._middleware.add(
            f"{self._method} {self._path}: {problem}" for problem in problems
        )


class Watched(Iterator[bytes]):
    """The parts of an answer, noted while they pass."""

    def __init__(self, exchange: Exchange, parts: Iterable[bytes]) -> None:
        self._exchange = exchange
        self._parts = parts
        self._iterator = iter(parts)

    def __next__(self) -> bytes:
        try:
            part = next(self._iterator)
        except StopIteration:
            self._exchange.ends()
            raise
        self._exchange.passes(part)
        return part

    def close(self) -> None:
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()


def path_of(environ: WSGIEnvironment) -> str:
    # WSGI has the bytes of the path as the characters of a str.
    raw: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return raw.encode("latin-1").decode("utf-8", "replace")


def headers_of(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key[5:].replace("_", "-"), value
        elif key == "CONTENT_TYPE":
            yield "content-type", value
