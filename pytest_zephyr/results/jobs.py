"""Which result of a test counts where several sessions of one run have one.

Within a job the last attempt of a test counts; across jobs the worst does. Two sessions
are attempts of one job only if that is sure; in doubt they are two jobs. They are if
everything in `Job` but *attempt* is equal and the first was over when the second began,
or if the CI service counts attempts, the second has the higher number, and all but
*host* and *checkout* is equal. What was skipped or not run replaces nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.text import short_digest


@dataclass(frozen=True)
class Job:
    """What a session did, and where.

    *directory* (the root directory, and the one that pytest was started in) and
    *interpreter* are as seen from *checkout*, the CI service's directory for the source
    code. *arguments* is a digest; *environment* maps variables to digests of their
    values; the CI service's name of the job is one of them. *attempt* is the number that
    the service gives a repetition, 0 if it gives none.
    """

    directory: str = ""
    interpreter: str = ""
    arguments: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    checkout: str = ""
    attempt: int = 0

    def differences(self, other: Job) -> list[str]:
        """Name what makes this another job than *other*, for people."""
        names = {
            "the directory": "directory",
            "the interpreter": "interpreter",
            "the arguments": "arguments",
            "the host": "host",
            "the checkout": "checkout",
        }
        found = [
            text
            for text, name in names.items()
            if getattr(self, name) != getattr(other, name)
        ]
        variables = sorted({*self.environment, *other.environment})
        return found + [
            f"the variable {each}"
            for each in variables
            if self.environment.get(each) != other.environment.get(each)
        ]

    @cached_property
    def mark(self) -> JobMark:
        what = (self.directory, self.interpreter, self.arguments)
        variables = sorted(self.environment.items())
        return JobMark(
            short_digest(repr((what, variables)), 8),
            short_digest(repr((self.host, self.checkout)), 4),
            self.attempt,
        )


@dataclass(frozen=True)
class Session:
    """The results of one journal; times are in milliseconds since the epoch.

    Without a *job* it is a job of its own. *beside* names sessions that still ran when
    it ended: one that was killed later does not say when it was over. It is not *whole*
    if some files could not be collected.
    """

    name: str
    job: Job | None
    started: int
    ended: int
    nodes: Sequence[NodeResult]
    beside: Collection[str] = ()
    whole: bool = True

    @property
    def job_attempt(self) -> int:
        return self.job.attempt if self.job else 0

    @property
    def failures(self) -> int:
        return sum(node.outcome.is_failure for node in self.nodes)

    def follows(self, earlier: Session) -> bool:
        """Return whether this ran the same job in the same place after *earlier*."""
        if self.job is None or earlier.job is None:
            return False
        here = (self.job.host, self.job.checkout)
        return (
            self.job.mark.kind == earlier.job.mark.kind
            and here == (earlier.job.host, earlier.job.checkout)
            and earlier.ended <= self.started
            and earlier.name not in self.beside
        )

    def repeats(self, earlier: Session) -> bool:
        """Return whether the CI service calls this a later attempt than *earlier*."""
        if self.job is None or earlier.job is None:
            return False
        mark, other = self.job.mark, earlier.job.mark
        return mark.kind == other.kind and mark.attempt > other.attempt > 0


@dataclass(frozen=True)
class MergedResults:
    """The results that count.

    *ended* says when each session was over, by name, *partial* names those that are not
    whole. *replaced* counts the tests of one session whose result gave way to that of
    another, *separate_jobs* says for two sessions with different outcomes of a test why they
    are two jobs: names of sessions, the worse first.
    """

    nodes: Sequence[NodeResult]
    ended: Mapping[str, int]
    partial: Collection[str]
    replaced: Mapping[tuple[str, str], int]
    separate_jobs: Mapping[tuple[str, str], str]


_Entry = tuple[Session, NodeResult]


def count(sessions: Iterable[Session]) -> MergedResults:
    """Return the results of *sessions* that count, in the order of their tests."""
    sessions = sorted(sessions, key=_order)
    ended = {session.name: session.ended for session in sessions}
    partial = {session.name for session in sessions if not session.whole}
    if len(sessions) == 1:
        return MergedResults(sessions[0].nodes, ended, partial, {}, {})
    repeated = _repeated(sessions)
    entries: dict[str, list[_Entry]] = {}
    for session in sessions:
        for node in session.nodes:
            entries.setdefault(node.nodeid, []).append((session, node))
    nodes: list[NodeResult] = []
    replaced: dict[tuple[str, str], int] = {}
    separate_jobs: dict[tuple[str, str], str] = {}
    for same in entries.values():
        counting: list[_Entry] = []
        for entry in same:
            counting = _add(counting, entry, repeated, replaced)
        _note_separate_jobs(counting, separate_jobs)
        nodes += [node for _, node in counting]
    return MergedResults(nodes, ended, partial, replaced, separate_jobs)


def _order(session: Session) -> tuple[int, int, str]:
    return session.job_attempt, session.started, session.name


def _repeated(sessions: Sequence[Session]) -> dict[str, str]:
    """Map each session that repeats another, elsewhere, to the one that it repeats.

    Several jobs may look alike. One repetition is of one of them: of the worst that has
    none yet, for nobody repeats what was green.
    """
    found: dict[str, str] = {}
    for later in sessions:
        if any(later.follows(each) for each in sessions):
            continue
        alike = [each for each in sessions if later.repeats(each)]
        free = [each for each in alike if each.name not in found.values()]
        if free:
            worst = max(free, key=lambda each: (each.failures, each.job_attempt))
            found[later.name] = worst.name
    return found


def _add(
    counting: list[_Entry],
    later: _Entry,
    repeated: Mapping[str, str],
    replaced: dict[tuple[str, str], int],
) -> list[_Entry]:
    """Return *counting* with a *later* result of the same test."""
    session, node = later
    before = [
        each
        for each in counting
        if session.follows(each[0]) or repeated.get(session.name) == each[0].name
    ]
    if not before:
        return [*counting, later]
    if not node.ran and any(each.ran for _, each in before):
        return counting
    for earlier, old in before:
        if old.ran:
            key = earlier.name, session.name
            replaced[key] = replaced.get(key, 0) + 1
            node = _after(old, node)
    return [*(each for each in counting if each not in before), (session, node)]


def _after(old: NodeResult, node: NodeResult) -> NodeResult:
    """Return *node* as the attempt that came after *old*."""
    first = old.earlier or next(iter(old.failures), None) or node.earlier
    return replace(node, attempts=old.attempts + node.attempts, earlier=first)


def _note_separate_jobs(
    counting: Sequence[_Entry], separate_jobs: dict[tuple[str, str], str]
) -> None:
    if len(counting) < 2:
        return
    worst, bad = max(counting, key=lambda each: each[1].outcome.rank)
    for session, node in counting:
        if not node.ran or node.outcome is bad.outcome:
            continue
        if worst.job is None or session.job is None:
            why = "one of them does not say which job it is of"
        else:
            names = worst.job.differences(session.job)
            why = (
                f"they differ in {', '.join(names)}"
                if names
                else "they ran side by side"
            )
        separate_jobs.setdefault((worst.name, session.name), why)
