"""What became of a run's results, and what a push remembers from one time to the next."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.changes import Change
from pytest_zephyr.changes import Changes
from pytest_zephyr.changes import Refusal
from pytest_zephyr.entities import Target
from pytest_zephyr.entities import User
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal import Receipt
from pytest_zephyr.journal import Sending
from pytest_zephyr.provision import Provision


@dataclass
class Delivery:
    """What became of a run's results: counts of test cases, and a line per problem.

    *kept* are those that were neither delivered nor refused: they wait in the
    journal. *older* are among the *left*: the server has newer results. *planned* is
    what a dry run would have done, *provision* what it would have made for that.
    *made* are the things that were created, *remarks* what else people should know.
    *unmapped* are tests that should have had a test case, which is a failure if the
    user *minds_unmapped*. *error* says why, if something ended the push early.
    """

    user: User | None = None
    target: Target | None = None
    delivered: int = 0
    already: int = 0
    left: int = 0
    kept: int = 0
    refused: list[Refusal] = field(default_factory=list)
    older: list[Change] = field(default_factory=list)
    planned: Changes | None = None
    provision: Provision | None = None
    made: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    minds_unmapped: bool = False
    error: ZephyrError | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be sent or mended."""
        return not self.kept and not self.refused and not self.failed

    @property
    def failed(self) -> bool:
        """Whether something could not be done that the user minds."""
        waits = self.kept and self.planned is None
        unmapped = self.unmapped and self.minds_unmapped
        refused = any(each.serious for each in self.refused)
        return bool(waits or refused or unmapped or self.error)


@dataclass(frozen=True)
class Memory:
    """What earlier pushes of the same results wrote down, and where to go on writing.

    *receipts* are the digests of delivered results, *unclear* the stamps that
    executions had before a write without an answer.
    """

    receipts: frozenset[str] = frozenset()
    unclear: dict[int, str] = field(default_factory=dict)
    note_sending: Callable[[Sending], None] = lambda _sending: None
    note_receipts: Callable[[Sequence[Receipt]], None] = lambda _receipts: None
