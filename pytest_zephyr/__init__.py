"""Report pytest results to Zephyr Enterprise."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from pytest_zephyr.plugin.fixture import Zephyr
    from pytest_zephyr.plugin.fixture import ZephyrRecord
    from pytest_zephyr.plugin.warning import PytestZephyrWarning

    __version__: str

__all__ = ["PytestZephyrWarning", "Zephyr", "ZephyrRecord", "__version__"]


def __getattr__(name: str) -> object:
    # Late, because every run of pytest in the environment loads this package.
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-zephyr")
    if name == "PytestZephyrWarning":
        from pytest_zephyr.plugin.warning import PytestZephyrWarning

        return PytestZephyrWarning
    if name in {"Zephyr", "ZephyrRecord"}:
        from pytest_zephyr.plugin import fixture as evidence

        found: object = getattr(evidence, name)
        return found
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
