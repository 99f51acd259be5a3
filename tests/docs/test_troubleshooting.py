"""What the page about messages lists is what the plugin says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
import re

import pytest

from tests.docs.blocks import ROOT
from tests.docs.blocks import SITE


PAGE = (SITE / "troubleshooting.md").read_text("utf-8")

#: Messages of pytest, and texts with a value in them that people search for.
OTHERS = {
    "unrecognized arguments: --zephyr",
    "conflicting option string: --zephyr",
    "connection refused",
}
FILLED = {
    "no project. Set zephyr_project in pytest.ini or …": "no …. Set zephyr_… in pytest.ini or …",
    "is not a project of this server": "is not a … of this server",
    "is not a release of …": "is not a … of …",
    "have no test case": "… no test case",
}


def listed() -> Iterator[str]:
    """Yield the messages in headings, and in the first cells of tables."""
    for line in PAGE.splitlines():
        if line.startswith("### "):
            yield from re.findall(r"`([^`]+)`", line)
        elif line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[0])


def texts() -> Iterator[str]:
    """Yield every text in the code, with an ellipsis for each value in it."""
    for path in (ROOT / "pytest_zephyr").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(each, "value", "…") for each in node.values]
                yield "".join(p if isinstance(p, str) else "…" for p in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


CODE = "\n".join(texts())


@pytest.mark.parametrize("message", [each for each in listed() if each not in OTHERS])
def test_every_message_of_the_page_is_in_the_code(message):
    for part in FILLED.get(message, message).split("…"):
        assert part.strip(" '") in CODE
