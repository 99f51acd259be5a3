"""What was seen of the tests, and the outcome that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from enum import Enum

from pytest_zephyr.results.evidence import Comment
from pytest_zephyr.results.evidence import Defect
from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import Field
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.evidence import gather
from pytest_zephyr.results.evidence import NOTHING
from pytest_zephyr.results.evidence import Said
from pytest_zephyr.results.evidence import Saying


#: A test case as a marker names it: an `int` is the visible ``testcaseId``, a `str`
#: is the Alt ID (``externalId``).
CaseRef = int | str


class Outcome(Enum):
    """How a test ended, in pytest's words; the order is from harmless to worst."""

    UNRUN = "unrun"
    SKIPPED = "skipped"
    PASSED = "passed"
    XPASSED = "xpassed"
    XFAILED = "xfailed"
    ERROR = "error"
    CRASHED = "crashed"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    @property
    def is_failure(self) -> bool:
        return self in {Outcome.ERROR, Outcome.CRASHED, Outcome.FAILED}


_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of *outcomes*, ``UNRUN`` if there are none."""
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.UNRUN)


@dataclass(frozen=True)
class NewCase:
    """A test case that a test without one would get; its folder and name identify it.

    *package* is the directory of the test's file with ``/`` between its parts, which
    the folder's name may hold. *script* is the node id without parameters.
    """

    package: str
    name: str
    script: str = field(default="", compare=False)
    description: str = field(default="", compare=False)
    tags: tuple[str, ...] = field(default=(), compare=False)
    requirements: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Item:
    """A selected test with the test cases it proves.

    *title* is the node id as people may see it, empty if that is the node id.
    *comment*, *defects* and *fields* are what its markers say. *new* is the test case
    to be made for a test without a marker, if that is wanted; *unmarked* says that it
    names no test case and does not ask to be ignored.
    """

    nodeid: str
    cases: tuple[CaseRef, ...] = ()
    title: str = ""
    unmarked: bool = False
    new: NewCase | None = None
    comment: str = ""
    defects: tuple[str, ...] = ()
    fields: tuple[tuple[str, FieldValue], ...] = ()

    @property
    def sayings(self) -> Iterator[Saying]:
        """What the markers say, as if the test had said it first."""
        if self.comment:
            yield Comment(self.comment)
        yield from map(Defect, self.defects)
        yield from (Field(name, value) for name, value in self.fields)


@dataclass(frozen=True)
class Start:
    """A test began; *at* is in milliseconds since the epoch."""

    nodeid: str
    at: int = 0


@dataclass(frozen=True)
class Report:
    """One report of pytest as plain data.

    *duration* is in microseconds, *at* (its end) in milliseconds since the epoch.
    *text* is the failure as pytest shows it, *crash* its one line, *reason* that of
    a skip or an expected failure.
    """

    nodeid: str
    when: str
    outcome: str
    duration: int = 0
    at: int = 0
    xfail: bool = False
    attempt: int = 0
    worker: str = ""
    cases: tuple[CaseRef, ...] = ()
    title: str = ""
    reason: str = ""
    crash: str = ""
    text: str = ""
    subtest: str = ""


@dataclass(frozen=True)
class End:
    """The session ended in order; whatever is unfinished was interrupted."""

    at: int = 0


Record = Item | Start | Report | Said | End


@dataclass(frozen=True)
class Failure:
    """Why an attempt went wrong: where it happened, its line and its text."""

    when: str
    crash: str
    text: str
    subtest: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a run came from: the CI service's page of the job, and the commit."""

    job: str = ""
    commit: str = ""


NOWHERE = Origin()


@dataclass(frozen=True)
class NodeResult:
    """All records of one node id, folded.

    *duration* is in microseconds and counts the last attempt; *at* is the end of the
    last report in milliseconds since the epoch, 0 if there was none. *failures* and
    *evidence* are those of the last attempt, *earlier* the first failure of the
    attempts before it.
    """

    nodeid: str
    outcome: Outcome
    cases: tuple[CaseRef, ...] = ()
    title: str = ""
    duration: int = 0
    at: int = 0
    attempts: int = 1
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    earlier: Failure | None = None
    unmarked: bool = False
    new: NewCase | None = None
    evidence: Evidence = NOTHING
    origin: Origin = NOWHERE


def classify(report: Report) -> Outcome | None:
    """Return what *report* alone says, `None` if it decides nothing.

    A passed setup or teardown decides nothing, nor does an attempt that will be
    repeated. The rest is read as the terminal reads it.
    """
    if report.outcome == "rerun":
        return None
    if report.when == "???":
        return Outcome.CRASHED
    if report.outcome == "failed":
        return Outcome.FAILED if report.when == "call" else Outcome.ERROR
    if report.outcome == "skipped":
        return Outcome.XFAILED if report.xfail else Outcome.SKIPPED
    if report.when != "call" or report.outcome != "passed":
        return None
    return Outcome.XPASSED if report.xfail else Outcome.PASSED


