"""The warning that users can filter by its public name."""

from __future__ import annotations

import pytest


class PytestZephyrWarning(pytest.PytestWarning):
    """A marker of a test is invalid, or a hook failed or gave an invalid id.

    The warning is given for that test, while reporting is on. Under ``-W error`` the
    test fails or has an error. To filter it in an ini file, name it by
    ``pytest_zephyr.PytestZephyrWarning``; in code::

        @pytest.mark.filterwarnings("ignore::pytest_zephyr.PytestZephyrWarning")
        @pytest.mark.zephyr("not an id")
        def test_old(): ...
    """

    # pytest-xdist rebuilds a warning from the name of its module.
    __module__ = "pytest_zephyr"
