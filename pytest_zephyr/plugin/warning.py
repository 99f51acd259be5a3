"""The warning that users can filter by its public name."""

from __future__ import annotations

import pytest


class PytestZephyrWarning(pytest.PytestWarning):
    """A test or a setting that cannot be reported as it stands."""

    # pytest-xdist rebuilds a warning from the name of its module.
    __module__ = "pytest_zephyr"
