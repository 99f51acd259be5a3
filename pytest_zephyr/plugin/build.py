"""Registers the plugin objects of a process whose session reports or checks tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import sys
from typing import Any

import pytest

from pytest_zephyr.config import resolve
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import worker_journal
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.collection.items import ItemLines
from pytest_zephyr.plugin.collection.items import OnlyPlanned
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.recorder import Recorder
from pytest_zephyr.plugin.reporter import ZephyrReporter
from pytest_zephyr.plugin.reports import ReportLines
from pytest_zephyr.plugin.settings import LocalOptions
from pytest_zephyr.plugin.startup_check import IN_PHASE_KEY
from pytest_zephyr.plugin.startup_check import JOURNAL_KEY
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.records import Item


@plugin_settings.usage_errors()
def begin(config: pytest.Config) -> None:
    """Register the objects that report or check this session, if ``zephyr`` is true.

    If it is false, only `_SilencedHeader` is registered; after an internal error,
    `_FailedReporter` is. Raises UsageError.
    """
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None and JOURNAL_KEY not in workerinput:
        # A worker of a session that does not report.
        return
    option_sources = plugin_settings.find_option_sources(config)
    if not resolve.value("zephyr", option_sources):
        config.pluginmanager.register(_SilencedHeader(), "zephyr-silenced")
        return
    try:
        if config.option.collectonly:
            plugins = _checking_plugins(config, option_sources)
        elif workerinput is None:
            plugins = _controller_plugins(config, option_sources)
        else:
            plugins = _worker_plugins(config, option_sources, workerinput)
        for name, plugin in plugins.items():
            config.pluginmanager.register(plugin, f"zephyr-{name}")
        plugin_settings.begin_session(config)
    except (SettingsError, pytest.UsageError):
        raise
    except ERRORS as error:
        sys.stderr.write(f"zephyr: internal error, nothing is reported: {error!r}\n")
        config.pluginmanager.register(_FailedReporter(option_sources), "zephyr-failed")


class _SilencedHeader:
    """Shows why this session does not report, if a test of a reporting one started it."""

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        return plugin_settings.silenced_lines(config)


class _FailedReporter:
    """Replaces objects that failed to start: on_error still sets the exit code."""

    def __init__(self, option_sources: OptionSources) -> None:
        self._option_sources = option_sources

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        with suppress(Exception):
            on_error = resolve.value("on_error", self._option_sources)
            plugin_settings.set_exit_code(session, on_error)


def _checking_plugins(
    config: pytest.Config, option_sources: OptionSources
) -> dict[str, object]:
    """Return the plugin objects for ``--collect-only``, by name."""
    from pytest_zephyr.plugin.collect_check import CollectCheck

    settings = plugin_settings.load(config, option_sources)
    if settings.push == "end":
        settings.require_push_settings()
    local = plugin_settings.load_local(option_sources, settings.credential)
    check = CollectCheck(config, settings, local)
    return {"collect-check": check, **_map_use(local.marks, check.bugs, check.lines)}


def _controller_plugins(
    config: pytest.Config, option_sources: OptionSources
) -> dict[str, object]:
    """Return the plugin objects of the controller, or of the only process, by name."""
    settings = plugin_settings.load(config, option_sources)
    if settings.push == "end" or settings.only_planned:
        settings.require_push_settings()
    local = plugin_settings.load_local(option_sources, settings.credential)
    reporter = ZephyrReporter(config, settings, local)
    check = reporter.startup_check
    return {
        "reporter": reporter,
        "startup-check": check,
        **_recording_plugins(
            config, local, reporter.writer, reporter.bugs, take_item=check.take_item
        ),
        **_map_use(local.marks, reporter.bugs, reporter.lines),
    }


def _worker_plugins(
    config: pytest.Config, option_sources: OptionSources, workerinput: dict[str, Any]
) -> dict[str, object]:
    """Return the plugin objects of a worker of pytest-xdist, by name."""
    local = plugin_settings.load_local(option_sources)
    worker, bugs = workerinput["workerid"], Bugs()
    writer = worker_journal(workerinput[JOURNAL_KEY], worker, local.scrub)
    process_count = workerinput["workercount"]
    plugins = {
        **_recording_plugins(config, local, writer, bugs, worker, process_count),
        # The controller shows the remarks about the mapping file, not this worker.
        **_map_use(local.marks, bugs, lines=[]),
    }
    if IN_PHASE_KEY in workerinput:
        in_phase = frozenset(workerinput[IN_PHASE_KEY])
        plugins["only-planned"] = OnlyPlanned(lambda: in_phase, local.marks, writer)
    return plugins


def _recording_plugins(
    config: pytest.Config,
    local: LocalOptions,
    writer: JournalWriter,
    bugs: Bugs,
    worker: str = "",
    process_count: int = 1,
    take_item: Callable[[Item], None] = lambda _item: None,
) -> dict[str, object]:
    """Return the plugin objects that write the tests of this process to its journal.

    The recorder, which is no plugin object, is put into the stash of *config*.
    """
    marks, store = local.marks, local.store(writer.path, process_count)
    config.stash[RECORDER] = Recorder(
        writer, store, worker, marks.names.hide_secrets, bugs
    )
    return {
        "reports": ReportLines(config, marks, local.capture, writer, bugs, worker),
        "items": ItemLines(writer, marks, bugs, take_item),
    }


def _map_use(marks: Marks, bugs: Bugs, lines: list[Line]) -> dict[str, object]:
    """Return the plugin object that checks the mapping file, if one is set."""
    if marks.case_map is None:
        return {}
    from pytest_zephyr.plugin.collection.map_use import MapUse

    return {"map-use": MapUse(marks, bugs, lines)}
