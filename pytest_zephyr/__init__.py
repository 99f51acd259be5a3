"""pytest plugin that reports test results to Zephyr Enterprise.

The public names are `Zephyr` and `ZephyrRecord`, for type hints, and
`PytestZephyrWarning`, for warning filters; ``__version__`` is a string::

    from pytest_zephyr import Zephyr


    def test_checkout(zephyr: Zephyr):
        zephyr.comment("paid with a test card")

Everything else is used by its name in pytest: options, the markers ``zephyr`` and
``zephyr_ignore``, the fixture ``zephyr``, and the hooks ``pytest_zephyr_cases`` and
``pytest_zephyr_record``. Other modules may change without notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from pytest_zephyr.plugin.fixture import Zephyr
    from pytest_zephyr.plugin.fixture import ZephyrRecord
    from pytest_zephyr.plugin.warning import PytestZephyrWarning

    __version__: str

__all__ = ["PytestZephyrWarning", "Zephyr", "ZephyrRecord", "__version__"]


def __getattr__(name: str) -> object:
    # Imported on first use, because every run of pytest loads this package.
    if name == "__version__":
        from importlib.metadata import version

        return version("pytest-zephyr")
    if name == "PytestZephyrWarning":
        from pytest_zephyr.plugin.warning import PytestZephyrWarning

        return PytestZephyrWarning
    if name in {"Zephyr", "ZephyrRecord"}:
        from pytest_zephyr.plugin import fixture

        value: object = getattr(fixture, name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
