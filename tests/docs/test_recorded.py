"""What the pages show of a terminal is what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import SITE
from tools import record


@pytest.mark.parametrize(
    "page", record.pages(), ids=lambda path: str(path.relative_to(SITE))
)
def test_recordings_of_a_page_are_current(page: Path) -> None:
    """If they are not: `python tools/record.py`, and see what has changed."""
    assert record.record(page) == page.read_text("utf-8")
