"""Filling a database: what every sandbox begins with, and what a run or a test needs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
import json
import secrets
from typing import Any
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import queries
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.executing import STATUS_PREFERENCE
from pytest_zephyr.sandbox.data.executing import STEP_STATUS_PREFERENCE
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Field
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Preference
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Table
from pytest_zephyr.sandbox.data.model import Token
from pytest_zephyr.sandbox.data.model import User


T = TypeVar("T", bound=Table)


FIRST_USERNAME = "test.manager"
#: Label of the API token of the first user.
FIRST_LABEL = "sandbox"
#: Id, name, and whether the status is active.
DEFAULT_STATUSES = (
    ("1", "Pass", True),
    ("2", "Fail", True),
    ("3", "WIP", True),
    ("4", "Blocked", True),
)


def seed(session: Session) -> None:
    """Add the first user, preferences and system fields, which every sandbox has."""
    add_user(
        session,
        FIRST_USERNAME,
        secrets.token_urlsafe(12),
        has_permissions=True,
        label=FIRST_LABEL,
    )
    set_preference(session, STATUS_PREFERENCE, list_of_values(DEFAULT_STATUSES))
    set_preference(session, STEP_STATUS_PREFERENCE, list_of_values(DEFAULT_STATUSES))
    set_preference(session, "cycle.environment.enabled", "false")
    session.add_all(
        Field(
            entity="testcase",
            display_name=display_name,
            field_name=field_name,
            mandatory=mandatory,
            system=True,
        )
        for display_name, field_name, mandatory in (
            ("Name", "name", True),
            ("Description", "description", False),
            ("Alt ID", "externalId", False),
            ("Priority", "priority", False),
            ("Tags", "tag", False),
        )
    )


def add_user(
    session: Session,
    username: str,
    password: str,
    *,
    has_permissions: bool,
    label: str = "api",
) -> tuple[int, str]:
    """Add a user with an API token; return the user's id and the token."""
    first, _, last = username.replace(".", " ").title().partition(" ")
    user = User(
        username=username,
        password=password,
        first_name=first,
        last_name=last,
        has_permissions=has_permissions,
    )
    session.add(user)
    session.flush()
    return user.id, add_token(session, user.id, label).value


def add_token(session: Session, user_id: int, label: str) -> Token:
    token = Token(user_id=user_id, label=label, value=secrets.token_hex(20))
    session.add(token)
    session.flush()
    return token


def first_user(session: Session) -> User:
    return session.scalars(select(User).order_by(User.id).limit(1)).one()


def list_of_values(statuses: Iterable[tuple[str, str, bool]]) -> str:
    """Return *statuses* (id, name, active) as the value of a preference."""
    return json.dumps(
        [
            {"id": str(identifier), "value": name, "active": active}
            for identifier, name, active in statuses
        ]
    )


def set_preference(session: Session, name: str, value: str) -> None:
    preference = session.get(Preference, name)
    if preference is None:
        session.add(Preference(name=name, value=value, default=value))
    else:
        preference.value = value


def ensure_target(
    session: Session,
    project: int | str,
    release: int | str,
    cycle: int | str,
    phase: int | str,
) -> tuple[int, int, int, int]:
    """Find project, release, cycle and phase, each by id or exact name.

    Add those that are missing, and return the four ids.
    """
    add_project = partial(catalog.add_project, session)
    project_row = _find_or_add(session, Project, project, add_project)
    release_row = _find_or_add(
        session,
        Release,
        release,
        partial(catalog.add_release, session, project_row),
        Release.project_id == project_row.id,
        Release.hidden.is_(False),
    )
    cycle_row = _find_or_add(
        session,
        Cycle,
        cycle,
        partial(catalog.add_cycle, session, release_row),
        Cycle.release_id == release_row.id,
    )
    phase_row = _find_or_add(
        session,
        Phase,
        phase,
        partial(catalog.add_phase, session, cycle_row),
        Phase.cycle_id == cycle_row.id,
    )
    return project_row.id, release_row.id, cycle_row.id, phase_row.id


def _find_or_add(
    session: Session,
    table: type[T],
    identity: int | str,
    add: Callable[..., T],
    *where: Any,
) -> T:
    """Find a row by id or exact name; call *add* if it is missing."""
    if isinstance(identity, int):
        row = session.get(table, identity)
        return row or add(f"{table.__name__} {identity}", identifier=identity)
    rows = list_rows(session, table, table.__table__.c.name == identity, *where)
    return rows[0] if rows else add(identity)


def default_folder(session: Session, release_id: int) -> Node:
    """Return the first folder at the top of a repository, created if missing."""
    roots = list_rows(
        session,
        Node,
        Node.release_id == release_id,
        Node.phase_id.is_(None),
        Node.parent_id.is_(None),
    )
    return roots[0] if roots else catalog.add_folder(session, release_id, "Test cases")


def add_to_phase(session: Session, phase: int, testcase_id: int) -> int:
    """Put a test case into *phase*, unassigned; return the placement's id."""
    root = catalog.root_of(session, phase)
    known = repository.known_testcases(session, [testcase_id])
    if testcase_id not in known:
        raise ValueError(f"there is no test case {testcase_id}")
    return repository.add_placements(session, root.id, [known[testcase_id].id])[0]


def schedule_all(
    session: Session, phase_id: int, testcase_ids: list[int], alts: list[str]
) -> None:
    """Assign test cases to the first user, and create those that do not exist."""
    root = catalog.root_of(session, phase_id)
    project_id = get(session, Release, root.release_id).project_id
    user = first_user(session).id
    versions_by_id: dict[int, int] = {
        testcase_id: case.id
        for testcase_id, case in repository.known_testcases(
            session, testcase_ids
        ).items()
    }
    versions_by_alt: dict[str | None, int] = {
        row.alt: row.id
        for row in session.execute(
            select(Case.alt, Case.id)
            .where(Case.alt.is_not(None), Case.project_id == project_id)
            .order_by(Case.version, Case.id.desc())
        )
    }
    new_ids = [i for i in dict.fromkeys(testcase_ids) if i not in versions_by_id]
    new_alts = [alt for alt in dict.fromkeys(alts) if alt not in versions_by_alt]
    first_free_id = max(
        [repository.next_testcase_id(session), *(i + 1 for i in new_ids)]
    )
    new_cases: list[dict[str, Any]] = [
        {"testcase_id": i, "name": f"Test case {i}"} for i in new_ids
    ]
    new_cases += [
        {"testcase_id": free_id, "name": f"Test case {alt}", "alt": alt}
        for free_id, alt in enumerate(new_alts, first_free_id)
    ]
    versions, _placements = repository.add_cases(
        session, default_folder(session, root.release_id), project_id, user, new_cases
    )
    versions_by_id.update(zip(new_ids, versions[: len(new_ids)], strict=True))
    versions_by_alt.update(zip(new_alts, versions[len(new_ids) :], strict=True))
    chosen_versions = dict.fromkeys(
        [
            *(versions_by_id[i] for i in testcase_ids),
            *(versions_by_alt[alt] for alt in alts),
        ]
    )
    present_versions = {
        version for _, version in queries.placements_in_phase(session, phase_id)
    }
    missing = [
        version for version in chosen_versions if version not in present_versions
    ]
    repository.add_placements(session, root.id, missing)
    unassigned = planning.unassigned(session, Node.phase_id == phase_id)
    planning.assign(
        session,
        phase_id,
        {
            placement: user
            for placement, (version, _creator) in unassigned.items()
            if version in chosen_versions
        },
    )
