"""Decides which results of a test count if several sessions of a run have results of it.

Within a job the last attempt of a test counts. The results of several jobs all count, so
that the worst decides later. Two sessions are attempts of one job in two cases:

- Everything in `Job` except *attempt* is equal, and the first was over when the second
  began.
- Everything in `Job` except *host*, *checkout* and *attempt* is equal, and the CI
  service gives the second a higher attempt. If several sessions are alike in this
  way, the second is an attempt of only one of their jobs: see `_match_repetitions`.

All others are separate jobs. A test that was skipped or not run replaces no result of a
test that ran.
"""

from __future__ import annotations

from collections import Counter
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

    *host* is the name of the machine, *checkout* the CI service's directory for the
    source code, empty if it names none. *directory* (the root directory, and the one
    that pytest was started in) and *interpreter* are relative to it where they are
    below it. *arguments* is a digest; *environment* maps variables, such as the CI
    service's name of the job, to digests of their values. *attempt* is the number that
    the service gives this attempt, 0 if it gives none.
    """

    directory: str = ""
    interpreter: str = ""
    arguments: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    checkout: str = ""
    attempt: int = 0

    def differences(self, other: Job) -> list[str]:
        """Return the names of the differences to *other*, for messages."""
        fields = ("directory", "interpreter", "arguments", "host", "checkout")
        names = [name for name in fields if getattr(self, name) != getattr(other, name)]
        variables = dict(self.environment.items() ^ other.environment.items())
        names += [f"variable {name}" for name in sorted(variables)]
        return [f"the {name}" for name in names]

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

    A session without a *job* is a job of its own. *still_running* names the sessions
    that were running when this one ended. This one follows none of them, whatever their
    *ended* says: if a journal has no end, *ended* is only the time of its last result.
    A session is not *complete* if some files could not be collected.
    """

    name: str
    job: Job | None
    started: int
    ended: int
    nodes: Sequence[NodeResult]
    still_running: Collection[str] = ()
    complete: bool = True

    @property
    def job_attempt(self) -> int:
        return self.job.attempt if self.job else 0

    @property
    def failure_count(self) -> int:
        return sum(node.outcome.is_failure for node in self.nodes)

    def follows(self, earlier: Session) -> bool:
        """Return whether this ran the same job in the same location after *earlier*."""
        if self.job is None or earlier.job is None:
            return False
        return (
            replace(earlier.job, attempt=self.job.attempt) == self.job
            and earlier.ended <= self.started
            and earlier.name not in self.still_running
        )

    def repeats(self, earlier: Session) -> bool:
        """Return whether the CI service calls this a later attempt of the same job."""
        if self.job is None or earlier.job is None:
            return False
        return self.job.mark.repeats(earlier.job.mark)


@dataclass(frozen=True)
class MergedResults:
    """The results that count.

    *ended* has the end of each session by name, in milliseconds since the epoch.
    *incomplete* names the sessions that are not complete. *replaced* counts, for two
    sessions, the results of the first one that the second one replaced, without tests
    that did not run. *separate_jobs* says why two sessions in which a test ran, with
    different outcomes, are two jobs; the session with the worse outcome comes first.
    """

    nodes: Sequence[NodeResult]
    ended: Mapping[str, int] = field(default_factory=dict)
    incomplete: Collection[str] = ()
    replaced: Mapping[tuple[str, str], int] = field(default_factory=dict)
    separate_jobs: Mapping[tuple[str, str], str] = field(default_factory=dict)


_SessionResult = tuple[Session, NodeResult]


def merge_sessions(sessions: Iterable[Session]) -> MergedResults:
    """Return the results of *sessions* that count, grouped by test."""
    sessions = sorted(
        sessions, key=lambda each: (each.job_attempt, each.started, each.name)
    )
    ended = {session.name: session.ended for session in sessions}
    incomplete = {session.name for session in sessions if not session.complete}
    if len(sessions) == 1:
        return MergedResults(sessions[0].nodes, ended, incomplete)
    repeated = _match_repetitions(sessions)
    results: dict[str, list[_SessionResult]] = {}
    for session in sessions:
        for node in session.nodes:
            results.setdefault(node.nodeid, []).append((session, node))
    nodes: list[NodeResult] = []
    replaced: Counter[tuple[str, str]] = Counter()
    separate_jobs: dict[tuple[str, str], str] = {}
    for results_of_test in results.values():
        effective: list[_SessionResult] = []
        for result in results_of_test:
            effective = _add(effective, result, repeated, replaced)
        _note_separate_jobs(effective, separate_jobs)
        nodes += [node for _, node in effective]
    return MergedResults(nodes, ended, incomplete, replaced, separate_jobs)


def _match_repetitions(sessions: Sequence[Session]) -> dict[str, str]:
    """Map repetitions that follow no session to the sessions they repeat, by name.

    If several jobs look alike, a repetition belongs to the worst of them that has none
    yet, because a passed job is rarely repeated.
    """
    repeated: dict[str, str] = {}
    for later in sessions:
        if any(later.follows(each) for each in sessions):
            continue
        alike = [each for each in sessions if later.repeats(each)]
        free = [each for each in alike if each.name not in repeated.values()]
        if free:
            worst = max(free, key=lambda each: (each.failure_count, each.job_attempt))
            repeated[later.name] = worst.name
    return repeated


def _add(
    effective: list[_SessionResult],
    later: _SessionResult,
    repeated: Mapping[str, str],
    replaced: Counter[tuple[str, str]],
) -> list[_SessionResult]:
    """Return the results that count after a *later* result of the same test."""
    session, node = later
    superseded = [
        each
        for each in effective
        if session.follows(each[0]) or repeated.get(session.name) == each[0].name
    ]
    if not superseded:
        return [*effective, later]
    if not node.ran and any(each.ran for _, each in superseded):
        return effective
    for earlier, earlier_node in superseded:
        if earlier_node.ran:
            replaced[earlier.name, session.name] += 1
            failure = next(iter(earlier_node.failures), None)
            first = earlier_node.earlier_failure or failure or node.earlier_failure
            attempts = earlier_node.attempts + node.attempts
            node = replace(node, attempts=attempts, earlier_failure=first)
    return [*(each for each in effective if each not in superseded), (session, node)]


def _note_separate_jobs(
    effective: Sequence[_SessionResult], separate_jobs: dict[tuple[str, str], str]
) -> None:
    if len(effective) < 2:
        return
    worst, worst_node = max(effective, key=lambda each: each[1].outcome.rank)
    for session, node in effective:
        if not node.ran or node.outcome is worst_node.outcome:
            continue
        if worst.job is None or session.job is None:
            why = "the job of one of them is not known"
        elif names := worst.job.differences(session.job):
            why = f"they differ in {', '.join(names)}"
        else:
            why = "they ran side by side"
        separate_jobs.setdefault((worst.name, session.name), why)
