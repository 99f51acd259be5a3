"""What the web pages show, read with few statements."""

from __future__ import annotations

from collections import Counter
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
import html
from typing import Any

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import queries
from pytest_zephyr.sandbox.data.executing import NOT_EXECUTED
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Result
from pytest_zephyr.sandbox.data.queries import EXECUTION_ATTACHMENT


@dataclass(frozen=True)
class Status:
    id: str
    name: str


@dataclass(frozen=True)
class Share:
    """How many executions of a phase have a status, and where its part of a bar begins."""

    status: Status
    count: int
    before: int


@dataclass(frozen=True)
class Tally:
    """The results of a phase by status, in the order of the server's list."""

    shares: tuple[Share, ...] = ()
    total: int = 0
    last: int | None = None

    def __str__(self) -> str:
        return ", ".join(f"{each.count} {each.status.name}" for each in self.shares)


@dataclass(frozen=True)
class Place:
    """A phase and what it is in."""

    project: Project
    release: Release
    cycle: Cycle
    phase: Phase

    @property
    def title(self) -> str:
        names = (self.phase.name, self.cycle.name, self.release.name, self.project.name)
        return " - ".join(names)


@dataclass(frozen=True)
class Row:
    """A line of a phase's page."""

    id: int
    testcase_id: int
    name: str
    alt: str | None
    status: Status
    first_line: str
    actual_time: int | None
    executed_on: int | None
    files: int
    results: int
    defects: tuple[str, ...]


class Statuses:
    """The names of statuses; what is unset counts as not executed."""

    def __init__(self, session: Session, preference: str = executing.STATUSES) -> None:
        self._names = executing.status_names(session, preference)

    def __getitem__(self, given: str | None) -> Status:
        identifier = given or NOT_EXECUTED
        return Status(identifier, self._names.get(identifier, f"Status {given}"))

    def tally(self, counts: Mapping[str, int], last: int | None = None) -> Tally:
        """Count in the order of the server's list, what is not executed at the end."""
        order = [*self._names, *sorted(counts.keys() - self._names.keys())]
        order.remove(NOT_EXECUTED)
        order.append(NOT_EXECUTED)
        shares: list[Share] = []
        total = 0
        for identifier in order:
            if count := counts.get(identifier, 0):
                shares.append(Share(self[identifier], count, total))
                total += count
        return Tally(tuple(shares), total, last)


def overview(session: Session) -> list[dict[str, Any]]:
    """Projects with their releases, cycles, newest first, and tallied phases."""
    statuses = Statuses(session)
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    last: dict[int, int] = {}
    for phase_id, status, count, executed_on in session.execute(
        select(
            Execution.phase_id,
            Execution.status,
            func.count(),
            func.max(Execution.executed_on),
        ).group_by(Execution.phase_id, Execution.status)
    ):
        counts[phase_id][status or NOT_EXECUTED] += count
        last[phase_id] = max(last.get(phase_id, 0), executed_on or 0)
    phases: dict[int, list[tuple[Phase, Tally]]] = defaultdict(list)
    for phase in session.scalars(select(Phase).order_by(Phase.id)):
        tally = statuses.tally(counts[phase.id], last.get(phase.id))
        phases[phase.cycle_id].append((phase, tally))
    cycles: dict[int, list[tuple[Cycle, Any]]] = defaultdict(list)
    for cycle in session.scalars(select(Cycle).order_by(Cycle.id.desc())):
        cycles[cycle.release_id].append((cycle, phases[cycle.id]))
    releases: dict[int, list[tuple[Release, Any]]] = defaultdict(list)
    for release in session.scalars(
        select(Release).where(Release.hidden.is_(False)).order_by(Release.id)
    ):
        releases[release.project_id].append((release, cycles[release.id]))
    return [
        {"project": project, "releases": releases[project.id]}
        for project in session.scalars(select(Project).order_by(Project.id))
    ]


def place(session: Session, phase_id: int) -> Place | None:
    row = session.execute(
        select(Project, Release, Cycle, Phase)
        .join(Release, Release.project_id == Project.id)
        .join(Cycle, Cycle.release_id == Release.id)
        .join(Phase, Phase.cycle_id == Cycle.id)
        .where(Phase.id == phase_id)
    ).first()
    return None if row is None else Place(*row)


def latest_phase(session: Session, *where: Any) -> int | None:
    """Id of the phase with the newest result among those whose cycle meets *where*."""
    return session.scalar(
        select(Execution.phase_id)
        .join(Phase, Phase.id == Execution.phase_id)
        .join(Cycle, Cycle.id == Phase.cycle_id)
        .where(Execution.last_result_id.is_not(None), *where)
        .order_by(Execution.last_result_id.desc())
        .limit(1)
    )


def rows(session: Session, phase_id: int) -> tuple[list[Row], Tally]:
    """Results of a phase in the order they were assigned, and their counts."""
    statuses = Statuses(session)
    chosen = select(Execution.id).where(Execution.phase_id == phase_id)
    files = _counts(
        session,
        Attachment.item_id,
        Attachment.item_type == EXECUTION_ATTACHMENT,
        Attachment.item_id.in_(chosen),
    )
    results = _counts(session, Result.execution_id, Result.execution_id.in_(chosen))
    defects: dict[int, list[str]] = defaultdict(list)
    for execution, key in session.execute(
        select(Defect.execution_id, Defect.key)
        .where(Defect.execution_id.in_(chosen))
        .order_by(Defect.id)
    ):
        defects[execution].append(key)
    lines = [
        Row(
            id=identifier,
            testcase_id=testcase_id,
            name=name,
            alt=alt,
            status=statuses[status],
            first_line=first_line(comment),
            actual_time=actual_time,
            executed_on=executed_on,
            files=files.get(identifier, 0),
            results=results.get(identifier, 0),
            defects=tuple(defects.get(identifier, ())),
        )
        for (
            identifier,
            testcase_id,
            name,
            alt,
            status,
            comment,
            actual_time,
            executed_on,
        ) in session.execute(
            select(
                Execution.id,
                Case.testcase_id,
                Case.name,
                Case.alt,
                Execution.status,
                # Notes are long, and a row shows no more.
                func.substr(Execution.comment, 1, 400),
                Execution.actual_time,
                Execution.executed_on,
            )
            .join(Placement, Placement.id == Execution.placement_id)
            .join(Case, Case.id == Placement.case_id)
            .where(Execution.phase_id == phase_id)
            .order_by(Execution.id)
        )
    ]
    return lines, statuses.tally(Counter(row.status.id for row in lines))


def plain(notes: str | None) -> str:
    """Return notes as they are read: Zephyr shows them as HTML, so clients escape."""
    return html.unescape(notes or "")


def first_line(notes: str | None) -> str:
    return plain(notes).strip().partition("\n")[0][:200]


def _counts(session: Session, column: Any, *where: Any) -> dict[int, int]:
    query = select(column, func.count()).where(*where).group_by(column)
    return {row[0]: row[1] for row in session.execute(query)}


def count_unassigned(session: Session, phase_id: int) -> int:
    """Count the unassigned test cases of a phase."""
    return len(queries.unassigned(session, phase_id))
