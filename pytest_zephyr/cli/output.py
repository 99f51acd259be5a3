"""Print lines and tables, with every character escaped that a terminal might interpret."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import asdict
import json
import sys
from typing import Any

from pytest_zephyr.text import one_line


def say(text: str) -> None:
    """Print the lines of *text* on standard output."""
    for line in text.split("\n"):
        sys.stdout.write(f"{one_line(line)}\n")
    sys.stdout.flush()


def complain(text: object) -> None:
    """Print the lines of *text* on standard error, as messages of ours."""
    for line in str(text).splitlines():
        sys.stderr.write(f"zephyr: {one_line(line)}\n")


def say_table(
    items: Iterable[Any], row: Callable[[Any], tuple[str, str, str]], *, as_json: bool
) -> None:
    """Print one *row* for each dataclass of *items* in columns, or all *as_json*."""
    if as_json:
        say(json.dumps(list(map(asdict, items)), indent=2))
        return
    rows = list(map(row, items))
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    for one, two, three in rows:
        say(f"{one:<{first}}  {two:<{second}}  {three}".rstrip())
