"""A value that nothing shows by accident."""

from __future__ import annotations

from collections.abc import Iterable
import json
import re
from typing import Any


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


class Scrubber:
    """Replaces known secrets, the longest first, wherever a text repeats them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self._encoded: tuple[str, ...] = ()
        self.add(*secrets)

    def __repr__(self) -> str:
        return f"Scrubber({HIDDEN})"

    def add(self, *secrets: str) -> None:
        known = {each for each in (*self._secrets, *secrets) if each}
        self._secrets = tuple(sorted(known, key=lambda each: (-len(each), each)))
        self._encoded = tuple(json.dumps(each)[1:-1] for each in self._secrets)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return text

    def touches(self, document: str) -> bool:
        """Return whether a JSON *document* may hold a secret; cheap enough for all."""
        return any(each in document for each in self._encoded)

    def clean(self, value: Any) -> Any:
        """Return *value*, of JSON's types, with every text in it scrubbed but keys."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.clean(each) for key, each in value.items()}
        if isinstance(value, list):
            return list(map(self.clean, value))
        return value
