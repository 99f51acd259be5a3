"""The difference between a plan and what the server has: pure, so that it can be shown."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property

from pytest_zephyr.client.entities import Execution
from pytest_zephyr.results import tags
from pytest_zephyr.results.notes import ELSEWHERE
from pytest_zephyr.results.notes import is_ours
from pytest_zephyr.results.notes import summary
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.status import PASS
from pytest_zephyr.results.status import severity
from pytest_zephyr.text import ambiguous_alt


#: Milliseconds after the end of its session from when on a result is sent late.
LATE = 60_000


@dataclass(frozen=True)
class DiffRules:
    """What counts between two results of one test case.

    *ended* says when sessions were over, *partial* names those of which some files could
    not be collected, both by the name of the run in their journal. *now* is the time of
    the server; times are in milliseconds of its clock. With *force* a result is written
    whatever stands there. *limit* is that of the notes.
    """

    ended: Mapping[str, int] = field(default_factory=dict)
    partial: Collection[str] = ()
    now: int = 2**62
    force: bool = False
    limit: int = 4000

    def is_late(self, result: CaseResult) -> bool:
        """Return whether all sessions of *result* were over long ago."""
        journals = {node.origin.journal for node in result.nodes if node.ran}
        ends = [self.ended.get(each, self.now) for each in journals]
        return bool(ends) and self.now - max(ends) > LATE


@dataclass(slots=True)
class Change:
    """One result to write: on which execution, and what stood there before.

    *tag* comes after the notes, see `tags`. The result is *overruled*, by the id of a
    status, if other jobs or later attempts of its run decide; then that stands, and only
    what the tag says of this job is written, if it has to be.
    """

    result: CaseResult
    execution: Execution
    notes: str | None
    tag: str = ""
    overruled: str = ""

    @property
    def status(self) -> str:
        """The id of the status that the execution has afterwards."""
        assert self.overruled or self.result.status is not None
        return self.overruled or self.result.status.id  # type: ignore[union-attr]

    @property
    def at(self) -> int:
        """When the tests of the result that stands afterwards were over."""
        held = tags.find(self.execution.comment) if self.overruled else None
        return held.at if held else self.result.at

    @property
    def text(self) -> str | None:
        """The notes as they are written, `None` if they stay."""
        if self.notes is None or not self.tag:
            return self.notes
        return f"{self.notes}\n{self.tag}" if self.notes else self.tag


@dataclass(frozen=True)
class Refusal:
    """A result that cannot be delivered, and why.

    What the user does not mind (``zephyr_unknown_case = warn``) is not *serious*. If it
    is *final*, another push would change nothing.
    """

    result: CaseResult
    reason: str
    serious: bool = True
    final: bool = False


@dataclass(frozen=True)
class Changes:
    """What a push will do: write *writes*, leave *left* and *done*, and name *refused*.

    *done* were delivered by an earlier push, and *standing* is where they stand, for
    their evidence; those in *found_on_server* stand on the server although no receipt says so.
    *older* are left because the server has a newer result, *overruled* because it has a
    worse one of another job of the run. *missing* have no execution to be written to.
    *doubled* maps a test case that has several executions to the one that is meant.
    """

    writes: tuple[Change, ...] = ()
    found_on_server: tuple[Change, ...] = ()
    done: tuple[CaseResult, ...] = ()
    standing: tuple[Change, ...] = ()
    left: tuple[CaseResult, ...] = ()
    older: tuple[Change, ...] = ()
    overruled: tuple[Change, ...] = ()
    missing: tuple[CaseResult, ...] = ()
    refused: tuple[Refusal, ...] = ()
    doubled: Mapping[int, int] = field(default_factory=dict)


def compute(
    results: Iterable[CaseResult],
    executions: Iterable[Execution],
    place: str,
    delivered: Collection[tuple[int, str]] = (),
    uncertain: Mapping[int, str] | None = None,
    terms: DiffRules | None = None,
) -> Changes:
    """Return the changes that bring *results* onto *executions*.

    *place* names the phase for messages. *delivered* holds the executions that have a
    receipt, each with the digest of the result it is for; *uncertain* maps executions whose last write got no answer to
    the stamp they had before. A result stays unwritten if the tag of the execution
    says that it is of another run and newer, and if it is sent late, also if the date
    does.
    """
    terms = terms or DiffRules()
    index = _Index(executions)
    writes: list[Change] = []
    found_on_server: list[Change] = []
    done: list[CaseResult] = []
    standing: list[Change] = []
    left: list[CaseResult] = []
    older: list[Change] = []
    overruled: list[Change] = []
    missing: list[CaseResult] = []
    refused: list[Refusal] = []
    doubled: dict[int, int] = {}
    for result in results:
        if result.problem:
            refused.append(Refusal(result, result.problem))
            continue
        if result.status is None:
            left.append(result)
            continue
        found = index.find(result.case)
        if found is None:
            missing.append(result)
            continue
        if isinstance(found, list):
            refused.append(
                Refusal(result, ambiguous_alt(result.case, found, place), final=True)
            )
            continue
        if found.case in index.doubled:
            doubled[found.case] = found.id
        if delivered and (found.id, result.digest) in delivered:
            done.append(result)
            standing.append(Change(result, found, None))
            continue
        change = decide(result, found, terms)
        if change is None:
            older.append(Change(result, found, None))
            continue
        before = (uncertain or {}).get(found.id)
        if before is not None and was_written(change, before):
            # What its notes are is what the server has.
            found_on_server.append(Change(result, found, None))
        elif found.executed_on == result.at and found.status == result.status.id:
            # A journal that was sent from a copy has no receipts; the server shows it.
            done.append(result)
            standing.append(Change(result, found, None))
        elif change.overruled:
            overruled.append(change)
        elif not terms.force and _is_newer(found, result, terms):
            older.append(change)
        else:
            writes.append(change)
    return Changes(
        writes=tuple(writes),
        found_on_server=tuple(found_on_server),
        done=tuple(done),
        standing=tuple(standing),
        left=tuple(left),
        older=tuple(older),
        overruled=tuple(overruled),
        missing=tuple(missing),
        refused=tuple(refused),
        doubled=doubled,
    )


def decide(
    result: CaseResult, found: Execution, terms: DiffRules, *, written: bool = False
) -> Change | None:
    """Return what *result* makes of an execution in the state *found*.

    `None` if later attempts of its jobs have reported. Unless it was *written* over just
    now, somebody who changed the status since has decided, and the tag does not count.
    """
    assert result.status is not None
    if not found.comment and result.notes is None and result.status.id == PASS:
        # Nobody has said anything of it, and nor does a pass.
        return Change(result, found, None)
    held = _held(result, found, written=written)
    found_by_us = result.findings(terms.ended, terms.partial)
    own = [replace(each, at=min(each.at, terms.now)) for each in found_by_us]
    standing = tags.compare(held.findings, own)
    if own and not standing.own and not terms.force:
        return None
    counting = own if terms.force else standing.own
    findings = [
        tags.Finding(each.job, each.status, each.at)
        for each in (*standing.others, *counting)
    ]
    tag = tags.Tag(result.run, max(min(result.at, terms.now), held.at), findings)
    base = tags.worst(counting) if counting else result.status.id
    verdict = max(base, tags.worst(standing.others), key=severity)
    if severity(verdict) == result.status.severity or terms.force:
        return _write(result, found, str(tag), terms.limit)
    stands = severity(found.status) == severity(verdict)
    if stands and not written and set(findings) == set(held.findings):
        return Change(result, found, None, "", verdict)
    notes = tags.strip(found.comment) if stands or written else ELSEWHERE
    return Change(result, found, notes, str(tag), verdict)


def _held(result: CaseResult, found: Execution, *, written: bool) -> tags.Tag:
    """Return the tag that *found* has of the run of *result*, an empty one if none."""
    held = tags.find(found.comment)
    none = tags.Tag(result.run, 0)
    if held is None or held.run != result.run:
        return none
    stands = severity(found.status) == severity(tags.worst(held.findings))
    return held if stands or written else none


def _write(result: CaseResult, found: Execution, tag: str, limit: int) -> Change:
    """Return the change that writes *result*, with the notes and the tag it is to have."""
    assert result.status is not None
    passed = result.status.id == PASS
    bare = tags.strip(found.comment)
    notes = _notes(result, found)
    if notes is None and not passed and len(bare) + len(tag) < limit:
        notes = bare
    if notes is None and bare != found.comment:
        # The tag of another result must not stay.
        notes = bare or summary(result.nodes, result.outcome)
    is_plain = passed and result.notes is None
    return Change(result, found, notes, "" if notes is None or is_plain else tag)


def _is_newer(found: Execution, result: CaseResult, terms: DiffRules) -> bool:
    """Return whether an execution has the newer result of another run."""
    held = tags.find(found.comment)
    if held is not None and held.run == result.run:
        return False
    if held is not None and held.at > result.at:
        return True
    return (found.executed_on or 0) > result.at and terms.is_late(result)


def by_visible_id(
    nodes: Iterable[NodeResult], executions: Iterable[Execution]
) -> list[NodeResult]:
    """Return *nodes* with every Alt ID that means one test case as that case's id.

    A case that tests name in both ways is one case, and the worst of them decides.
    """
    nodes = list(nodes)
    if not any(isinstance(case, str) for node in nodes for case in node.cases):
        return nodes
    index = _Index(executions)

    def visible(case: CaseRef) -> CaseRef:
        found = index.find(case) if isinstance(case, str) else case
        number = found.case if isinstance(found, Execution) else None
        return case if number is None else number

    return [
        replace(node, cases=tuple(dict.fromkeys(map(visible, node.cases))))
        if any(isinstance(case, str) for case in node.cases)
        else node
        for node in nodes
    ]


def was_written(change: Change, before: str) -> bool:
    """Return whether the execution shows that *change* was written since *before*."""
    now = change.execution
    if now.status != change.status or keeps_foreign(change, now):
        return False
    return now.stamp != before or not now.dated


def keeps_foreign(change: Change, now: Execution) -> bool:
    """Return whether notes stand on *now* that another run or job wrote meanwhile."""
    return change.text is None and (
        is_ours(now.comment) or tags.find(now.comment) is not None
    )


def _notes(result: CaseResult, execution: Execution) -> str | None:
    if result.notes is None and is_ours(execution.comment):
        # What an earlier run wrote must not stand beside another result.
        return summary(result.nodes, result.outcome)
    return result.notes


class _Index:
    """Executions by visible id and by Alt ID; the lowest id of two for one case."""

    def __init__(self, executions: Iterable[Execution]) -> None:
        self._executions = sorted(executions, key=lambda each: each.id)
        self._by_case: dict[int, Execution] = {}
        self.doubled: set[int] = set()
        for each in self._executions:
            if each.case is None:
                continue
            if self._by_case.setdefault(each.case, each) is not each:
                self.doubled.add(each.case)

    @cached_property
    def _by_alt(self) -> dict[str, dict[int | None, Execution]]:
        found: dict[str, dict[int | None, Execution]] = {}
        for each in self._executions:
            if each.alt:
                found.setdefault(each.alt, {}).setdefault(each.case, each)
        return found

    def find(self, case: CaseRef) -> Execution | list[int] | None:
        """Return the execution of *case*, or the ids of all cases with its Alt ID."""
        if isinstance(case, int):
            return self._by_case.get(case)
        cases = self._by_alt.get(case, {})
        if len(cases) > 1:
            return sorted(filter(None, cases))
        return next(iter(cases.values()), None)
