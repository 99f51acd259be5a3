"""Report pytest results to Zephyr Enterprise."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from pytest_zephyr.evidence import Zephyr
    from pytest_zephyr.evidence import ZephyrRecord
    from pytest_zephyr.warning import PytestZephyrWarning

    __version__: str

__all__ = ["PytestZephyrWarning", "Zephyr", "ZephyrRecord", "__version__"]


def __getattr__(name: str) -> object:
    # Late, because every run of pytest in the environment loads this package.
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-zephyr")
    if name == "PytestZephyrWarning":
        from pytest_zephyr.warning import PytestZephyrWarning

        return PytestZephyrWarning
    if name in {"Zephyr", "ZephyrRecord"}:
        from pytest_zephyr import evidence

        found: object = getattr(evidence, name)
        return found
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
