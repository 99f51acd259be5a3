"""Messages about incomplete journals."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from pytest_zephyr.text import first_few


def uncollected(nodeids: Sequence[str]) -> list[str]:
    """Return the message about files that failed to import."""
    if not nodeids:
        return []
    line = (
        f"zephyr: {len(nodeids)} could not be collected; the test cases of their tests"
        f" are not changed: {first_few(nodeids)}"
    )
    return [line]


def unreadable(lines: Mapping[Path, Sequence[int]]) -> list[str]:
    """Return a message for each journal with lines that cannot be read."""
    return [
        f"zephyr: {path}, line {first_few(map(str, numbers))} cannot be read. Test cases that"
        f" it may be about get no result but a failure."
        for path, numbers in lines.items()
    ]


def cut_short(journals: Iterable[Path]) -> list[str]:
    """Return a message for each journal that a full disk or a test has cut short."""
    return [
        (
            f"zephyr: the disk was full when {path} was written, or a test removed it:"
            f" outcomes are missing in it. Check its test cases, then remove it."
        )
        for path in journals
    ]
