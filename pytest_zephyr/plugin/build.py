"""Registers what a run that reports needs, on the controller or on a worker."""

from __future__ import annotations

from contextlib import suppress
import sys
from typing import Any

import pytest

from pytest_zephyr.config import resolve
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.journal.writer import worker_journal
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.collection.items import ItemLines
from pytest_zephyr.plugin.collection.only_planned import OnlyPlanned
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.recorder import Recorder
from pytest_zephyr.plugin.reporter import ZephyrReporter
from pytest_zephyr.plugin.reports import ReportLines
from pytest_zephyr.plugin.startup_check import JOURNAL_KEY
from pytest_zephyr.plugin.startup_check import PLANNED_KEY


def begin(config: pytest.Config) -> None:
    """Register what reports this run, if it is to be reported. Raises UsageError."""
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None and JOURNAL_KEY not in workerinput:
        # A worker of a run that does not report.
        return
    texts = plugin_settings.given(config)
    with plugin_settings.usage_errors():
        is_on = resolve.value("zephyr", texts)
    if not is_on:
        config.pluginmanager.register(_Silenced(), "zephyr-silenced")
        return
    try:
        if config.option.collectonly:
            plugins = _checking_plugins(config, texts)
        elif workerinput is None:
            plugins = _controller_plugins(config, texts)
        else:
            plugins = _worker_plugins(config, texts, workerinput)
        for name, plugin in plugins.items():
            config.pluginmanager.register(plugin, f"zephyr-{name}")
        plugin_settings.begin_run(config)
    except pytest.UsageError:
        raise
    except ERRORS as error:
        sys.stderr.write(f"zephyr: internal error, nothing is reported: {error!r}\n")
        config.pluginmanager.register(_Unbuilt(texts), "zephyr-unbuilt")


class _Silenced:
    """Shows why a run that a test of a reporting run started does not report."""

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        return plugin_settings.silenced(config)


class _Unbuilt:
    """Replaces a reporter that failed to start, so that ``fail`` still sets the exit code."""

    def __init__(self, texts: OptionSources) -> None:
        self._texts = texts

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        with suppress(Exception):
            failing = resolve.value("on_error", self._texts) == "fail"
            if failing and not session.exitstatus:
                session.exitstatus = plugin_settings.UNDELIVERED


def _checking_plugins(config: pytest.Config, texts: OptionSources) -> dict[str, object]:
    """Return what checks the collected tests, with ``--collect-only``."""
    from pytest_zephyr.plugin.collect_check import CollectCheck

    settings = plugin_settings.load(config, texts)
    with plugin_settings.usage_errors():
        if settings.push == "end":
            settings.require_server()
    local = plugin_settings.load_local(texts, settings.credential)
    check = CollectCheck(config, settings, local.marks, local.scrub)
    plugins: dict[str, object] = {"collect-check": check}
    if local.marks.case_map is not None:
        from pytest_zephyr.plugin.collection.map_use import MapUse

        plugins["map-use"] = MapUse(local.marks, check.note_bug, check.add_line)
    return plugins


def _controller_plugins(
    config: pytest.Config, texts: OptionSources
) -> dict[str, object]:
    """Return what the controller, or the only process, needs to report at the end."""
    settings = plugin_settings.load(config, texts)
    with plugin_settings.usage_errors():
        if settings.push == "end" or settings.only_planned:
            settings.require_server()
    local = plugin_settings.load_local(texts, settings.credential)
    marks = local.marks
    reporter = ZephyrReporter(config, settings, marks, local.scrub)
    writer, check = reporter.writer, reporter.startup_check
    store = local.store(writer.path)
    config.stash[RECORDER] = Recorder(writer, store, hide=marks.hide_secrets)
    plugins = {
        "reports": ReportLines(
            config, marks, local.capture, writer, tell=reporter.tell
        ),
        "reporter": reporter,
        "startup-check": check,
        "items": ItemLines(writer, marks, reporter.note_bug, check.take_item),
    }
    if marks.case_map is not None:
        from pytest_zephyr.plugin.collection.map_use import MapUse

        plugins["map-use"] = MapUse(marks, reporter.note_bug, reporter.add_line)
    return plugins


def _worker_plugins(
    config: pytest.Config, texts: OptionSources, workerinput: dict[str, Any]
) -> dict[str, object]:
    """Return what a worker of pytest-xdist needs to write what its tests do."""
    local = plugin_settings.load_local(texts)
    marks = local.marks
    worker = workerinput["workerid"]
    writer = worker_journal(workerinput[JOURNAL_KEY], worker, local.scrub)
    store = local.store(writer.path, workerinput.get("workercount", 1))
    config.stash[RECORDER] = Recorder(writer, store, worker, marks.hide_secrets)
    reports = ReportLines(config, marks, local.capture, writer, worker)
    plugins = {"reports": reports, "items": ItemLines(writer, marks, reports.note_bug)}
    if marks.case_map is not None:
        from pytest_zephyr.plugin.collection.map_use import MapUse

        plugins["map-use"] = MapUse(marks, reports.note_bug)
    if PLANNED_KEY in workerinput:
        planned = frozenset(workerinput[PLANNED_KEY])
        plugins["only-planned"] = OnlyPlanned(lambda: planned, marks, writer)
    return plugins
