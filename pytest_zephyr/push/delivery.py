"""What became of the results and the evidence of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client.entities import Target
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.target.create_cases import NewCaseTests
from pytest_zephyr.target.creations import Creations
from pytest_zephyr.target.snapshot import Snapshot


@dataclass(frozen=True)
class UndeliveredEvidence:
    """An attachment, step or other value that was not delivered, and why.

    It is *final* if it was refused and another push cannot deliver it, and *by_limit*
    if it exceeds a size limit. *name* is what messages call it, *nodeid* is that of its
    test.
    """

    name: str
    nodeid: str
    reason: str
    final: bool = False
    by_limit: bool = False
    is_step: bool = False


@dataclass
class EvidenceDelivery:
    """What became of the evidence of a run.

    *steps* counts step results, *steps_pending* test cases whose step results are not
    sent; the other numbers count files, *files_before* those that were attached before
    this push. *refused* are files and steps. *left_out* are files and other values that
    the journal does not have, because of a limit or an error.
    """

    files: int = 0
    files_before: int = 0
    files_pending: int = 0
    steps: int = 0
    steps_pending: int = 0
    refused: list[UndeliveredEvidence] = field(default_factory=list)
    left_out: list[UndeliveredEvidence] = field(default_factory=list)

    def add_earlier(self, earlier: EvidenceDelivery) -> None:
        """Add what an *earlier* push of the same results delivered."""
        self.files += earlier.files
        self.files_before = max(0, self.files_before - earlier.files)
        self.steps += earlier.steps

    @property
    def steps_refused(self) -> int:
        return sum(each.is_step for each in self.refused)

    @property
    def files_refused(self) -> int:
        return len(self.refused) - self.steps_refused

    @property
    def pending(self) -> int:
        """How many files, and test cases with steps, are neither sent nor refused."""
        return self.files_pending + self.steps_pending

    @property
    def lost(self) -> bool:
        """Whether something was refused, or left out for a reason other than a limit."""
        return bool(self.refused) or not all(each.by_limit for each in self.left_out)

    @property
    def retryable(self) -> bool:
        """Whether another push may deliver something that was refused."""
        return not all(each.final for each in self.refused)


@dataclass
class Delivery:
    """What became of a run; *changes* says what became of its *results*.

    *new_cases* are the test cases to create whose results are not sent, each with its
    tests; *creations* has what was missing on the server, and what was created.
    *without_case* are tests that name no test case, are not ignored, and get none
    created. *unmapped* has the titles of those tests that ``zephyr_unmapped`` reports;
    they count as undelivered if *unmapped_is_error*. *invalid* are the tests with an
    invalid marker. *previewed* says that this was a dry run, in which *changes* has what
    would be written. *error* is why the push ended early, or gave up the rest of the
    results.
    """

    snapshot: Snapshot | None = None
    results: Sequence[CaseResult] = ()
    changes: Changes = field(default_factory=Changes)
    new_cases: dict[NewCase, NewCaseTests] = field(default_factory=dict)
    creations: Creations = field(default_factory=Creations)
    without_case: list[NodeResult] = field(default_factory=list)
    invalid: list[NodeResult] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    unmapped_is_error: bool = False
    evidence: EvidenceDelivery = field(default_factory=EvidenceDelivery)
    previewed: bool = False
    error: ZephyrError | None = None

    def add_earlier(self, earlier: Delivery) -> None:
        """Add what an *earlier* push of the same results did, as if this push had done it."""
        changes = self.changes
        reported = {each.result.case: each for each in earlier.changes.reported}
        open_cases = {each.case for each in changes.not_compared + changes.missing}
        open_cases |= {each.result.case for each in changes.writes}
        open_cases |= {each.result.case for each in changes.reported_before}
        changes.reported += [reported[case] for case in reported if case in open_cases]

        def others(group: list[Change]) -> list[Change]:
            return [each for each in group if each.result.case not in reported]

        def unreported(group: list[CaseResult]) -> list[CaseResult]:
            return [each for each in group if each.case not in reported]

        changes.writes = others(changes.writes)
        changes.reported_before = others(changes.reported_before)
        changes.not_compared = unreported(changes.not_compared)
        changes.missing = unreported(changes.missing)
        self.creations.created[:0] = earlier.creations.created
        self.evidence.add_earlier(earlier.evidence)

    @property
    def target(self) -> Target | None:
        return self.snapshot.target if self.snapshot else None

    @property
    def total(self) -> int:
        """The number of test cases that the run has results for."""
        return len(self.results) + len(self.new_cases)

    @property
    def pending(self) -> int:
        """How many test cases have a result that is still to be sent."""
        return self.changes.pending + len(self.new_cases)

    @property
    def waiting(self) -> int:
        """How many results another push may deliver, refused ones included."""
        return self.pending + sum(not each.final for each in self.changes.refused)

    @property
    def complete(self) -> bool:
        """Whether another push would change nothing; never after a dry run or an error."""
        retryable = self.waiting or self.evidence.pending or self.evidence.retryable
        return not (retryable or self.previewed or self.error)

    @property
    def undelivered(self) -> bool:
        """Whether something counts as undelivered; what is unsent by a dry run does not."""
        not_sent = (self.pending or self.evidence.pending) and not self.previewed
        refused = any(each.serious for each in self.changes.refused)
        unmapped = self.unmapped and self.unmapped_is_error
        return bool(not_sent or refused or unmapped or self.evidence.lost or self.error)
