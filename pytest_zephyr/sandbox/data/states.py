"""Test cases and executions with all that belongs to them, as `Store` returns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CaseState:
    """A test case in the repository; *id* is its visible id."""

    id: int
    name: str
    description: str
    alt: str | None
    folder: str
    tag: str
    automated: bool
    script: str | None
    requirements: tuple[int, ...]
    version: int
    steps: tuple[str, ...]
    properties: dict[str, Any]


@dataclass(frozen=True)
class ExecutionState:
    """An execution with its test case; a value that was never set is `None`.

    *steps* has status and comment of each step result, by the number of the step;
    *attachments* has name, content type and size in bytes; *history* has status, comment,
    actual time in milliseconds, and the date in milliseconds since the epoch.
    """

    id: int
    testcase_id: int
    name: str
    alt: str | None
    status: str | None
    comment: str | None
    actual_time: int | None
    executed_on: int | None
    executed_by: int | None
    tester: int
    steps: dict[int, tuple[str, str | None]]
    attachments: tuple[tuple[str, str, int], ...]
    history: tuple[tuple[str, str | None, int | None, int], ...]
    defects: tuple[str, ...]

    @property
    def result_count(self) -> int:
        """How many results the execution has had."""
        return len(self.history)
