"""Failures of this suite are shown in a few hundred lines."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "body",
    [
        "print('line\\n' * 200_000); assert False",
        "assert 'needle' in 'straw\\n' * 200_000",
        "assert list(range(100_000)) == list(range(1, 100_001))",
        "raise ValueError('x' * 1_000_000)",
    ],
    ids=["output", "text", "list", "message"],
)
def test_output_of_a_failure_is_short(pytester, monkeypatch, body):
    """It is short on a CI service, too, where pytest itself shortens nothing."""
    monkeypatch.setenv("CI", "true")
    pytester.makeconftest("from tests.short_reports import pytest_runtest_makereport")
    pytester.makepyfile(f"def test_a():\n    {body}\n")
    result = pytester.runpytest_inprocess("-q")

    assert result.ret == 1
    assert len(result.outlines) < 400
    assert max(map(len, result.outlines)) < 3000
