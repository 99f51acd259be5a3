"""The schemas of an OpenAPI document, compiled for quick and readable checks."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
import re
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema import FormatChecker
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing import Resource
from referencing.jsonschema import DRAFT202012


BASE = "urn:contract"
MOST = 5
LONGEST = 240
NOTES = frozenset({"description", "examples", "example", "default"})


def fits_int64(value: object) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


FORMATS = FormatChecker(formats=())
FORMATS.checks("int64")(fits_int64)


class Schemas:
    """The schemas of one document.

    References are put in place of where they are used, because looking them up again
    for every row takes longer than checking it. Only a schema that contains itself
    keeps a reference, which the registry resolves.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self.registry = Registry().with_resource(BASE, resource)

    def schema(self, raw: dict[str, Any]) -> Schema:
        return Schema(self, raw)

    def target(self, reference: str) -> Any:
        """Return what *reference* points to; raise LookupError if it is nothing."""
        return self.registry.resolver(BASE).lookup(reference).contents

    def inline(self, node: Any, seen: tuple[str, ...] = ()) -> Any:
        if isinstance(node, list):
            return [self.inline(entry, seen) for entry in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            if reference in seen:
                return {"$ref": BASE + reference.removeprefix(BASE)}
            return self.inline(self.target(reference), (*seen, reference))
        return {
            key: self.properties(value, seen)
            if key == "properties"
            else self.inline(value, seen)
            for key, value in node.items()
            if key not in NOTES
        }

    def properties(self, named: dict[str, Any], seen: tuple[str, ...]) -> Any:
        # A property may be called description; only the keyword is dropped.
        return {name: self.inline(value, seen) for name, value in named.items()}


class Schema:
    """One schema, compiled when it is first used."""

    def __init__(self, schemas: Schemas, raw: dict[str, Any]) -> None:
        self._schemas = schemas
        self._raw = raw
        self._shapes: dict[tuple[int, ...], Shape] = {}

    @cached_property
    def inlined(self) -> dict[str, Any]:
        inlined: dict[str, Any] = self._schemas.inline(self._raw)
        return inlined

    @cached_property
    def _validator(self) -> Any:
        return Draft202012Validator(
            self.inlined, registry=self._schemas.registry, format_checker=FORMATS
        )

    def check(self) -> None:
        """Raise SchemaError if this is no schema at all."""
        Draft202012Validator.check_schema(self.inlined)

    @property
    def accepts_anything(self) -> bool:
        return not self.inlined

    def read(self, texts: list[str]) -> Any:
        """Return what the *texts* of a parameter stand for, by the schema's type."""
        if self.inlined.get("type") == "array":
            kind = self.inlined.get("items", {}).get("type")
            return [read_text(text, kind) for text in texts]
        return read_text(texts[0], self.inlined.get("type"))

    def problems(self, value: Any) -> list[str]:
        """Return what in *value* is not as the schema says, a few findings at most."""
        errors = self._validator.iter_errors(value)
        return shorten(self._describe(error) for error in errors)

    def invented(self, value: Any) -> list[str]:
        """Return the keys in *value* that the schema has no property for.

        An object whose schema names no properties, or says additionalProperties, may
        hold anything.
        """
        return shorten(self._invented(value, (self.inlined,), "$"))

    def _describe(self, error: Any) -> str:
        # The error of an anyOf says nothing; the best one below it does.
        cause = best_match([error])
        return f"{cause.json_path}: {cut(cause.message)}"

    def _invented(
        self, value: Any, schemas: tuple[dict[str, Any], ...], path: str
    ) -> Iterator[str]:
        if not isinstance(value, (dict, list)):
            return
        key = tuple(map(id, schemas))
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(self._schemas, schemas)
        if isinstance(value, list):
            for index, entry in enumerate(value):
                yield from self._invented(entry, shape.items, f"{path}[{index}]")
        elif not shape.free:
            for name, entry in value.items():
                if name in shape.properties:
                    below = shape.properties[name]
                    yield from self._invented(entry, below, f"{path}.{name}")
                else:
                    yield f"{path}: no property is called {name!r}"


class Shape:
    """What several schemas together say about the names in one place."""

    def __init__(self, schemas: Schemas, several: tuple[dict[str, Any], ...]) -> None:
        parts = [part for schema in several for part in flatten(schemas, schema)]
        self.free = not any("properties" in part for part in parts) or any(
            part.get("additionalProperties") not in (None, False) for part in parts
        )
        self.properties: dict[str, tuple[dict[str, Any], ...]] = {}
        for part in parts:
            for name, schema in part.get("properties", {}).items():
                self.properties[name] = (*self.properties.get(name, ()), schema)
        self.items = tuple(part["items"] for part in parts if "items" in part)


def flatten(schemas: Schemas, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in schema:
        schema = schemas.inline({"$ref": schema["$ref"].removeprefix(BASE)})
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            yield from flatten(schemas, part)


def read_text(text: str, kind: object) -> object:
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,100}", text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def shorten(findings: Iterable[str]) -> list[str]:
    """Return the first few *findings*; five hundred wrong rows are one mistake."""
    found = list(islice(findings, MOST + 1))
    if len(found) > MOST:
        found[MOST:] = ["and more of the kind"]
    return found


def cut(message: str) -> str:
    if len(message) <= LONGEST:
        return message
    # The value stands first and is what is long; what is wrong with it stands last.
    return f"{message[: LONGEST // 2]} ... {message[-LONGEST // 2 :]}"
