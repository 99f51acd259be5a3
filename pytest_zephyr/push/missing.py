"""Find what the server lacks for the results, and create what the settings allow."""

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


#: For how many milliseconds after a phase was created other jobs may be filling it.
_MAX_FILLING_MS = 15 * 60 * 1000


class MissingCreator:
    """Finds what is missing on the server, and creates it.

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
        self._settings = planner.widest_settings
        self._snapshot = snapshot
        self._creations = creations
        self._case_creator: CaseCreator | None = None
        # Why the result of a test case is refused; `None` if it is skipped instead.
        self._refusals: dict[records.CaseRef, diff.Refusal | None] = {}
        self._filling_problem = ""

    @property
    def _place(self) -> str:
        return f"phase {self._snapshot.known_target.path}"

    def find(
        self,
        missing: Sequence[CaseResult],
        new_cases: Mapping[records.NewCase, NewCaseTests],
    ) -> None:
        """Look up the test cases of *missing* and *new_cases*, and note what to create.

        Also notes why results are refused. Nothing is written.
        """
        creations, snapshot = self._creations, self._snapshot
        may_create = self._settings.may_create("execution")
        release = snapshot.known_target.release
        if new_cases and release is not None:
            self._case_creator = CaseCreator(
                self._client, release.id, new_cases, creations
            )
            self._case_creator.find()
            # New test cases that exist by now are only added to the phase.
            with_execution = {each.case for each in snapshot.executions}
            by_case = {each.case: each for each in creations.placements.values()}
            creations.additions += [
                p for c, p in by_case.items() if c not in with_execution
            ]
        # A test case to add may be so new that a search does not show it yet.
        cases = [each.case for each in missing]
        snapshot.look_up(self._client, cases, thorough=may_create)
        if may_create:
            snapshot.read_phase(self._client)
        for result in missing:
            self._classify(result)
        if creations.has_cases and snapshot.known_target.phase is None:
            kinds = ["phase"] if snapshot.known_target.cycle else ["cycle", "phase"]
            creations.places = [
                f"{kind} {getattr(self._settings, kind).name!r}" for kind in kinds
            ]

    def with_new_case(self, node: records.NodeResult) -> records.NodeResult:
        """Return *node* with the test case that was created or found for it, if any."""
        creations = self._creations
        if node.new in creations.placements:
            return replace(node, cases=(creations.placements[node.new].case,))
        if node.new in creations.refused:
            # Without an id, messages can only use its name.
            return replace(node, cases=(node.new.name,))
        return node

    def _classify(self, result: CaseResult) -> None:
        """Note that a test case is to be added, or why its *result* is refused.

        If unknown test cases are ignored, note that *result* is skipped.
        """
        lookup, case = self._snapshot.lookup, result.case
        settings = [self._planner.settings_of(node) for node in result.nodes]
        may_create = any(each.may_create("execution") for each in settings)
        if case in lookup.placements and may_create:
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
        if not creations.has_cases:
            return
        target = snapshot.known_target
        # A phase is contested if another job may be adding the same test cases to it.
        if target.phase is None:
            creator = TargetCreator(self._client, self._settings, target, creations)
            snapshot.target = creator.create()
            contested = creator.contested
        else:
            contested = self._is_young(target.phase)
        phase = snapshot.known_target.phase
        assert phase is not None
        case_creator = self._case_creator
        if case_creator is not None and creations.cases:
            self._create_cases(case_creator, phase)
            contested = contested or bool(case_creator.duplicates)
        created = map(creations.placements.get, creations.cases)
        filler = PhaseFiller(
            self._client, snapshot, [*creations.additions, *filter(None, created)]
        )
        fresh = target.phase is None and not contested
        filler.fill(fresh=fresh, contested=contested)
        if filler.added:
            creations.created.append(plural(filler.added, "execution"))
        self._filling_problem = filler.first_refusal
        if case_creator is not None:
            case_creator.remove_duplicates({each.case for each in snapshot.executions})

    def _create_cases(self, case_creator: CaseCreator, phase: Phase) -> None:
        """Create the new test cases, unless they could never be added to *phase*."""
        if not phase.free_form:
            case_creator.refuse_all(
                f"its test case is not created: {self._place} is structured, so no test"
                f" case can be added to the phase"
            )
            return
        case_creator.create()
        creations = self._creations
        if count := sum(case in creations.placements for case in creations.cases):
            creations.created.append(plural(count, "test case"))

    def _is_young(self, phase: Phase) -> bool:
        """Return whether *phase* is new, and another job may have created it."""
        is_named = self._settings.phase is not None and self._settings.phase.id is None
        is_made_by_jobs = is_named and self._settings.may_create("phase")
        return is_made_by_jobs and now_ms() - (phase.created or 0) < _MAX_FILLING_MS

    def explain_missing(self, changes: diff.Changes, *, final: bool) -> None:
        """Move the missing results of *changes* to the refused or the skipped ones.

        Unless *final*, results whose test cases would be added to the phase stay missing.
        """
        refused = self._creations.refused.items()
        reasons = {case.name: reason for case, reason in refused}
        results, changes.missing = changes.missing, []
        for result in results:
            case = result.case
            refusal = self._refusals.get(case)
            if refusal is not None:
                changes.refused.append(replace(refusal, result=result))
            elif case in self._refusals:
                changes.skipped.append(result)
            elif case in reasons:
                changes.refused.append(diff.Refusal(result, reasons[str(case)]))
            elif final:
                reason = self._why_not_added(case)
                changes.refused.append(
                    diff.Refusal(result, reason, code="not-in-phase")
                )
            else:
                changes.missing.append(result)

    def _why_not_added(self, case: records.CaseRef) -> str:
        phase, reason = self._snapshot.known_target.phase, self._filling_problem
        if phase is not None and not phase.free_form:
            reason = "it is a structured phase, whose folders decide what it contains"
        place = f"{self._place}: {reason}" if reason else self._place
        return f"test case {format_case(case)} could not be added to {place}"
