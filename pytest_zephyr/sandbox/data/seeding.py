"""Filling a database: what it begins with, and what tests put in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from datetime import timedelta
import json
import secrets
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import queries
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.catalog import get
from pytest_zephyr.sandbox.data.executing import STATUSES
from pytest_zephyr.sandbox.data.executing import STEP_STATUSES
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Field
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Preference
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Token
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import today


FIRST_USER = "test.manager"
FIRST_LABEL = "sandbox"
DEFAULT_STATUSES = (
    ("1", "Pass", True),
    ("2", "Fail", True),
    ("3", "WIP", True),
    ("4", "Blocked", True),
)


def seed(session: Session) -> None:
    add_user(
        session,
        FIRST_USER,
        secrets.token_urlsafe(12),
        permitted=True,
        label=FIRST_LABEL,
    )
    set_preference(session, STATUSES, list_of_values(DEFAULT_STATUSES))
    set_preference(session, STEP_STATUSES, list_of_values(DEFAULT_STATUSES))
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
    permitted: bool,
    label: str = "api",
) -> tuple[int, str]:
    first, _, last = username.replace(".", " ").title().partition(" ")
    user = User(
        username=username,
        password=password,
        first_name=first,
        last_name=last,
        permitted=permitted,
    )
    session.add(user)
    session.flush()
    token = Token(user_id=user.id, label=label, value=secrets.token_hex(20))
    session.add(token)
    return user.id, token.value


def first_user(session: Session) -> User:
    return session.scalars(select(User).order_by(User.id).limit(1)).one()


def list_of_values(statuses: Iterable[tuple[str, str, bool]]) -> str:
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


def given_id(given: int | str) -> int | None:
    return given if isinstance(given, int) else None


def find(
    session: Session, table: Any, given: int | str, *where: Any
) -> tuple[Any, str]:
    """Row by id or exact name, and the name it has or is to get."""
    if isinstance(given, int):
        return session.get(table, given), f"{table.__name__} {given}"
    row = session.scalar(
        select(table).where(table.name == given, *where).order_by(table.id).limit(1)
    )
    return row, given


def add_cycle(
    session: Session,
    release: Release,
    name: str,
    identifier: int | None,
    *,
    start: date | None = None,
    end: date | None = None,
    build: str = "",
    environment: str = "",
) -> Cycle:
    start = start or release.start or min(filter(None, (today(), release.end, end)))
    end = end or release.end or start + timedelta(days=30)
    return catalog.add_cycle(
        session,
        release,
        name,
        start=start,
        end=end,
        identifier=identifier,
        build=build,
        environment=environment,
    )


def add_phase(
    session: Session,
    cycle: Cycle,
    name: str,
    identifier: int | None,
    *,
    free_form: bool = True,
) -> Phase:
    phase, _root = catalog.add_phase(
        session,
        cycle,
        name,
        start=cycle.start,
        end=cycle.end,
        identifier=identifier,
        free_form=free_form,
    )
    return phase


def default_folder(session: Session, release: Release) -> Node:
    root = session.scalar(
        select(Node)
        .where(
            Node.release_id == release.id,
            Node.phase_id.is_(None),
            Node.parent_id.is_(None),
        )
        .order_by(Node.id)
        .limit(1)
    )
    return root or repository.add_folder(session, release, "Test cases")


def schedule_unassigned(session: Session, phase: int, testcase_id: int) -> int:
    root = catalog.root_of(session, phase)
    known = repository.known_testcases(session, [testcase_id])
    if testcase_id not in known:
        raise ValueError(f"there is no test case {testcase_id}")
    return planning.add_to_node(session, root.id, [known[testcase_id].id])[0]


def schedule_all(
    session: Session, phase_id: int, testcase_ids: list[int], alts: list[str]
) -> None:
    phase = get(session, Phase, phase_id)
    release = catalog.release_of_phase(session, phase)
    user = first_user(session).id
    known = {
        i: c.id for i, c in repository.known_testcases(session, testcase_ids).items()
    }
    named = {
        alt: identifier
        for alt, identifier in session.execute(
            select(Case.alt, Case.id)
            .where(Case.alt.is_not(None), Case.project_id == release.project_id)
            .order_by(Case.version, Case.id.desc())
        )
        if alt is not None
    }
    ids = [i for i in dict.fromkeys(testcase_ids) if i not in known]
    new_alts = [alt for alt in dict.fromkeys(alts) if alt not in named]
    free = iter(
        range(
            max([*repository.next_testcase_ids(session, 1), *(i + 1 for i in ids)]),
            2**62,
        )
    )
    new = [{"testcase_id": i, "name": f"Test case {i}"} for i in ids]
    new += [
        {"testcase_id": next(free), "name": f"Test case {alt}", "alt": alt}
        for alt in new_alts
    ]
    versions, _ = repository.add_cases(
        session, default_folder(session, release), release.project_id, user, new
    )
    known.update(zip(ids, versions[: len(ids)], strict=True))
    named.update(zip(new_alts, versions[len(ids) :], strict=True))
    present = set(queries.placed(session, phase_id))
    wanted = dict.fromkeys(
        [*(known[i] for i in testcase_ids), *(named[alt] for alt in alts)]
    )
    root = catalog.root_of(session, phase_id)
    planning.add_to_node(session, root.id, [v for v in wanted if v not in present])
    waiting = [
        placement
        for placement, version in queries.unassigned(session, phase_id)
        if version in wanted
    ]
    planning.assign(session, phase_id, waiting, [user] * len(waiting))
