"""Writes the collected tests to a journal: `pytest-zephyr drift` loads this plugin."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_zephyr import table
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.collection.items import ItemLines
from pytest_zephyr.plugin.guard import Bugs


def pytest_configure(config: pytest.Config) -> None:
    # Removed, so that a pytest that a conftest starts does not write to the same file.
    path = os.environ.pop(table.COLLECTED_VARIABLE, "")
    if path:
        local = plugin_settings.load_local(plugin_settings.find_option_sources(config))
        writer = JournalWriter.create(Path(path), Header("drift"), local.scrub)
        lines = ItemLines(writer, local.marks, _RaisedBugs())
        config.pluginmanager.register(lines, "zephyr-drift-items")


class _RaisedBugs(Bugs):
    """Raises the first bug to end the collection, because no summary would show it."""

    def note(self, where: str, error: BaseException) -> None:
        raise RuntimeError(f"zephyr: internal error in {where}") from error
