"""From pytest's reports to our records; the last place that knows pytest's types."""

from __future__ import annotations

import os

import pytest

from pytest_zephyr.clock import now_ms
from pytest_zephyr.plugin.items import STAMP
from pytest_zephyr.results.records import Report
from pytest_zephyr.secret import Scrubber


#: Characters of a failure's text that a journal keeps.
MAX_TEXT = 20_000

#: Characters of what is meant to be one line: a reason, where it failed.
MAX_LINE = 1000


def to_record(report: pytest.TestReport, root: str, scrub: Scrubber) -> Report:
    """Return *report* as plain data; paths below *root* are shown from there.

    Texts are cut, and *scrub* before that: half a credential is none to look for.

    No report needs to have more than what pytest-xdist gives to a crash: a node id,
    an outcome and a text.
    """
    failed = report.outcome not in {"passed", "skipped"}
    stamp = getattr(report, STAMP, None) or {}
    return Report(
        nodeid=report.nodeid,
        when=str(report.when),
        outcome=report.outcome,
        duration=round((getattr(report, "duration", 0.0) or 0.0) * 1_000_000),
        at=now_ms(),
        xfail=hasattr(report, "wasxfail"),
        attempt=getattr(report, "rerun", 0),
        worker=_worker(report),
        cases=tuple(stamp.get("cases", ())),
        title=stamp.get("title", ""),
        reason=scrub(_reason(report))[:MAX_LINE],
        crash=scrub(_crash(report, root, stamp.get("text")))[:MAX_LINE]
        if failed
        else "",
        text=_middle_cut(scrub(stamp.get("text", report.longreprtext)))
        if failed
        else "",
        subtest=scrub(_subtest(report))[:MAX_LINE],
    )


def _worker(report: pytest.TestReport) -> str:
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return getattr(gateway, "id", "")


def _reason(report: pytest.TestReport) -> str:
    wasxfail: str | None = getattr(report, "wasxfail", None)
    if wasxfail is not None:
        return wasxfail.removeprefix("reason: ")
    longrepr = report.longrepr
    if report.outcome == "skipped" and isinstance(longrepr, tuple):
        return longrepr[2].removeprefix("Skipped: ")
    return ""


def _crash(report: pytest.TestReport, root: str, changed: str | None) -> str:
    """Return where it failed and with what, in one line.

    Nothing if a hook *changed* the text so that it does not say that any more.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ""
    message = crash.message.partition("\n")[0]
    if changed is not None and message not in changed:
        return ""
    path = str(crash.path).removeprefix(f"{root}{os.sep}")
    return f"{path}:{crash.lineno}: {message}"


def _subtest(report: pytest.TestReport) -> str:
    describe = getattr(report, "_sub_test_description", None) or getattr(
        report, "sub_test_description", None
    )
    return str(describe()) if callable(describe) else ""


def _middle_cut(text: str) -> str:
    """Keep the beginning and the end of a text that is too long for a journal."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
