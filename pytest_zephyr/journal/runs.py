"""Finds and removes journals, groups them into runs, and reads the results of a run."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from itertools import chain
from pathlib import Path
import re

from pytest_zephyr.clock import now_ms
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import NotAJournal
from pytest_zephyr.journal import ledger
from pytest_zephyr.journal import reader
from pytest_zephyr.journal.file_store import FILES_DIRECTORY
from pytest_zephyr.journal.file_store import remove_unused
from pytest_zephyr.journal.writer import JOURNAL_SUFFIX
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import parts_of
from pytest_zephyr.journal.writer import whole_of
from pytest_zephyr.results.jobs import merge_sessions
from pytest_zephyr.results.jobs import MergedResults


#: The most journals that `prune` searches for delivered ones to keep, newest first.
_MAX_SEARCHED = 500

#: The most journals that one call of `prune` checks and removes: the oldest ones.
_MAX_CHECKED = 200

#: Milliseconds after which no other job of a run is expected.
_DAY_MS = 24 * 3600 * 1000

#: How sessions of pytest name their journals.
_SESSION_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f]{6}")


@dataclass(frozen=True)
class Run:
    """The journals of one run, perhaps of several CI jobs with one run key and target.

    *journals* are to be sent; *others* only count for the results that are sent. The
    sessions of the journals *running* still run; they send their own results later.
    """

    journals: tuple[reader.Journal, ...]
    others: tuple[reader.Journal, ...] = ()
    running: tuple[reader.Journal, ...] = ()

    @property
    def all(self) -> tuple[reader.Journal, ...]:
        return (*self.others, *self.journals)

    @property
    def paths(self) -> list[Path]:
        return [each.path for each in self.journals]

    @property
    def cut_short(self) -> list[Path]:
        """The paths of the *journals* that a full disk or a test has cut short."""
        return [each.path for each in self.journals if each.header.is_cut_short]

    @property
    def started(self) -> int:
        return min(journal.header.started for journal in self.journals)

    def read(self) -> RunContents:
        """Read *journals* and *others*; one that was removed meanwhile does not count."""
        journals, others = map(_read_all, (self.journals, self.others))
        sessions = [each.session for each in (others | journals).values()]
        return RunContents(journals, others, merge_sessions(sessions))

    def note_running(self, writers: Iterable[JournalWriter]) -> None:
        """Have *writers* note which sessions of the run still run."""
        if names := tuple(each.header.session for each in self.running):
            for writer in writers:
                writer.append(ledger.RunningSessions(names))


@dataclass(frozen=True)
class RunContents:
    """What the journals of a run say: those that are sent, and the *others*, by path.

    *merged* has the results that count; their times are those of the server's clock if
    their journal has a `Clock`. The order of the journals makes no difference.
    """

    journals: dict[Path, reader.Contents]
    others: dict[Path, reader.Contents]
    merged: MergedResults

    @property
    def unreadable(self) -> dict[Path, list[int]]:
        """The numbers of the lines that cannot be read, by the path of their file."""
        numbers: dict[Path, list[int]] = {}
        for each in (self.others | self.journals).values():
            for line in each.unreadable:
                numbers.setdefault(line.path, []).append(line.number)
        return numbers

    @property
    def uncollected(self) -> list[str]:
        """The node ids of what the sessions of *journals* could not collect."""
        lists = (each.uncollected for each in self.journals.values())
        return list(dict.fromkeys(chain.from_iterable(lists)))

    @property
    def deselected(self) -> int:
        """How many tests of *journals* were not run: their test cases are not in the phase."""
        return sum(each.deselected for each in self.journals.values())

    def memory(self, server: str) -> ledger.Memory:
        """Return what earlier pushes to *server* noted."""
        since = (each.memory(server).open_since for each in self.journals.values())
        both = self.others | self.journals
        memory = ledger.Memory(last_write=max(since, default=0), journals=tuple(both))
        for each in both.values():
            memory.merge(each.memory(server))
        return memory

    def begin_push(
        self, server: str, writers: Sequence[JournalWriter]
    ) -> ledger.Memory:
        """Have *writers* note *server*, unless it is the last that their journal names.

        Return what earlier pushes to *server* noted; its `note` writes more to *writers*.
        """
        for writer in writers:
            contents = self.journals.get(writer.path)
            if contents is not None and contents.server != server:
                writer.append(ledger.Server(server))

        def note(*entries: ledger.LedgerEntry) -> None:
            for writer in writers:
                writer.append(*entries)

        return replace(self.memory(server), note=note)


def _read_all(journals: Iterable[reader.Journal]) -> dict[Path, reader.Contents]:
    contents = {}
    for journal in journals:
        try:
            contents[journal.path] = journal.read()
        except JournalError:
            if journal.path.exists():
                raise
    return contents


@dataclass
class JournalSelection:
    """The journals to be sent, and messages about those that cannot be sent: *problems*.

    *dry_runs* are the paths of journals of dry runs that are not sent. *directories* may
    have more journals of the same runs.
    """

    journals: list[reader.Journal] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dry_runs: list[Path] = field(default_factory=list)
    directories: list[Path] = field(default_factory=list)


def run_of(
    journals: Sequence[reader.Journal],
    known: Iterable[reader.Journal],
    overrides: Mapping[str, str] | None = None,
) -> Run:
    """Return the run of *journals*, with the other *known* journals that belong to it.

    Without a run key there are no others. Others that are delivered count, too, because the
    worst result of the jobs of one run counts, whichever job is sent last. Others of dry
    runs do not count, and copies of one journal count once.
    """
    header = journals[0].header
    same: dict[str, reader.Journal] = {}
    if header.run_key:
        identity = header.identity(overrides)
        names = {each.header.session for each in journals}
        for journal in known:
            other = journal.header
            is_same = not other.dry_run and other.identity(overrides) == identity
            if is_same and other.session not in names:
                same.setdefault(other.session, journal)
    ended: list[reader.Journal] = []
    running: list[reader.Journal] = []
    for journal in same.values():
        (running if journal.is_running() else ended).append(journal)
    return Run(tuple(journals), tuple(ended), tuple(running))


def open_all(
    directories: Iterable[Path],
    known: Iterable[reader.Journal] = (),
    problems: list[str] | None = None,
    *,
    recent: bool = False,
) -> list[reader.Journal]:
    """Return the journals in *directories*, without the files of workers.

    Messages about those that cannot be read are added to *problems*. A *known* journal is
    not opened again. With *recent* only those that were written to in the last day are
    opened.
    """
    by_path = {journal.path: journal for journal in known}
    problems = [] if problems is None else problems
    return [
        journal
        for directory in directories
        for path in _files(directory)
        if (not recent or _is_recent(path))
        and (journal := by_path.get(path) or _open(path, problems)) is not None
        and not journal.header.worker
    ]


def _is_recent(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime * 1000 > now_ms() - _DAY_MS
    return False


def find_journals(paths: Iterable[Path]) -> JournalSelection:
    """Return the journals of *paths*: files, or the undelivered ones of directories."""
    selection = JournalSelection()
    by_name: dict[str, reader.Journal] = {}
    parts: list[Path] = []
    for given in paths:
        is_named = not given.is_dir()
        selection.directories.append(given.parent if is_named else given)
        for path in _files(given):
            journal = _open(path, selection.problems, is_named=is_named)
            if journal is None or (journal.is_delivered() and not is_named):
                continue
            if journal.header.worker:
                if is_named or not whole_of(path).exists():
                    parts.append(path)
            elif journal.header.dry_run and not is_named:
                selection.dry_runs.append(path)
            else:
                # Of two copies of one journal, the one with more about its tests is sent.
                session = journal.header.session
                other = by_name.setdefault(session, journal)
                if (
                    other is not journal
                    and journal.count_test_records() > other.count_test_records()
                ):
                    by_name[session] = journal
    journals = []
    for journal in by_name.values():
        if journal.is_running():
            selection.problems.append(f"{journal.path} is in use: its tests still run.")
        else:
            journals.append(journal)
    resolved = {each.path.resolve() for each in journals}
    selection.problems += [
        why_not_alone(part)
        for part in parts
        if whole_of(part).resolve() not in resolved
    ]
    # A shell pattern for the journals of a run may match those of its dry runs, too.
    real = {each.header.identity() for each in journals if not each.header.dry_run}
    for journal in journals:
        if journal.header.dry_run and journal.header.identity() in real:
            selection.dry_runs.append(journal.path)
        else:
            selection.journals.append(journal)
    return selection


def why_not_alone(part: Path) -> str:
    """Return why *part*, the file of a worker, cannot be sent without its journal."""
    whole = whole_of(part)
    if whole.exists():
        return f"{part} is a part of another journal; push {whole}."
    return f"{part} is a part of {whole}, which is gone."


def journal_files(path: Path) -> list[Path]:
    """Return the journals in the directory *path*, or *path* itself if it is none.

    The file of a worker is one of them only if the journal that it belongs to is missing.
    """
    return [
        each
        for each in _files(path)
        if path == each or "." not in each.stem or not whole_of(each).exists()
    ]


def discard(path: Path) -> None:
    """Remove a journal, its workers' files, and old attachments that no journal names.

    Raises JournalError if a file cannot be removed.
    """
    for part in (*parts_of(path), path):
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            why = error.strerror or error
            raise JournalError(f"cannot remove {part}: {why}.") from error
    _prune_files(path.parent)


def _files(path: Path) -> Sequence[Path]:
    return sorted(path.glob(f"*{JOURNAL_SUFFIX}")) if path.is_dir() else [path]


def _open(
    path: Path, problems: list[str], *, is_named: bool = False
) -> reader.Journal | None:
    """Open a journal, or add to *problems* why not.

    A file that the user has not named is no problem if it is not a journal, or if another
    session has removed it meanwhile.
    """
    try:
        return reader.Journal(path)
    except JournalError as error:
        foreign = isinstance(error, NotAJournal) and not _lost_its_header(path)
        if is_named or (path.exists() and not foreign):
            problems.append(str(error))
        return None


def _lost_its_header(path: Path) -> bool:
    """Return whether a file without a header is a journal that has had one.

    Then it has the name of a session, and a whole first line: a session that was killed
    while it wrote the header leaves only a part of a line.
    """
    with suppress(OSError), path.open("rb") as file:
        return bool(_SESSION_NAME.fullmatch(path.stem)) and file.readline().endswith(
            b"\n"
        )
    return False


def prune(directory: Path, keep: int = 20) -> None:
    """Remove old delivered journals, and then old attachments that no journal names.

    If no journal is removed, all attachments stay, too. The last *keep* delivered journals
    stay. A delivered journal with a run key also stays for a day, and while another journal
    of its run is not delivered: other jobs of the run may follow, and the worst result of
    all jobs counts. A directory with very many journals is cleared in several sessions.
    """
    paths = journal_files(directory)[::-1]
    searched = 0
    while keep and searched < min(len(paths), _MAX_SEARCHED):
        keep -= reader.last_kind(paths[searched]) == "delivered"
        searched += 1
    if keep:
        return
    day_ago = now_ms() - _DAY_MS
    removable = [
        journal
        for path in paths[searched:][-_MAX_CHECKED:]
        if reader.last_kind(path) == "delivered"
        and (journal := _open(path, [])) is not None
        and not (journal.header.run_key and journal.header.started >= day_ago)
    ]
    if any(journal.header.run_key for journal in removable):
        needed = {
            journal.header.identity()
            for journal in open_all([directory])
            if journal.header.run_key and not journal.is_delivered()
        }
        removable = [each for each in removable if each.header.identity() not in needed]
    if not removable:
        return
    names = {journal.path.name for journal in removable}
    for path in _files(directory):
        if path.name in names or whole_of(path).name in names:
            with suppress(OSError):
                path.unlink()
    _prune_files(directory)


def _prune_files(directory: Path) -> None:
    if not (directory / FILES_DIRECTORY).is_dir():
        return
    digests: set[str] = set()
    for path in _files(directory):
        try:
            digests |= reader.Journal(path).attachment_digests()
        except JournalError:
            if path.exists():
                # It may be of a newer version, and may name any of the attachments.
                return
    remove_unused(directory / FILES_DIRECTORY, digests)


def group(
    journals: Iterable[reader.Journal],
    overrides: Mapping[str, str] | None = None,
    directories: Iterable[Path] = (),
) -> list[Run]:
    """Group *journals* into runs, in the order in which these began.

    *overrides* are the url and the places to send all *journals* to, if they are not those
    of the journals. *directories* may have more journals of the same runs, as may the
    directories of *journals*.
    """
    journals = list(journals)
    groups: dict[tuple[str, ...], list[reader.Journal]] = {}
    for journal in journals:
        groups.setdefault(journal.header.identity(overrides), []).append(journal)
    known: list[reader.Journal] = []
    if any(journal.header.run_key for journal in journals):
        parents = (journal.path.parent for journal in journals)
        known = open_all(dict.fromkeys((*directories, *parents)))
    runs = [
        run_of(
            sorted(each, key=lambda journal: journal.header.session), known, overrides
        )
        for each in groups.values()
    ]
    return sorted(runs, key=lambda run: run.started)
