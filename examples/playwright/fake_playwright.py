"""Replaces pytest-playwright for these tests where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in ("--screenshot", "--tracing"):
        parser.addoption(name)
    parser.addoption("--output", default="test-results")


class Page:
    """A page whose title is set by its content."""

    def set_content(self, html: str) -> None:
        self._html = html

    def title(self) -> str:
        return self._html.partition("<title>")[2].partition("</title>")[0]


@pytest.fixture
def output_path(request: pytest.FixtureRequest) -> str:
    output = request.config.rootpath / request.config.getoption("--output")
    return str(output / request.node.name)


@pytest.fixture
def page(output_path: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    failed_before = request.session.testsfailed
    yield Page()
    if request.session.testsfailed > failed_before:
        directory = Path(output_path)
        directory.mkdir(parents=True)
        (directory / "test-failed-1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        (directory / "trace.zip").write_bytes(b"PK\x05\x06" + bytes(18))
