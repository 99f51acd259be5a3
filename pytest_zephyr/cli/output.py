"""What the command prints: lines and tables that no terminal can misread."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import sys

from pytest_zephyr.text import one_line


def say(text: str, write: Callable[[str], object] | None = None) -> None:
    """Print *text*, with what a terminal might interpret escaped in each line."""
    for line in text.split("\n"):
        (write or sys.stdout.write)(f"{one_line(line)}\n")
    sys.stdout.flush()


def say_table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows in columns; the last one is as wide as it is."""
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    for one, two, three in rows:
        say(f"{one:<{first}}  {two:<{second}}  {three}".rstrip())
