"""Journals as runs: found, grouped by run key, merged, and pushed oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
import glob
from pathlib import Path

from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.file_store import DIRECTORY
from pytest_zephyr.journal.file_store import remove_unnamed
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.lock import is_locked
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import SUFFIX
from pytest_zephyr.journal.writer import whole_of
from pytest_zephyr.results.fold import fold
from pytest_zephyr.results.records import NodeResult


#: Delivered journals that are kept to look at.
KEEP = 20


@dataclass(frozen=True)
class Run:
    """The journals of one run: several CI jobs with one run key and one target.

    *others* are read along, and are not those that are being sent.
    """

    journals: tuple[Journal, ...]
    others: tuple[Journal, ...] = ()

    @property
    def _all(self) -> tuple[Journal, ...]:
        return (*self.others, *self.journals)

    @property
    def paths(self) -> list[Path]:
        return [each.path for each in self.journals]

    @property
    def cut(self) -> list[Path]:
        """The journals that a full disk has cut short."""
        return [each.path for each in self.journals if each.header.cut]

    @property
    def unreadable(self) -> dict[Path, int]:
        """How many lines of which journals were not read. Complete only after `nodes`."""
        return {each.path: each.skipped for each in self.journals if each.skipped}

    @property
    def started(self) -> int:
        return min(journal.header.started for journal in self.journals)

    def nodes(self) -> list[NodeResult]:
        """Fold every journal; which of them comes first makes no difference."""
        return [
            node
            for each in self._all
            for node in fold(each.records(), each.header.origin)
        ]

    def turn_to(self, server: str, writers: Sequence[JournalWriter]) -> None:
        """Send to *server* from now on. Complete only after `nodes`."""
        turned = [journal.path for journal in self._all if journal.turn_to(server)]
        for writer in writers:
            if writer.path in turned:
                writer.append(journal_format.server_line(server))

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
                (receipt.execution, receipt.digest)
                for each in self._all
                for receipt in each.ledger.receipts
            ),
            unclear={
                execution: stamp
                for each in self._all
                for execution, stamp in each.ledger.unclear.items()
            },
            attached=frozenset(
                attachment for each in self._all for attachment in each.ledger.attached
            ),
            attaching={
                attachment: naming
                for each in self._all
                for attachment, naming in each.ledger.attaching.items()
            },
            stepped={
                execution: digest
                for each in self._all
                for execution, digest in each.ledger.stepped.items()
            },
            places=tuple(each.path for each in self._all),
            note_attaching=lambda attaching: note(
                [journal_format.attaching_line(attaching)]
            ),
            note_attached=lambda attached: note(
                [journal_format.attached_line(attached)]
            ),
            note_stepped=lambda stepped: note([journal_format.stepped_line(stepped)]),
            note_sending=lambda sending: note([journal_format.sending_line(sending)]),
            note_receipts=lambda receipts: note(
                map(journal_format.receipt_line, receipts)
            ),
        )

    @property
    def uncollected(self) -> list[str]:
        """What could not be collected, by node id. Complete only after `nodes`."""
        found = (each.uncollected for each in self.journals)
        return list(dict.fromkeys(nodeid for each in found for nodeid in each))

    @property
    def deselected(self) -> int:
        """How many tests the plan did not hold. Complete only after `nodes`."""
        return sum(each.deselected for each in self.journals)

    def note_delivered(self, writers: Iterable[JournalWriter]) -> None:
        for writer in writers:
            writer.append(journal_format.delivered_line())


@dataclass(frozen=True)
class Found:
    """The journals to be sent, and why some that paths named cannot be read.

    *dry_runs* are those of dry runs that nobody named.
    """

    journals: tuple[Journal, ...]
    problems: tuple[str, ...] = ()
    dry_runs: tuple[Path, ...] = ()


def siblings(
    journals: Sequence[Journal], told: Mapping[str, str] | None = None
) -> tuple[Journal, ...]:
    """Return the other journals of the same run beside these, delivered ones too.

    Of the jobs of one run the worst result counts, whichever of them is sent last.
    One that is still being written has its turn at its own end.
    """
    header = journals[0].header
    if not header.key:
        return ()
    found = {each.header.run: each for each in journals}
    others = []
    for directory in dict.fromkeys(each.path.parent for each in journals):
        for path in _files(directory):
            journal = _open(path, [])
            if journal is None or journal.is_worker or journal.header.dry_run:
                continue
            if journal.header.identity(told) != header.identity(told):
                continue
            if journal.header.run not in found and not is_locked(path):
                found[journal.header.run] = journal
                others.append(journal)
    return tuple(others)


def find_journals(paths: Iterable[Path]) -> Found:
    """Return the journals of *paths*: files, or the undelivered ones of directories."""
    found: dict[str, Journal] = {}
    dry_runs: list[Path] = []
    parts: list[Path] = []
    problems: list[str] = []
    for path in paths:
        for each in _files(path):
            journal = (_open_if_ours if path.is_dir() else _open)(each, problems)
            if journal is None:
                continue
            if journal.is_worker:
                if not path.is_dir() or not whole_of(each).exists():
                    parts.append(each)
            elif not path.is_dir():
                found.setdefault(journal.header.run, journal)
            elif journal.is_delivered():
                continue
            elif journal.header.dry_run:
                dry_runs.append(each)
            else:
                found.setdefault(journal.header.run, journal)
    named = {each.path.resolve() for each in found.values()}
    problems += [
        f"{part} is a part of {whole_of(part)}; push that."
        for part in parts
        if whole_of(part).resolve() not in named
    ]
    return Found(tuple(found.values()), tuple(problems), tuple(dry_runs))


def _files(path: Path) -> Sequence[Path]:
    return sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]


def _open(path: Path, problems: list[str]) -> Journal | None:
    try:
        return Journal(path)
    except JournalError as error:
        problems.append(str(error))
        return None


def _open_if_ours(path: Path, problems: list[str]) -> Journal | None:
    """Open what a directory holds; what is no journal there is none of our business."""
    try:
        return Journal(path)
    except NotAJournal:
        return None
    except JournalError as error:
        problems.append(str(error))
        return None


def prune(directory: Path, keep: int = KEEP) -> None:
    """Remove delivered journals but the last *keep*; what is undelivered stays.

    The attachments that no journal names any more go with them.
    """
    journals = [_open(path, []) for path in sorted(_files(directory), reverse=True)]
    delivered = [
        each.path
        for each in journals
        if each is not None and not each.is_worker and each.is_delivered()
    ]
    for path in delivered[keep:]:
        for part in (*directory.glob(f"{glob.escape(path.stem)}.*{SUFFIX}"), path):
            with suppress(OSError):
                part.unlink()
    if delivered[keep:]:
        _prune_files(directory)


def _prune_files(directory: Path) -> None:
    problems: list[str] = []
    journals = [_open(path, problems) for path in _files(directory)]
    # What cannot be read may be a newer version's, and name any of them.
    if not problems and (directory / DIRECTORY).is_dir():
        named = {name for each in journals if each for name in each.files()}
        remove_unnamed(directory / DIRECTORY, named)


def group(
    journals: Iterable[Journal], told: Mapping[str, str] | None = None
) -> list[Run]:
    """Group *journals* into runs, in the order in which these began.

    *told* are places that are to be used for all of them.
    """
    groups: dict[tuple[str, ...], list[Journal]] = {}
    for journal in journals:
        groups.setdefault(journal.header.identity(told), []).append(journal)
    runs = [
        Run(
            tuple(sorted(each, key=lambda journal: journal.header.run)),
            siblings(each, told),
        )
        for each in groups.values()
    ]
    return sorted(runs, key=lambda run: run.started)
