"""The output shown on the pages is what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block
from tests.docs.blocks import BLOCKS
from tests.docs.blocks import SITE
from tools import pictures
from tools import record


def is_output(block: Block) -> bool:
    """Return whether *block* shows what a command printed."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return any(not line.startswith("$ ") for line in lines)
    return any("== zephyr ==" in line for line in lines)


@pytest.mark.parametrize("block", [each for each in BLOCKS if is_output(each)], ids=str)
def test_output_of_commands_is_recorded(block: Block) -> None:
    line_above = block.document.read_text("utf-8").splitlines()[block.line - 2]

    assert line_above.startswith("<!-- recorded")


@pytest.mark.parametrize(
    "page", record.pages(), ids=lambda path: str(path.relative_to(SITE))
)
def test_recordings_of_a_page_are_current(page: Path) -> None:
    """If this fails, run `python tools/record.py` and review the changes."""
    assert record.record(page) == page.read_text("utf-8")


def test_the_text_in_the_picture_of_a_terminal_is_current():
    """If this fails, run `python tools/record.py --pictures`."""
    with pictures.demo_run() as (terminal, _address):
        assert pictures.report_lines(terminal) == pictures.TERMINAL_TEXT.read_text(
            "utf-8"
        )
