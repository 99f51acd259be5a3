"""Everything about pytest-xdist: what workers are told, what they build and send back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_zephyr.journal.writer import worker_journal
from pytest_zephyr.plugin import settings as plugin_settings
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.items import ItemLines
from pytest_zephyr.plugin.only_planned import OnlyPlanned
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.recorder import Recorder
from pytest_zephyr.plugin.reports import ReportLines
from pytest_zephyr.plugin.startup_check import StartupCheck


#: The keys of xdist's ``workerinput`` that carry the path of the journal, and the plan
#: if only planned tests are to run.
_JOURNAL = "zephyr_journal"
_PLAN = "zephyr_plan"


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def is_silent_worker(config: pytest.Config) -> bool:
    """Return whether this is a worker of a run that does not report."""
    return _JOURNAL not in getattr(config, "workerinput", {_JOURNAL: ""})


def build_worker(config: pytest.Config) -> None:
    """Register what a worker needs: it writes down what its tests do, no more."""
    marks = plugin_settings.load_marks(config)
    limits = plugin_settings.load_limits(config)
    workerinput: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]
    worker = workerinput["workerid"]
    scrub = plugin_settings.load_scrubber(config)
    writer = worker_journal(workerinput[_JOURNAL], worker, scrub)
    share = limits.share_of(workerinput.get("workercount", 1))
    config.stash[RECORDER] = Recorder(
        writer, share.store(writer.path), worker, marks.hide_secrets
    )
    reports = ReportLines(config, marks, limits.capture, writer, worker)
    config.pluginmanager.register(reports, "zephyr-reports")
    items = ItemLines(writer, marks, reports.note_bug)
    config.pluginmanager.register(items, "zephyr-items")
    if _PLAN in workerinput:
        plan = frozenset(workerinput[_PLAN])
        only = OnlyPlanned(lambda: plan, marks, writer)
        config.pluginmanager.register(only, "zephyr-only-planned")


class WorkerSetup:
    """Tells workers, from the controller, where they write and what is planned."""

    def __init__(
        self,
        journal: str,
        startup_check: StartupCheck,
        note_bug: Callable[[str, BaseException], None],
    ) -> None:
        self._journal = journal
        self._startup_check = startup_check
        self.note_bug = note_bug

    @pytest.hookimpl(optionalhook=True)
    @guarded
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_JOURNAL] = self._journal
        planned = self._startup_check.planned
        if planned is not None:
            node.workerinput[_PLAN] = list(planned)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Check the cases of items; workers have written them before they say so."""
        self._startup_check.check_journal()
