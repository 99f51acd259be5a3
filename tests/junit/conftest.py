"""Fixtures that write XML files and import them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import shutil
from typing import Any

import pytest

from tests.conftest import CommandResult


XML_FILES = Path(__file__).parent / "xml"


@pytest.fixture
def write_xml(pytester: pytest.Pytester, target_variables: None) -> Callable[..., Path]:
    """Return a function that writes *content* to a file.

    Without *content*, it copies the file of `XML_FILES` with the same name.
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
