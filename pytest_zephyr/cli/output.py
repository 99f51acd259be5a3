"""Print lines and tables, with every character escaped that a terminal might interpret."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import asdict
import json
import os
import sys
from typing import Any

from pytest_zephyr.text import one_line


def say(text: str) -> None:
    """Print the lines of *text* on standard output."""
    try:
        for line in text.split("\n"):
            sys.stdout.write(f"{one_line(line)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as head, has closed the pipe; a push must still go on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: object) -> None:
    """Print the lines of *text* on standard error, as messages of ours."""
    for line in str(text).splitlines():
        sys.stderr.write(f"zephyr: {one_line(line)}\n")


def say_table(
    items: Iterable[Any],
    headers: tuple[str, str, str],
    row: Callable[[Any], tuple[str, str, str]],
    *,
    as_json: bool = False,
) -> None:
    """Print one *row* for each dataclass of *items* below *headers*, or all *as_json*.

    A last header without a cell below it is left out.
    """
    if as_json:
        say(json.dumps(list(map(asdict, items)), indent=2))
        return
    rows = list(map(row, items))
    more = headers[2] if any(each[2] for each in rows) else ""
    rows.insert(0, (headers[0], headers[1], more))
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    for one, two, three in rows:
        say(f"{one:<{first}}  {two:<{second}}  {three}".rstrip())
