"""Shortens the failure reports of this suite: tests that run pytest print long outputs.

On a CI service, pytest itself shortens nothing.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


#: Lines of a text that are kept: one half from its beginning, one from its end.
MAX_LINES = 150

#: Characters of a line that are kept, in the same way.
MAX_LINE_CHARACTERS = 2000


def shorten(text: str) -> str:
    """Return *text* without its middle if it is long, and long lines without theirs."""
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
