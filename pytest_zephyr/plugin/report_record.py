"""A report of pytest as a record, and what it carries from where the test ran."""

from __future__ import annotations

from collections.abc import Callable
import os
from typing import TypedDict

import pytest

from pytest_zephyr.clock import elapsed
from pytest_zephyr.clock import now_ms
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.records import Report


#: Characters of a failure that a journal keeps, and of a line such as a reason.
MAX_TEXT = 20_000
MAX_LINE = 1000

#: The attribute of a report that carries a `Stamp`.
STAMP = "zephyr"


class Stamp(TypedDict, total=False):
    """What a report carries besides pytest's own values, from a worker or a fork too.

    *text* replaces the failure. *unwritten* are lines that could not be written, and *bugs*
    those that cannot be shown, where the test ran.
    """

    attempt: int
    bugs: list[str]
    unwritten: list[str]
    text: str


def add_to_stamp(report: pytest.TestReport, key: str, value: object) -> None:
    setattr(report, STAMP, {**getattr(report, STAMP, {}), key: value})


def to_record(
    report: pytest.TestReport, root: str, scrub: Callable[[str], str]
) -> Report:
    """Return *report* as plain data; paths below *root* are relative to it.

    A crash report of pytest-xdist has no more than a node id, an outcome and a text.
    """
    failed = report.outcome not in {"passed", "skipped"}
    stamp: Stamp = getattr(report, STAMP, None) or Stamp()
    changed = stamp.get("text")
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    describe = getattr(report, "_sub_test_description", None) or getattr(
        report, "sub_test_description", None
    )
    # Scrub before truncating: half a secret would no longer match.
    return Report(
        nodeid=report.nodeid,
        when=str(report.when),
        outcome=report.outcome,
        duration=microseconds(getattr(report, "duration", 0.0)),
        at=now_ms(),
        xfail=hasattr(report, "wasxfail"),
        attempt=stamp.get("attempt", getattr(report, "rerun", 0)),
        worker=getattr(gateway, "id", ""),
        reason=scrub(_reason(report))[:MAX_LINE],
        short_text=scrub(_crash(report, root, changed))[:MAX_LINE] if failed else "",
        text=_cut_middle(scrub(changed or _text(report))) if failed else "",
        subtest=scrub(str(describe()) if callable(describe) else "")[:MAX_LINE],
    )


def microseconds(seconds: float | None) -> int:
    """Return a duration; 0 if it is impossible, because tests move pytest's clock."""
    if not seconds or not 0 < seconds <= elapsed():
        return 0
    return round(seconds * 1_000_000)


def _reason(report: pytest.TestReport) -> str:
    wasxfail: object = getattr(report, "wasxfail", None)
    if wasxfail is not None:
        return str(wasxfail).removeprefix("reason: ")
    longrepr = report.longrepr
    if report.outcome == "skipped" and isinstance(longrepr, tuple):
        return longrepr[2].removeprefix("Skipped: ")
    return ""


def _text(report: pytest.TestReport) -> str:
    """Return the failure as pytest shows it; the tests' own classes may raise here."""
    try:
        return report.longreprtext
    except ERRORS as error:
        return f"<failure that cannot be shown: {type(error).__name__}>"


def _crash(report: pytest.TestReport, root: str, changed: str | None) -> str:
    """Return where it failed and why, in one line.

    Empty if a hook has *changed* the text and it no longer has that line.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ""
    message = crash.message.partition("\n")[0]
    if changed is not None and message not in changed:
        return ""
    path = str(crash.path).removeprefix(f"{root}{os.sep}")
    return f"{path}:{crash.lineno}: {message}"


def _cut_middle(text: str) -> str:
    """Keep the beginning and the end of a text that is too long for a journal."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
