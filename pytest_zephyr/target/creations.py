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

    *containers* are the cycle and the phase, *folders* the paths and *cases* the new test
    cases that did not exist at first; *additions* are test cases to add to the phase.
    *placements* has the new test cases that exist by now, *refused* says why one could not
    be created. *created* names what was created, *remarks* is what else to report.
    """

    containers: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    cases: list[NewCase] = field(default_factory=list)
    additions: list[Placement] = field(default_factory=list)
    placements: dict[NewCase, Placement] = field(default_factory=dict)
    refused: dict[NewCase, str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        return bool(self.additions or self.cases)

    @property
    def not_created(self) -> set[NewCase]:
        """The test cases that neither exist by now nor were refused."""
        return {*self.cases} - self.placements.keys() - self.refused.keys()

    @property
    def requests(self) -> int:
        """How many writing requests it takes to create everything."""
        added = len(self.additions) + len(self.cases)
        return (
            len(self.containers)
            + len(self.folders)
            + count_batches(len(self.cases))
            + any(case.requirements for case in self.cases)
            + (count_batches(added) + 1 if added else 0)
        )
