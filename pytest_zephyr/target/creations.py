"""What the server lacks for a push, and what was created."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client.batch_writer import count_batches
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.results.records import NewCase


@dataclass
class Creations:
    """What the server lacks, and what was created.

    *places* (names of cycle and phase), *folders* (their paths) and *cases* (new test
    cases) are what was missing at first. *additions* are existing test cases to add to the
    phase. *placements* has the new test cases that exist now; *refused* says why others
    could not be created. *created* says what was created, *remarks* has what else to report.
    """

    places: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    cases: list[NewCase] = field(default_factory=list)
    additions: list[Placement] = field(default_factory=list)
    placements: dict[NewCase, Placement] = field(default_factory=dict)
    refused: dict[NewCase, str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def has_cases(self) -> bool:
        """Whether test cases have to be created or added to the phase."""
        return bool(self.additions or self.cases)

    @property
    def not_created(self) -> set[NewCase]:
        """The new test cases that do not exist yet and were not refused."""
        return {*self.cases} - self.placements.keys() - self.refused.keys()

    @property
    def request_count(self) -> int:
        """How many writes create and add all that was missing, if none is repeated."""
        added = len(self.additions) + len(self.cases)
        return (
            len(self.places)
            + len(self.folders)
            + count_batches(len(self.cases))
            + any(case.requirements for case in self.cases)
            + (count_batches(added) + 1 if added else 0)
        )
