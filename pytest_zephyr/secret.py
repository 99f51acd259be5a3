"""A value that nothing shows by accident."""

from __future__ import annotations

import re


HIDDEN = "<hidden>"


def mask_userinfo(url: str) -> str:
    """Return *url* with all that may be a credential before its host hidden."""
    return re.sub(r"^((?:\w+:)?//)?.*@", rf"\1{HIDDEN}@", url, flags=re.DOTALL)


class Secret:
    """A password or token; only `reveal` gives it out.

    Its `repr`, `str` and format are hidden, a pickle carries the hidden text
    instead of the value, and JSON encoders refuse it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (HIDDEN,)
