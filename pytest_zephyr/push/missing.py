"""Find what is missing before results can be written, and create what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import VisibleId
from pytest_zephyr.clock import now_ms
from pytest_zephyr.push.delivery import Creations
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import Refusal
from pytest_zephyr.push.own_settings import OwnSettings
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.target.create_cases import CaseCreator
from pytest_zephyr.target.create_cycle import create_missing
from pytest_zephyr.target.fill_phase import fill_phase
from pytest_zephyr.target.find_cases import WALK
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import ambiguous_alt
from pytest_zephyr.text import format_case
from pytest_zephyr.text import plural


#: Milliseconds for which the job that created a phase may still be filling it.
_YOUNG = 15 * 60 * 1000


@dataclass
class NewCases:
    """Test cases to create: the custom fields and the folder of each."""

    fields: dict[NewCase, dict[str, FieldValue]] = field(default_factory=dict)
    folders: dict[NewCase, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.fields)


class MissingCreator:
    """Finds out what the server that *snapshot* describes lacks, and creates it.

    *made* names what was created, for messages.
    """

    def __init__(
        self, client: Client, settings_of: OwnSettings, snapshot: Snapshot
    ) -> None:
        self._client = client
        self._settings_of = settings_of
        self._settings = settings_of.widest
        self._snapshot = snapshot
        self._case_creator: CaseCreator | None = None
        self.creations = Creations()
        self.made: list[str] = []
        self._why_not = ""

    @property
    def _place(self) -> str:
        return f"phase {self._snapshot.known_target.path}"

    def find(self, missing: Sequence[CaseResult], new: NewCases | None = None) -> None:
        """Find the test cases of *missing* and *new* without writing anything."""
        creations, snapshot = self.creations, self._snapshot
        creates = self._settings.may_create("execution")
        release = snapshot.known_target.release
        if new and release is not None:
            self._case_creator = CaseCreator(
                self._client, new.folders, release.id, new.fields
            )
            creations.created_cases = self._case_creator.find()
            scheduled = {each.case for each in snapshot.executions}
            found = {p.case: p for p in creations.created_cases.placements.values()}
            creations.additions += [p for c, p in found.items() if c not in scheduled]
        if missing:
            # A case to add may be so new that only a walk through the folders finds it.
            cases = [each.case for each in missing]
            snapshot.look_up(self._client, cases, WALK if creates else 0)
        if creates:
            snapshot.read_phase(self._client)
        for result in missing:
            self._sort(result)
        if creations.needed and snapshot.known_target.phase is None:
            kinds = ["phase"] if snapshot.known_target.cycle else ["cycle", "phase"]
            creations.containers = [
                f"{kind} {getattr(self._settings, kind).name!r}" for kind in kinds
            ]

    def _sort(self, result: CaseResult) -> None:
        """Add a result without an execution to the list of `Creations` it belongs to."""
        creations, found, case = self.creations, self._snapshot.found, result.case
        settings = self._settings_of.of_result(result)
        placement = found.placements.get(case)
        serious, final, code = True, False, "not-in-phase"
        reason = f"test case {format_case(case)} has no execution in {self._place}"
        if placement is not None:
            if settings.may_create("execution"):
                creations.additions.append(placement)
                return
            reason += "; to have it added: --zephyr-create=execution"
        elif case in found.ambiguous:
            reason = ambiguous_alt(case, found.ambiguous[str(case)], "Zephyr")
            final, code = True, "ambiguous"
        elif not found.certain:
            reason += ", and no search finds it"
        elif settings.unknown_case == "ignore":
            creations.ignored.append(result)
            return
        else:
            reason = self._snapshot.unknown(case)
            serious, final = settings.unknown_case == "error", True
            code = "unknown-case"
        creations.refused.append(Refusal(result, reason, serious, final, code))

    def make(self) -> None:
        """Create what the look found missing, and read the executions again."""
        creations, snapshot = self.creations, self._snapshot
        if not creations.needed:
            return
        is_new = snapshot.known_target.phase is None
        contested = False
        if is_new:
            created = create_missing(
                self._client, self._settings, snapshot.known_target
            )
            snapshot.target = created.target
            creations.created_cases.remarks += created.remarks
            self.made += created.made
            contested = created.contested
        phase = snapshot.known_target.phase
        assert phase is not None
        case_creator = self._case_creator
        if case_creator is not None and creations.created_cases.missing:
            self._create_cases(case_creator, phase)
            contested = contested or bool(case_creator.duplicates)
        # Whoever created the phase a moment ago may be filling it with the same cases.
        contested = contested or (not is_new and self._is_young(phase))
        self._fill(phase, fresh=is_new and not contested, contested=contested)
        if case_creator is not None:
            used = {VisibleId(each.case) for each in snapshot.executions if each.case}
            case_creator.remove_duplicates(used)

    def _create_cases(self, case_creator: CaseCreator, phase: Phase) -> None:
        """Create the new test cases, unless they could never be added to *phase*."""
        if not phase.free_form:
            case_creator.refuse(
                f"no test case is created for it: {self._place} is structured, and"
                f" nothing can be added to it"
            )
            return
        created_cases = case_creator.create()
        new = sum(case in created_cases.placements for case in created_cases.missing)
        self.made.append(plural(new, "test case"))

    def _is_young(self, phase: Phase) -> bool:
        """Return whether a job like this one may have created *phase* a moment ago."""
        named = self._settings.phase is not None and self._settings.phase.id is None
        made_by_jobs = named and self._settings.may_create("phase")
        return made_by_jobs and now_ms() - (phase.created or 0) < _YOUNG

    def _fill(self, phase: Phase, *, fresh: bool, contested: bool) -> None:
        snapshot = self._snapshot
        if contested:
            snapshot.read_executions(self._client)
        scheduled = {each.case for each in snapshot.executions}
        created_cases = self.creations.created_cases
        new = (created_cases.placements.get(case) for case in created_cases.missing)
        placements: dict[int, Placement] = {
            each.case: each
            for each in (*self.creations.additions, *filter(None, new))
            if each.case not in scheduled
        }
        if not placements:
            return
        release = snapshot.known_target.release
        filled = fill_phase(
            self._client,
            phase,
            release.id if release else None,
            list(placements.values()),
            snapshot.user.id,
            fresh=fresh,
            contested=contested,
        )
        if filled.added:
            self.made.append(plural(filled.added, "execution"))
        if filled.refused is not None:
            self._why_not = f": {filled.refused}"
        snapshot.take_executions(filled.executions)

    def settle(self, changes: Changes, *, final: bool) -> Changes:
        """Return *changes* with a reason for every result that is still missing.

        Unless this is *final*, those that would be added stay missing.
        """
        creations = self.creations
        refusals = {each.result.case: each for each in creations.refused}
        ignored = {each.case for each in creations.ignored}
        not_created = {
            case.name: why for case, why in creations.created_cases.refused.items()
        }
        left, missing, refused = [*changes.skipped], [], [*changes.refused]
        for result in changes.missing:
            case = result.case
            if case in ignored:
                left.append(result)
            elif case in refusals:
                refused.append(replace(refusals[case], result=result))
            elif case in not_created:
                refused.append(Refusal(result, not_created[str(case)]))
            elif final:
                reason = self._why_not_added(case)
                refused.append(Refusal(result, reason, code="not-in-phase"))
            else:
                missing.append(result)
        return replace(changes, skipped=left, missing=missing, refused=refused)

    def _why_not_added(self, case: CaseRef) -> str:
        phase, why = self._snapshot.known_target.phase, self._why_not
        if phase is not None and not phase.free_form:
            why = ": it is a structured phase, which shows folders as they are"
        return f"test case {format_case(case)} could not be added to {self._place}{why}"
