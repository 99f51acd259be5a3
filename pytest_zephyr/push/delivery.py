"""What became of a run's results, and what a push remembers from one time to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client.batching import count_batches
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import Target
from pytest_zephyr.client.entities import User
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import Refusal
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.target.created import CreatedCases


@dataclass
class Creations:
    """What would be made, and what cannot be.

    *containers* are the cycle and phase to be created, *created_cases* the new test cases,
    *additions* the test cases to be put into the phase. *ignored* are results of test
    cases that Zephyr does not know and the user does not mind.
    """

    containers: list[str] = field(default_factory=list)
    created_cases: CreatedCases = field(default_factory=CreatedCases)
    additions: list[Placement] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    ignored: list[CaseResult] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        """Whether something has to be made."""
        return bool(self.additions or self.created_cases.missing)

    @property
    def requests(self) -> int:
        """How many calls that write it takes to make it all."""
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
    """An attachment that the server did not take, and why.

    If that is *final*, another push would change nothing; *by_limit* says that a limit
    of the user kept it away.
    """

    name: str
    nodeid: str
    reason: str
    final: bool = False
    by_limit: bool = False


@dataclass
class EvidenceDelivery:
    """What became of a run's evidence: counts of files, and of cases with steps.

    What was *kept* waits in the journal; *left_out* never got that far, because of a
    limit or a disk.
    """

    files: int = 0
    files_before: int = 0
    files_kept: int = 0
    steps: int = 0
    steps_kept: int = 0
    refused: list[RefusedFile] = field(default_factory=list)
    left_out: list[RefusedFile] = field(default_factory=list)

    def add_earlier(self, earlier: EvidenceDelivery) -> None:
        """Count what was sent a moment ago as sent by this push."""
        self.files += earlier.files
        self.files_before = max(0, self.files_before - earlier.files)
        self.steps += earlier.steps

    @property
    def kept(self) -> int:
        return self.files_kept + self.steps_kept

    @property
    def lost(self) -> bool:
        """Whether something is missing that no limit of the user kept away."""
        return bool(self.refused) or not all(each.by_limit for each in self.left_out)

    @property
    def retryable(self) -> bool:
        """Whether another push might bring what was refused."""
        return not all(each.final for each in self.refused)


@dataclass
class Delivery:
    """What became of a run's results: counts of test cases, and a line per problem.

    *kept* are those that were neither delivered nor refused: they wait in the
    journal. *older* are among the *left*: the server has newer results, and so are
    *overruled*: another job of the run found a worse one. *doubled* maps a test case
    that is in the phase more than once to the execution that has its result. *planned* is
    what a dry run would have done, *creations* what it would have made for that.
    *made* are the things that were created, *remarks* what else people should know.
    *unmapped* are tests that should have had a test case, which is a failure if the
    user *unmapped_is_error*. *error* says why, if something ended the push early.
    """

    user: User | None = None
    target: Target | None = None
    delivered: int = 0
    already: int = 0
    left: int = 0
    kept: int = 0
    refused: list[Refusal] = field(default_factory=list)
    older: list[Change] = field(default_factory=list)
    overruled: list[Change] = field(default_factory=list)
    doubled: Mapping[int, int] = field(default_factory=dict)
    planned: Changes | None = None
    creations: Creations | None = None
    made: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    unmapped_is_error: bool = False
    evidence: EvidenceDelivery = field(default_factory=EvidenceDelivery)
    error: ZephyrError | None = None

    def add_earlier(self, earlier: Delivery) -> None:
        """Count what a push of the same results a moment ago did as done by this one."""
        self.delivered += earlier.delivered
        self.already = max(0, self.already - earlier.delivered)
        self.made = [*earlier.made, *self.made]
        self.evidence.add_earlier(earlier.evidence)

    @property
    def complete(self) -> bool:
        """Whether another push would change nothing; a dry run never says so."""
        waits = self.waiting or self.evidence.kept or self.evidence.retryable
        return not waits and self.planned is None and self.error is None

    @property
    def waiting(self) -> int:
        """How many results another push may bring."""
        return self.kept + sum(not each.final for each in self.refused)

    @property
    def failed(self) -> bool:
        """Whether something could not be done that the user minds."""
        waits = (self.kept or self.evidence.kept) and self.planned is None
        refused = any(each.serious for each in self.refused)
        unmapped = self.unmapped and self.unmapped_is_error
        return bool(waits or refused or unmapped or self.evidence.lost or self.error)
