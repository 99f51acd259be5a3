"""Fixtures that write files, such as JUnit XML, and import them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import shutil
from typing import Any

import pytest

from tests.conftest import CommandResult


XML_FILES = Path(__file__).parent / "xml"


@pytest.fixture
def write_file(
    pytester: pytest.Pytester, target_variables: None
) -> Callable[..., Path]:
    """Return a function that writes *content* to the file *name*; it returns the path.

    Without *content*, it copies the file of this name from `XML_FILES`.
    """

    def make(name: str, content: str | bytes | None = None) -> Path:
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            shutil.copyfile(XML_FILES / name, path)
        else:
            data = content.encode("utf-8") if isinstance(content, str) else content
            path.write_bytes(data)
        return path

    return make


@pytest.fixture
def run_import(
    run_command: Callable[..., CommandResult],
) -> Callable[..., CommandResult]:
    """Return a function that runs `pytest-zephyr import`."""

    def call(*args: Any) -> CommandResult:
        return run_command("import", *args)

    return call
