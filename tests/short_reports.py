"""Failures of this suite that a person can read: a few hundred lines at the most.

A run of pytest in a test prints all it says, and on a CI service pytest cuts nothing.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


LINES = 150
CHARACTERS = 2000


def shorten(text: str) -> str:
    """Return the beginning and the end of a long *text*, and of its long lines."""
    lines = text.splitlines()
    if len(lines) > LINES:
        left_out = f"[{len(lines) - LINES} lines left out]"
        half = LINES // 2
        lines = [*lines[:half], left_out, *lines[-half:]]
    return "\n".join(
        line
        if len(line) <= CHARACTERS
        else f"{line[: CHARACTERS // 2]} [...] {line[-CHARACTERS // 2 :]}"
        for line in lines
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    report = yield
    if report.failed:
        text = report.longreprtext
        short = shorten(text)
        if short != text.rstrip("\n"):
            report.longrepr = short
        report.sections = [(name, shorten(text)) for name, text in report.sections]
    return report
