"""Print lines and tables, with every character escaped that a terminal might interpret."""

from __future__ import annotations

from collections.abc import Sequence
import sys

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


def say_table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print *rows* in columns; the last column is not padded."""
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    for one, two, three in rows:
        say(f"{one:<{first}}  {two:<{second}}  {three}".rstrip())
