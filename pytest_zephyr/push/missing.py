"""Finding what is missing before results can be written, and making what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
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


#: Milliseconds for which the job that made a phase may still be filling it.
_YOUNG = 15 * 60 * 1000


class MissingCreator:
    """Looks what is missing on the server that *seen* describes, and makes it.

    *made* names what was created, for people.
    """

    def __init__(
        self,
        client: Client,
        settings_of: OwnSettings,
        seen: Snapshot,
        folders: Mapping[NewCase, str],
    ) -> None:
        self._client = client
        self._settings_of = settings_of
        self._settings = settings_of.widest
        self._folders = folders
        self._seen = seen
        self._case_creator: CaseCreator | None = None
        self.creations = Creations()
        self.made: list[str] = []
        self._why_not = ""

    @property
    def _place(self) -> str:
        return f"phase {self._seen.place.path}"

    def look(
        self,
        missing: Sequence[CaseResult],
        new: Mapping[NewCase, Mapping[str, FieldValue]] | None = None,
    ) -> Creations:
        """Find out where the cases of *missing* and *new* are; nothing is written.

        *new* has the custom fields of each.
        """
        creations = self.creations
        release = self._seen.place.release
        if new and release is not None:
            self._case_creator = CaseCreator(
                self._client, self._folders, release.id, new
            )
            creations.created_cases = self._case_creator.look()
            scheduled = {each.case for each in self._seen.executions}
            found = {p.case: p for p in creations.created_cases.placements.values()}
            creations.additions += [p for c, p in found.items() if c not in scheduled]
        if missing:
            # What is to be added may be so new that the search does not know it yet.
            walk = WALK if self._settings.may_create("execution") else 0
            self._seen.look_up(self._client, [each.case for each in missing], walk)
        if self._settings.may_create("execution"):
            self._seen.read_phase(self._client)
        for result in missing:
            self._sort(result)
        if creations.needed:
            creations.containers = self._containers()
        return creations

    def _sort(self, result: CaseResult) -> None:
        """Decide what becomes of a result that has no execution."""
        creations, found, case = self.creations, self._seen.found, result.case
        settings = self._settings_of.of_result(result)
        placement = found.placements.get(case)
        if placement is not None and settings.may_create("execution"):
            creations.additions.append(placement)
        elif placement is not None:
            reason = (
                f"test case {format_case(case)} has no execution in {self._place}; to have"
                f" it added: --zephyr-create=execution"
            )
            creations.refused.append(Refusal(result, reason))
        elif case in found.ambiguous:
            reason = ambiguous_alt(case, found.ambiguous[str(case)], "Zephyr")
            creations.refused.append(Refusal(result, reason, final=True))
        elif not found.certain:
            reason = (
                f"test case {format_case(case)} has no execution in {self._place}, and no"
                f" search finds it"
            )
            creations.refused.append(Refusal(result, reason))
        elif settings.unknown_case == "ignore":
            creations.ignored.append(result)
        else:
            serious = settings.unknown_case == "error"
            reason = self._seen.unknown(case)
            creations.refused.append(Refusal(result, reason, serious, final=True))

    def _containers(self) -> list[str]:
        place = self._seen.place
        if place.phase is not None:
            return []
        kinds = ["phase"] if place.cycle else ["cycle", "phase"]
        return [f"{kind} {getattr(self._settings, kind).name!r}" for kind in kinds]

    def make(self) -> None:
        """Make what the look has found missing.

        Afterwards the survey has the phase, and its executions as they are then.
        """
        creations, seen = self.creations, self._seen
        if not creations.needed:
            return
        fresh = seen.place.phase is None
        contested = False
        if fresh:
            created = create_missing(self._client, self._settings, seen.place)
            seen.target = created.target
            creations.created_cases.remarks += created.remarks
            self.made += created.made
            contested = created.contested
        phase = seen.place.phase
        assert phase is not None
        twins = False
        if self._case_creator is not None and creations.created_cases.missing:
            self._shelve(self._case_creator, phase)
            twins = bool(self._case_creator.twins)
        if not fresh and self._is_young(phase):
            # Who made it a moment ago may be filling it with the same test cases.
            contested = True
        contested = contested or twins
        self._fill(phase, fresh=fresh and not contested, contested=contested)
        if self._case_creator is not None:
            used = {VisibleId(each.case) for each in seen.executions if each.case}
            self._case_creator.remove_twins(used)

    def _shelve(self, shelves: CaseCreator, phase: Phase) -> None:
        """Make the new test cases, unless they could never be added to *phase*."""
        if not phase.free_form:
            shelves.refuse(
                f"no test case is made for it: {self._place} is structured, and nothing"
                f" can be added to it"
            )
            return
        created_cases = shelves.create()
        new = sum(case in created_cases.placements for case in created_cases.missing)
        self.made.append(f"{new} test cases in the repository")

    def _is_young(self, phase: Phase) -> bool:
        """Whether a job like this one may have made *phase* a moment ago."""
        named = self._settings.phase is not None and self._settings.phase.id is None
        made_by_jobs = named and self._settings.may_create("phase")
        return made_by_jobs and now_ms() - (phase.created or 0) < _YOUNG

    def _fill(self, phase: Phase, *, fresh: bool, contested: bool) -> None:
        seen = self._seen
        if contested:
            seen.read_executions(self._client)
        scheduled = {each.case for each in seen.executions}
        created_cases = self.creations.created_cases
        made = (created_cases.placements.get(case) for case in created_cases.missing)
        wanted: dict[int, Placement] = {
            each.case: each
            for each in (*self.creations.additions, *filter(None, made))
            if each.case not in scheduled
        }
        if not wanted:
            return
        release = seen.place.release
        filled = fill_phase(
            self._client,
            phase,
            release.id if release else None,
            list(wanted.values()),
            seen.user.id,
            fresh=fresh,
            contested=contested,
        )
        if filled.added:
            self.made.append(f"{filled.added} test cases in the phase")
        if filled.refused is not None:
            self._why_not = str(filled.refused)
        seen.take_executions(filled.executions)

    def settle(self, changes: Changes, *, final: bool) -> Changes:
        """Return *changes* with a reason for every result that is still missing.

        Unless this is *final*, those that would have been added stay missing.
        """
        creations = self.creations
        known = {each.result.case: each for each in creations.refused}
        ignored = {each.case for each in creations.ignored}
        unmade = {
            case.name: why for case, why in creations.created_cases.refused.items()
        }
        left, missing, refused = list(changes.left), [], list(changes.refused)
        for result in changes.missing:
            case = result.case
            if case in ignored:
                left.append(result)
            elif case in known:
                refused.append(replace(known[case], result=result))
            elif case in unmade:
                refused.append(Refusal(result, unmade[str(case)]))
            elif final:
                refused.append(Refusal(result, self._why_not_added(case)))
            else:
                missing.append(result)
        return replace(
            changes, left=tuple(left), missing=tuple(missing), refused=tuple(refused)
        )

    def _why_not_added(self, case: CaseRef) -> str:
        phase = self._seen.place.phase
        said = f"test case {format_case(case)} could not be added to {self._place}"
        if phase is not None and not phase.free_form:
            return f"{said}: it is a structured phase, which shows folders as they are"
        return f"{said}: {self._why_not}" if self._why_not else said
