"""The contract with Zephyr Enterprise, and checks that calls keep to it.

openapi-core checks paths, parameters, schemas, content types and logins. This module
also reports parameters, properties and bodies that the server would ignore: a client must
not send them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from functools import lru_cache
import io
import json
from pathlib import Path
import re
import threading
from typing import Any
from typing import NoReturn
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from jsonschema_path import SchemaPath
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.testing import MockRequest
from openapi_core.testing import MockResponse
from openapi_core.validation.request import V31RequestValidator
from openapi_core.validation.response import V31ResponseValidator
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.wrappers import Request
from werkzeug.wsgi import ClosingIterator
import yaml


if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

DOCUMENT = Path(__file__).with_name("zephyr-enterprise-openapi.yaml")
ROOTS = ("/flex/services/", "/flex/upload/", "/flex/download")
FAULT_KEY = "sandbox.fault"
HOST = "http://localhost"

#: A message with more characters keeps the first 100 and this many of the last ones:
#: the value at its beginning may be long.
LONG_MESSAGE = 300

Json = dict[str, Any]


class Contract:
    """An OpenAPI document and validators of requests and answers."""

    def __init__(self, document: Json) -> None:
        self.document = {**document, "servers": [{"url": "/"}]}
        bodies: Any = {
            "application/json": read_json,
            "application/octet-stream": lambda body: body.decode("latin-1"),
        }
        self._requests = V31RequestValidator(
            SchemaPath.from_dict(close_schemas(self.document)),
            extra_media_type_deserializers=bodies,
        )
        self._answers = V31ResponseValidator(
            SchemaPath.from_dict(self.document), extra_media_type_deserializers=bodies
        )
        # Most calls of a test run repeat an earlier one exactly.
        self._cached_request_problems = lru_cache(2000)(self._request_problems)
        self._cached_answer_problems = lru_cache(2000)(self._answer_problems)

    @staticmethod
    @cache
    def load() -> Contract:
        """Return the contract of the file beside this module, read once."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        with DOCUMENT.open(encoding="utf-8") as file:
            return Contract(yaml.load(file, loader))  # noqa: S506 - a safe loader

    def check_request(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> list[str]:
        """Return what is wrong with a request; *query* is as it stands in the URL."""
        names = {name.lower(): value for name, value in headers.items()}
        credentials = (names.get(each, "") for each in ("authorization", "cookie"))
        content_type = names.get("content-type", "")
        return list(
            self._cached_request_problems(
                method, path, query, *credentials, content_type, body
            )
        )

    def check_answer(
        self, method: str, path: str, status: int, content_type: str, body: bytes
    ) -> list[str]:
        """Return what is wrong with an answer."""
        return list(
            self._cached_answer_problems(method, path, status, content_type, body)
        )

    def operation(self, method: str, path: str) -> Json | None:
        """Return an operation, with the parameters of its path before its own.

        `None` if the contract does not have it.
        """
        try:
            match = self._answers.path_finder.find(method.lower(), HOST + path)
        except PathError:
            return None
        item = self.document["paths"][match.path.parts[-1]]
        raw = item[method.lower()]
        parameters = (*item.get("parameters", ()), *raw.get("parameters", ()))
        return {**raw, "parameters": [self._follow(each) for each in parameters]}

    def _request_problems(
        self,
        method: str,
        path: str,
        query: str,
        authorization: str,
        cookie: str,
        content_type: str,
        body: bytes,
    ) -> tuple[str, ...]:
        pairs = parse_qsl(query, keep_blank_values=True)
        request = MockRequest(
            HOST,
            method.lower(),
            path,
            args=ImmutableMultiDict(pairs),
            headers={"Authorization": authorization} if authorization else {},
            cookies=dict(each.split("=", 1) for each in cookie.split("; ") if each),
            data=body,
            content_type=content_type or "none",
        )
        violations = [*self._ignored_by_server(method, path, pairs, body)]
        violations += credential_problems(authorization, cookie)
        violations += problems(lambda: self._requests.iter_errors(request))
        return tuple(f"request: {each}" for each in violations)

    def _ignored_by_server(
        self, method: str, path: str, pairs: list[tuple[str, str]], body: bytes
    ) -> Iterator[str]:
        """Yield what the server would ignore or misread."""
        operation = self.operation(method, path)
        if operation is None:
            return
        if body and "requestBody" not in operation:
            yield f"{operation['operationId']} takes no body"
        known = {
            each["name"]: self._follow(each["schema"]).get("type")
            for each in operation["parameters"]
            if each["in"] == "query"
        }
        for name, count in Counter(name for name, _ in pairs).items():
            if name not in known:
                names = ", ".join(known) or "none"
                yield f"no query parameter {name!r}, there are: {names}"
            elif count > 1 and known[name] != "array":
                yield f"query parameter {name} is given {count} times"
        for name, value in pairs:
            if known.get(name) == "boolean" and value not in {"true", "false"}:
                yield f"query parameter {name}: {value!r} is not true or false"

    def _answer_problems(
        self, method: str, path: str, status: int, content_type: str, body: bytes
    ) -> tuple[str, ...]:
        operation = self.operation(method, path)
        if operation is None:
            # Of a call that the contract lacks, only the request is reported.
            return ()
        answers = operation["responses"]
        declared = answers.get(str(status))
        if declared is None and status < 400:
            return (f"answer: status {status} is not declared",)
        media = self._follow(declared or answers["default"]).get("content", {})
        lacks_schema = any(not each.get("schema") for each in media.values())
        if not body and (declared is None or not media or lacks_schema):
            # An undeclared failure, and an answer without a schema, may have no body.
            return ()
        if body and not media:
            return ("answer: status 204 has a body",) if status == 204 else ()
        if not body:
            return ("answer: the body is missing",)
        request = MockRequest(HOST, method.lower(), path)
        # The charset does not matter here, but openapi-core would compare it.
        media_type = content_type.partition(";")[0]
        response = MockResponse(
            sample_rows(body), status_code=status, content_type=media_type
        )
        violations = problems(lambda: self._answers.iter_errors(request, response))
        return tuple(f"answer: {each}" for each in violations)

    def _follow(self, raw: Json) -> Json:
        """Return what a reference points to."""
        while "$ref" in raw:
            _, *steps = raw["$ref"].split("/")
            raw = self.document
            for step in steps:
                raw = raw[step]
        return raw


def close_schemas(document: Json) -> Json:
    """Return *document* with schemas that allow only the properties that they name.

    A schema that names none, or says ``additionalProperties``, stays as it is. The parts
    of an ``allOf``, ``anyOf`` or ``oneOf`` stay open; the schema around them is closed.
    """
    components = document["components"]["schemas"]

    def names_properties(schema: Json) -> bool:
        """Return whether *schema* or a part of it names properties.

        One that says ``additionalProperties`` does not count.
        """
        if "$ref" in schema:
            schema = components[schema["$ref"].rpartition("/")[2]]
        if "additionalProperties" in schema:
            return False
        parts = [part for key in PARTS for part in schema.get(key, ())]
        return "properties" in schema or any(map(names_properties, parts))

    def close(node: Any, *, part: bool = False) -> Any:
        if isinstance(node, list):
            return [close(each) for each in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str) and part:
            return {**node, "$ref": f"{node['$ref']}{OPEN_SUFFIX}"}
        closed = {
            key: [close(each, part=True) for each in value]
            if key in PARTS
            else {name: close(each) for name, each in value.items()}
            if key == "properties"
            else close(value)
            for key, value in node.items()
        }
        is_object = any(key in node for key in ("properties", *PARTS))
        if not part and is_object and names_properties(node):
            closed["unevaluatedProperties"] = False
        return closed

    schemas = {}
    for name, schema in components.items():
        schemas[name] = close(schema)
        schemas[f"{name}{OPEN_SUFFIX}"] = close(schema, part=True)
    return {
        **document,
        "paths": close(document["paths"]),
        "components": {**document["components"], "schemas": schemas},
    }


#: The keys whose values are lists of schemas, the parts of the schema around them.
PARTS = ("allOf", "anyOf", "oneOf")
#: The end of the name of the open copy of a component, to which parts refer.
OPEN_SUFFIX = "AsPart"


def problems(errors: Callable[[], Iterator[Exception]]) -> Iterator[str]:
    """Yield the message of each error, also of an exception that ends the check."""
    try:
        for error in errors():
            yield innermost_message(error)
    except (AssertionError, UnicodeDecodeError) as error:
        yield f"{type(error).__name__} {error}"


def innermost_message(error: BaseException) -> str:
    """Return the message of the first cause of *error*, shortened if it is long."""
    while error.__cause__ is not None:
        error = error.__cause__
    schema_errors = list(getattr(error, "schema_errors", ()))
    text = "; ".join(f"{each.json_path}: {each.message}" for each in schema_errors[:5])
    text = text or str(error)
    if len(text) <= LONG_MESSAGE:
        return text
    return f"{text[:100]} ... {text[-LONG_MESSAGE:]}"


def sample_rows(body: bytes) -> bytes:
    """Return *body* with only some rows of a long list, to check it faster."""
    if len(body) < MANY_BYTES:
        return body
    try:
        value = json.loads(body)
    except ValueError:
        return body
    rows = value.get("results") if isinstance(value, dict) else value
    if isinstance(rows, list) and len(rows) > MANY_ROWS:
        rows[:] = rows[:: len(rows) // MANY_ROWS]
    return json.dumps(value).encode()


#: A list is shortened if it has at least this many bytes and more than this many rows.
MANY_BYTES = 20_000
MANY_ROWS = 20


def credential_problems(authorization: str, cookie: str) -> Iterator[str]:
    """Yield a problem if a credential is empty, and one if there is more than one."""
    tokens = re.findall(r"(?:^|; )token=([^;]*)", cookie)
    credentials = [authorization.partition(" ")[2].strip()] if authorization else []
    if not all([*credentials, *tokens]):
        yield "a credential without a value"
    if len(credentials) + len(tokens) > 1:
        yield "more than one credential"


def read_json(body: bytes) -> Any:
    """Parse *body*; raise ValueError for NaN and Infinity, too, as JSON lacks them."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


class ContractMiddleware:
    """A WSGI application around *app* that collects violations of the contract.

    An application that breaks an answer on purpose says so with the key
    ``sandbox.fault`` in the environ; then only the request is checked. Violations are
    added before the client gets the answer.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._contract = Contract.load()
        self._lock = threading.Lock()
        self._allowed: list[re.Pattern[str]] = []
        self.violations: list[str] = []
        self.calls = 0

    def allow(self, pattern: str) -> None:
        """Ignore violations that match the regular expression *pattern*."""
        self._allowed.append(re.compile(pattern))

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        request = Request(environ)
        method, path = request.method, request.path
        if not path.startswith(ROOTS):
            return self._app(environ, start_response)
        whole = environ.get("wsgi.input_terminated")
        length = request.content_length
        body = environ["wsgi.input"].read(*([] if whole else [length or 0]))
        environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            self.calls += 1
        # A request that was cut short is not checked.
        if length in {None, len(body)}:
            query = environ.get("QUERY_STRING", "")
            headers = dict(request.headers)
            self._add(
                f"{method} {path}: {each}"
                for each in self._contract.check_request(
                    method, path, query, headers, body
                )
            )
        status, answer_headers, data = self._answer(environ)
        if FAULT_KEY not in environ:
            content_type = dict(answer_headers).get("Content-Type", "")
            self._add(
                f"{method} {path}: {each}"
                for each in self._contract.check_answer(
                    method, path, int(status[:3]), content_type, data
                )
            )
        start_response(status, answer_headers)
        return [data]

    def _answer(
        self, environ: WSGIEnvironment
    ) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return status, headers and body of the application's answer to *environ*."""
        started: list[Any] = []

        def start(
            status: str, headers: list[tuple[str, str]], _error: object = None, /
        ) -> Callable[[bytes], object]:
            started[:] = [status, headers]
            return bytearray().extend

        with closing(ClosingIterator(self._app(environ, start))) as parts:
            data = b"".join(parts)
        return started[0], started[1], data

    def _add(self, violations: Iterable[str]) -> None:
        with self._lock:
            self.violations += [
                violation
                for violation in violations
                if not any(pattern.search(violation) for pattern in self._allowed)
            ]
