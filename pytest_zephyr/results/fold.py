"""Folds the records of each test into one result."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.results.evidence import gather
from pytest_zephyr.results.evidence import NO_EVIDENCE
from pytest_zephyr.results.records import End
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import number_nodeid
from pytest_zephyr.results.records import Origin
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import Passed
from pytest_zephyr.results.records import Record
from pytest_zephyr.results.records import Report
from pytest_zephyr.results.records import Start
from pytest_zephyr.results.records import UNKNOWN_ORIGIN
from pytest_zephyr.results.records import worst


def is_repeated(report: Report) -> bool:
    """Return whether *report* says that another attempt of its test follows.

    Each plugin that repeats tests has its own outcome for that, such as ``rerun`` or
    ``retried``.
    """
    return report.outcome not in {"passed", "failed", "skipped"}


def classify(report: Report) -> Outcome | None:
    """Return the outcome that *report* gives its test, `None` if it gives none.

    It gives none if a setup or teardown passed, or if another attempt follows.
    """
    if is_repeated(report):
        return None
    if report.when == "???":
        return Outcome.CRASHED
    if report.outcome == "failed":
        return Outcome.FAILED if report.when == "call" else Outcome.ERROR
    if report.outcome == "skipped":
        return Outcome.XFAILED if report.xfail else Outcome.SKIPPED
    if report.when != "call":
        return None
    return Outcome.XPASSED if report.xfail else Outcome.PASSED


@dataclass(slots=True)
class _Attempts:
    """The attempts of one node on one worker; *last* is the number of the last one.

    *earlier_failure* is the first failure of the attempts before it, in attempt
    *earlier_attempt*. The other fields are those of the last attempt: *finished* says
    that its teardown or a crash was reported, *rerun* that another attempt was
    announced, *called* that a record says how the call went. *duration* is in
    microseconds.
    """

    worker: str
    last: int = 0
    earlier_failure: Report | None = None
    earlier_attempt: int = 0
    outcome: Outcome | None = None
    finished: bool = False
    rerun: bool = False
    duration: int = 0
    reason: str = ""
    failures: tuple[Report, ...] = ()
    called: bool = False

    def add(self, report: Report) -> None:
        repeated = is_repeated(report)
        failure = report if repeated or report.outcome == "failed" else None
        # The report of a crash has no attempt number. The crash ended the last attempt,
        # or the next one if that was announced before.
        attempt = report.attempt
        if report.when == "???":
            attempt = self.last + self.rerun
        if attempt < self.last:
            self._note_earlier(attempt, failure)
            return
        if attempt > self.last:
            self._note_earlier(self.last, next(iter(self.failures), None))
            self.last, self.outcome, self.failures = attempt, None, ()
            self.finished = self.rerun = self.called = False
            self.duration, self.reason = 0, ""
        if failure:
            self.failures += (failure,)
        self.called |= report.when == "call"
        self.outcome = _worse(classify(report), self.outcome)
        self.rerun |= repeated
        self.finished |= report.when in {"teardown", "???"}
        self.duration += report.duration
        self.reason = report.reason or self.reason

    def add_pass(self, passed: Passed) -> None:
        self.called = self.finished = True
        self.outcome = _worse(Outcome.PASSED, self.outcome)
        self.duration += passed.duration

    def _note_earlier(self, attempt: int, failure: Report | None) -> None:
        if failure and (self.earlier_failure is None or attempt < self.earlier_attempt):
            self.earlier_failure, self.earlier_attempt = failure, attempt

    @property
    def final_outcome(self) -> Outcome | None:
        """The outcome; `None` if the last attempt is not finished, or another follows.

        It is ``UNRUN`` if setup and teardown passed, and the call has no report.
        """
        if not self.finished or self.rerun:
            return None
        return self.outcome or Outcome.UNRUN


@dataclass(slots=True)
class _Node:
    """The *result* of one node, incomplete before the last record.

    *started* says that a `Start` of it was found. *attempts_by_worker* has the
    attempts on each worker that ran it, *marker_evidence* is the evidence that its
    markers give. *markers_changed* says that the markers were changed while the test
    ran.
    """

    result: NodeResult
    started: bool = False
    attempts_by_worker: tuple[_Attempts, ...] = ()
    marker_evidence: tuple[EvidenceValue, ...] = ()
    markers_changed: bool = False

    def add_item(self, item: Item) -> None:
        """Add what *item* says about the test; items may come in any order."""
        result, evidence = self.result, item.evidence_values
        if item.changed:
            result.cases, result.new = item.cases, item.new
            self.marker_evidence, self.markers_changed = evidence, True
        elif self.markers_changed:
            return
        else:
            result.cases = item.cases or result.cases
            result.new = item.new or result.new
            self.marker_evidence = evidence or self.marker_evidence
        result.unmarked, result.invalid = item.unmarked, item.invalid

    def attempts_on(self, worker: str) -> _Attempts:
        for each in self.attempts_by_worker:
            if each.worker == worker:
                return each
        self.attempts_by_worker += (_Attempts(worker),)
        return self.attempts_by_worker[-1]

    def runs_on(self, worker: str) -> bool:
        """Return whether the test began on *worker* and has not finished there."""
        return any(
            each.worker == worker and not each.finished
            for each in self.attempts_by_worker
        )

    def evidence(self, entries: Sequence[EvidenceEntry]) -> Evidence:
        """Return the evidence of markers and of the last attempt on each worker.

        If a crash ended an attempt, it may have evidence and no report.
        """
        if not entries and not self.marker_evidence:
            return NO_EVIDENCE
        last = {each.worker: each.last for each in self.attempts_by_worker}
        for entry in entries:
            last[entry.worker] = max(entry.attempt, last.get(entry.worker, 0))
        latest = (each.value for each in entries if each.attempt == last[each.worker])
        return gather([*self.marker_evidence, *latest])

    def complete(
        self, entries: Sequence[EvidenceEntry], *, ended: bool, setup_only: bool
    ) -> NodeResult:
        """Return the result with its outcome.

        *ended* says that the session ended regularly; *setup_only* is as in `fold`.
        """
        result = self.result
        attempts = sorted(self.attempts_by_worker, key=lambda each: each.worker)
        final_outcomes = [
            final_outcome for each in attempts if (final_outcome := each.final_outcome)
        ]
        unfinished = [
            each.outcome for each in attempts if not (each.finished or each.rerun)
        ]
        if unfinished or (self.started and not final_outcomes):
            # A failure counts, however the process ended.
            final_outcomes += [each for each in unfinished if each and each.is_failure]
            final_outcomes.append(Outcome.UNRUN if ended else Outcome.CRASHED)
        result.outcome = worst(final_outcomes)
        if attempts:
            deciding = max(
                attempts, key=lambda each: (each.outcome or Outcome.UNRUN).rank
            )
            result.reason, result.failures = deciding.reason, deciding.failures
            result.earlier_failure = deciding.earlier_failure
            result.duration = sum(each.duration for each in attempts)
            result.attempts = max(each.last for each in attempts) + 1
        uncalled = (
            each
            for each in attempts
            if each.final_outcome is Outcome.UNRUN and not each.called
        )
        if any(uncalled) and not setup_only:
            result.doubt = "the report of a test is missing"
        result.evidence = self.evidence(entries)
        return result


def _worse(outcome: Outcome | None, other: Outcome | None) -> Outcome | None:
    if outcome is None or other is None:
        return outcome or other
    return worst((outcome, other))


def fold(
    records: Iterable[Record],
    origin: Origin = UNKNOWN_ORIGIN,
    *,
    setup_only: bool = False,
) -> list[NodeResult]:
    """Return one result for each node id in *records*.

    The last attempt of a node counts, and its worst report decides. If several workers
    ran it, the worst of their outcomes decides. *setup_only* says that the session
    called no test, as with ``--setup-plan``.

    No outcome is final before the last record: a rerun comes after a teardown, a failed
    subtest is reported before the call of its test, and after a crash no teardown is
    reported. Records of different workers may interleave in any order.
    """
    nodes: dict[str, _Node] = {}
    evidence: dict[str, list[EvidenceEntry]] = {}
    ended = False
    for record in records:
        if isinstance(record, End):
            ended = True
            continue
        node = nodes.get(record.nodeid)
        if node is None:
            result = NodeResult(record.nodeid, Outcome.UNRUN, origin=origin)
            node = nodes[record.nodeid] = _Node(result)
        if isinstance(record, Item):
            node.add_item(record)
        elif isinstance(record, EvidenceEntry):
            evidence.setdefault(record.nodeid, []).append(record)
        else:
            if isinstance(record, Report) and record.when == "???":
                node = _find_running(nodes, record) or node
            if record.at > node.result.at:
                node.result.at = record.at
            attempts = node.attempts_on(record.worker)
            if isinstance(record, Start):
                node.started = True
            elif isinstance(record, Passed):
                attempts.add_pass(record)
            else:
                attempts.add(record)
    # Free each node once its result is complete: a large run has many.
    return [
        nodes.pop(nodeid).complete(
            evidence.pop(nodeid, ()), ended=ended, setup_only=setup_only
        )
        for nodeid in list(nodes)
    ]


def _find_running(nodes: Mapping[str, _Node], crash: Report) -> _Node | None:
    """Return the running test that *crash* ended, `None` if there is none.

    *crash* has the node id without a number, which several tests may share.
    """
    count, node = 1, nodes.get(crash.nodeid)
    while node is not None and not node.runs_on(crash.worker):
        count += 1
        node = nodes.get(number_nodeid(crash.nodeid, count))
    return node
