"""A run that reports is given what it needs, on the controller or on a worker."""

from __future__ import annotations

import sys

import pytest

from pytest_zephyr.errors import SettingsError
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.items import ItemLines
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.recorder import Recorder
from pytest_zephyr.plugin.reporter import ZephyrReporter
from pytest_zephyr.plugin.reports import ReportLines
from pytest_zephyr.plugin.workers import build_worker
from pytest_zephyr.plugin.workers import is_silent_worker
from pytest_zephyr.plugin.workers import is_worker
from pytest_zephyr.plugin.workers import WorkerSetup


def begin(config: pytest.Config) -> None:
    """Register what reports this run, if it is to be reported. Raises UsageError."""
    if is_silent_worker(config):
        return
    if not plugin_settings.is_on(config):
        config.pluginmanager.register(_Silenced(), "zephyr-silenced")
        return
    try:
        if is_worker(config):
            build_worker(config)
        else:
            _build_controller(config)
        plugin_settings.begin_run(config)
    except pytest.UsageError:
        raise
    except ERRORS as error:
        sys.stderr.write(f"zephyr: internal error, nothing is reported: {error!r}\n")
        config.pluginmanager.register(_Unbuilt(config), "zephyr-unbuilt")


class _Silenced:
    """Says why a run does not report that a test of a run which reports has started."""

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        return plugin_settings.silenced(config)


class _Unbuilt:
    """Replaces a reporter that failed to start, so that ``fail`` still sets the exit code."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if plugin_settings.wants_failure(self._config) and not session.exitstatus:
            session.exitstatus = plugin_settings.UNDELIVERED


def _build_controller(config: pytest.Config) -> None:
    """Register what the controller, or the only process, needs to report at the end."""
    settings = plugin_settings.load(config)
    marks = plugin_settings.load_marks(config)
    try:
        if settings.push == "end" or settings.only_planned:
            settings.require_server()
    except SettingsError as error:
        raise plugin_settings.usage_error(error) from error
    scrub = plugin_settings.load_scrubber(config, settings.credential)
    limits = plugin_settings.load_limits(config)
    reporter = ZephyrReporter(config, settings, marks, scrub)
    check = reporter.startup_check
    store = limits.store(reporter.writer.path)
    config.stash[RECORDER] = Recorder(reporter.writer, store, hide=marks.hide_secrets)
    reports = ReportLines(
        config, marks, limits.capture, reporter.writer, tell=reporter.tell
    )
    config.pluginmanager.register(reports, "zephyr-reports")
    config.pluginmanager.register(reporter, "zephyr-reporter")
    config.pluginmanager.register(check, "zephyr-startup-check")
    setup = WorkerSetup(str(reporter.writer.path), check, reporter.note_bug)
    config.pluginmanager.register(setup, "zephyr-worker-setup")
    items = ItemLines(reporter.writer, marks, reporter.note_bug, check.take)
    config.pluginmanager.register(items, "zephyr-items")
