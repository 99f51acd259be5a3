"""The entry point: hooks that declare, build and take down; no logic."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.fixture import zephyr as zephyr


def pytest_addoption(parser: pytest.Parser) -> None:
    plugin_settings.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_zephyr.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.option.zephyr_show_config:
        return None
    for line in resolve.describe(plugin_settings.load(config)):
        print(line)  # noqa: T201 - what was asked for
    return 0


def pytest_configure(config: pytest.Config) -> None:
    for line in options.MARKERS:
        config.addinivalue_line("markers", line)
    if _runs_nothing(config) or not plugin_settings.is_on(config):
        return
    try:
        if hasattr(config, "workerinput"):
            _build_worker(config)
        else:
            _build_controller(config)
    except pytest.UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - the tests run all the same
        sys.stderr.write(f"zephyr: internal error, nothing is reported: {error!r}\n")
        config.pluginmanager.register(_Unbuilt(config), "zephyr-unbuilt")


def _runs_nothing(config: pytest.Config) -> bool:
    """Whether pytest was asked for something else than to run tests."""
    asked = (
        *("collectonly", "help", "version", "markers", "cacheshow"),
        *("showfixtures", "show_fixtures_per_test"),
    )
    return any(getattr(config.option, name, None) for name in asked)


class _Unbuilt:
    """Stands for a reporter that could not be built, so that ``fail`` is heard."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if plugin_settings.wants_failure(self._config) and not session.exitstatus:
            session.exitstatus = plugin_settings.UNDELIVERED


def _build_worker(config: pytest.Config) -> None:
    """A worker of pytest-xdist reads markers and stamps reports, no more."""
    from pytest_zephyr.journal.writer import worker_journal
    from pytest_zephyr.plugin.items import ItemLines
    from pytest_zephyr.plugin.items import Stamper
    from pytest_zephyr.plugin.only_planned import OnlyPlanned
    from pytest_zephyr.plugin.only_planned import PLAN
    from pytest_zephyr.plugin.recorder import RECORDER
    from pytest_zephyr.plugin.recorder import Recorder
    from pytest_zephyr.plugin.reporter import WORKERINPUT

    marks = plugin_settings.load_marks(config)
    limits = plugin_settings.load_limits(config)
    workerinput: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]
    writer = None
    if WORKERINPUT in workerinput:
        worker = workerinput["workerid"]
        scrub = plugin_settings.load_scrubber(config)
        writer = worker_journal(workerinput[WORKERINPUT], worker, scrub)
        share = limits.share_of(workerinput.get("workercount", 1))
        config.stash[RECORDER] = Recorder(writer, share.store(writer.path), worker)
        config.pluginmanager.register(ItemLines(writer, marks), "zephyr-items")
        if PLAN in workerinput:
            only = OnlyPlanned(frozenset(workerinput[PLAN]), marks, writer)
            config.pluginmanager.register(only, "zephyr-only-planned")
    stamper = Stamper(marks, limits.capture, writer)
    config.pluginmanager.register(stamper, "zephyr-stamper")


def _build_controller(config: pytest.Config) -> None:
    """The controller, or the only process, has the journal and reports at the end."""
    from pytest_zephyr.config.settings import SANDBOX
    from pytest_zephyr.plugin.items import ItemLines
    from pytest_zephyr.plugin.items import Stamper
    from pytest_zephyr.plugin.recorder import RECORDER
    from pytest_zephyr.plugin.recorder import Recorder
    from pytest_zephyr.plugin.reporter import ZephyrReporter
    from pytest_zephyr.push.embedded import require_sandbox

    settings = plugin_settings.load(config)
    marks = plugin_settings.load_marks(config)
    try:
        if settings.push == "end":
            settings.require_server()
            if settings.url == SANDBOX:
                require_sandbox()
    except SettingsError as error:
        raise plugin_settings.usage_error(error) from error
    scrub = plugin_settings.load_scrubber(config, settings.credential)
    limits = plugin_settings.load_limits(config)
    reporter = ZephyrReporter(config, settings, scrub)
    store = limits.store(reporter.writer.path)
    config.stash[RECORDER] = Recorder(reporter.writer, store)
    config.pluginmanager.register(Stamper(marks, limits.capture), "zephyr-stamper")
    config.pluginmanager.register(reporter, "zephyr-reporter")
    config.pluginmanager.register(reporter.gate, "zephyr-gate")
    config.pluginmanager.register(ItemLines(reporter.writer, marks), "zephyr-items")
