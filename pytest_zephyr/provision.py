"""What is missing before results can be written, as data that a dry run can show."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.changes import Refusal
from pytest_zephyr.entities import BATCH
from pytest_zephyr.entities import Placement
from pytest_zephyr.outcome import NewCase
from pytest_zephyr.plan import CaseResult


@dataclass
class Shelved:
    """New test cases and where they are now.

    *missing* are those that are not there yet (as in a dry run), *folders* the paths
    that were missing, *refused* says why a case could not be made, *remarks* what
    else people should know.
    """

    placements: dict[NewCase, Placement] = field(default_factory=dict)
    missing: list[NewCase] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    refused: dict[NewCase, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass
class Provision:
    """What would be made, and what cannot be.

    *containers* are the cycle and phase to be created, *shelved* the new test cases,
    *additions* the test cases to be put into the phase. *ignored* are results of test
    cases that Zephyr does not know and the user does not mind.
    """

    containers: list[str] = field(default_factory=list)
    shelved: Shelved = field(default_factory=Shelved)
    additions: list[Placement] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    ignored: list[CaseResult] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        """Whether something has to be made."""
        return bool(self.additions or self.shelved.missing)

    @property
    def requests(self) -> int:
        """How many calls that write it takes to make it all."""
        new = self.shelved.missing
        added = len(self.additions) + len(new)
        return (
            len(self.containers)
            + len(self.shelved.folders)
            + _batches(len(new))
            + any(case.requirements for case in new)
            + (_batches(added) + 1 if added else 0)
        )


def _batches(count: int) -> int:
    return -(-count // BATCH)
