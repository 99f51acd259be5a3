"""The state of the server before a push: user, statuses, target, executions."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from itertools import islice
from typing import Literal

from pytest_zephyr import errors
from pytest_zephyr.client import entities
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.base import PAGE_SIZE
from pytest_zephyr.clock import monotonic
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.results import status
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.status import Status
from pytest_zephyr.target.find import find_target
from pytest_zephyr.target.find import phases_with_id
from pytest_zephyr.target.find_cases import CaseLookup
from pytest_zephyr.target.find_cases import find_cases
from pytest_zephyr.target.find_cases import MAX_READ_FOLDERS
from pytest_zephyr.text import ambiguous_alt
from pytest_zephyr.text import did_you_mean
from pytest_zephyr.text import format_case


#: The code, for scripts, of a test case that exists or may exist, but has no execution.
#: Despite this name, the test case may be in the phase.
NOT_IN_PHASE: Literal["not-in-phase"] = "not-in-phase"

#: Seconds for which executions count as fresh; then they are read again.
_FRESH_SECONDS = 60.0

#: The most executions to read before the tests; if there are as many, the push reads
#: all of them again.
MAX_KEPT_EXECUTIONS = 4 * PAGE_SIZE


@dataclass
class Snapshot:
    """What was read so far.

    *is_complete* says that *executions* has all of the phase, *has_names* that they
    have the names of their test cases, which only a report file needs. *read_at* is
    when they were read, in seconds of the monotonic clock. *lookup* has the test cases
    that were looked up in the repository. *phase_description* is the phase as the user
    named it. *in_phase* maps all test cases of the phase to their Alt IDs, `None` if
    they were not read. *clock_offset* is how many milliseconds the server's clock is
    ahead of ours, *api_version* the version in the paths of its calls.
    """

    user: entities.User
    statuses: Sequence[Status] = status.STOCK
    target: entities.Target | None = None
    executions: list[entities.Execution] = field(default_factory=list)
    is_complete: bool = False
    read_at: float = 0.0
    lookup: CaseLookup = field(default_factory=CaseLookup)
    phase_description: str = ""
    has_names: bool = True
    in_phase: dict[int, str] | None = None
    clock_offset: int = 0
    api_version: str = "v3"

    def prepare(self, client: Client) -> None:
        """Tell a new *client* what an earlier one has found out about the server."""
        client.server.user = self.user.name
        client.clock_offset = self.clock_offset
        client.api_version = self.api_version

    @property
    def is_fresh(self) -> bool:
        return self.is_complete and monotonic() - self.read_at < _FRESH_SECONDS

    @property
    def known_target(self) -> entities.Target:
        assert self.target is not None, "read_target comes first"
        return self.target

    def why_missing(self, case: CaseRef) -> tuple[str, errors.Code]:
        """Return why *case* has no execution, and the code of the reason.

        `look_up` must have been called for *case* before.
        """
        if case in self.lookup.ambiguous:
            cases = self.lookup.ambiguous[str(case)]
            return ambiguous_alt(case, cases, "Zephyr"), "ambiguous"
        place = f"phase {self.known_target.path}"
        text = f"test case {format_case(case)} has no execution in {place}"
        if case in self.lookup.placements:
            return f"{text}; to have it added: --zephyr-create=execution", NOT_IN_PHASE
        if case in self.lookup.uncertain:
            return f"{text}, and the server cannot search for it", NOT_IN_PHASE
        known = (
            str(each.alt if isinstance(case, str) else each.case)
            for each in self.executions
        )
        hint = did_you_mean(str(case), known)
        text = f"test case {format_case(case)} is not known to Zephyr.{hint}"
        return text, "unknown-case"

    def read_target(self, client: Client, settings: Settings) -> entities.Target:
        self.phase_description = settings.describe("phase")
        self.has_names = settings.report is not None
        if self.target is None:
            self.target = find_target(client, settings)
        return self.target

    def read_executions(self, client: Client, limit: int | None = None) -> None:
        """Read the executions of the phase, at most *limit* of them."""
        target = self.target
        executions: list[entities.Execution] = []
        if target is not None and target.phase is not None:
            release = target.release.id if target.release else None
            rows = client.executions(target.phase.id, release)
            for execution in islice(rows, limit):
                if not self.has_names:
                    execution.name = ""
                executions.append(execution)
            if not executions and not target.phase.name:
                # A missing phase looks like an empty one.
                self._check_phase(client, target.phase)
        self.executions = executions
        self.is_complete = limit is None or len(executions) < limit
        self.read_at = monotonic()

    def read_phase(self, client: Client) -> None:
        """Read the details of a phase that was given by its id alone."""
        phase = self.known_target.phase
        if phase is None or phase.name:
            return
        release = self._release(client)
        cycles = client.cycles(release) if release is not None else ()
        for cycle, details in phases_with_id(phase.id, cycles):
            self.target = replace(self.known_target, phase=details, cycle=cycle)

    def read_cases_in_phase(self, client: Client) -> None:
        """Read the Alt ID of each test case in the phase, assigned or not."""
        in_phase = {
            each.case: each.alt for each in self.executions if each.case is not None
        }
        phase = self.known_target.phase
        for folder in client.phase_tree(phase.id).walk() if phase else ():
            for row in client.phase_rows(folder.id):
                in_phase[row.placement.case] = row.placement.alt
        self.in_phase = in_phase

    def look_up(
        self, client: Client, cases: Iterable[CaseRef], *, thorough: bool
    ) -> CaseLookup:
        """Find *cases* in the repository, unless they were found before.

        If *thorough*, also find those that are too new for the server's search.
        """
        unknown = [case for case in cases if not self.lookup.has(case)]
        if unknown:
            max_folders = MAX_READ_FOLDERS if thorough else 0
            try:
                lookup = find_cases(
                    client, unknown, self._release(client), max_read_folders=max_folders
                )
            except errors.ZephyrBadAnswer as refused:
                if refused.http_status == 401:
                    raise
                lookup = CaseLookup(uncertain=frozenset(unknown))
            self.lookup = CaseLookup(
                self.lookup.placements | lookup.placements,
                self.lookup.ambiguous | lookup.ambiguous,
                (self.lookup.uncertain - {*unknown}) | lookup.uncertain,
            )
        return self.lookup

    def _check_phase(self, client: Client, phase: entities.Phase) -> None:
        """Raise TargetNotFound if the server does not have *phase*."""
        try:
            client.phase_tree(phase.id)
        except errors.ZephyrBadAnswer as refused:
            if refused.http_status in {200, 401, 403, 404, 405}:
                # The server may lack this call, or refuse it to this user.
                return
            description = self.phase_description or f"phase {phase.id}"
            msg = f"{description} is not a phase of this server. It says: {refused}"
            raise errors.TargetNotFound(msg, option="phase") from None

    def _release(self, client: Client) -> int | None:
        """Return the id of the release, from the tree of a phase if necessary."""
        if self.known_target.release is not None:
            return self.known_target.release.id
        phase = self.known_target.phase
        return None if phase is None else client.phase_tree(phase.id).release


def read_snapshot(
    client: Client, settings: Settings, snapshot: Snapshot | None = None
) -> Snapshot:
    """Read what a push needs.

    A given *snapshot* is completed; its executions are read again if they are old.
    """
    snapshot = snapshot or read_user_and_statuses(client)
    if not snapshot.is_fresh:
        if snapshot.target is not None and snapshot.target.phase is None:
            # Somebody may have created the phase since.
            snapshot.target = None
        snapshot.read_target(client, settings)
        snapshot.read_executions(client)
    return snapshot


def read_user_and_statuses(client: Client) -> Snapshot:
    """Return a snapshot with only the user, the statuses and how to call the server."""
    user = client.current_user()
    statuses = client.statuses() or status.STOCK
    offset, version = client.clock_offset, client.api_version
    return Snapshot(user, statuses, clock_offset=offset, api_version=version)
