"""Collected tests: as plain data, as lines in the journal, and which are planned."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import inspect
from pathlib import PurePosixPath

import pytest

from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.plugin.collection.names import function_id
from pytest_zephyr.plugin.collection.names import nodeid_of
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.text import shorten_name


#: The most characters of a description that are sent.
_MAX_DESCRIPTION = 4000

#: Markers that say how to run a test rather than what it is about.
_TECHNICAL_MARKERS = {
    "filterwarnings", "flaky", "parametrize", "skip", "skipif", "timeout", "usefixtures",
    "xdist_group", "xfail", "zephyr", "zephyr_ignore",
}  # fmt: skip


def item_of(
    item: pytest.Item, marks: Marks, nodeid: str = "", *, changed: bool = False
) -> Item:
    """Return *item* as plain data; *nodeid* is the one that it has in the journal."""
    data = marks.of(item)
    new = None
    if marks.creates_cases and data.unmarked:
        new = _new_case(item, tuple(dict.fromkeys(data.requirements)))
    return Item(
        nodeid=nodeid or nodeid_of(item),
        cases=tuple(data.cases),
        unmarked=data.unmarked,
        new=new,
        comment=data.comment,
        defects=tuple(dict.fromkeys(data.defects)),
        fields=tuple(data.fields.items()),
        changed=changed,
        invalid=bool(data.problems),
    )


def _new_case(item: pytest.Item, requirements: tuple[str, ...]) -> NewCase:
    """Return the test case to create for the function of *item*, one for all parameters."""
    script = function_id(item)
    file, _, function = script.partition("::")
    path = PurePosixPath(file)
    module = path.stem if path.suffix == ".py" else path.name
    doc = getattr(getattr(item, "obj", None), "__doc__", None)
    doc = inspect.cleandoc(doc) if isinstance(doc, str) else ""
    return NewCase(
        package=str(path.parent) if path.parent.parts else "",
        name=shorten_name("::".join(filter(None, [module, function]))),
        script=script,
        description=doc[:_MAX_DESCRIPTION],
        tags=tuple(
            sorted({mark.name for mark in item.iter_markers()} - _TECHNICAL_MARKERS)
        ),
        requirements=requirements,
    )


class ItemLines:
    """Writes which test cases each selected item verifies, in the process that collects it.

    *take_item* is called with each item as plain data.
    """

    def __init__(
        self,
        writer: JournalWriter,
        marks: Marks,
        bugs: Bugs,
        take_item: Callable[[Item], None] = lambda _item: None,
    ) -> None:
        self._writer = writer
        self._marks = marks
        self._take_item = take_item
        self.bugs = bugs

    @pytest.hookimpl(tryfirst=True)
    @guarded
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._writer.append_texts(self._lines(self._marks.names.assign(session.items)))
        self._writer.lines_to_repeat = lambda: self._lines(
            (item, nodeid_of(item)) for item in session.items
        )

    def _lines(self, named_items: Iterable[tuple[pytest.Item, str]]) -> Iterator[str]:
        for item, nodeid in named_items:
            try:
                # A crash report has pytest's node id; its digest leads to *nodeid*.
                is_hidden = not nodeid.startswith(item.nodeid)
                hidden = journal_format.hidden_digest(item.nodeid) if is_hidden else ""
                record = item_of(item, self._marks, nodeid)
                self._take_item(record)
                text = journal_format.item_text(record, hidden)
            except ERRORS as error:
                self.bugs.note("pytest_collection_finish", error)
            else:
                yield text

    # Runs before a worker says that it has finished and the controller reads its file.
    @pytest.hookimpl(trylast=True)
    @guarded
    def pytest_sessionfinish(self) -> None:
        self._writer.retry()

    @guarded
    def pytest_unconfigure(self) -> None:
        self._writer.close()


class OnlyPlanned:
    """Deselects tests without a test case in the phase (``--zephyr-only-planned``).

    *in_phase* returns the test cases of the phase, `None` if they could not be read:
    then all tests run.
    """

    def __init__(
        self,
        in_phase: Callable[[], frozenset[CaseRef] | None],
        marks: Marks,
        writer: JournalWriter,
    ) -> None:
        self._in_phase = in_phase
        self._marks = marks
        self._writer = writer

    # Runs before `ItemLines`. Plugins modify the items in an earlier hook.
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        in_phase = self._in_phase()
        if in_phase is None:
            return
        if count := deselect_unplanned(session, in_phase, self._marks):
            self._writer.append(journal_format.Deselected(count))


def deselect_unplanned(
    session: pytest.Session, in_phase: frozenset[CaseRef], marks: Marks
) -> int:
    """Deselect tests without a test case in *in_phase*; return how many these are."""
    selected: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in session.items:
        is_in_phase = not in_phase.isdisjoint(marks.of(item).cases)
        (selected if is_in_phase else others).append(item)
    if others:
        session.config.hook.pytest_deselected(items=others)
        session.items[:] = selected
    return len(others)
