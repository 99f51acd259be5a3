"""Parses ids and Alt IDs of test cases: ``101``, ``TC-101``, ``alt:AUTH-1``."""

from __future__ import annotations

import re

from pytest_zephyr.results.records import CaseRef


_MAX_ID = 2**63 - 1

#: The prefix of an Alt ID in a text that may also hold ids.
ALT_PREFIX = "alt:"

#: A test case key of Zephyr Scale, another product.
_SCALE_KEY = re.compile(r"[A-Z][A-Z0-9_]+-T\d{1,18}", re.ASCII | re.IGNORECASE)

_SEPARATORS = re.compile(r"[,;\n]")


class CaseIdParser:
    """Parses ids and Alt IDs; *id_prefix* is a pattern for the optional prefix of ids."""

    def __init__(self, id_prefix: str) -> None:
        self._id = re.compile(
            rf"(?:{id_prefix})?(?P<zephyr_id>\d{{1,19}})", re.ASCII | re.IGNORECASE
        )

    def parse_id(self, value: object) -> int | None:
        """Return the id in *value*, a number or a text such as ``TC-101``.

        Returns `None` if *value* is not a valid id.
        """
        if isinstance(value, str):
            match = self._id.fullmatch(value.strip())
            value = int(match["zephyr_id"]) if match else None
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value) if 0 < value <= _MAX_ID else None
        return None

    def parse(self, text: str) -> list[CaseRef]:
        """Return the test cases in *text*, separated by commas, semicolons or line breaks.

        Raises ValueError for a part that is neither an id nor an Alt ID.
        """
        return [
            self._parse_case(part.strip())
            for part in _SEPARATORS.split(text)
            if part.strip()
        ]

    def _parse_case(self, text: str) -> CaseRef:
        if text[: len(ALT_PREFIX)].lower() == ALT_PREFIX:
            alt = text[len(ALT_PREFIX) :].strip()
            if alt.isprintable() and alt:
                return alt
        elif (case := self.parse_id(text)) is not None:
            return case
        hint = " but a key of Zephyr Scale" if is_scale_key(text) else ""
        raise ValueError(
            f"{text!r} is not a test case{hint}: use its number, as 123 or TC-123, or"
            f" {ALT_PREFIX}AUTH-1 for an Alt ID"
        )


def is_scale_key(text: str) -> bool:
    """Return whether *text* is the key of a test case in Zephyr Scale."""
    return _SCALE_KEY.fullmatch(text.strip()) is not None
