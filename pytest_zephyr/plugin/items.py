"""Collected tests as plain data, and their lines in the journal."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import hashlib
import inspect
from pathlib import PurePosixPath

import pytest

from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.guard import guarded
from pytest_zephyr.plugin.marks import function_id
from pytest_zephyr.plugin.marks import key_of
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.plugin.marks import name_items
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NewCase


#: The longest name the server takes (API 5, 20), and the description we send.
MAX_NAME = 255
MAX_DESCRIPTION = 4000

#: Markers that say how to run a test rather than what it is about.
_MECHANICS = {
    "filterwarnings", "flaky", "parametrize", "skip", "skipif", "timeout", "usefixtures",
    "xdist_group", "xfail", "zephyr", "zephyr_ignore",
}  # fmt: skip


def item_of(
    item: pytest.Item, marks: Marks, key: str = "", *, changed: bool = False
) -> Item:
    """Return *item*, which the journal calls *key*, as plain data."""
    mapped = marks.of(item)
    new = None
    if marks.creating and mapped.unmarked:
        new = new_case(item, mapped.requirements)
    return Item(
        nodeid=key or key_of(item),
        cases=mapped.cases,
        unmarked=mapped.unmarked,
        new=new,
        comment=mapped.comment,
        defects=mapped.defects,
        fields=mapped.fields,
        changed=changed,
    )


def new_case(item: pytest.Item, requirements: tuple[str, ...]) -> NewCase:
    """Return the test case for the function of *item*; parameters belong to it."""
    script = function_id(item)
    file, _, inside = script.partition("::")
    path = PurePosixPath(file)
    parts = [path.stem if path.suffix == ".py" else path.name, inside]
    return NewCase(
        package=str(path.parent) if path.parent.parts else "",
        name=fitting("::".join(filter(None, parts))),
        script=script,
        description=_description(item),
        tags=tuple(sorted({mark.name for mark in item.iter_markers()} - _MECHANICS)),
        requirements=requirements,
    )


def fitting(name: str) -> str:
    """Cut *name* to what the server takes; what was cut still tells names apart."""
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{name[: MAX_NAME - 10]}… {digest}"


def _description(item: pytest.Item) -> str:
    text = getattr(getattr(item, "obj", None), "__doc__", None)
    return inspect.cleandoc(text)[:MAX_DESCRIPTION] if isinstance(text, str) else ""


class ItemLines:
    """Writes which test cases each selected item proves, where it was collected.

    *tell* takes each of them.
    """

    def __init__(
        self,
        writer: JournalWriter,
        marks: Marks,
        note_bug: Callable[[str, BaseException], None],
        tell: Callable[[Item], None] = lambda _item: None,
    ) -> None:
        self._writer = writer
        self._marks = marks
        self._tell = tell
        self.note_bug = note_bug

    @pytest.hookimpl(tryfirst=True)
    @guarded
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        names = name_items(session.items, self._marks)
        self._writer.append_texts(self._lines(session.items, names))
        self._writer.again = lambda: self._lines(
            session.items, map(key_of, session.items)
        )

    def _lines(
        self, items: Iterable[pytest.Item], names: Iterable[str]
    ) -> Iterator[str]:
        for item, name in zip(items, names, strict=True):
            try:
                yield self._line(item, name)
            except ERRORS as error:
                self.note_bug("pytest_collection_finish", error)

    def _line(self, item: pytest.Item, key: str) -> str:
        hidden = ""
        if not key.startswith(item.nodeid):
            # That of a crash names the test in its own way.
            hidden = journal_format.hidden_digest(item.nodeid)
        found = item_of(item, self._marks, key)
        self._tell(found)
        return journal_format.item_text(found, hidden)

    # Before a worker says that it has finished, and its file is read.
    @pytest.hookimpl(trylast=True)
    @guarded
    def pytest_sessionfinish(self) -> None:
        self._writer.retry()

    @guarded
    def pytest_unconfigure(self) -> None:
        self._writer.close()
