"""What people copy from our documents is Python."""

from __future__ import annotations

from pathlib import Path
import re

import pytest


ROOT = Path(__file__).parent.parent

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("examples/*/README.md"))]

SNIPPETS = [
    pytest.param(found[1], id=f"{path.relative_to(ROOT)}-{number}")
    for path in DOCUMENTS
    for number, found in enumerate(
        re.finditer(r"^```python\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S), 1
    )
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_compiles(snippet):
    compile(snippet, "snippet", "exec")


def test_the_readme_has_snippets():
    assert len(SNIPPETS) >= 4
