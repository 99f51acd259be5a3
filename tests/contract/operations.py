"""The operations of the contract, and what may be wrong with a call of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import json
from typing import Any
from typing import NoReturn

from tests.contract.schemas import Schema


JSON = "application/json"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation, in its path or its query."""

    name: str
    required: bool
    repeated: bool
    may_be_empty: bool
    schema: Schema

    def problems(self, texts: list[str]) -> list[str]:
        if len(texts) > 1 and not self.repeated:
            return [f"given {len(texts)} times"]
        if texts == [""] and self.may_be_empty:
            return []
        return self.schema.problems(self.schema.read(texts))


@dataclass(frozen=True)
class Answer:
    """An answer of an operation: a schema for each content type."""

    media: dict[str, Schema]
    may_be_empty: bool
    must_be_empty: bool


@dataclass(frozen=True)
class Operation:
    """A method of a path, as the contract has it."""

    name: str
    method: str
    template: str
    path: dict[str, Parameter]
    query: dict[str, Parameter]
    body: dict[str, Schema]
    body_required: bool
    credentials: frozenset[str]
    answers: dict[str, Answer]

    def answer(self, status: int) -> Answer | None:
        """Return what is declared for *status*; the default stands for failures."""
        declared = self.answers.get(str(status))
        if declared is None and status >= 400:
            return self.answers.get("default")
        return declared


class Route:
    """The methods of one path."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.methods: dict[str, Operation] = {}
        self._segments = template.split("/")
        # Sorting by this puts the most literal path first, read from the left.
        self.rank = [segment.startswith("{") for segment in self._segments]

    def match(self, segments: list[str]) -> dict[str, str] | None:
        if len(segments) != len(self._segments):
            return None
        values = {}
        for mine, given in zip(self._segments, segments):  # noqa: B905 - as long
            if mine.startswith("{") and given:
                values[mine[1:-1]] = given
            elif mine != given:
                return None
        return values


def check_path(operation: Operation, values: dict[str, str]) -> Iterator[str]:
    for name, value in values.items():
        for problem in operation.path[name].problems([value]):
            yield f"path parameter {name}: {problem}"


def check_query(operation: Operation, query: list[tuple[str, str]]) -> Iterator[str]:
    given: dict[str, list[str]] = {}
    for name, value in query:
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if name not in operation.query:
            known = ", ".join(operation.query) or "none"
            yield f"{operation.name} has no query parameter {name!r}, it has: {known}"
            continue
        for problem in operation.query[name].problems(values):
            yield f"query parameter {name}: {problem}"
    for name, parameter in operation.query.items():
        if parameter.required and name not in given:
            yield f"query parameter {name} is missing"


def check_credential(operation: Operation, headers: dict[str, str]) -> Iterator[str]:
    given = list(credentials(headers))
    if not given:
        yield "no credential"
    elif len(given) > 1:
        yield f"{len(given)} credentials where one is enough: {', '.join(given)}"
    elif given[0] not in operation.credentials:
        accepted = ", ".join(sorted(operation.credentials))
        yield f"{operation.name} is not for credential {given[0]}, only: {accepted}"


def check_body(operation: Operation, content_type: str, body: bytes) -> Iterator[str]:
    if not operation.body:
        if body:
            yield f"{operation.name} takes no body"
        return
    if not body:
        if operation.body_required:
            yield "the body is missing"
        return
    kind = media_type(content_type)
    if kind not in operation.body:
        yield f"content type {kind!r} is not {' or '.join(operation.body)}"
    elif kind == MULTIPART and "boundary=" not in content_type:
        yield "a multipart body without a boundary"
    elif kind == JSON:
        schema = operation.body[kind]
        try:
            value = read_json(body)
        except ValueError as error:
            yield f"the body is not JSON: {error}"
            return
        for problem in (*schema.problems(value), *schema.invented(value)):
            yield f"body {problem}"


def check_content(answer: Answer, content_type: str, body: bytes) -> Iterator[str]:
    if not body:
        if not (answer.may_be_empty or answer.must_be_empty):
            yield "the body is missing"
        return
    if answer.must_be_empty:
        yield "a body where there is none"
        return
    if not answer.media:
        return
    kind = media_type(content_type)
    if kind not in answer.media:
        yield f"content type {kind!r} is not {' or '.join(answer.media)}"
    elif kind == JSON:
        try:
            value = read_json(body)
        except ValueError as error:
            yield f"the body is not JSON: {error}"
            return
        for problem in answer.media[kind].problems(value):
            yield f"body {problem}"


def credential_of(scheme: dict[str, Any]) -> str:
    """Return the name of a security *scheme*, as `credentials` names what it finds."""
    if scheme["type"] == "http":
        return f"{scheme['scheme'].capitalize()}"
    return f"{scheme['in']} {scheme['name']}"


def credentials(headers: dict[str, str]) -> Iterator[str]:
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, value = authorization.partition(" ")
        yield scheme.capitalize() if value.strip() else "Authorization without value"
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "token":
            yield "cookie token" if value else "cookie token without value"


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def read_json(body: bytes) -> Any:
    """Return what *body* says; raise ValueError for what only Python takes as JSON."""
    return json.loads(body.decode("utf-8"), parse_constant=refuse)


def refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
