"""Journals as runs: found, grouped by run key, merged, and pushed oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_zephyr import journal as disk
from pytest_zephyr.delivery import Memory
from pytest_zephyr.errors import JournalError
from pytest_zephyr.journal import Journal
from pytest_zephyr.journal import JournalWriter
from pytest_zephyr.outcome import fold
from pytest_zephyr.outcome import NodeResult


@dataclass(frozen=True)
class Run:
    """The journals of one run; several CI jobs with one run key are one run."""

    journals: tuple[Journal, ...]

    @property
    def started(self) -> int:
        return min(journal.header.started for journal in self.journals)

    def nodes(self) -> list[NodeResult]:
        """Fold every journal; which of them comes first makes no difference."""
        return [node for each in self.journals for node in fold(each.records())]

    def memory(self, writers: Sequence[JournalWriter]) -> Memory:
        """Return what earlier pushes noted; *writers* take what the next one notes.

        Complete only after `nodes`.
        """

        def note(lines: Iterable[dict[str, object]]) -> None:
            listed = list(lines)
            for writer in writers:
                writer.append_all(listed)

        return Memory(
            receipts=frozenset(
                receipt.digest for each in self.journals for receipt in each.receipts
            ),
            unclear={
                execution: stamp
                for each in self.journals
                for sending in each.sendings
                for execution, stamp in sending.rows.items()
            },
            note_sending=lambda sending: note([disk.sending_line(sending)]),
            note_receipts=lambda receipts: note(map(disk.receipt_line, receipts)),
        )

    def note_delivered(self, writers: Iterable[JournalWriter]) -> None:
        for writer in writers:
            writer.append(disk.delivered_line())


def find_journals(paths: Iterable[Path]) -> list[Journal]:
    """Return the journals that *paths* name: files, or the undelivered ones of directories.

    Raises JournalError if a path is neither.
    """
    found: dict[str, Journal] = {}
    for path in paths:
        if path.is_dir():
            journals = [Journal(each) for each in sorted(path.glob(f"*{disk.SUFFIX}"))]
            listed = [each for each in journals if not each.is_worker]
            listed = [each for each in listed if not each.is_delivered()]
        elif path.is_file():
            listed = [Journal(path)]
            if listed[0].is_worker:
                msg = (
                    f"{path} is a part of another journal; push {path.parent} instead."
                )
                raise JournalError(msg)
        else:
            msg = f"there is no journal {path}."
            raise JournalError(msg)
        for journal in listed:
            found.setdefault(journal.header.run, journal)
    return list(found.values())


def group(journals: Iterable[Journal]) -> list[Run]:
    """Group *journals* by run key, in the order in which the runs began."""
    groups: dict[str, list[Journal]] = {}
    for journal in journals:
        key = journal.header.key or journal.header.run
        groups.setdefault(key, []).append(journal)
    runs = [
        Run(tuple(sorted(each, key=lambda journal: journal.header.run)))
        for each in groups.values()
    ]
    return sorted(runs, key=lambda run: run.started)
