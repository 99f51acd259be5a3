"""Writes the evidence of tests to the journal, in each process that runs tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr.journal import file_store
from pytest_zephyr.plugin.collection.names import nodeid_of
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.results import evidence
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.text import shorten


if TYPE_CHECKING:
    from pytest_zephyr.journal.writer import JournalWriter


#: The most characters of the reason why something could not be recorded.
_MAX_REASON = 100

#: The number of the current attempt of an item, from 0; -1 before the first.
_ATTEMPT = pytest.StashKey[int]()


def forget_attempts(item: pytest.Item) -> None:
    """Make the next attempt of *item* number 0, even if the item has run before."""
    item.stash[_ATTEMPT] = -1


def begin_attempt(item: pytest.Item) -> int:
    """Count an attempt of *item*, whichever plugin repeats the test; return its number.

    If a worker has died, the count of pytest-rerunfailures goes on in the next one.
    """
    number = item.stash.get(_ATTEMPT, -1) + 1
    item.stash[_ATTEMPT] = max(number, getattr(item, "execution_count", 1) - 1)
    return item.stash[_ATTEMPT]


@dataclass(frozen=True)
class Recorder:
    """Writes the evidence of one process's tests; does nothing without a *writer*.

    *store* keeps the attachments. *worker* is the id of the process if it is a worker,
    else empty. *hide* removes the secret parameters of an item from a text.
    """

    writer: JournalWriter | None = None
    store: file_store.FileStore | None = None
    worker: str = ""
    hide: Callable[[pytest.Item, str], str] = lambda _item, text: text
    bugs: Bugs = field(default_factory=Bugs)

    def write(self, item: pytest.Item, value: EvidenceValue) -> None:
        if self.writer is not None:
            attempt = max(item.stash.get(_ATTEMPT, 0), 0)
            self.writer.append(
                EvidenceEntry(nodeid_of(item), value, attempt, self.worker)
            )

    def scrub(self, text: str) -> str:
        """Return *text* without known credentials."""
        return text if self.writer is None else self.writer.scrub(text)

    def attach(
        self, item: pytest.Item, content: bytes | Path, name: str, kind: str
    ) -> None:
        """Copy an attachment to the store, and write where it is or why it is missing."""
        if self.store is None:
            return
        # Scrub before the store cuts a long name: half a secret would not match.
        self.write(item, self.store.take(content, self.scrub(name), kind))

    def leave_out(self, item: pytest.Item, name: str, reason: str) -> None:
        """Write for the summary that *name* could not be recorded, and why."""
        name = file_store.clean_name(self.scrub(name))
        # Scrub before truncating here, too.
        reason = shorten(self.scrub(reason), _MAX_REASON)
        self.write(item, evidence.LeftOut(name, 0, reason))


#: The recorder of this process, in the stash of the config.
RECORDER = pytest.StashKey[Recorder]()
