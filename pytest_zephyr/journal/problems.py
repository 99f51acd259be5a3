"""What people read about journals that do not have all that they should."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

from pytest_zephyr.journal.reader import UnreadableLine
from pytest_zephyr.text import some


def uncollected(nodeids: Sequence[str]) -> list[str]:
    """Say that test cases of files that failed to import are left as they were."""
    if not nodeids:
        return []
    line = (
        f"zephyr: {len(nodeids)} could not be collected, the test cases of their tests"
        f" are left as they were: {some(nodeids)}"
    )
    return [line]


def unreadable(lines: Sequence[UnreadableLine]) -> list[str]:
    """Name the lines of journals that somebody or something has spoilt."""
    by_path: dict[Path, list[int]] = {}
    for line in lines:
        by_path.setdefault(line.path, []).append(line.number)
    return [
        f"zephyr: {path}, line {some(map(str, numbers))} cannot be read; what it said is"
        f" missing, and no test case that it may be about is written as anything but a"
        f" failure."
        for path, numbers in by_path.items()
    ]


def cut_short(journals: Iterable[Path]) -> list[str]:
    """Name the journals of which a full disk, or a test, has left only a part."""
    return [
        (
            f"zephyr: the disk was full when {path} was written, or a test removed it:"
            f" outcomes are missing in it, and not known. Remove it when you have seen"
            f" this."
        )
        for path in journals
    ]
