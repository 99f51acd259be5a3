"""Reports problems of a mapping file, once tests are collected."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest

from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.results.case_map import MapRow
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problems


#: The key of xdist's ``workeroutput`` for the remarks of a worker.
_REMARKS = "zephyr_map"


class MapUse:
    """Adds remarks about the mapping file to *lines*.

    A worker also sends its remarks to the controller, which has no items itself. The
    controller gets the same remarks from each worker, and adds them once.
    """

    def __init__(self, marks: Marks, bugs: Bugs, lines: list[Line]) -> None:
        self._marks = marks
        self._lines = lines
        self._reported: set[str] = set()
        # Files and directories of the items.
        self._paths: set[str] = set()
        self.bugs = bugs

    @guarded
    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            # This notes the rows that match the item as used.
            self._marks.of(item)
        self._add_paths(items)

    # Runs after `ItemLines`, which asks for the test cases of all items.
    @pytest.hookimpl(trylast=True)
    @guarded
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        config = session.config
        self._add_paths(session.items)
        names_tests = any("::" in arg for arg in config.args)

        def is_selected(row: MapRow) -> bool:
            path = row.pattern.partition("::")[0]
            if "*" in path:
                path = path.partition("*")[0].rpartition("/")[0]
            # A pattern that names no existing file or directory is for tests anywhere,
            # or has a mistake.
            exists = bool(path) and (config.rootpath / path).exists()
            return not names_tests and (not exists or path in self._paths)

        assert self._marks.case_map is not None, "there is a map"
        remarks = self._marks.case_map.remarks(is_selected)
        getattr(config, "workeroutput", {})[_REMARKS] = remarks
        self._report(remarks)

    @pytest.hookimpl(optionalhook=True)
    @guarded
    def pytest_testnodedown(self, node: Any) -> None:
        self._report(getattr(node, "workeroutput", {}).get(_REMARKS, ()))

    def _report(self, remarks: Iterable[str]) -> None:
        new = [remark for remark in remarks if remark not in self._reported]
        self._reported.update(new)
        self._lines += problems(new, "warning")

    def _add_paths(self, items: Iterable[pytest.Item]) -> None:
        """Note the files and directories of *items*."""
        files = {item.nodeid.partition("::")[0] for item in items} - self._paths
        for file in files:
            self._paths.update(map(str, [file, *PurePosixPath(file).parents]))
