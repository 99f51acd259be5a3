"""Reads test cases from texts: ``101``, ``TC-101``, ``alt:AUTH-1``."""

from __future__ import annotations

import re

from pytest_zephyr.results.records import CaseRef


_MAX_ID = 2**63 - 1

#: What an Alt ID begins with, where ids are possible as well.
ALT = "alt:"

#: A test case key of Zephyr Scale, another product.
_SCALE_KEY = re.compile(r"[A-Z][A-Z0-9_]+-T(\d{1,18})", re.ASCII | re.IGNORECASE)

_SEPARATORS = re.compile(r"[,;\n]")


class CaseIds:
    """Reads ids by a pattern for what may come before the number."""

    def __init__(self, id_prefix: str) -> None:
        self._id = re.compile(
            rf"(?:{id_prefix})?(?P<zephyr_id>\d{{1,19}})", re.ASCII | re.IGNORECASE
        )

    def number(self, value: object) -> int | None:
        """Read a visible test case id from a number or a text such as ``TC-101``."""
        if isinstance(value, str):
            match = self._id.fullmatch(value.strip())
            value = int(match["zephyr_id"]) if match else None
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value) if 0 < value <= _MAX_ID else None
        return None

    def read(self, text: str) -> list[CaseRef]:
        """Return the test cases of a text, which commas separate. Raises ValueError."""
        return [
            self._case(part.strip()) for part in _SEPARATORS.split(text) if part.strip()
        ]

    def _case(self, text: str) -> CaseRef:
        if text[: len(ALT)].lower() == ALT:
            alt = text[len(ALT) :].strip()
            if alt.isprintable() and alt:
                return alt
        elif (case := self.number(text)) is not None:
            return case
        scale = " but a key of Zephyr Scale" if scale_number(text) else ""
        raise ValueError(
            f"{text!r} is not a test case{scale}: use its number, as 123 or TC-123, or"
            f" {ALT}AUTH-1 for an Alt ID"
        )


def scale_number(text: str) -> str | None:
    """Return the number in a key of Zephyr Scale, `None` if *text* is no such key."""
    key = _SCALE_KEY.fullmatch(text.strip())
    return key[1] if key else None
