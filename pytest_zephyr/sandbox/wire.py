"""Reading requests the way the server does, and answering them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
import json
from typing import Any
from typing import cast

from flask import g
from flask import request
from flask import Response
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.store import Store
from pytest_zephyr.sandbox.data.switches import BATCH_LIMIT
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import read_date
from pytest_zephyr.sandbox.faults import Faults
from pytest_zephyr.sandbox.unsupported import UnsupportedCalls


Json = dict[str, Any]
DEFAULT_PAGE_SIZE = 10
MAX_LONG = 2**63 - 1

#: Keys of the WSGI environ; their values belong to the sandbox that is asked.
STORE_KEY = "sandbox.store"
FAULTS_KEY = "sandbox.faults"
UNSUPPORTED_KEY = "sandbox.unsupported"


def store() -> Store:
    return cast(Store, request.environ[STORE_KEY])


def faults() -> Faults:
    return cast(Faults, request.environ[FAULTS_KEY])


def unsupported() -> UnsupportedCalls:
    return cast(UnsupportedCalls, request.environ[UNSUPPORTED_KEY])


def reading() -> AbstractContextManager[Session]:
    return store().database.reading()


def writing() -> AbstractContextManager[Session]:
    return store().database.writing()


def user() -> User:
    return cast(User, g.user)


def answer(value: Any, status: int = 200) -> Response:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, content_type="application/json;charset=UTF-8")


def answer_text(text: str) -> Response:
    return Response(text, content_type="text/plain;charset=UTF-8")


def query_int(name: str) -> int | None:
    """Read a number of the query: `None` if missing or empty, 404 for other text."""
    return read_int(request.args.get(name))


def query_ints(name: str) -> list[int]:
    """Read the numbers of a repeated parameter; 404 for text like ``1,2``."""
    numbers = [read_int(text) for text in request.args.getlist(name)]
    return [number for number in numbers if number is not None]


def read_int(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    try:
        return long_int(text)
    except ValueError:
        raise ApiError(404) from None


def long_int(value: str | int) -> int:
    """Read a 64-bit number; a larger one raises ValueError, as on the server."""
    number = int(value)
    if not -MAX_LONG - 1 <= number <= MAX_LONG:
        raise ValueError(value)
    return number


def query_bool(name: str, default: bool = False) -> bool:
    return read_bool(request.args.get(name), default)


def read_bool(value: object, default: bool = False) -> bool:
    if value is None or value == "":
        return default
    return str(value).lower() == "true"


def body() -> Any:
    """Return the JSON of the request, without the keys whose value is null."""
    if not request.is_json:
        message = "Content-Type must be application/json"
        raise ApiError(415, message, "Unsupported Media Type")
    try:
        value = json.loads(request.get_data())
        # SQLite cannot store a text with a lone surrogate.
        json.dumps(value, ensure_ascii=False).encode()
        return _without_nulls(value)
    except (ValueError, RecursionError):
        raise bad_request("Bad Request") from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value


def body_object() -> Json:
    value = body()
    if not isinstance(value, dict):
        raise bad_request("Bad Request")
    return value


def body_list() -> list[Json]:
    return require_objects(body(), "Bad Request")


def require_objects(value: Any, problem: str) -> list[Json]:
    """Return *value* if it is a list of objects; else answer 400 with *problem*."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise bad_request(problem)
    return value


def body_batch() -> list[Json]:
    return check_batch_size(body_list())


def check_batch_size(rows: list[Any]) -> list[Any]:
    """Return *rows*; answer 400 if the switch ``batch_limit`` allows fewer."""
    limit = store().get_switch(BATCH_LIMIT)
    if limit and len(rows) > limit:
        raise bad_request(f"No more than {limit} rows are allowed in one call.")
    return rows


def require_int(row: Mapping[str, Any], key: str) -> int:
    """Read a number, which may be a string of digits; 400 if it is missing."""
    number = optional_int(row, key)
    if number is None:
        raise bad_request(f"{key} cannot be null.")
    return number


def optional_int(row: Mapping[str, Any], key: str) -> int | None:
    value = row.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise bad_request(f'For input string: "{value}"')
    try:
        return long_int(value)
    except ValueError:
        raise bad_request(f'For input string: "{value}"') from None


def optional_milliseconds(row: Mapping[str, Any], key: str) -> int | None:
    """Read milliseconds, `None` if missing; 400 unless they are a date."""
    milliseconds = optional_int(row, key)
    if milliseconds is not None:
        read_date(milliseconds, key)
    return milliseconds


def require_text(row: Mapping[str, Any], key: str) -> str:
    text = optional_text(row, key)
    if text is None or not text.strip():
        raise bad_request(f"{key} cannot be null.")
    return text


def optional_text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if isinstance(value, (dict, list, bool)):
        raise bad_request(f"Can not deserialize {key}.")
    return None if value is None else str(value)


def require_ids(value: Any) -> list[int]:
    if not isinstance(value, list):
        raise bad_request("ids cannot be null.")
    return [require_int({"ids": entry}, "ids") for entry in value]


@dataclass(frozen=True)
class Page:
    """The requested part of a list; a size of 0 means all rows."""

    offset: int
    size: int
    ascending: bool


def page() -> Page:
    offset = query_int("offset") or 0
    size = query_int("pagesize")
    return Page(
        offset=max(offset, 0),
        size=DEFAULT_PAGE_SIZE if size is None else max(size, 0),
        ascending=query_bool("isascorder", True),
    )


def read_date_fields(
    row: Mapping[str, Any], prefix: str
) -> tuple[date | None, date | None]:
    """Read start and end, each from the short or the long name of its field.

    A date that was not sent is `None`.
    """
    dates = []
    for short, long in (
        ("startDate", f"{prefix}StartDate"),
        ("endDate", f"{prefix}EndDate"),
    ):
        value = row.get(short, row.get(long))
        dates.append(None if value is None else read_date(value, long))
    return dates[0], dates[1]
