"""What a server has, read before anything is decided: user, statuses, target, executions."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import difflib
from itertools import islice

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import Target
from pytest_zephyr.client.entities import User
from pytest_zephyr.client.paging import PAGE
from pytest_zephyr.clock import monotonic
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.results import status
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.status import Status
from pytest_zephyr.target.find import find_target
from pytest_zephyr.target.find_cases import find_cases
from pytest_zephyr.target.find_cases import Found
from pytest_zephyr.text import format_case


#: Seconds for which executions that were read are believed.
FRESH = 60.0

#: Executions that are kept through a run; more are read again at its end.
KEPT = 4 * PAGE


@dataclass
class Snapshot:
    """What was read so far; *whole* says that the executions are all there are.

    *found* holds the test cases that were looked up in the repository, *described* is
    how the user named the phase.
    """

    user: User
    statuses: Sequence[Status] = status.STOCK
    target: Target | None = None
    executions: list[Execution] = field(default_factory=list)
    whole: bool = False
    read_at: float = 0.0
    found: Found = field(default_factory=Found)
    described: str = ""

    @property
    def fresh(self) -> bool:
        return self.whole and monotonic() - self.read_at < FRESH

    @property
    def place(self) -> Target:
        """The target, which was read before."""
        assert self.target is not None
        return self.target

    def unknown(self, case: CaseRef) -> str:
        """Say that Zephyr has no such test case, with the nearest one of the phase."""
        said = f"test case {format_case(case)} is not known to Zephyr."
        known = [
            str(each.alt if isinstance(case, str) else each.case)
            for each in self.executions
        ]
        close = difflib.get_close_matches(str(case), known, 1, 0.6)
        return f"{said} Did you mean {close[0]}?" if close else said

    def take_executions(self, executions: list[Execution]) -> None:
        self.executions, self.whole = executions, True
        self.read_at = monotonic()

    def read_target(self, client: Client, settings: Settings) -> Target:
        self.described = settings.describe("phase")
        if self.target is None:
            self.target = find_target(client, settings)
        return self.target

    def read_executions(self, client: Client, limit: int | None = None) -> None:
        """Read the executions of the phase, at most *limit* of them."""
        target = self.target
        self.executions, self.whole = [], True
        if target is not None and target.phase is not None:
            release = target.release.id if target.release else None
            rows = client.executions(target.phase.id, release)
            self.executions = list(islice(rows, limit))
            self.whole = limit is None or len(self.executions) < limit
            if not self.executions and not target.phase.name:
                # A phase that is not there looks as one that is empty.
                self._check_phase(client, target.phase)
        self.read_at = monotonic()

    def read_phase(self, client: Client) -> None:
        """Find out of what kind a phase is that was named by its id alone."""
        phase = self.place.phase
        if phase is None or phase.name:
            return
        release = self._release(client)
        for cycle in client.cycles(release) if release is not None else ():
            for each in cycle.phases:
                if each.id == phase.id:
                    self.target = replace(self.place, phase=each, cycle=cycle)
                    return

    def read_plan(self, client: Client) -> dict[int, str]:
        """Return the Alt ID of each test case in the phase, assigned or not, by its id."""
        plan = {
            each.case: each.alt for each in self.executions if each.case is not None
        }
        phase = self.place.phase
        if phase is not None:
            for node in client.phase_tree(phase.id).walk():
                for row in client.planned(node.id):
                    plan[row.placement.case] = row.placement.alt
        return plan

    def look_up(self, client: Client, cases: Iterable[CaseRef], walk: int = 0) -> Found:
        """Find *cases* in the repository, asking only for those not found before.

        What the server refuses to look up is not found, for no certain reason.
        """
        unknown = [case for case in cases if not self.found.has(case)]
        if unknown:
            try:
                found = find_cases(client, unknown, self._release(client), walk=walk)
            except ZephyrRefused as refused:
                if refused.status == 401:
                    raise
                found = Found()
            self.found.placements |= found.placements
            self.found.ambiguous |= found.ambiguous
            self.found.certain = found.certain
        return self.found

    def _check_phase(self, client: Client, phase: Phase) -> None:
        try:
            client.phase_tree(phase.id)
        except ZephyrRefused as refused:
            if refused.status in {200, 401, 403, 404, 405}:
                # A server without this call does not tell.
                return
            said = self.described or f"phase {phase.id}"
            msg = f"{said} is not a phase of this server. It says: {refused}"
            raise ZephyrNotFound(msg) from None

    def _release(self, client: Client) -> int | None:
        """Return the release; that of a phase named by its id stands on its tree."""
        if self.place.release is not None:
            return self.place.release.id
        phase = self.place.phase
        return None if phase is None else client.phase_tree(phase.id).release


def read_snapshot(client: Client, settings: Settings) -> Snapshot:
    """Read all that a push needs to know."""
    seen = begin(client)
    seen.read_target(client, settings)
    seen.read_executions(client)
    return seen


def begin(client: Client) -> Snapshot:
    """Find out who we are and which statuses there are."""
    user = client.current_user()
    return Snapshot(user, client.statuses() or status.STOCK)
