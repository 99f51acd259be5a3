"""The node ids of items in the journal, and the parameters that must not be shown."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
import functools
import re
from typing import Any

import pytest

from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.records import number_nodeid
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import shorten


COLLECTIONS = (list, tuple, set, frozenset)

#: Matches the names of parameters whose values must not be shown.
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|credential|(?:api|access|private)_?key",
    re.IGNORECASE,
)

#: Lengths of secrets in characters. Shorter values are not hidden, because ordinary words
#: contain them; long ones are hidden within words, too.
_SHORTEST_SECRET = 4
_LONG_SECRET = 8

#: The node id of an item in the journal if it is not that of pytest, and those for the
#: next times that it runs.
_NODEID = pytest.StashKey[str]()
_NEXT_NODEIDS = pytest.StashKey[list[str]]()


def nodeid_of(item: pytest.Item) -> str:
    """Return the node id of *item* in the journal (see `results.records`)."""
    # Asked first: a stash that lacks a key raises, which is slow.
    return item.stash[_NODEID] if _NODEID in item.stash else item.nodeid  # noqa: SIM401


def begin_item(item: pytest.Item) -> str:
    """Return the node id in the journal of *item*, which is about to run, perhaps again."""
    if _NEXT_NODEIDS in item.stash and (nodeids := item.stash[_NEXT_NODEIDS]):
        item.stash[_NODEID] = nodeids.pop(0)
    return nodeid_of(item)


def function_id(item: pytest.Item) -> str:
    """Return the node id of the function of *item*, without parameters."""
    return plain_id(item, getattr(item, "originalname", None) or item.name)


def plain_id(item: pytest.Item, name: str) -> str:
    """Return the node id of *item* with *name* as its last part.

    Unlike ``nodeid``, it is without what plugins append.
    """
    parent = item.parent.nodeid if item.parent is not None else ""
    return "::".join(filter(None, [parent, name]))


class ItemNames:
    """Gives items their node ids, and hides parameters whose names look secret."""

    def __init__(self, scrub: Scrubber) -> None:
        self._scrub = scrub
        # By function: a failure of one of its tests may show the parameters of all.
        self._secrets: dict[str, set[str]] = {}

    def assign(self, items: Iterable[pytest.Item]) -> Iterator[tuple[pytest.Item, str]]:
        """Give items their node ids in the journal; yield the items with these.

        Items with the same node id, and an item that is listed twice, get different ones.
        """
        counts: dict[str, int] = {}
        named: set[int] = set()
        for item in items:
            shown = self.of(item)
            count = counts[shown] = counts.get(shown, 0) + 1
            nodeid = number_nodeid(shown, count)
            if id(item) in named:
                item.stash.setdefault(_NEXT_NODEIDS, [nodeid_of(item)]).append(nodeid)
            elif nodeid != item.nodeid:
                item.stash[_NODEID] = nodeid
            named.add(id(item))
            yield item, nodeid

    def of(self, item: pytest.Item) -> str:
        """Return the node id of *item*, with secret parameters hidden.

        Their values are kept for `hide_secrets`.
        """
        callspec: Any = getattr(item, "callspec", None)
        params = getattr(callspec, "params", {})
        if not any(map(_is_secret, params)):
            return item.nodeid
        function = function_id(item)
        # The secret texts that a failure of the function may show.
        secrets = {
            text
            for name, value in params.items()
            if _is_secret(name)
            for text in _texts_of(value)
            if len(text) >= _SHORTEST_SECRET
        }
        if secrets:
            self._secrets.setdefault(function, set()).update(secrets)
        shown_params = ", ".join(
            f"{name}={HIDDEN if _is_secret(name) else self.short(value)}"
            for name, value in params.items()
        )
        # The positions of the values tell tests apart, whichever tests are selected. If
        # all are first, the node id has no number.
        numbers = [callspec.indices.get(name, 0) + 1 for name in params]
        number = f" #{'.'.join(map(str, numbers))}" if max(numbers) > 1 else ""
        return f"{function}[{shown_params}]{number}"

    def hide_secrets(self, item: pytest.Item, text: str) -> str:
        """Return *text* without values of parameters whose names look secret."""
        secrets = self._secrets and self._secrets.get(function_id(item))
        return _pattern_of(frozenset(secrets)).sub(HIDDEN, text) if secrets else text

    def short(self, value: object) -> str:
        """Return *value* as a message shows it, without credentials."""
        try:
            text = self._scrub.clean_line(repr(value))
        except ERRORS:
            text = f"<{type(value).__name__}>"
        return shorten(text, 80)


@functools.lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    """Return whether the values of a parameter with this *name* must not be shown."""
    return _SECRET_NAME.search(name) is not None


def _texts_of(value: object, depth: int = 5) -> Iterator[str]:
    """Yield the texts by which a failure may show *value*, or what it contains."""
    if value is None or isinstance(value, bool) or not depth:
        return
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, COLLECTIONS):
        for content in value:
            yield from _texts_of(content, depth - 1)
        return
    if isinstance(value, str | bytes):
        yield value if isinstance(value, str) else value.decode("latin-1")
        yield repr(value).removeprefix("b")[1:-1]
        return
    with suppress(*ERRORS):
        yield repr(value)


@functools.lru_cache(maxsize=16)
def _pattern_of(secrets: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern for *secrets*, the longest first; short ones as whole words."""
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile(
        "|".join(
            re.escape(secret)
            if len(secret) >= _LONG_SECRET
            else rf"(?<!\w){re.escape(secret)}(?!\w)"
            for secret in longest_first
        )
    )
