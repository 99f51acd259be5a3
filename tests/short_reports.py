"""Shortens the failure reports of this suite: tests that run pytest print long outputs.

On a CI service, pytest itself shortens nothing.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


#: The limits of a text, and of each line in it.
MAX_LINES = 150
MAX_LINE_CHARACTERS = 2000


def shorten(text: str) -> str:
    """Return the beginning and the end of a long *text*, and of its long lines."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        left_out = f"[{len(lines) - MAX_LINES} lines left out]"
        half = MAX_LINES // 2
        lines = [*lines[:half], left_out, *lines[-half:]]
    return "\n".join(
        line
        if len(line) <= MAX_LINE_CHARACTERS
        else f"{line[: MAX_LINE_CHARACTERS // 2]} [...] {line[-MAX_LINE_CHARACTERS // 2 :]}"
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
