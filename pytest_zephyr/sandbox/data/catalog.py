"""Rules for projects, releases, cycles, phases and folders."""

from __future__ import annotations

from datetime import date
from datetime import timedelta
import time

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import grouped
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Preference
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.switches import FREE_CYCLE_DATES
from pytest_zephyr.sandbox.data.switches import get_switch
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import now_ms
from pytest_zephyr.sandbox.data.values import today
from pytest_zephyr.sandbox.data.values import unknown_id


#: In characters.
MAX_NAME_LENGTH = 255


def check_name(name: object, what: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise bad_request(f"{what} name cannot be null.")
    if len(name) > MAX_NAME_LENGTH:
        raise bad_request(
            f"{what} name cannot be longer than {MAX_NAME_LENGTH} characters."
        )
    return name


def require_unlocked(session: Session, release_id: int) -> Release:
    """Return a release; raise the server's error if it is locked against changes."""
    release = get(session, Release, release_id)
    if release.locked_until > time.time():
        raise bad_request(
            f"Operation failed. The Release with ID{release.id} and name{release.name}"
            " is locked. Please try again later.",
            "122z04",
        )
    return release


def check_within(
    what: str,
    span: tuple[date, date],
    outer: str,
    bounds: tuple[date | None, date | None],
) -> None:
    """Check that *span*, the first and last day of *what*, is in order.

    It must also lie within *bounds*, the dates of *outer*.
    """
    start, end = span
    if end < start:
        raise bad_request(f"{what} end date cannot be before {what} start date.")
    if (bounds[0] and start < bounds[0]) or (bounds[1] and end > bounds[1]):
        raise bad_request(f"{what} dates must be within the {outer} dates.")


def check_cycle_dates(
    session: Session, span: tuple[date, date], release: Release
) -> None:
    """Check the dates of a cycle; a switch lets them lie outside of the release.

    The vendor's pages say that a cycle has to lie inside; the vendor's Jenkins plugin
    starts cycles on the day on which the project starts.
    """
    free = get_switch(session, FREE_CYCLE_DATES)
    bounds = (None, None) if free else (release.start, release.end)
    check_within("cycle", span, "release", bounds)


def add_project(
    session: Session,
    name: str,
    *,
    identifier: int | None = None,
    start: date | None = None,
    end: date | None = None,
) -> Project:
    """Add a project, which starts today by default.

    As on the server, it gets a hidden release for its own repository.
    """
    project = Project(
        id=identifier,
        name=name,
        start=start or today(),
        end=end,
        created_on=now_ms(),
    )
    session.add(project)
    session.flush()
    add_release(session, project, "Project Test Repository", hidden=True)
    return project


def add_release(
    session: Session,
    project: Project,
    name: str,
    *,
    identifier: int | None = None,
    start: date | None = None,
    end: date | None = None,
    description: str | None = None,
    hidden: bool = False,
) -> Release:
    check_name(name, "release")
    if start is not None and end is not None:
        check_within("release", (start, end), "project", (None, None))
    last = session.scalar(
        select(func.max(Release.order_id)).where(Release.project_id == project.id)
    )
    release = Release(
        id=identifier,
        project_id=project.id,
        name=name,
        start=start,
        end=end,
        description=description,
        created_on=now_ms(),
        order_id=(last or 0) + 1,
        hidden=hidden,
        locked_until=0,
    )
    session.add(release)
    session.flush()
    return release


def check_environment(session: Session, environment: str) -> None:
    preference = session.get(Preference, "cycle.environment.enabled")
    enabled = preference is not None and preference.value.strip().lower() == "true"
    if enabled and not environment.strip():
        raise bad_request("Cycle environment is mandatory.")


def add_cycle(
    session: Session,
    release: Release,
    name: str,
    *,
    start: date | None = None,
    end: date | None = None,
    identifier: int | None = None,
    build: str = "",
    environment: str = "",
    status: int = 0,
) -> Cycle:
    """Add a cycle, by default with the dates of the release.

    Without those, it starts today, but not after its end, and lasts 30 days.
    """
    check_name(name, "cycle")
    start = start or release.start or min(filter(None, (today(), release.end, end)))
    end = end or release.end or start + timedelta(days=30)
    check_cycle_dates(session, (start, end), release)
    cycle = Cycle(
        id=identifier,
        release_id=release.id,
        name=name,
        build=build,
        environment=environment,
        start=start,
        end=end,
        status=status,
        revision=1,
        created_on=now_ms(),
    )
    session.add(cycle)
    session.flush()
    return cycle


def add_phase(
    session: Session,
    cycle: Cycle,
    name: str,
    *,
    start: date | None = None,
    end: date | None = None,
    identifier: int | None = None,
    free_form: bool = True,
) -> Phase:
    """Add a phase with its root node, by default with the dates of its cycle."""
    check_name(name, "phase")
    start, end = start or cycle.start, end or cycle.end
    check_within("phase", (start, end), "cycle", (cycle.start, cycle.end))
    phase = Phase(
        id=identifier,
        cycle_id=cycle.id,
        name=name,
        free_form=free_form,
        start=start,
        end=end,
        created_on=now_ms(),
    )
    session.add(phase)
    session.flush()
    add_folder(session, cycle.release_id, name, phase_id=phase.id)
    return phase


def add_folder(
    session: Session,
    release_id: int,
    name: str,
    *,
    parent: Node | None = None,
    phase_id: int | None = None,
    description: str = "",
) -> Node:
    """Add a folder below *parent*, or the root of a tree, which is of kind "Phase"."""
    node = Node(
        release_id=release_id,
        phase_id=parent.phase_id if parent else phase_id,
        parent_id=parent.id if parent else None,
        kind="Module" if parent else "Phase",
        name=check_name(name, "folder"),
        description=description,
        created_on=now_ms(),
    )
    session.add(node)
    session.flush()
    return node


def phases_of(
    session: Session, cycle_ids: list[int]
) -> dict[int, list[tuple[Phase, int]]]:
    """Return the phases by the id of their cycle, each with the id of its root node."""
    rows = session.execute(
        select(Phase, Node.id)
        .join(Node, (Node.phase_id == Phase.id) & Node.parent_id.is_(None))
        .where(Phase.cycle_id.in_(cycle_ids))
        .order_by(Phase.id)
    )
    return grouped((phase.cycle_id, (phase, root)) for phase, root in rows)


def root_of(session: Session, phase_id: int) -> Node:
    """Return the root node of the tree of a phase."""
    root = session.scalar(
        select(Node).where(Node.phase_id == phase_id, Node.parent_id.is_(None))
    )
    if root is None:
        raise unknown_id("Phase", phase_id)
    return root