@dataclass
class _Attempts:
    """The attempts of one node on one worker; only the last one counts."""

    last: int = 0
    outcome: Outcome | None = None
    finished: bool = False
    rerun: bool = False
    duration: int = 0
    reason: str = ""
    failures: list[Failure] = field(default_factory=list)
    earlier: dict[int, Failure] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        failure = _failure(report)
        # The report of a crash does not know which attempt it ended.
        # A crash after a rerun was announced ended the attempt that came then.
        attempt = report.attempt
        if report.when == "???":
            attempt = self.last + (self.rerun and report.outcome != "rerun")
        if attempt < self.last:
            if failure:
                self.earlier.setdefault(attempt, failure)
            return
        if attempt > self.last:
            if self.failures:
                self.earlier.setdefault(self.last, self.failures[0])
            self.last = attempt
            self.outcome = None
            self.finished = self.rerun = False
            self.duration = 0
            self.reason = ""
            self.failures = []
        if failure:
            self.failures.append(failure)
        said = classify(report)
        if said is not None:
            self.outcome = worst(filter(None, (said, self.outcome)))
        self.rerun = self.rerun or report.outcome == "rerun"
        self.finished = self.finished or report.when in {"teardown", "???"}
        self.duration += report.duration
        self.reason = report.reason or self.reason

    @property
    def verdict(self) -> Outcome | None:
        """The outcome, if nothing more is to come for it.

        A test that was only set up, as with ``--setup-plan``, never ran.
        """
        if not self.finished or self.rerun:
            return None
        return self.outcome or Outcome.UNRUN


@dataclass
class _Node:
    cases: tuple[CaseRef, ...] = ()
    title: str = ""
    unmarked: bool = False
    new: NewCase | None = None
    started: bool = False
    at: int = 0
    workers: dict[str, _Attempts] = field(default_factory=dict)
    marked: tuple[Saying, ...] = ()
    said: list[Said] = field(default_factory=list)

    def evidence(self) -> Evidence:
        """What was said in the last attempt, which may have died before its reports."""
        if not self.said and not self.marked:
            return NOTHING
        last = {worker: each.last for worker, each in self.workers.items()}
        for said in self.said:
            last[said.worker] = max(said.attempt, last.get(said.worker, 0))
        counting = [each for each in self.said if each.attempt == last[each.worker]]
        return gather([*self.marked, *(each.what for each in counting)])


def fold(records: Iterable[Record], origin: Origin = NOWHERE) -> list[NodeResult]:
    """Fold *records* by node: the last attempt counts, and its worst report decides.

    Nothing is settled before the end. A rerun comes after a teardown, a failed subtest
    before the call report, and a crash after no further report at all. Records of
    different workers may interleave in any order.
    """
    nodes: dict[str, _Node] = {}
    ended = False
    for record in records:
        if isinstance(record, End):
            ended = True
            continue
        node = nodes.get(record.nodeid)
        if node is None:
            node = nodes[record.nodeid] = _Node()
        if isinstance(record, Item):
            node.cases = record.cases or node.cases
            node.title = record.title or node.title
            node.unmarked = record.unmarked
            node.new = record.new or node.new
            node.marked = tuple(record.sayings) or node.marked
        elif isinstance(record, Said):
            node.said.append(record)
        elif isinstance(record, Start):
            node.started = True
            node.at = max(node.at, record.at)
        else:
            # Without a journal on disk the cases come only with the first report.
            node.cases = record.cases or node.cases
            node.title = record.title or node.title
            node.at = max(node.at, record.at)
            attempts = node.workers.get(record.worker)
            if attempts is None:
                attempts = node.workers[record.worker] = _Attempts()
            attempts.add(record)
    return [_settle(nodeid, node, ended, origin) for nodeid, node in nodes.items()]


def _settle(nodeid: str, node: _Node, ended: bool, origin: Origin) -> NodeResult:
    all_attempts = [node.workers[worker] for worker in sorted(node.workers)]
    verdicts = [found for each in all_attempts if (found := each.verdict)]
    open_attempts = [
        each for each in all_attempts if each.verdict is None and not each.rerun
    ]
    if open_attempts or (node.started and not verdicts):
        seen = [each.outcome for each in open_attempts if each.outcome]
        # What failed has failed, however the process ended.
        verdicts += [outcome for outcome in seen if outcome.is_failure]
        verdicts.append(Outcome.UNRUN if ended else Outcome.CRASHED)
    outcome = worst(verdicts)
    deciding = max(
        all_attempts,
        key=lambda each: (each.outcome or Outcome.UNRUN).rank,
        default=_Attempts(),
    )
    return NodeResult(
        nodeid=nodeid,
        outcome=outcome,
        cases=node.cases,
        title=node.title or nodeid,
        duration=sum(each.duration for each in all_attempts),
        at=node.at,
        attempts=max((each.last for each in all_attempts), default=0) + 1,
        reason=deciding.reason,
        failures=tuple(deciding.failures),
        earlier=deciding.earlier[min(deciding.earlier)] if deciding.earlier else None,
        unmarked=node.unmarked,
        new=node.new,
        evidence=node.evidence(),
        origin=origin,
    )


def _failure(report: Report) -> Failure | None:
    if report.outcome not in {"failed", "rerun"}:
        return None
    return Failure(report.when, report.crash, report.text, report.subtest)
