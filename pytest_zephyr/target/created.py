"""What was created on the server, or found there instead: plain data."""

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
class Created:
    """A target that has its phase, and what this process made of it.

    *contested* says that another job made the phase at the same time, *remarks* names
    what is left of that.
    """

    target: Target
    made: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    contested: bool = False


@dataclass(frozen=True)
class Filled:
    """The executions of a phase after test cases were added, and what went wrong.

    *added* counts the test cases that were not in the phase before.
    """

    executions: list[Execution]
    added: int = 0
    refused: ZephyrRefused | None = None
