"""The entry point: hooks that declare, build and take down; no logic."""

from __future__ import annotations

import sys

import pytest

from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.plugin import origin as origin
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.fixture import zephyr as zephyr
from pytest_zephyr.plugin.guard import ERRORS


def pytest_addoption(parser: pytest.Parser) -> None:
    plugin_settings.declare(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_zephyr.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.option.zephyr_show_config:
        return None
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in resolve.describe(plugin_settings.load(config)):
        shown = line.encode(encoding, "backslashreplace").decode(encoding)
        print(shown)  # noqa: T201 - what was asked for
    return 0


def pytest_configure(config: pytest.Config) -> None:
    for line in options.MARKERS:
        config.addinivalue_line("markers", line)
    if _runs_nothing(config) or not plugin_settings.is_on(config):
        return
    try:
        _build(config)
        plugin_settings.begin_run(config)
    except pytest.UsageError:
        raise
    except ERRORS as error:
        sys.stderr.write(f"zephyr: internal error, nothing is reported: {error!r}\n")
        config.pluginmanager.register(_Unbuilt(config), "zephyr-unbuilt")


def pytest_report_header(config: pytest.Config) -> list[str]:
    outer = plugin_settings.silenced_by(config)
    line = (
        f"zephyr: a test of a run that reports (process {outer}) started this one, which"
        f" takes nothing from ZEPHYR_ variables and ini keys"
    )
    return [line] if outer else []


def _runs_nothing(config: pytest.Config) -> bool:
    """Whether pytest was asked for something else than to run tests."""
    asked = (
        *("collectonly", "help", "version", "markers", "cacheshow"),
        *("showfixtures", "show_fixtures_per_test"),
    )
    return any(getattr(config.option, name, None) for name in asked)


class _Unbuilt:
    """Replaces a reporter that failed to start, so that ``fail`` still sets the exit code."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if plugin_settings.wants_failure(self._config) and not session.exitstatus:
            session.exitstatus = plugin_settings.UNDELIVERED


def _build(config: pytest.Config) -> None:
    from pytest_zephyr.plugin.workers import build_worker
    from pytest_zephyr.plugin.workers import is_worker

    if is_worker(config):
        build_worker(config)
    else:
        _build_controller(config)


def _build_controller(config: pytest.Config) -> None:
    """Register what the controller, or the only process, needs to report at the end."""
    from pytest_zephyr.plugin.items import ItemLines
    from pytest_zephyr.plugin.recorder import RECORDER
    from pytest_zephyr.plugin.recorder import Recorder
    from pytest_zephyr.plugin.reporter import ZephyrReporter
    from pytest_zephyr.plugin.reports import Stamper
    from pytest_zephyr.plugin.workers import WorkerSetup

    settings = plugin_settings.load(config)
    marks = plugin_settings.load_marks(config)
    try:
        if settings.push == "end":
            settings.require_server()
    except SettingsError as error:
        raise plugin_settings.usage_error(error) from error
    scrub = plugin_settings.load_scrubber(config, settings.credential)
    limits = plugin_settings.load_limits(config)
    reporter = ZephyrReporter(config, settings, marks, scrub)
    check = reporter.startup_check
    store = limits.store(reporter.writer.path)
    config.stash[RECORDER] = Recorder(reporter.writer, store)
    stamper = Stamper(marks, limits.capture, reporter.writer)
    config.pluginmanager.register(stamper, "zephyr-stamper")
    config.pluginmanager.register(reporter, "zephyr-reporter")
    config.pluginmanager.register(check, "zephyr-startup-check")
    setup = WorkerSetup(str(reporter.writer.path), check, reporter.note_bug)
    config.pluginmanager.register(setup, "zephyr-worker-setup")
    config.pluginmanager.register(ItemLines(reporter.writer, marks), "zephyr-items")
