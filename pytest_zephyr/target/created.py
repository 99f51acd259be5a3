"""The results of finding and creating things on the server."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import Target
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.results.records import NewCase


@dataclass
class CreatedCases:
    """New test cases and their placements.

    *missing* are those, and *folders* the paths, that were not there before; *refused*
    says why a case could not be created, *remarks* is what else to report.
    """

    placements: dict[NewCase, Placement] = field(default_factory=dict)
    missing: list[NewCase] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    refused: dict[NewCase, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass
class CreatedTarget:
    """A target with its phase, and what of it this process created.

    *contested* says that another job created the phase at the same time, *remarks* what
    could not be cleaned up after that.
    """

    target: Target
    made: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    contested: bool = False


@dataclass(frozen=True)
class FilledPhase:
    """The executions of a phase after test cases were added, and the first refusal.

    *added* counts the test cases that were not in the phase before.
    """

    executions: list[Execution]
    added: int = 0
    refused: ZephyrRefused | None = None
