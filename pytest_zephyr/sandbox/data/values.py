"""Dates, times and the errors that the server answers with."""

from __future__ import annotations

from datetime import date
from datetime import datetime
from datetime import timezone
import time
from typing import Any


class ApiError(Exception):
    """An answer with an error status; without *message*, its body is empty."""

    def __init__(
        self, status: int, message: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.code = code


def bad_request(message: str, code: str = "101z01") -> ApiError:
    return ApiError(400, message, code)


def unknown_id(entity: str, identifier: object) -> ApiError:
    """Return the server's own error for an id that does not exist."""
    return ApiError(
        500, f"No row with the given identifier exists: [{entity}#{identifier}]"
    )


def forbidden() -> ApiError:
    return ApiError(
        403, "User does not have access to perform this operation", "Forbidden"
    )


def missing_id() -> ApiError:
    """Return the server's own error for an id that was not given."""
    return ApiError(
        500, 'Cannot invoke "java.lang.Long.longValue()" because "id" is null'
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def today() -> date:
    return datetime.now(timezone.utc).date()


def to_ms(day: date) -> int:
    """Return midnight of *day*, in UTC, in milliseconds since the epoch."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    return int(midnight.timestamp()) * 1000


def to_us_date(day: date) -> str:
    return day.strftime("%m/%d/%Y")


def to_iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def read_date(value: Any, what: str) -> date:
    """Read a date from epoch milliseconds, ``MM/dd/yyyy`` or ``yyyy-MM-dd``."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, timezone.utc).date()
        except (OverflowError, OSError, ValueError):
            raise bad_request(f"{what} is not a date: {value}") from None
    text = str(value)
    try:
        return datetime.strptime(text, "%m/%d/%Y" if "/" in text else "%Y-%m-%d").date()
    except ValueError:
        raise bad_request(f"{what} is not a date: {value}") from None
