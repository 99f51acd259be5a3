"""The warning that users can filter by its public name."""

from __future__ import annotations

import pytest


class PytestZephyrWarning(pytest.PytestWarning):
    """A marker or a hook of a test that cannot be used.

    The test with it is warned about, while reporting is on. It is an error of that test
    under ``-W error``. To filter it in an ini file, name it by
    ``pytest_zephyr.PytestZephyrWarning``; in code::

        @pytest.mark.filterwarnings("ignore::pytest_zephyr.PytestZephyrWarning")
        @pytest.mark.zephyr("not an id")
        def test_old(): ...
    """

    # pytest-xdist rebuilds a warning from the name of its module.
    __module__ = "pytest_zephyr"
