"""Compare a plan with what the server has, without side effects."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.errors import Code
from pytest_zephyr.results import tags
from pytest_zephyr.results.notes import is_ours
from pytest_zephyr.results.notes import one_line_notes
from pytest_zephyr.results.notes import OTHER_JOB_NOTES
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.status import PASS
from pytest_zephyr.results.status import severity
from pytest_zephyr.text import ambiguous_alt


#: A result is sent late if the last of its sessions ended more than this many
#: milliseconds ago.
_LATE_AFTER_MS = 60_000


@dataclass(frozen=True)
class DiffRules:
    """How to decide between a result and what its execution has.

    *ended* says when sessions ended, by name, and *incomplete* names the sessions that
    could not collect some test files. *now* is the current time. Times are in
    milliseconds since the epoch, by the server's clock. With *force*, newer results and
    those of other jobs are replaced, too. *notes_limit* is the maximum length of notes in
    characters.
    """

    ended: Mapping[str, int]
    incomplete: Collection[str]
    now: int
    force: bool
    notes_limit: int


@dataclass(slots=True)
class Change:
    """A result and the execution of its test case, as the execution was last read.

    *notes* are to be written, `None` to leave them unchanged. *tag* comes after them, see
    `tags`. If other jobs or later attempts of the run decide the status, *overruled_by* is
    the id of that status. Then the execution keeps or gets it, and the tag, if there is
    one, has what this job found.
    """

    result: CaseResult
    execution: Execution
    notes: str | None = None
    tag: str = ""
    overruled_by: str = ""

    @property
    def status_id(self) -> str:
        """The id of the status that the execution has after the change."""
        assert self.overruled_by or self.result.status is not None
        return self.overruled_by or self.result.status.id  # type: ignore[union-attr]

    @property
    def at(self) -> int:
        """The time of the result that the execution has after the change.

        It is in milliseconds since the epoch.
        """
        tag = tags.find(self.execution.notes) if self.overruled_by else None
        return tag.at if tag else self.result.at

    @property
    def tagged_notes(self) -> str | None:
        """The notes with their tag, `None` to leave them unchanged."""
        if self.notes is None or not self.tag:
            return self.notes
        return f"{self.notes}\n{self.tag}" if self.notes else self.tag


@dataclass(frozen=True)
class Refusal:
    """A result that cannot be delivered now, and why.

    It is not *serious* if the settings make it a warning. It is *final* if another push
    is not expected to deliver it. *code* is a stable name of the reason, for scripts.
    """

    result: CaseResult
    reason: str
    serious: bool = True
    final: bool = False
    code: Code = "refused"


@dataclass
class Changes:
    """What becomes of the results of a push; each of them is in one list.

    - *not_compared*: the push has not read the executions.
    - *writes*: still to be written.
    - *missing*: the test case has no execution.
    - *reported*: written by this push, or by an earlier one that noted no receipt.
    - *reported_before*: delivered earlier.
    - *skipped*: there is no status to send, or the test case is unknown and ignored.
    - *older*: not written, because the server has a newer result.
    - *overruled*: not written, because other jobs or later attempts decide the status.
    - *refused*: cannot be delivered now.

    *scheduled_twice* maps a test case with several executions to the one that is used.
    """

    not_compared: list[CaseResult] = field(default_factory=list)
    writes: list[Change] = field(default_factory=list)
    missing: list[CaseResult] = field(default_factory=list)
    reported: list[Change] = field(default_factory=list)
    reported_before: list[Change] = field(default_factory=list)
    skipped: list[CaseResult] = field(default_factory=list)
    older: list[Change] = field(default_factory=list)
    overruled: list[Change] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    scheduled_twice: dict[int, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        return len(self.not_compared) + len(self.writes) + len(self.missing)

    @property
    def unchanged(self) -> int:
        return len(self.skipped) + len(self.older) + len(self.overruled)


def compute(
    results: Iterable[CaseResult],
    executions: Iterable[Execution],
    place: str,
    receipts: Collection[tuple[int, str]],
    unanswered: Mapping[int, str],
    rules: DiffRules,
) -> Changes:
    """Compare *results* with *executions* and return what becomes of the results.

    *place* names the phase in messages. *receipts* holds the executions with a receipt,
    each with the digest of the result. *unanswered* has the executions whose last write
    got no answer, each with the stamp that it had before the write.

    Without `rules.force` no newer result of another run is replaced. A result is newer if
    its tag says so, or, compared with one that is sent late, if its date does.
    """
    index = ExecutionIndex(executions)
    changes = Changes()
    for result in results:
        if result.problem:
            code: Code = "uncertain" if result.uncertain else "status"
            changes.refused.append(
                Refusal(result, result.problem, final=result.uncertain, code=code)
            )
        elif result.status is None:
            changes.skipped.append(result)
        elif (execution := index.find(result.case)) is None:
            changes.missing.append(result)
        elif isinstance(execution, list):
            reason = ambiguous_alt(result.case, execution, place)
            changes.refused.append(
                Refusal(result, reason, final=True, code="ambiguous")
            )
        else:
            if execution.case in index.scheduled_twice:
                changes.scheduled_twice[execution.case] = execution.id
            if receipts and (execution.id, result.digest) in receipts:
                changes.reported_before.append(Change(result, execution))
                continue
            change = decide(result, execution, rules)
            stamp_before = unanswered.get(execution.id)
            if change is None:
                changes.older.append(Change(result, execution))
            elif stamp_before is not None and was_written(change, stamp_before):
                changes.reported.append(Change(result, execution))
            elif (
                execution.executed_on == result.at
                and execution.status_id == result.status.id
            ):
                # If a copy of the journal was sent, only the copy has a receipt.
                changes.reported_before.append(Change(result, execution))
            elif change.overruled_by:
                changes.overruled.append(change)
            elif not rules.force and _is_newer(execution, result, rules):
                changes.older.append(change)
            else:
                changes.writes.append(change)
    return changes


def decide(
    result: CaseResult, execution: Execution, rules: DiffRules, *, written: bool = False
) -> Change | None:
    """Return how *result* changes *execution*, `None` if later attempts replace it.

    *written* says that *result* was written just now. Then the tag of *execution*
    counts, whatever status the execution has.
    """
    assert result.status is not None
    if not execution.notes and result.notes is None and result.status.id == PASS:
        # A plain pass on an execution without notes needs no tag.
        return Change(result, execution)
    tag = _tag_of_run(result, execution, written=written)
    ours = [
        replace(each, at=min(each.at, rules.now))
        for each in result.findings(rules.ended, rules.incomplete)
    ]
    others, counting = tags.compare(tag.findings, ours)
    if rules.force:
        counting = ours
    elif ours and not counting:
        return None
    findings = [
        tags.Finding(each.job, each.status_id, each.at) for each in (*others, *counting)
    ]
    our_status_id = tags.worst(counting) if counting else result.status.id
    verdict = max(our_status_id, tags.worst(others), key=severity)
    new_tag = tags.Tag(
        result.run_digest, max(min(result.at, rules.now), tag.at), findings
    ).fit(tags.room_in(rules.notes_limit))
    if severity(verdict) == severity(result.status.id) or rules.force:
        return _change_to_write(result, execution, new_tag, rules.notes_limit)
    has_verdict = severity(execution.status_id) == severity(verdict)
    if has_verdict and not written and set(findings) == set(tag.findings):
        return Change(result, execution, overruled_by=verdict)
    notes = tags.strip(execution.notes) if has_verdict or written else OTHER_JOB_NOTES
    return Change(result, execution, notes, new_tag, verdict)


def _tag_of_run(result: CaseResult, execution: Execution, *, written: bool) -> tags.Tag:
    """Return the tag that the run of *result* wrote on *execution*, or an empty one.

    If the status is not as severe as the tag says, somebody has changed it. Then the
    tag no longer counts, unless the result was *written* just now.
    """
    tag = tags.find(execution.notes)
    if tag is not None and tag.run_digest == result.run_digest:
        verdict = severity(tags.worst(tag.findings))
        if written or severity(execution.status_id) == verdict:
            return tag
    return tags.Tag(result.run_digest, 0)


def _change_to_write(
    result: CaseResult, execution: Execution, tag: str, notes_limit: int
) -> Change:
    """Return the change that writes *result*, with its notes and tag."""
    assert result.status is not None
    passed = result.status.id == PASS
    without_tag = tags.strip(execution.notes)
    notes = result.notes
    if notes is None and is_ours(execution.notes):
        # Notes about an earlier result must not stay with this one.
        notes = one_line_notes(result.nodes, result.outcome)
    if notes is None and not passed and len(without_tag) + len(tag) < notes_limit:
        # Notes that people wrote stay, and the tag comes after them.
        notes = without_tag
    if notes is None and without_tag != execution.notes:
        # The tag of another result must not stay.
        notes = without_tag or one_line_notes(result.nodes, result.outcome)
    is_plain = passed and result.notes is None
    return Change(result, execution, notes, "" if notes is None or is_plain else tag)


def _is_newer(execution: Execution, result: CaseResult, rules: DiffRules) -> bool:
    """Return whether *execution* has a newer result of another run."""
    tag = tags.find(execution.notes)
    if tag is not None and tag.run_digest == result.run_digest:
        return False
    if tag is not None and tag.at > result.at:
        return True
    if (execution.executed_on or 0) <= result.at:
        return False
    # A newer date counts only against a result that is sent late.
    sessions = {node.origin.session for node in result.nodes if node.ran}
    ends = [rules.ended.get(each, rules.now) for each in sessions]
    return bool(ends) and rules.now - max(ends) > _LATE_AFTER_MS


def by_visible_id(
    nodes: Iterable[NodeResult], executions: Iterable[Execution]
) -> list[NodeResult]:
    """Return *nodes* with ids instead of the Alt IDs that just one test case has.

    Tests that name a test case by id then share one result with tests that name it by
    Alt ID.
    """
    nodes = list(nodes)
    if not any(isinstance(case, str) for node in nodes for case in node.cases):
        return nodes
    index = ExecutionIndex(executions)

    def visible(case: CaseRef) -> CaseRef:
        match = index.find(case)
        if isinstance(match, Execution) and match.case is not None:
            return match.case
        return case

    return [
        replace(node, cases=tuple(dict.fromkeys(map(visible, node.cases))))
        if any(isinstance(case, str) for case in node.cases)
        else node
        for node in nodes
    ]


def was_written(change: Change, stamp_before: str) -> bool:
    """Return whether the execution of *change* looks as if *change* was written.

    The execution must have another stamp than *stamp_before*, unless its stamps are not
    reliable: then a write need not change the stamp.
    """
    execution = change.execution
    if execution.status_id != change.status_id:
        return False
    if keeps_foreign_notes(change, execution.notes):
        return False
    return execution.stamp != stamp_before or not execution.stamp_is_reliable


def keeps_foreign_notes(change: Change, notes: str) -> bool:
    """Return whether *notes* belong to another result, and *change* leaves them there.

    If *change* writes no notes, those that the plugin wrote, or that have a tag, are
    of another result.
    """
    if not notes or change.tagged_notes is not None:
        return False
    return is_ours(notes) or tags.find(notes) is not None


class ExecutionIndex:
    """Finds the execution of a test case, the oldest if there are several.

    *scheduled_twice* are the ids of test cases that have several executions.
    """

    def __init__(self, executions: Iterable[Execution]) -> None:
        self._executions = sorted(executions, key=lambda each: each.id)
        self._by_case: dict[int, Execution] = {}
        self.scheduled_twice: set[int] = set()
        for each in self._executions:
            case = each.case
            if case is not None and self._by_case.setdefault(case, each) is not each:
                self.scheduled_twice.add(case)

    @cached_property
    def _by_alt(self) -> dict[str, dict[int | None, Execution]]:
        by_alt: dict[str, dict[int | None, Execution]] = {}
        for each in self._executions:
            if each.alt:
                by_alt.setdefault(each.alt, {}).setdefault(each.case, each)
        return by_alt

    def find(self, case: CaseRef) -> Execution | list[int] | None:
        """Return the execution of *case*, `None` if it has none.

        If several test cases have the Alt ID *case*, return the list of their ids.
        """
        if isinstance(case, int):
            return self._by_case.get(case)
        cases = self._by_alt.get(case, {})
        if len(cases) > 1:
            return sorted(filter(None, cases))
        return next(iter(cases.values()), None)
