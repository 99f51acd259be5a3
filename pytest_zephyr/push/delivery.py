"""What became of the results and the evidence of a run."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client.batch_writer import count_batches
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import Target
from pytest_zephyr.client.entities import User
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import Refusal
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.target.create_cases import CreatedCases
from pytest_zephyr.target.snapshot import Snapshot


@dataclass
class Creations:
    """What is to be created.

    *containers* are the cycle and phase to create, *created_cases* the new test cases,
    *additions* the test cases to add to the phase.
    """

    containers: list[str] = field(default_factory=list)
    created_cases: CreatedCases = field(default_factory=CreatedCases)
    additions: list[Placement] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        return bool(self.additions or self.created_cases.missing)

    @property
    def requests(self) -> int:
        """How many writing requests it takes to create everything."""
        new = self.created_cases.missing
        added = len(self.additions) + len(new)
        return (
            len(self.containers)
            + len(self.created_cases.folders)
            + count_batches(len(new))
            + any(case.requirements for case in new)
            + (count_batches(added) + 1 if added else 0)
        )


@dataclass(frozen=True)
class RefusedFile:
    """An attachment or step that did not reach the server, and why.

    It is *final* if another push would not change that, and *by_limit* if a limit set
    by the user excluded it.
    """

    name: str
    nodeid: str
    reason: str
    final: bool = False
    by_limit: bool = False


@dataclass
class EvidenceDelivery:
    """What became of the evidence of a run: counts of files, and of cases with steps.

    The journal still has what is *pending*. *left_out* was never put into the journal,
    because of a limit or a full disk.
    """

    files: int = 0
    files_before: int = 0
    files_pending: int = 0
    steps: int = 0
    steps_pending: int = 0
    refused: list[RefusedFile] = field(default_factory=list)
    left_out: list[RefusedFile] = field(default_factory=list)

    def add_earlier(self, earlier: EvidenceDelivery) -> None:
        self.files += earlier.files
        self.files_before = max(0, self.files_before - earlier.files)
        self.steps += earlier.steps

    @property
    def pending(self) -> int:
        return self.files_pending + self.steps_pending

    @property
    def lost(self) -> bool:
        """Whether something is missing for another reason than a limit of the user."""
        return bool(self.refused) or not all(each.by_limit for each in self.left_out)

    @property
    def retryable(self) -> bool:
        """Whether another push may deliver what was refused."""
        return not all(each.final for each in self.refused)


@dataclass
class Delivery:
    """What became of the results of a run.

    Each of the *total* test cases is in one state: *reported* now or *reported_before*,
    *skipped* because its outcome has no status or the test case is unknown and ignored,
    *older* than what the server has, *overruled* by a worse result of another job, or
    *refused*. All others are still `pending` in the journal. *results* are those of all of
    them, and *new_cases* the test cases to create, each with its tests.

    *scheduled_twice* maps a test case that is in the phase more than once to the execution that
    has its result. *planned* is what a dry run would have done. *creations* and *created*
    are what was missing and what was created. *without_case* are tests that name no test
    case, *invalid* those with an invalid marker, *unmapped* those without one that the
    settings report, which is a failure if *unmapped_is_error*. *error* is why the push
    ended early.
    """

    snapshot: Snapshot | None = None
    total: int = 0
    results: Sequence[CaseResult] = ()
    new_cases: dict[NewCase, list[NodeResult]] = field(default_factory=dict)
    reported: list[Change] = field(default_factory=list)
    reported_before: list[Change] = field(default_factory=list)
    skipped: list[CaseResult] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    older: list[Change] = field(default_factory=list)
    overruled: list[Change] = field(default_factory=list)
    scheduled_twice: Mapping[int, int] = field(default_factory=dict)
    planned: Changes | None = None
    creations: Creations = field(default_factory=Creations)
    created: list[str] = field(default_factory=list)
    without_case: list[NodeResult] = field(default_factory=list)
    invalid: list[NodeResult] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    unmapped_is_error: bool = False
    evidence: EvidenceDelivery = field(default_factory=EvidenceDelivery)
    error: ZephyrError | None = None

    def add_earlier(self, earlier: Delivery) -> None:
        """Count what an earlier push of the same results did as done by this one."""
        before = {each.result.case: each for each in self.reported_before}
        changes = (*self.reported, *self.older, *self.overruled)
        results = [each.result for each in changes]
        results += [each.result for each in self.refused]
        settled = {each.case for each in (*results, *self.skipped)}
        for change in earlier.reported:
            case = change.result.case
            if before.pop(case, None) is not None or case not in settled:
                self.reported.append(change)
        self.reported_before = list(before.values())
        self.created = [*earlier.created, *self.created]
        self.evidence.add_earlier(earlier.evidence)

    @property
    def user(self) -> User | None:
        return self.snapshot.user if self.snapshot else None

    @property
    def target(self) -> Target | None:
        return self.snapshot.target if self.snapshot else None

    @property
    def delivered(self) -> int:
        """How many results this push has written."""
        return len(self.reported)

    @property
    def delivered_before(self) -> int:
        """How many results the server had before."""
        return len(self.reported_before)

    @property
    def unchanged(self) -> int:
        """How many test cases keep the result that the server has."""
        return len(self.skipped) + len(self.older) + len(self.overruled)

    @property
    def pending(self) -> int:
        """How many results were neither delivered nor refused."""
        settled = (
            self.delivered + self.delivered_before + self.unchanged + len(self.refused)
        )
        return self.total - settled

    @property
    def waiting(self) -> int:
        """How many results another push may deliver."""
        return self.pending + sum(not each.final for each in self.refused)

    @property
    def complete(self) -> bool:
        """Whether another push would change nothing; never after a dry run."""
        waits = self.waiting or self.evidence.pending or self.evidence.retryable
        return not waits and self.planned is None and self.error is None

    @property
    def failed(self) -> bool:
        """Whether something went wrong that the settings count as undelivered."""
        waits = (self.pending or self.evidence.pending) and self.planned is None
        refused = any(each.serious for each in self.refused)
        unmapped = self.unmapped and self.unmapped_is_error
        return bool(waits or refused or unmapped or self.evidence.lost or self.error)
