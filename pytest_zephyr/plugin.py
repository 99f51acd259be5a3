"""The entry point: hooks that declare, build and take down; no logic."""

from __future__ import annotations

import pytest

from pytest_zephyr import options
from pytest_zephyr import pytest_options


def pytest_addoption(parser: pytest.Parser) -> None:
    pytest_options.declare(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.option.zephyr_show_config:
        return None
    for line in options.describe(pytest_options.load(config)):
        print(line)  # noqa: T201 - what was asked for
    return 0


def pytest_configure(config: pytest.Config) -> None:
    for line in options.MARKERS:
        config.addinivalue_line("markers", line)
    if config.option.collectonly or not pytest_options.is_on(config):
        return
    from pytest_zephyr import reporter

    reporter.register(config)
