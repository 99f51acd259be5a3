"""Records of tests, folded into one outcome for each test."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import itertools

from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.results.evidence import gather
from pytest_zephyr.results.evidence import NOTHING
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Failure
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import NOWHERE
from pytest_zephyr.results.records import nth
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import Passed
from pytest_zephyr.results.records import Record
from pytest_zephyr.results.records import Report
from pytest_zephyr.results.records import Start
from pytest_zephyr.results.records import worst


def is_repeated(report: Report) -> bool:
    """Return whether *report* is of an attempt that will be repeated.

    Each plugin has its own word for that, as ``rerun`` or ``retried``.
    """
    return report.outcome not in {"passed", "failed", "skipped"}


def classify(report: Report) -> Outcome | None:
    """Return what *report* alone says, `None` if it decides nothing.

    A passed setup or teardown decides nothing, nor does an attempt that will be
    repeated. The rest is read as the terminal reads it.
    """
    if is_repeated(report):
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


@dataclass(slots=True)
class _Attempts:
    """The attempts of one node on one worker; only the last one counts.

    *earlier* is the first failure of the attempts before it, of number *first*.
    """

    worker: str
    last: int = 0
    outcome: Outcome | None = None
    finished: bool = False
    rerun: bool = False
    duration: int = 0
    reason: str = ""
    failures: tuple[Failure, ...] = ()
    earlier: Failure | None = None
    first: int = 0
    called: bool = False

    def add(self, report: Report) -> None:
        failure = _failure(report)
        # The report of a crash does not know which attempt it ended.
        # A crash after a rerun was announced ended the attempt that came then.
        attempt = report.attempt
        if report.when == "???":
            attempt = self.last + (self.rerun and not is_repeated(report))
        if attempt < self.last:
            self._note_earlier(attempt, failure)
            return
        if attempt > self.last:
            self._note_earlier(self.last, next(iter(self.failures), None))
            self.last = attempt
            self.outcome = None
            self.finished = self.rerun = False
            self.duration = 0
            self.reason = ""
            self.failures = ()
            self.called = False
        self.called = self.called or report.when == "call"
        if failure:
            self.failures += (failure,)
        said = classify(report)
        if said is not None:
            self.outcome = worst(filter(None, (said, self.outcome)))
        self.rerun = self.rerun or is_repeated(report)
        self.finished = self.finished or report.when in {"teardown", "???"}
        self.duration += report.duration
        self.reason = report.reason or self.reason

    def take_pass(self, passed: Passed) -> None:
        """Note that the attempt passed of which no more is to be said."""
        self.called = self.finished = True
        self.outcome = worst([Outcome.PASSED, self.outcome or Outcome.PASSED])
        self.duration += passed.duration

    @property
    def is_silent(self) -> bool:
        """Whether a test was set up and torn down, and nothing says how it went."""
        passed_silently = self.finished and not self.called and self.outcome is None
        return passed_silently and not self.rerun

    def _note_earlier(self, attempt: int, failure: Failure | None) -> None:
        if failure and (self.earlier is None or attempt < self.first):
            self.earlier, self.first = failure, attempt

    @property
    def verdict(self) -> Outcome | None:
        """The outcome, if nothing more is to come for it.

        A test that was only set up, as with ``--setup-plan``, never ran.
        """
        if not self.finished or self.rerun:
            return None
        return self.outcome or Outcome.UNRUN


@dataclass(slots=True)
class _Node:
    cases: tuple[CaseRef, ...] = ()
    unmarked: bool = False
    new: NewCase | None = None
    started: bool = False
    at: int = 0
    workers: tuple[_Attempts, ...] = ()
    marked: tuple[EvidenceValue, ...] = ()
    changed: bool = False

    def take(self, item: Item) -> None:
        """Note what the markers of the test say, in whichever order that is read."""
        if item.changed:
            self.cases, self.new = item.cases, item.new
            self.marked = tuple(item.evidence_values)
        elif not self.changed:
            self.cases = item.cases or self.cases
            self.new = item.new or self.new
            self.marked = tuple(item.evidence_values) or self.marked
        if item.changed or not self.changed:
            self.unmarked = item.unmarked
        self.changed = self.changed or item.changed

    def attempts_on(self, worker: str) -> _Attempts:
        for each in self.workers:
            if each.worker == worker:
                return each
        self.workers += (_Attempts(worker),)
        return self.workers[-1]

    def runs_on(self, worker: str) -> bool:
        """Return whether the test began on *worker*, and nothing says that it ended."""
        return any(each.worker == worker and not each.finished for each in self.workers)

    def evidence(self, evidence_values: Sequence[EvidenceEntry]) -> Evidence:
        """What was said in the last attempt, which may have died before its reports."""
        if not evidence_values and not self.marked:
            return NOTHING
        last = {each.worker: each.last for each in self.workers}
        for said in evidence_values:
            last[said.worker] = max(said.attempt, last.get(said.worker, 0))
        counting = [
            each for each in evidence_values if each.attempt == last[each.worker]
        ]
        return gather([*self.marked, *(each.what for each in counting)])


def fold(
    records: Iterable[Record], origin: Origin = NOWHERE, *, calls: bool = True
) -> list[NodeResult]:
    """Fold *records* by node: the last attempt counts, and its worst report decides.

    Without *calls* only fixtures are set up, as with ``--setup-plan``.

    Nothing is settled before the end. A rerun comes after a teardown, a failed subtest
    before the call report, and a crash after no further report at all. Records of
    different workers may interleave in any order.
    """
    nodes: dict[str, _Node] = {}
    evidence_values: dict[str, list[EvidenceEntry]] = {}
    ended = False
    for record in records:
        if isinstance(record, End):
            ended = True
            continue
        node = nodes.get(record.nodeid)
        if node is None:
            node = nodes[record.nodeid] = _Node()
        if isinstance(record, Item):
            node.take(record)
        elif isinstance(record, EvidenceEntry):
            evidence_values.setdefault(record.nodeid, []).append(record)
        else:
            if isinstance(record, Report) and record.when == "???":
                node = _running(nodes, record) or node
            node.at = max(node.at, record.at)
            attempts = node.attempts_on(record.worker)
            if isinstance(record, Start):
                node.started = True
            elif isinstance(record, Passed):
                attempts.take_pass(record)
            else:
                attempts.add(record)
    # One gives way to the other: a large run has many.
    return [
        _settle(
            nodeid,
            nodes.pop(nodeid),
            evidence_values.pop(nodeid, ()),
            ended,
            calls,
            origin,
        )
        for nodeid in list(nodes)
    ]


def _running(nodes: Mapping[str, _Node], crash: Report) -> _Node | None:
    """Return the test that *crash* ended: of several with one node id the one that ran."""
    for count in itertools.count(1):
        node = nodes.get(nth(crash.nodeid, count))
        if node is None or node.runs_on(crash.worker):
            return node
    return None


def _settle(
    nodeid: str,
    node: _Node,
    evidence_values: Sequence[EvidenceEntry],
    ended: bool,
    calls: bool,
    origin: Origin,
) -> NodeResult:
    all_attempts = sorted(node.workers, key=lambda each: each.worker)
    duration = all_attempts[0].duration if all_attempts else 0
    for each in all_attempts[1:]:
        duration += each.duration
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
        default=_Attempts(""),
    )
    return NodeResult(
        nodeid=nodeid,
        outcome=outcome,
        cases=node.cases,
        duration=duration,
        at=node.at,
        attempts=max((each.last for each in all_attempts), default=0) + 1,
        reason=deciding.reason,
        failures=deciding.failures,
        earlier=deciding.earlier,
        unmarked=node.unmarked,
        new=node.new,
        evidence=node.evidence(evidence_values),
        origin=origin,
        doubt="the report of a test is missing"
        if calls and any(each.is_silent for each in all_attempts)
        else "",
    )


def _failure(report: Report) -> Failure | None:
    if report.outcome != "failed" and not is_repeated(report):
        return None
    return Failure(report.when, report.crash, report.text, report.subtest)
