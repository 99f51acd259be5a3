"""Turns a report of pytest into a record, and adds values that travel on a report."""

from __future__ import annotations

from collections.abc import Callable
import os
from typing import TypedDict

import pytest

from pytest_zephyr.clock import elapsed
from pytest_zephyr.clock import now_ms
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.records import Report


#: The most characters that a journal keeps of a failure, and of a line such as a reason.
_MAX_TEXT = 20_000
_MAX_LINE = 1000

#: The attribute of a report that carries a `ReportExtras`.
EXTRAS = "zephyr"


class ReportExtras(TypedDict, total=False):
    """What the plugin adds to a report; it travels with reports of workers and forks.

    *attempt* counts from 0. *bugs* are internal errors that the process of the test
    cannot show, *unwritten* lines of the journal that it could not or must not write.
    *text* replaces the text of the failure.
    """

    attempt: int
    bugs: list[str]
    unwritten: list[str]
    text: str


def add_extra(report: pytest.TestReport, key: str, value: object) -> None:
    setattr(report, EXTRAS, {**getattr(report, EXTRAS, {}), key: value})


def to_record(
    report: pytest.TestReport,
    root: str,
    scrub: Callable[[str], str],
    nodeid: str,
    worker: str,
) -> Report:
    """Return *report* as plain data.

    In the short text, a path below *root* is relative to it. *scrub* removes secrets.
    *nodeid* and *worker* are those of the record. A crash report of pytest-xdist has
    ``???`` as *when*, and no duration.
    """
    failed = report.outcome not in {"passed", "skipped"}
    extras: ReportExtras = getattr(report, EXTRAS, ReportExtras())
    changed_text = extras.get("text")
    describe_subtest = getattr(report, "_sub_test_description", None) or getattr(
        report, "sub_test_description", None
    )
    short_text = _short_text(report, root, changed_text) if failed else ""
    subtest = str(describe_subtest()) if callable(describe_subtest) else ""
    # Scrub before truncating: half a secret would no longer match.
    return Report(
        nodeid=nodeid,
        when=str(report.when),
        outcome=report.outcome,
        duration=microseconds(getattr(report, "duration", 0.0)),
        at=now_ms(),
        xfail=hasattr(report, "wasxfail"),
        attempt=extras.get("attempt", getattr(report, "rerun", 0)),
        worker=worker,
        reason=scrub(_reason(report))[:_MAX_LINE],
        short_text=scrub(short_text)[:_MAX_LINE],
        text=_cut_middle(scrub(changed_text or _text(report))) if failed else "",
        subtest=scrub(subtest)[:_MAX_LINE],
    )


def microseconds(seconds: float | None) -> int:
    """Return a duration in microseconds, 0 if it cannot be true.

    A test may have moved pytest's clock.
    """
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


def _short_text(report: pytest.TestReport, root: str, changed_text: str | None) -> str:
    """Return where the test failed and why, in one line; empty if that is unknown.

    It is also empty if a hook has changed the failure to *changed_text*, and that does
    not say why any more.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ""
    message = crash.message.partition("\n")[0]
    if changed_text is not None and message not in changed_text:
        return ""
    path = str(crash.path).removeprefix(f"{root}{os.sep}")
    return f"{path}:{crash.lineno}: {message}"


def _cut_middle(text: str) -> str:
    """Keep the beginning and the end of a text that is too long for a journal."""
    if len(text) <= _MAX_TEXT:
        return text
    half = _MAX_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
