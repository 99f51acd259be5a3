"""What the web pages show, read with few SQL statements."""

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
from pytest_zephyr.sandbox.data.database import count_by
from pytest_zephyr.sandbox.data.database import grouped
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.executing import NOT_EXECUTED
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Result
from pytest_zephyr.sandbox.lists import count_attachments


@dataclass(frozen=True)
class Status:
    id: str
    name: str


@dataclass(frozen=True)
class Share:
    """The part of a bar for one status.

    *count* executions have the status, and *before* executions have one that comes
    before it in the bar.
    """

    status: Status
    count: int
    before: int


@dataclass(frozen=True)
class Tally:
    """The executions of a phase, counted by status in the order of the server's list.

    *last_executed_on* is in milliseconds since the epoch; 0 or `None` means that nothing
    was executed, or that the page does not show it.
    """

    shares: tuple[Share, ...] = ()
    total: int = 0
    last_executed_on: int | None = None

    def __str__(self) -> str:
        return ", ".join(f"{share.count} {share.status.name}" for share in self.shares)


@dataclass(frozen=True)
class Place:
    """A phase with its cycle, release and project."""

    project: Project
    release: Release
    cycle: Cycle
    phase: Phase

    @property
    def title(self) -> str:
        names = (self.phase.name, self.cycle.name, self.release.name, self.project.name)
        return " - ".join(names)


@dataclass(frozen=True)
class Line:
    """An execution on the page of its phase."""

    id: int
    testcase_id: int
    name: str
    alt: str | None
    status: Status
    first_line: str
    actual_time: int | None
    executed_on: int | None
    file_count: int
    result_count: int
    defects: list[str]


class Statuses:
    """The names of statuses; a missing status is shown as "Not executed"."""

    def __init__(
        self, session: Session, preference: str = executing.STATUS_PREFERENCE
    ) -> None:
        self._names = executing.status_names(session, preference)

    def __getitem__(self, given: str | None) -> Status:
        identifier = given or NOT_EXECUTED
        return Status(identifier, self._names.get(identifier, f"Status {given}"))

    def tally(
        self, counts: Mapping[str, int], last_executed_on: int | None = None
    ) -> Tally:
        """Return *counts*, which are by status id, as a tally.

        "Not executed" is last, after statuses that the server does not list.
        """
        order = [*self._names, *sorted(counts.keys() - self._names.keys())]
        order.remove(NOT_EXECUTED)
        order.append(NOT_EXECUTED)
        shares: list[Share] = []
        total = 0
        for identifier in order:
            if count := counts.get(identifier, 0):
                shares.append(Share(self[identifier], count, total))
                total += count
        return Tally(tuple(shares), total, last_executed_on)


def overview(session: Session) -> list[dict[str, Any]]:
    """Return projects with releases, cycles (newest first), and phases with tallies."""
    statuses = Statuses(session)
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    last_executed_on: dict[int, int] = {}
    for phase_id, status, count, executed_on in session.execute(
        select(
            Execution.phase_id,
            Execution.status,
            func.count(),
            func.max(Execution.executed_on),
        ).group_by(Execution.phase_id, Execution.status)
    ):
        counts[phase_id][status or NOT_EXECUTED] += count
        last_executed_on[phase_id] = max(
            last_executed_on.get(phase_id, 0), executed_on or 0
        )
    phases = grouped(
        (
            phase.cycle_id,
            (
                phase,
                statuses.tally(counts[phase.id], last_executed_on.get(phase.id)),
            ),
        )
        for phase in list_rows(session, Phase)
    )
    cycles = grouped(
        (cycle.release_id, (cycle, phases[cycle.id]))
        for cycle in reversed(list_rows(session, Cycle))
    )
    releases = grouped(
        (release.project_id, (release, cycles[release.id]))
        for release in list_rows(session, Release, Release.hidden.is_(False))
    )
    return [
        {"project": project, "releases": releases[project.id]}
        for project in list_rows(session, Project)
    ]


def place(session: Session, phase_id: int) -> Place | None:
    """Return a phase with what it belongs to; `None` if there is no such phase."""
    row = session.execute(
        select(Project, Release, Cycle, Phase)
        .select_from(Project)
        .join(Release)
        .join(Cycle)
        .join(Phase)
        .where(Phase.id == phase_id)
    ).first()
    return None if row is None else Place(*row)


def latest_phase(session: Session, *where: Any) -> int | None:
    """Return the id of the phase with the newest result, in cycles that meet *where*.

    Return `None` if no such phase has a result.
    """
    return session.scalar(
        select(Execution.phase_id)
        .select_from(Execution)
        .join(Phase)
        .join(Cycle)
        .where(Execution.last_result_id.is_not(None), *where)
        .order_by(Execution.last_result_id.desc())
        .limit(1)
    )


def execution_lines(session: Session, phase_id: int) -> tuple[list[Line], Tally]:
    """Return the executions of a phase in the order of assignment, and their tally."""
    statuses = Statuses(session)
    chosen = select(Execution.id).where(Execution.phase_id == phase_id)
    file_counts = count_attachments(session, chosen)
    result_counts = count_by(
        session, Result.execution_id, Result.execution_id.in_(chosen)
    )
    defects = grouped(
        (defect.execution_id, defect.key)
        for defect in list_rows(session, Defect, Defect.execution_id.in_(chosen))
    )
    rows = session.execute(
        select(
            Execution.id,
            Case.testcase_id,
            Case.name,
            Case.alt,
            Execution.status,
            # A line shows 200 characters; escaped, they may be more.
            func.substr(Execution.comment, 1, 400),
            Execution.actual_time,
            Execution.executed_on,
        )
        .select_from(Execution)
        .join(Placement)
        .join(Case)
        .where(Execution.phase_id == phase_id)
        .order_by(Execution.id)
    )
    lines = [
        Line(
            id=id,
            testcase_id=testcase_id,
            name=name,
            alt=alt,
            status=statuses[status],
            first_line=first_line(comment),
            actual_time=actual_time,
            executed_on=executed_on,
            file_count=file_counts.get(id, 0),
            result_count=result_counts.get(id, 0),
            defects=defects[id],
        )
        for id, testcase_id, name, alt, status, comment, actual_time, executed_on in rows
    ]
    return lines, statuses.tally(Counter(line.status.id for line in lines))


def unescaped(text: str | None) -> str:
    """Return a text without HTML escapes; `None` becomes an empty text.

    Clients escape texts because Zephyr shows them as HTML.
    """
    return html.unescape(text or "")


def first_line(notes: str | None) -> str:
    return unescaped(notes).strip().partition("\n")[0][:200]
