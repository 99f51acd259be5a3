"""Journals as runs: found, grouped by run key, merged, and pushed oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
import re

from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.file_store import DIRECTORY
from pytest_zephyr.journal.file_store import remove_unnamed
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.ledger import RunningSessions
from pytest_zephyr.journal.ledger import Server
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.reader import last_kind
from pytest_zephyr.journal.reader import UnreadableLine
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import SUFFIX
from pytest_zephyr.journal.writer import whole_of
from pytest_zephyr.results.fold import fold
from pytest_zephyr.results.jobs import count
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.jobs import Session
from pytest_zephyr.results.records import NodeResult


#: Delivered journals that are kept to look at.
KEEP = 20

#: Journals, from the newest, among which the last delivered ones are looked for, and how
#: many of the oldest are looked at in one session.
_NEAR = 500
_AT_ONCE = 200

#: Milliseconds for which a run may go on, however many journals it has.
_DAY = 24 * 3600 * 1000

#: How the sessions of pytest name their journals.
_RUN_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f]{6}")


@dataclass(frozen=True)
class Run:
    """The journals of one run: several CI jobs with one run key and one target.

    *others* are read along, and are not those that are being sent.
    """

    journals: tuple[Journal, ...]
    others: tuple[Journal, ...] = ()

    @property
    def all(self) -> tuple[Journal, ...]:
        return (*self.others, *self.journals)

    @property
    def paths(self) -> list[Path]:
        return [each.path for each in self.journals]

    @property
    def cut(self) -> list[Path]:
        """The journals that a full disk has cut short."""
        return [each.path for each in self.journals if each.header.cut]

    @property
    def unreadable(self) -> list[UnreadableLine]:
        """The lines that cannot be read, of all journals. Complete only after `read`."""
        return [line for each in self.all for line in each.unreadable]

    @property
    def spoilt(self) -> bool:
        """Whether a journal that is sent has lines that cannot be read."""
        return any(each.unreadable for each in self.journals)

    @property
    def started(self) -> int:
        return min(journal.header.started for journal in self.journals)

    def read(self) -> MergedResults:
        """Return the results that count, as the server's clock dates them.

        Which of the journals comes first makes no difference.
        """
        return count(filter(None, map(_session, self.all)))

    def turn_to(self, server: str, writers: Sequence[JournalWriter]) -> None:
        """Send to *server* from now on. Complete only after `read`."""
        turned = [journal.path for journal in self.all if journal.turn_to(server)]
        for writer in writers:
            if writer.path in turned:
                writer.append(journal_format.line_of(Server(server)))

    def memory(self, writers: Sequence[JournalWriter]) -> Memory:
        """Return what earlier pushes noted; *writers* take what the next one notes.

        Complete only after `read`.
        """

        def note(lines: Iterable[dict[str, object]]) -> None:
            listed = list(lines)
            for writer in writers:
                writer.append_all(listed)

        return Memory(
            receipts=frozenset(
                (receipt.execution, receipt.digest)
                for each in self.all
                for receipt in each.ledger.receipts
            ),
            uncertain={
                execution: stamp
                for each in self.all
                for execution, stamp in each.ledger.uncertain.items()
            },
            attached=frozenset(
                attachment for each in self.all for attachment in each.ledger.attached
            ),
            attaching={
                attachment: naming
                for each in self.all
                for attachment, naming in each.ledger.attaching.items()
            },
            stepped={
                execution: digest
                for each in self.all
                for execution, digest in each.ledger.stepped.items()
            },
            open_since=max(each.ledger.open_since for each in self.journals),
            places=tuple(each.path for each in self.all),
            note_attaching=lambda attaching: note([journal_format.line_of(attaching)]),
            note_attached=lambda attached: note([journal_format.line_of(attached)]),
            note_stepped=lambda stepped: note([journal_format.line_of(stepped)]),
            note_sending=lambda sending: note([journal_format.line_of(sending)]),
            note_receipts=lambda receipts: note(map(journal_format.line_of, receipts)),
        )

    @property
    def uncollected(self) -> list[str]:
        """What could not be collected, by node id. Complete only after `read`."""
        found = (each.uncollected for each in self.journals)
        return list(dict.fromkeys(nodeid for each in found for nodeid in each))

    @property
    def deselected(self) -> int:
        """How many tests the plan did not hold. Complete only after `read`."""
        return sum(each.deselected for each in self.journals)

    def note_delivered(self, writers: Iterable[JournalWriter]) -> None:
        for writer in writers:
            writer.append(journal_format.delivered_line())


@dataclass(frozen=True)
class Found:
    """The journals to be sent, and why some that paths named cannot be read.

    *dry_runs* are those of dry runs that nobody named. *directories* are where others
    of the same runs may be.
    """

    journals: tuple[Journal, ...]
    problems: tuple[str, ...] = ()
    dry_runs: tuple[Path, ...] = ()
    directories: tuple[Path, ...] = ()


def siblings(
    journals: Sequence[Journal],
    known: Iterable[Journal],
    told: Mapping[str, str] | None = None,
) -> tuple[Journal, ...]:
    """Return those of the *known* journals that are of the same run as these.

    Of the jobs of one run the worst result counts, whichever of them is sent last, and
    delivered ones count, too. One that is still being written has its turn at its end.
    """
    same = _of_same_run(journals, known, told)
    return tuple(journal for journal in same if not journal.is_running())


def note_running(
    journals: Sequence[Journal],
    known: Iterable[Journal],
    writers: Iterable[JournalWriter],
) -> None:
    """Have *writers* note which of the *known* journals of this run still run."""
    same = _of_same_run(journals, known, None)
    if running := tuple(each.header.run for each in same if each.is_running()):
        for writer in writers:
            writer.append(journal_format.line_of(RunningSessions(running)))


def _of_same_run(
    journals: Sequence[Journal],
    known: Iterable[Journal],
    told: Mapping[str, str] | None,
) -> list[Journal]:
    header = journals[0].header
    if not header.key:
        return []
    identity = header.identity(told)
    found = {each.header.run: each for each in journals}
    for journal in known:
        if not journal.header.dry_run and journal.header.identity(told) == identity:
            found.setdefault(journal.header.run, journal)
    return list(found.values())[len(journals) :]


def open_all(
    directories: Iterable[Path],
    known: Iterable[Journal] = (),
    problems: list[str] | None = None,
    *,
    recent: bool = False,
) -> list[Journal]:
    """Return the journals in *directories*, and add to *problems* why some cannot be read.

    What is *known* already is not opened again. With *recent* only those that somebody
    wrote to in the last day.
    """
    by_path = {journal.path: journal for journal in known}
    names = problems if problems is not None else []
    return [
        journal
        for directory in directories
        for path in _files(directory)
        if (not recent or _is_recent(path))
        and (journal := by_path.get(path) or _open_if_ours(path, names)) is not None
        and not journal.is_worker
    ]


def _is_recent(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime * 1000 > now_ms() - _DAY
    return False


def find_journals(paths: Iterable[Path]) -> Found:
    """Return the journals of *paths*: files, or the undelivered ones of directories."""
    paths = list(paths)
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
            elif path.is_dir() and journal.is_delivered():
                continue
            elif path.is_dir() and journal.header.dry_run:
                dry_runs.append(each)
            else:
                _take(journal, found)
    for run, journal in list(found.items()):
        if journal.is_running():
            problems.append(f"{journal.path} is in use: its run goes on.")
            del found[run]
    named = {each.path.resolve() for each in found.values()}
    problems += [
        f"{part} is a part of {whole_of(part)}; push that."
        for part in parts
        if whole_of(part).resolve() not in named
    ]
    # A dry run that a pattern names beside real runs is not meant.
    real = {
        each.header.identity() for each in found.values() if not each.header.dry_run
    }
    for run, journal in list(found.items()):
        if journal.header.dry_run and journal.header.identity() in real:
            dry_runs.append(found.pop(run).path)
    directories = [path if path.is_dir() else path.parent for path in paths]
    return Found(
        tuple(found.values()),
        tuple(problems),
        tuple(dry_runs),
        tuple(dict.fromkeys(directories)),
    )


def _take(journal: Journal, found: dict[str, Journal]) -> None:
    """Add *journal*; of two copies of one run that with more of its tests is meant."""
    other = found.setdefault(journal.header.run, journal)
    if other is not journal and journal.length() > other.length():
        found[journal.header.run] = journal


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
    except NotAJournal as error:
        if _RUN_NAME.fullmatch(path.stem) and _has_lines(path):
            problems.append(str(error))
        return None
    except JournalError as error:
        # Another session may have removed it meanwhile.
        if path.exists():
            problems.append(str(error))
        return None


def _has_lines(path: Path) -> bool:
    """Return whether more was written than a header that a kill cut off."""
    with suppress(OSError), path.open("rb") as file:
        return file.readline().endswith(b"\n")
    return False


def prune(directory: Path, keep: int = KEEP) -> None:
    """Remove delivered journals but the last *keep*; what is undelivered stays.

    Those of a run of which others are not delivered or still run stay, too, and a day long
    all that have a run key: the run may go on, and of its jobs the worst result counts. The
    attachments that no journal names any more go. A directory that has very many journals
    is cleared in several sessions, so that none has to read them all.
    """
    paths = [path for path in reversed(_files(directory)) if "." not in path.stem]
    kept = 0
    while keep and kept < min(len(paths), _NEAR):
        keep -= last_kind(paths[kept]) == "delivered"
        kept += 1
    if keep:
        return
    old = [each for each in paths[kept:][-_AT_ONCE:] if last_kind(each) == "delivered"]
    journals = [each for path in old if (each := _open_if_ours(path, [])) is not None]
    recent = now_ms() - _DAY
    over = [
        each for each in journals if not each.header.key or each.header.started < recent
    ]
    needed = set()
    if any(each.header.key for each in over):
        needed = {
            each.header.identity()
            for each in open_all([directory])
            if each.header.key and not each.is_delivered()
        }
    over = [each for each in over if each.header.identity() not in needed]
    if not over:
        return
    parts: dict[str, list[Path]] = {}
    for path in _files(directory):
        parts.setdefault(whole_of(path).name, []).append(path)
    for journal in over:
        for part in (*parts.get(journal.path.name, ()), journal.path):
            with suppress(OSError):
                part.unlink()
    _prune_files(directory)


def _prune_files(directory: Path) -> None:
    if not (directory / DIRECTORY).is_dir():
        return
    named: set[str] = set()
    for path in _files(directory):
        try:
            named |= Journal(path).files()
        except JournalError:
            if path.exists():
                # It may be a newer version's, and name any of them.
                return
    remove_unnamed(directory / DIRECTORY, named)


def group(
    journals: Iterable[Journal],
    told: Mapping[str, str] | None = None,
    beside: Iterable[Path] = (),
) -> list[Run]:
    """Group *journals* into runs, in the order in which these began.

    *told* are places that are to be used for all of them. *beside* are directories where
    others of the same runs may be, besides their own.
    """
    journals = list(journals)
    groups: dict[tuple[str, ...], list[Journal]] = {}
    for journal in journals:
        groups.setdefault(journal.header.identity(told), []).append(journal)
    known: list[Journal] = []
    if any(journal.header.key for journal in journals):
        parents = (journal.path.parent for journal in journals)
        known = open_all(dict.fromkeys((*beside, *parents)))
    runs = [
        Run(
            tuple(sorted(each, key=lambda journal: journal.header.run)),
            siblings(each, known, told),
        )
        for each in groups.values()
    ]
    return sorted(runs, key=lambda run: run.started)


def _session(journal: Journal) -> Session | None:
    """Read one journal; `None` if it was removed since it was found."""
    header = journal.header
    try:
        nodes = fold(journal.records(), header.origin, calls=not header.setup_only)
    except JournalError:
        if journal.path.exists():
            raise
        return None
    nodes = _doubt(nodes, journal.unreadable)
    ended = max([journal.ended, *(node.at for node in nodes)], default=0)
    return Session(
        header.run,
        header.job,
        header.started + journal.ahead,
        ended + journal.ahead,
        [_dated(node, journal.ahead) for node in nodes] if journal.ahead else nodes,
        frozenset(journal.beside),
        not journal.uncollected,
    )


def _doubt(
    nodes: list[NodeResult], unreadable: Sequence[UnreadableLine]
) -> list[NodeResult]:
    """Return *nodes* with the unreadable line that each may be missing."""
    doubts: dict[str, str] = {}
    known = {node.nodeid for node in nodes if node.cases}
    for line in unreadable:
        tests = line.tests
        if tests is None or not known.issuperset(tests):
            tests = known
        for nodeid in tests:
            doubts.setdefault(nodeid, f"{line} cannot be read")
    if not doubts:
        return nodes
    return [
        replace(node, doubt=doubts[node.nodeid]) if node.nodeid in doubts else node
        for node in nodes
    ]


def _dated(node: NodeResult, ahead: int) -> NodeResult:
    """Return *node* with times of a clock that is *ahead* milliseconds."""
    steps = tuple(
        replace(step, at=step.at + ahead) if step.at else step
        for step in node.evidence.steps
    )
    return replace(
        node,
        at=node.at + ahead if node.at else 0,
        evidence=replace(node.evidence, steps=steps),
        origin=replace(node.origin, started=node.origin.started + ahead),
    )
