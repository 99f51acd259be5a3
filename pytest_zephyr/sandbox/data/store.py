"""The data of a sandbox: filling it from code, and reading what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
import math
from pathlib import Path
import time
from typing import Any
from typing import TypeVar

from sqlalchemy import delete
from sqlalchemy import select

from pytest_zephyr.sandbox.data import attachments
from pytest_zephyr.sandbox.data import catalog
from pytest_zephyr.sandbox.data import planning
from pytest_zephyr.sandbox.data import queries
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data import seeding
from pytest_zephyr.sandbox.data import switches
from pytest_zephyr.sandbox.data.database import Database
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.database import list_rows
from pytest_zephyr.sandbox.data.executing import STATUS_PREFERENCE
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cookie
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Field
from pytest_zephyr.sandbox.data.model import NumberedTable
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Requirement
from pytest_zephyr.sandbox.data.model import Table
from pytest_zephyr.sandbox.data.model import Token
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.states import CaseState
from pytest_zephyr.sandbox.data.states import ExecutionState


FOREVER = math.inf

T = TypeVar("T", bound=Table)


class Store:
    """The server's data; every method is one transaction, and any thread may call it."""

    def __init__(self, path: Path | str) -> None:
        self.database = Database(Path(path))
        with self.database.writing() as session:
            if session.scalar(select(User).limit(1)) is None:
                seeding.seed(session)

    def close(self) -> None:
        self.database.close()

    # Users, settings

    @property
    def user(self) -> User:
        """The user every sandbox begins with."""
        with self.database.reading() as session:
            return seeding.first_user(session)

    @property
    def token(self) -> str:
        """The first API token; empty if it was revoked."""
        with self.database.reading() as session:
            value = session.scalar(
                select(Token.value)
                .where(Token.label == seeding.FIRST_LABEL)
                .order_by(Token.id)
            )
        return value or ""

    def add_user(
        self, username: str, password: str, *, has_permissions: bool = True
    ) -> tuple[int, str]:
        """Add a user with an API token; return the user's id and the token.

        Without permissions, the user may only log in and read ``/user/current``;
        other calls answer 403.
        """
        with self.database.writing() as session:
            return seeding.add_user(
                session, username, password, has_permissions=has_permissions
            )

    def expire_cookies(self) -> None:
        with self.database.writing() as session:
            session.execute(delete(Cookie))

    def revoke_tokens(self) -> None:
        with self.database.writing() as session:
            session.execute(delete(Token))

    def set_preference(self, name: str, value: str) -> None:
        with self.database.writing() as session:
            seeding.set_preference(session, name, value)

    def set_statuses(self, statuses: Iterable[tuple[str, str, bool]]) -> None:
        """Make *statuses* (id, name, active) the execution statuses."""
        self.set_preference(STATUS_PREFERENCE, seeding.list_of_values(statuses))

    def get_switch(self, name: str) -> int:
        with self.database.reading() as session:
            return switches.get_switch(session, name)

    def set_switch(self, name: str, value: int) -> None:
        """Set how strict the sandbox is; `SWITCHES` lists the names."""
        with self.database.writing() as session:
            switches.set_switch(session, name, value)

    def add_field(
        self,
        entity: str,
        display_name: str,
        field_name: str,
        mandatory: bool = False,
    ) -> int:
        return self._add(
            Field(
                entity=entity,
                display_name=display_name,
                field_name=field_name,
                mandatory=mandatory,
                system=False,
            )
        )

    # Projects to phases

    def add_project(
        self,
        name: str,
        *,
        id: int | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> int:
        """Add a project, which starts today by default.

        As on the server, it gets a hidden release for its own repository.
        """
        with self.database.writing() as session:
            return catalog.add_project(
                session, name, identifier=id, start=start, end=end
            ).id

    def add_release(
        self,
        project: int,
        name: str,
        *,
        id: int | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> int:
        with self.database.writing() as session:
            return catalog.add_release(
                session,
                get(session, Project, project),
                name,
                identifier=id,
                start=start,
                end=end,
            ).id

    def lock_release(self, release: int, seconds: float = FOREVER) -> None:
        """Lock *release* for *seconds*, or until it is unlocked.

        Reading it by its id is refused, and so is changing its cycles, phases and
        folders, or adding test cases to them.
        """
        until = min(time.time() + seconds, 2**62)
        with self.database.writing() as session:
            get(session, Release, release).locked_until = math.ceil(until)

    def unlock_release(self, release: int) -> None:
        with self.database.writing() as session:
            get(session, Release, release).locked_until = 0

    def add_cycle(
        self,
        release: int,
        name: str,
        *,
        id: int | None = None,
        build: str = "",
        environment: str = "",
        start: date | None = None,
        end: date | None = None,
    ) -> int:
        """Add a cycle, by default with the dates of the release."""
        with self.database.writing() as session:
            return catalog.add_cycle(
                session,
                get(session, Release, release),
                name,
                identifier=id,
                start=start,
                end=end,
                build=build,
                environment=environment,
            ).id

    def add_phase(
        self, cycle: int, name: str, *, id: int | None = None, free_form: bool = True
    ) -> int:
        """Add a phase with the dates of its cycle."""
        with self.database.writing() as session:
            return catalog.add_phase(
                session,
                get(session, Cycle, cycle),
                name,
                identifier=id,
                free_form=free_form,
            ).id

    def ensure_target(
        self, project: int | str, release: int | str, cycle: int | str, phase: int | str
    ) -> tuple[int, int, int, int]:
        """Find project, release, cycle and phase, each by id or exact name.

        Add those that are missing, and return the four ids.
        """
        with self.database.writing() as session:
            return seeding.ensure_target(session, project, release, cycle, phase)

    # Test cases

    def add_folder(self, release: int, name: str, *, parent: int | None = None) -> int:
        with self.database.writing() as session:
            return catalog.add_folder(
                session,
                release,
                name,
                parent=planning.repository_node(session, parent) if parent else None,
            ).id

    def add_case(
        self,
        release: int,
        name: str | None = None,
        *,
        testcase_id: int | None = None,
        alt: str | None = None,
        folder: int | None = None,
        steps: Iterable[str] = (),
    ) -> int:
        """Add a test case to the repository, and return its visible id."""
        with self.database.writing() as session:
            node = (
                planning.repository_node(session, folder)
                if folder
                else seeding.default_folder(session, release)
            )
            if testcase_id is None:
                testcase_id = repository.next_testcase_id(session)
            elif repository.known_testcases(session, [testcase_id]):
                raise ValueError(f"there is a test case {testcase_id} already")
            name = name or f"Test case {testcase_id}"
            versions, _placements = repository.add_cases(
                session,
                node,
                get(session, Release, release).project_id,
                seeding.first_user(session).id,
                [{"testcase_id": testcase_id, "name": name, "alt": alt}],
            )
            repository.set_steps(session, versions[0], [{"step": s} for s in steps])
            return testcase_id

    def add_to_phase(self, phase: int, testcase_id: int) -> int:
        """Put a test case into *phase*, unassigned; return the placement's id."""
        with self.database.writing() as session:
            return seeding.add_to_phase(session, phase, testcase_id)

    def schedule(
        self, phase: int, testcase_id: int, *, tester: int | None = None
    ) -> int:
        """Put a test case into *phase* and assign it; return the execution's id.

        The tester is the first user by default.
        """
        with self.database.writing() as session:
            placement = seeding.add_to_phase(session, phase, testcase_id)
            tester = seeding.first_user(session).id if tester is None else tester
            return planning.assign(session, phase, {placement: tester})[0]

    def schedule_all(
        self, phase: int, testcase_ids: Iterable[int], alts: Iterable[str] = ()
    ) -> None:
        """Schedule test cases, given by visible id or Alt ID, in *phase*.

        Those that do not exist are created, and those not in *phase* are put into it.
        Those that are not assigned there yet are assigned to the first user.
        """
        with self.database.writing() as session:
            seeding.schedule_all(session, phase, list(testcase_ids), list(alts))

    def add_defect(self, execution: int, key: str, summary: str = "") -> int:
        with self.database.writing() as session:
            get(session, Execution, execution)
            defect = Defect(execution_id=execution, key=key, summary=summary)
            session.add(defect)
            session.flush()
            return defect.id

    def add_requirement(
        self, release: int, name: str, *, alt: str | None = None
    ) -> int:
        return self._add(Requirement(release_id=release, name=name, alt=alt))

    def _add(self, row: NumberedTable) -> int:
        with self.database.writing() as session:
            session.add(row)
            session.flush()
            return row.id

    # What the server holds

    def projects(self) -> list[Project]:
        return self._rows(Project)

    def releases(self, project: int) -> list[Release]:
        return self._rows(Release, Release.project_id == project)

    def cycles(self, release: int) -> list[Cycle]:
        return self._rows(Cycle, Cycle.release_id == release)

    def phases(self, cycle: int) -> list[Phase]:
        return self._rows(Phase, Phase.cycle_id == cycle)

    def _rows(self, table: type[T], *where: Any) -> list[T]:
        with self.database.reading() as session:
            return list_rows(session, table, *where)

    def cases(self, release: int) -> list[CaseState]:
        with self.database.reading() as session:
            return queries.cases(session, release)

    def placed_ids(self, phase: int) -> list[int]:
        """Return the visible id of each placement in *phase*, assigned or not."""
        with self.database.reading() as session:
            return [
                testcase_id
                for testcase_id, _ in queries.placements_in_phase(session, phase)
            ]

    def executions(self, phase: int) -> list[ExecutionState]:
        with self.database.reading() as session:
            return queries.executions(session, phase)

    def execution(self, phase: int, testcase_id: int) -> ExecutionState | None:
        """Return the first execution of a test case in *phase*, or `None`."""
        with self.database.reading() as session:
            states = queries.executions(session, phase, Case.testcase_id == testcase_id)
        return states[0] if states else None

    def attachment_bytes(self, phase: int, testcase_id: int, name: str) -> list[bytes]:
        """Return the files called *name* of a test case's executions in *phase*."""
        with self.database.reading() as session:
            states = queries.executions(session, phase, Case.testcase_id == testcase_id)
            files = attachments.of_items(
                session, attachments.EXECUTION_ITEM_TYPE, [state.id for state in states]
            )
            return [file.data for file in files if file.name == name]
