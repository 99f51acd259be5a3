"""Find what is missing before results can be written, and create what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.clock import now_ms
from pytest_zephyr.push import diff
from pytest_zephyr.push.planning import Planner
from pytest_zephyr.results import records
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.target.create_cases import CaseCreator
from pytest_zephyr.target.create_cases import NewCaseTests
from pytest_zephyr.target.create_cycle import TargetCreator
from pytest_zephyr.target.creations import Creations
from pytest_zephyr.target.fill_phase import PhaseFiller
from pytest_zephyr.target.snapshot import NOT_IN_PHASE
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import format_case
from pytest_zephyr.text import plural


#: Milliseconds for which the job that created a phase may still be filling it.
_FILLING = 15 * 60 * 1000


class MissingCreator:
    """Finds out what the server that *snapshot* describes lacks, and creates it.

    Notes in *creations* what is missing and what was created.
    """

    def __init__(
        self,
        client: Client,
        planner: Planner,
        snapshot: Snapshot,
        creations: Creations,
    ) -> None:
        self._client = client
        self._planner = planner
        self._settings = planner.widest
        self._snapshot = snapshot
        self._creations = creations
        self._case_creator: CaseCreator | None = None
        # By test case; none if its result is ignored.
        self._refusals: dict[records.CaseRef, diff.Refusal | None] = {}
        self._why_not = ""

    @property
    def _place(self) -> str:
        return f"phase {self._snapshot.known_target.path}"

    def find(
        self,
        missing: Sequence[CaseResult],
        new: Mapping[records.NewCase, NewCaseTests] | None = None,
    ) -> None:
        """Find the test cases of *missing* and *new* without writing anything."""
        creations, snapshot = self._creations, self._snapshot
        creates = self._settings.may_create("execution")
        release = snapshot.known_target.release
        if new and release is not None:
            self._case_creator = CaseCreator(self._client, release.id, new, creations)
            self._case_creator.find()
            scheduled = {each.case for each in snapshot.executions}
            by_case = {each.case: each for each in creations.placements.values()}
            creations.additions += [p for c, p in by_case.items() if c not in scheduled]
        if missing:
            # A case to add may be very new.
            cases = [each.case for each in missing]
            snapshot.look_up(self._client, cases, thorough=creates)
        if creates:
            snapshot.read_phase(self._client)
        for result in missing:
            self._sort(result)
        if creations.needed and snapshot.known_target.phase is None:
            kinds = ["phase"] if snapshot.known_target.cycle else ["cycle", "phase"]
            creations.containers = [
                f"{kind} {getattr(self._settings, kind).name!r}" for kind in kinds
            ]

    def with_new_case(self, node: records.NodeResult) -> records.NodeResult:
        """Return *node* with the test case that was created or found for it."""
        creations = self._creations
        if node.new in creations.placements:
            return replace(node, cases=(creations.placements[node.new].case,))
        if node.new in creations.refused:
            # Without an id, messages can only use its name.
            return replace(node, cases=(node.new.name,))
        return node

    def _sort(self, result: CaseResult) -> None:
        """Note what becomes of a result without an execution."""
        lookup, case = self._snapshot.lookup, result.case
        settings = [self._planner.settings_of(node) for node in result.nodes]
        may_add = any(each.may_create("execution") for each in settings)
        if case in lookup.placements and may_add:
            self._creations.additions.append(lookup.placements[case])
            return
        reason, code = self._snapshot.why_missing(case)
        severities: set[str] = {"error"}
        if code == "unknown-case":
            severities = {each.unknown_case for each in settings}
        refusal = diff.Refusal(
            result, reason, "error" in severities, code != NOT_IN_PHASE, code
        )
        self._refusals[case] = None if severities == {"ignore"} else refusal

    def create(self) -> None:
        """Create what `find` found missing, and read the executions again."""
        creations, snapshot = self._creations, self._snapshot
        if not creations.needed:
            return
        target, contested = snapshot.known_target, False
        is_new = target.phase is None
        if is_new:
            creator = TargetCreator(self._client, self._settings, target, creations)
            snapshot.target = creator.create()
            contested = creator.contested
        phase = snapshot.known_target.phase
        assert phase is not None
        case_creator = self._case_creator
        if case_creator is not None and creations.cases:
            self._create_cases(case_creator, phase)
            contested = contested or bool(case_creator.duplicates)
        # Whoever created the phase a moment ago may be filling it with the same cases.
        contested = contested or (not is_new and self._is_young(phase))
        new = map(creations.placements.get, creations.cases)
        filler = PhaseFiller(
            self._client, snapshot, [*creations.additions, *filter(None, new)]
        )
        filler.fill(fresh=is_new and not contested, contested=contested)
        if filler.added:
            creations.created.append(plural(filler.added, "execution"))
        self._why_not = f": {filler.why_not}" if filler.why_not else ""
        if case_creator is not None:
            case_creator.remove_duplicates({each.case for each in snapshot.executions})

    def _create_cases(self, case_creator: CaseCreator, phase: Phase) -> None:
        """Create the new test cases, unless they could never be added to *phase*."""
        if not phase.free_form:
            case_creator.refuse_all(
                f"no test case is created for it: {self._place} is structured, and"
                f" nothing can be added to it"
            )
            return
        case_creator.create()
        creations = self._creations
        if new := sum(case in creations.placements for case in creations.cases):
            creations.created.append(plural(new, "test case"))

    def _is_young(self, phase: Phase) -> bool:
        """Return whether a job like this one may have created *phase* a moment ago."""
        named = self._settings.phase is not None and self._settings.phase.id is None
        made_by_jobs = named and self._settings.may_create("phase")
        return made_by_jobs and now_ms() - (phase.created or 0) < _FILLING

    def explain_missing(self, changes: diff.Changes, *, final: bool) -> None:
        """Give a reason for every result of *changes* that is still missing.

        Unless this is *final*, those that would be added stay missing.
        """
        refused = self._creations.refused.items()
        not_created = {case.name: why for case, why in refused}
        results, changes.missing = changes.missing, []
        for result in results:
            case = result.case
            refusal = self._refusals.get(case)
            if refusal is not None:
                changes.refused.append(replace(refusal, result=result))
            elif case in self._refusals:
                changes.skipped.append(result)
            elif case in not_created:
                changes.refused.append(diff.Refusal(result, not_created[str(case)]))
            elif final:
                reason = self._why_not_added(case)
                changes.refused.append(
                    diff.Refusal(result, reason, code="not-in-phase")
                )
            else:
                changes.missing.append(result)

    def _why_not_added(self, case: records.CaseRef) -> str:
        phase, why = self._snapshot.known_target.phase, self._why_not
        if phase is not None and not phase.free_form:
            why = ": it is a structured phase, which shows folders as they are"
        return f"test case {format_case(case)} could not be added to {self._place}{why}"
