"""Hide secrets: in values, addresses, texts and JSON."""

from __future__ import annotations

from collections.abc import Iterable
import json
import re
from typing import Any


HIDDEN = "<hidden>"


def mask_userinfo(url: str) -> str:
    """Return *url* with anything in front of its host, a possible credential, hidden."""
    return re.sub(r"^((?:\w+:)?//)?.*@", rf"\1{HIDDEN}@", url, flags=re.DOTALL)


class Secret:
    """A password or token; only `reveal` returns it.

    `repr`, `str`, format and pickle have ``<hidden>`` instead, and JSON encoders raise.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (HIDDEN,)


class Scrubber:
    """Replaces known secrets in texts, the longest first."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self._encoded: tuple[str, ...] = ()
        self.add(*secrets)

    def __repr__(self) -> str:
        return f"Scrubber({HIDDEN})"

    def add(self, *secrets: str) -> None:
        known = {*self._secrets, *secrets} - {""}
        self._secrets = tuple(sorted(known, key=lambda secret: (-len(secret), secret)))
        self._encoded = tuple(json.dumps(secret)[1:-1] for secret in self._secrets)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def touches(self, document: str) -> bool:
        """Return whether a JSON *document* may have a secret; faster than `clean`."""
        for secret in self._encoded:  # noqa: SIM110 - this runs for every line
            if secret in document:
                return True
        return False

    def clean(self, value: Any) -> Any:
        """Return a JSON *value* with the secrets in all texts but keys replaced."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.clean(each) for key, each in value.items()}
        if isinstance(value, list):
            return list(map(self.clean, value))
        return value
