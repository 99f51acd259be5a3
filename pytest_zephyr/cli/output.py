"""Print lines and tables, with characters escaped that a terminal might interpret."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
import json
import os
import sys

from pytest_zephyr.text import one_line


Row = tuple[str, str, str]


def say(text: str) -> None:
    """Print the lines of *text* on standard output."""
    try:
        for line in text.split("\n"):
            sys.stdout.write(f"{one_line(line)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe. A push must still continue.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_json(document: object) -> None:
    """Print *document* as JSON, with dataclasses as objects."""
    say(json.dumps(document, indent=2, default=asdict))


def say_table(headers: Row, rows: Iterable[Row]) -> None:
    """Print *rows* below *headers*; an empty last column has no header."""
    rows = list(rows)
    if not any(more for _first, _second, more in rows):
        headers = (headers[0], headers[1], "")
    table = [headers, *rows]
    widths = [max(len(row[column]) for row in table) for column in (0, 1)]
    for first, second, more in table:
        say(f"{first:<{widths[0]}}  {second:<{widths[1]}}  {more}".rstrip())


def complain(text: object) -> None:
    """Print the lines of *text* on standard error, each after ``zephyr:``."""
    for line in str(text).splitlines():
        sys.stderr.write(f"zephyr: {one_line(line)}\n")
