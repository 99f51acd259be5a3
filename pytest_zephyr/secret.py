"""Hides secrets in values, addresses, texts and JSON."""

from __future__ import annotations

from collections.abc import Iterable
import json
import re
from typing import Any

from pytest_zephyr.text import one_line


HIDDEN = "<hidden>"


def mask_userinfo(url: str) -> str:
    """Return *url* with all before its last ``@`` hidden, save a scheme with ``//``."""
    return re.sub(r"^((?:\w+:)?//)?.*@", rf"\1{HIDDEN}@", url, flags=re.DOTALL)


class Secret:
    """A password or token; only `reveal` returns it.

    `repr`, `str` and `format` show ``<hidden>``, pickles and copies hold it;
    `json.dumps` raises TypeError.
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
        self._json_secrets: tuple[str, ...] = ()
        self.add(*secrets)

    def __repr__(self) -> str:
        return f"Scrubber({HIDDEN})"

    def add(self, *secrets: str) -> None:
        known = {*self._secrets, *secrets} - {""}
        self._secrets = tuple(sorted(known, key=lambda secret: (-len(secret), secret)))
        self._json_secrets = tuple(json.dumps(secret)[1:-1] for secret in self._secrets)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def clean_line(self, text: str) -> str:
        """Return *text* without secrets and on one line, so that it is safe to print."""
        return one_line(self(text))

    def has_secret(self, document: str) -> bool:
        """Return whether the text of a JSON *document*, in ASCII, contains a secret."""
        # A loop is faster than any(), and this runs for every line of a journal.
        for secret in self._json_secrets:  # noqa: SIM110
            if secret in document:
                return True
        return False

    def clean(self, value: Any) -> Any:
        """Return a JSON *value* with the secrets in it replaced; keys are not changed."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return list(map(self.clean, value))
        return value
