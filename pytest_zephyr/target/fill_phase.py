"""Adding test cases to a phase, and assigning them, so that they have executions."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import suppress
import time
from typing import Any

from pytest_zephyr import errors
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import batches
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.client.entities import PhaseRow
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.target.snapshot import Snapshot


#: Seconds between two reads while another job fills the same phase, and how many reads.
_PAUSE = 1.0
_MAX_READS = 8

#: Reads in a row without new rows, after which the other job counts as done.
_MAX_UNCHANGED = 3


class PhaseFiller(BatchWriter[Placement]):
    """Adds test cases to a phase and assigns them, so that they have executions.

    *added* counts those that were not in the phase before, *why_not* is the first refusal.
    """

    def __init__(
        self,
        client: Client,
        snapshot: Snapshot,
        placements: Iterable[Placement],
    ) -> None:
        super().__init__(client)
        phase = snapshot.known_target.phase
        assert phase is not None, "a missing phase is created first"
        self._snapshot = snapshot
        self._phase = phase
        self._placements: dict[int, Placement] = {p.case: p for p in placements}
        self._nodes: list[int] = []
        self._tree = phase.tree
        # Old servers expect placement ids, newer ones version ids.
        self._expects_versions = True
        self.added = 0
        self.why_not = ""

    def fill(self, *, fresh: bool, contested: bool) -> None:
        """Add and assign until each test case has an execution, and read all executions.

        Those that are in the phase are not added again, and no other row is assigned. A
        *fresh* phase is known to be empty. A *contested* one is also being filled by
        another job, whose rows are waited for.
        """
        if contested:
            self._snapshot.read_executions(self._client)
        for case in self._scheduled():
            self._placements.pop(case, None)
        if not self._placements:
            return
        rows: list[PhaseRow] = []
        if contested:
            rows = self._wait_for_others()
        elif not fresh:
            rows = self._read()
        # Nothing can be added to a structured phase; its folders decide.
        missing = self._without(rows) if self._phase.free_form else []
        self.send_all(missing)
        # This is safe if every unassigned row of the phase is ours.
        if all(row.assigned or row.placement.case in self._placements for row in rows):
            # If that is refused, each row is assigned by itself.
            self._assign(self._client.assign_all, self._root())
        else:
            self._assign_each(self._read())
        self._snapshot.read_executions(self._client)
        if self._placements.keys() - self._scheduled():
            self._retry()
        self.added = len(self._scheduled() & {each.case for each in missing})

    def _retry(self) -> None:
        """Try other calls for the test cases that have no execution yet."""
        rows = self._read()
        absent = self._without(rows) if self._phase.free_form else []
        if absent:
            self._expects_versions = False
            self.finished.clear()
            self.send_all(absent)
            rows = self._read()
        self._assign_each(rows)
        self._snapshot.read_executions(self._client)

    # Reading

    def _root(self) -> int:
        if self._tree is None:
            self._tree = self._client.phase_tree(self._phase.id).id
        return self._tree

    def _read(self) -> list[PhaseRow]:
        if not self._nodes:
            tree = self._client.phase_tree(self._phase.id)
            self._tree = tree.id
            self._nodes = [node.id for node in tree.walk()]
        return [row for node in self._nodes for row in self._client.phase_rows(node)]

    def _wait_for_others(self) -> list[PhaseRow]:
        """Read until the other job has added all wanted cases, or adds no more."""
        rows = self._read()
        unchanged = 0
        for _ in range(_MAX_READS):
            if not self._without(rows) or unchanged == _MAX_UNCHANGED:
                break
            time.sleep(_PAUSE)
            before, rows = len(rows), self._read()
            unchanged = unchanged + 1 if rows and len(rows) == before else 0
        return rows

    def _scheduled(self) -> set[int]:
        return {row.case for row in self._snapshot.executions if row.case is not None}

    def _without(self, rows: Iterable[PhaseRow]) -> list[Placement]:
        present = {row.placement.case for row in rows}
        return [each for each in self._placements.values() if each.case not in present]

    # Writing

    def key(self, row: Placement) -> int:
        return row.case

    def write(self, rows: Sequence[Placement]) -> Sequence[Placement]:
        numbers: dict[int, list[Any]] = {}
        for placement in rows:
            number = placement.version if self._expects_versions else placement.id
            numbers.setdefault(placement.folder or 0, []).append(number)
        try:
            self._client.add_to_phase(self._phase.id, self._root(), numbers)
        except errors.ZephyrRefused as refused:
            # The server may expect other ids, so the rest is not tried with these.
            self.refuse(self._rows, str(refused))
        return ()

    def read_back(self, rows: Sequence[Placement]) -> Sequence[Placement]:
        absent = self._without(self._read())
        return [each for each in rows if each in absent]

    def refuse(self, rows: Sequence[Placement], reason: str) -> None:
        self.finished.update(map(self.key, rows))
        self.why_not = self.why_not or reason

    def _assign(self, call: Callable[..., object], what: object) -> None:
        """Assign *what* to the tester; the executions show whether it happened."""
        with suppress(errors.ZephyrWriteUncertain):
            try:
                call(self._phase.id, what, self._snapshot.user.id)
            except errors.ZephyrRefused as refused:
                self.why_not = self.why_not or str(refused)

    def _assign_each(self, rows: Iterable[PhaseRow]) -> None:
        scheduled: set[int] = set()
        by_node: dict[int | None, list[Placement]] = {}
        for row in sorted(rows, key=lambda row: (not row.assigned, row.placement.id)):
            case = row.placement.case
            if case in self._placements and case not in scheduled:
                scheduled.add(case)
                if not row.assigned:
                    by_node.setdefault(row.placement.folder, []).append(row.placement)
        for waiting in by_node.values():
            for batch in batches(waiting):
                self._assign(self._client.assign, batch)
