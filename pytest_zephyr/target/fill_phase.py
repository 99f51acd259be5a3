"""Add test cases to a phase, and assign them, so that they have executions."""

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


#: Seconds between two reads while another job fills the same phase, and the most reads
#: after the first.
_PAUSE = 1.0
_MAX_READS = 8

#: After this many consecutive reads without new rows, the other job counts as done.
#: Reads that find no rows at all do not count.
_MAX_UNCHANGED = 3


class PhaseFiller(BatchWriter[Placement]):
    """Adds test cases to a phase and assigns them, so that they have executions.

    *added* is how many were added to the phase and have an execution now.
    *first_refusal* is the reason of the first refusal, empty if there was none.
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
        self._folder_ids: list[int] = []
        self._tree_id = phase.tree
        # Old servers expect placement ids, newer ones version ids.
        self._expects_versions = True
        self.added = 0
        self.first_refusal = ""

    def fill(self, *, fresh: bool, contested: bool) -> None:
        """Add and assign the test cases without an execution, then read all executions.

        Test cases that are in the phase are not added again, and rows of other test cases
        are not assigned. A *fresh* phase is known to be empty. Another job may be filling a
        *contested* phase; its rows are waited for.
        """
        if contested:
            self._snapshot.read_executions(self._client)
        for case in self._cases_with_execution():
            self._placements.pop(case, None)
        if not self._placements:
            return
        rows: list[PhaseRow] = []
        if contested:
            rows = self._wait_for_others()
        elif not fresh:
            rows = self._read_rows()
        # Nothing can be added to a structured phase: it has the cases of its folders.
        missing = self._missing_from(rows) if self._phase.free_form else []
        self.send_all(missing)
        # To assign all is safe if every unassigned row of the phase is ours.
        if all(row.assigned or row.placement.case in self._placements for row in rows):
            # If this is refused, `_retry` assigns the rows.
            self._assign(self._client.assign_all, self._root_id())
        else:
            self._assign_each(self._read_rows())
        self._snapshot.read_executions(self._client)
        if self._placements.keys() - self._cases_with_execution():
            self._retry()
        self.added = len(self._cases_with_execution() & {each.case for each in missing})

    def _retry(self) -> None:
        """Try other calls for the test cases that have no execution yet."""
        rows = self._read_rows()
        still_missing = self._missing_from(rows) if self._phase.free_form else []
        if still_missing:
            self._expects_versions = False
            self.finished.clear()
            self.send_all(still_missing)
            rows = self._read_rows()
        self._assign_each(rows)
        self._snapshot.read_executions(self._client)

    # Reading

    def _root_id(self) -> int:
        if self._tree_id is None:
            self._tree_id = self._client.phase_tree(self._phase.id).id
        return self._tree_id

    def _read_rows(self) -> list[PhaseRow]:
        if not self._folder_ids:
            tree = self._client.phase_tree(self._phase.id)
            self._tree_id = tree.id
            self._folder_ids = [folder.id for folder in tree.walk()]
        return [
            row for each in self._folder_ids for row in self._client.phase_rows(each)
        ]

    def _wait_for_others(self) -> list[PhaseRow]:
        """Read until the other job has added all our cases, or adds no more."""
        rows = self._read_rows()
        unchanged = 0
        for _ in range(_MAX_READS):
            if not self._missing_from(rows) or unchanged == _MAX_UNCHANGED:
                break
            time.sleep(_PAUSE)
            before, rows = len(rows), self._read_rows()
            unchanged = unchanged + 1 if rows and len(rows) == before else 0
        return rows

    def _cases_with_execution(self) -> set[int]:
        return {row.case for row in self._snapshot.executions if row.case is not None}

    def _missing_from(self, rows: Iterable[PhaseRow]) -> list[Placement]:
        present = {row.placement.case for row in rows}
        return [each for each in self._placements.values() if each.case not in present]

    # Writing

    def key(self, row: Placement) -> int:
        return row.case

    def write(self, rows: Sequence[Placement]) -> None:
        ids_by_folder: dict[int, list[Any]] = {}
        for placement in rows:
            number = placement.version if self._expects_versions else placement.id
            ids_by_folder.setdefault(placement.folder or 0, []).append(number)
        try:
            self._client.add_to_phase(self._phase.id, self._root_id(), ids_by_folder)
            self.finished.update(map(self.key, rows))
        except errors.ZephyrRefused as refused:
            # The server may expect other ids, so no more of these are sent.
            self.refuse(self._rows, str(refused))

    def read_back(self, rows: Sequence[Placement]) -> Sequence[Placement]:
        self.finished.update(row.placement.case for row in self._read_rows())
        return rows

    def note_refused(self, rows: Sequence[Placement], reason: str) -> None:
        self.first_refusal = self.first_refusal or reason

    def _assign(self, call: Callable[..., object], placements_or_tree: object) -> None:
        """Have *call* assign a batch of placements, or the tree with a given id.

        An unanswered call is ignored: the executions show whether it happened.
        """
        with suppress(errors.ZephyrWriteUnanswered):
            try:
                call(self._phase.id, placements_or_tree, self._snapshot.user.id)
            except errors.ZephyrRefused as refused:
                self.first_refusal = self.first_refusal or str(refused)

    def _assign_each(self, rows: Iterable[PhaseRow]) -> None:
        """Assign a row of each of our test cases, unless one of its rows is assigned."""
        assigned: set[int] = set()
        by_folder: dict[int | None, list[Placement]] = {}
        for row in sorted(rows, key=lambda row: (not row.assigned, row.placement.id)):
            case = row.placement.case
            if case in self._placements and case not in assigned:
                assigned.add(case)
                if not row.assigned:
                    by_folder.setdefault(row.placement.folder, []).append(row.placement)
        for placements in by_folder.values():
            for batch in batches(placements):
                self._assign(self._client.assign, batch)
