"""The warning that users can filter by its public name."""

from __future__ import annotations

import pytest


class PytestZephyrWarning(pytest.PytestWarning):
    """A marker or a hook of a test that cannot be used."""

    # pytest-xdist rebuilds a warning from the name of its module.
    __module__ = "pytest_zephyr"
