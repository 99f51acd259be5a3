"""Tolerant reading of JSON from the server.

Ids come as numbers or as text, booleans as booleans or as text, lists as arrays or in an
envelope: an object with the list in ``results``. A value of an unexpected type is read as
missing.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import datetime
import re
from typing import Any
from typing import TypeVar


Entity = TypeVar("Entity")

#: Reads an entity from a row; returns `None` if the row has none.
Reader = Callable[[Mapping[str, Any]], Entity | None]

_HALF_DAY_SECONDS = 12 * 3600
_DATE_PATTERN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})|(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII
)


def integer(value: object) -> int | None:
    """Read a whole number from a number or its digits; anything else is `None`."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        digits = value.strip().removesuffix(".0")
        if re.fullmatch(r"-?[0-9]{1,19}", digits):
            return int(digits)
    return None


def text(value: object) -> str:
    """Read a text, or the digits of a whole number; anything else is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return ""
    number = integer(value)
    return "" if number is None else str(number)


def boolean(value: object, *, default: bool) -> bool:
    """Read a boolean or the text ``true`` or ``false``; anything else is *default*."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    return default


def date(value: object) -> datetime.date | None:
    """Read a day from ``MM/dd/yyyy``, ``yyyy-MM-dd``, or milliseconds since the epoch.

    Milliseconds mean midnight in the server's time zone, which is unknown: the nearest
    midnight of UTC gives the right day for the zones from UTC-11 to UTC+12. Anything
    else is `None`.
    """
    if isinstance(value, str) and (match := _DATE_PATTERN.fullmatch(value.strip())):
        month, day, year, *iso = (int(part or 0) for part in match.groups())
        if iso[0]:
            year, month, day = iso
        try:
            return datetime.date(year, month, day)
        except ValueError:
            return None
    milliseconds = integer(value)
    if milliseconds is None:
        return None
    try:
        moment = datetime.datetime.fromtimestamp(
            milliseconds / 1000 + _HALF_DAY_SECONDS, datetime.timezone.utc
        )
    except (OverflowError, OSError, ValueError):
        return None
    return moment.date()


def mapping(value: object) -> dict[str, Any]:
    """Read a JSON object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def rows(payload: object) -> list[dict[str, Any]] | None:
    """Read a list: an array, an envelope, or an array of one envelope.

    Rows that are not objects are left out. Returns `None` if *payload* has no list.
    """
    if isinstance(payload, list) and len(payload) == 1:
        envelope = mapping(payload[0])
        payload = envelope if isinstance(envelope.get("results"), list) else payload
    results = payload if isinstance(payload, list) else mapping(payload).get("results")
    if not isinstance(results, list):
        return None
    return [row for row in results if isinstance(row, dict)]


def entities(payload: object, read: Reader[Entity]) -> list[Entity] | None:
    """Read a list as `rows` does, and each of its rows with *read*.

    Rows read as `None` are left out. Returns `None` if *payload* has no list.
    """
    listed = rows(payload)
    if listed is None:
        return None
    return [entity for row in listed if (entity := read(row)) is not None]
