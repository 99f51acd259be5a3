"""Adding test cases to a phase, and assigning them, so that they have executions."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import time
from typing import Any

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batching import batches
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import PhaseRow
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import PlacementId
from pytest_zephyr.client.entities import VersionId
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.target.created import FilledPhase


#: Seconds between two reads while another job fills the same phase, and how many.
PATIENCE = 1.0
_LOOKS = 8

#: Reads in a row without new rows, after which the other job counts as done.
_QUIET = 3

#: Returns the id that a server expects for a test case to add.
_Ids = Callable[[Placement], VersionId | PlacementId]


def fill_phase(
    client: Client,
    phase: Phase,
    release: int | None,
    wanted: Sequence[Placement],
    tester: int,
    *,
    fresh: bool = False,
    contested: bool = False,
) -> FilledPhase:
    """Add and assign test cases until each of *wanted* has an execution in *phase*.

    Those that are in the phase are not added again, and no other row is assigned. A
    *fresh* phase is known to be empty. A *contested* one is also being filled by another
    job, whose rows are waited for.
    """
    return _Filler(client, phase, release, wanted, tester).run(
        fresh=fresh, contested=contested
    )


class _Filler:
    def __init__(
        self,
        client: Client,
        phase: Phase,
        release: int | None,
        wanted: Sequence[Placement],
        tester: int,
    ) -> None:
        self._client = client
        self._phase = phase
        self._release = release
        self._wanted = wanted
        self._tester = tester
        self._refused: ZephyrRefused | None = None
        self._nodes: list[int] = []
        self._tree = phase.tree

    def run(self, *, fresh: bool, contested: bool) -> FilledPhase:
        rows: list[PhaseRow] = []
        if contested:
            rows = self._wait_for_others()
        elif not fresh:
            rows = self._rows()
        # Nothing can be added to a structured phase; its folders decide.
        missing = self._without(rows) if self._phase.free_form else []
        self._add(missing, lambda each: each.version)
        if self._is_ours_alone(rows):
            self._assign_all()
        else:
            self._assign_each(self._rows())
        executions = self._executions()
        if self._unscheduled(executions):
            executions = self._retry()
        scheduled = {each.case for each in executions}
        return FilledPhase(
            executions,
            added=sum(each.case in scheduled for each in missing),
            refused=self._refused,
        )

    def _retry(self) -> list[Execution]:
        """Try other calls for the test cases that have no execution yet."""
        rows = self._rows()
        absent = self._without(rows) if self._phase.free_form else []
        if absent:
            # Old servers expect placement ids, newer ones version ids.
            self._add(absent, lambda each: each.id)
            rows = self._rows()
        self._assign_each(rows)
        return self._executions()

    # Reading

    def _root(self) -> int:
        if self._tree is None:
            self._tree = self._client.phase_tree(self._phase.id).id
        return self._tree

    def _rows(self) -> list[PhaseRow]:
        if not self._nodes:
            tree = self._client.phase_tree(self._phase.id)
            self._tree = tree.id
            self._nodes = [node.id for node in tree.walk()]
        return [row for node in self._nodes for row in self._client.phase_rows(node)]

    def _wait_for_others(self) -> list[PhaseRow]:
        """Read until the other job has added all wanted cases, or adds no more."""
        rows = self._rows()
        quiet = 0
        for _ in range(_LOOKS):
            if not self._without(rows) or quiet == _QUIET:
                break
            time.sleep(PATIENCE)
            before, rows = len(rows), self._rows()
            quiet = quiet + 1 if rows and len(rows) == before else 0
        return rows

    def _executions(self) -> list[Execution]:
        return list(self._client.executions(self._phase.id, self._release))

    def _without(self, rows: Iterable[PhaseRow]) -> list[Placement]:
        present = {row.placement.case for row in rows}
        return [each for each in self._wanted if each.case not in present]

    def _unscheduled(self, executions: Iterable[Execution]) -> bool:
        scheduled = {each.case for each in executions}
        return any(each.case not in scheduled for each in self._wanted)

    def _is_ours_alone(self, rows: Iterable[PhaseRow]) -> bool:
        """Whether every unassigned row of the phase is ours, so that assign-all is safe."""
        wanted = {each.case for each in self._wanted}
        return all(row.assigned or row.placement.case in wanted for row in rows)

    # Writing

    def _add(self, placements: Sequence[Placement], ids: _Ids) -> None:
        for batch in batches(placements):
            try:
                self._add_batch(batch, ids)
            except ZephyrWriteUncertain:
                present = {row.placement.case for row in self._rows()}
                rest = [each for each in batch if each.case not in present]
                if rest:
                    self._add_batch(rest, ids)
            except ZephyrRefused as refused:
                self._refused = self._refused or refused
                return

    def _add_batch(self, batch: Sequence[Placement], ids: _Ids) -> None:
        chosen: dict[int, list[Any]] = {}
        for each in batch:
            chosen.setdefault(each.folder or 0, []).append(ids(each))
        self._client.add_to_phase(self._phase.id, self._root(), chosen)

    def _assign_all(self) -> None:
        try:
            self._client.assign_all(self._phase.id, self._root(), self._tester)
        except ZephyrRefused as refused:
            # Each row is then assigned by itself; if that fails, too, this is the reason.
            self._refused = self._refused or refused
        except ZephyrWriteUncertain:
            # The executions show whether it happened.
            return

    def _assign_each(self, rows: Iterable[PhaseRow]) -> None:
        wanted = {each.case for each in self._wanted}
        scheduled: set[int] = set()
        by_node: dict[int | None, list[Placement]] = {}
        for row in sorted(rows, key=lambda row: (not row.assigned, row.placement.id)):
            case = row.placement.case
            if case in wanted and case not in scheduled:
                scheduled.add(case)
                if not row.assigned:
                    by_node.setdefault(row.placement.folder, []).append(row.placement)
        for waiting in by_node.values():
            for batch in batches(waiting):
                try:
                    self._client.assign(self._phase.id, batch, self._tester)
                except ZephyrWriteUncertain:
                    continue
                except ZephyrRefused as refused:
                    self._refused = self._refused or refused
