"""The tables of the sandbox: what a Zephyr Enterprise server keeps.

Integer columns that end in ``_on`` are milliseconds since the epoch; ``estimated_time``
and ``actual_time`` are milliseconds.
"""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column


class FirstId(int, Enum):
    """The first id of each kind.

    The numbers are far apart, so that ids of different kinds differ while there are few
    of each kind.
    """

    USER = 501
    PROJECT = 1_001
    RELEASE = 2_001
    CYCLE = 3_001
    PHASE = 4_001
    TESTCASE = 100_001
    VERSION = 20_000_001
    PLACEMENT = 30_000_001
    EXECUTION = 50_000_001
    # Ids of folders. They must stay below a million: a tool that migrates test cases
    # gives the folders that it adds itself ids from a million on.
    NODE = 600_001
    RESULT = 70_000_001
    ATTACHMENT = 80_000_001
    STEP = 85_000_001
    STEP_RESULT = 86_000_001
    DEFECT = 87_000_001
    REQUIREMENT = 88_000_001
    TOKEN = 89_000_001
    FIELD = 90_001


class Table(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 - read by SQLAlchemy


class NumberedTable(Table):
    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True)


def owned_by(column: str, *, index: bool = True) -> Any:
    """Return a column with the id of the row that this row belongs to and is deleted with."""
    return mapped_column(ForeignKey(column, ondelete="CASCADE"), index=index)


def never_reused(first: FirstId) -> dict[str, Any]:
    """Return table arguments: ids count up from *first*, and none is given twice."""
    return {"sqlite_autoincrement": True, "info": {"first_id": int(first)}}


class User(NumberedTable):
    __tablename__ = "user"
    __table_args__ = never_reused(FirstId.USER)

    username: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    has_permissions: Mapped[bool] = mapped_column(default=True)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Token(NumberedTable):
    __tablename__ = "token"
    __table_args__ = never_reused(FirstId.TOKEN)

    user_id: Mapped[int] = owned_by("user.id", index=False)
    label: Mapped[str]
    value: Mapped[str] = mapped_column(unique=True)


class Cookie(Table):
    __tablename__ = "cookie"

    value: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = owned_by("user.id", index=False)
    #: In milliseconds since the epoch.
    expires: Mapped[int]


class Preference(Table):
    __tablename__ = "preference"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    default: Mapped[str]


class Switch(Table):
    """A setting of the sandbox itself, which the API does not list."""

    __tablename__ = "switch"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]


class Field(NumberedTable):
    __tablename__ = "field"
    __table_args__ = never_reused(FirstId.FIELD)

    entity: Mapped[str]
    display_name: Mapped[str]
    field_name: Mapped[str]
    mandatory: Mapped[bool] = mapped_column(default=False)
    system: Mapped[bool] = mapped_column(default=False)


class Project(NumberedTable):
    __tablename__ = "project"
    __table_args__ = never_reused(FirstId.PROJECT)

    name: Mapped[str]
    start: Mapped[date | None]
    end: Mapped[date | None]
    created_on: Mapped[int]


class Release(NumberedTable):
    __tablename__ = "release"
    __table_args__ = never_reused(FirstId.RELEASE)

    project_id: Mapped[int] = owned_by("project.id")
    name: Mapped[str]
    start: Mapped[date | None]
    end: Mapped[date | None]
    description: Mapped[str | None]
    created_on: Mapped[int]
    order_id: Mapped[int]
    #: Whether its folders are the repository of the project itself.
    hidden: Mapped[bool] = mapped_column(default=False)
    #: In seconds since the epoch, not in milliseconds.
    locked_until: Mapped[int] = mapped_column(default=0)


class Cycle(NumberedTable):
    __tablename__ = "cycle"
    __table_args__ = never_reused(FirstId.CYCLE)

    release_id: Mapped[int] = owned_by("release.id")
    name: Mapped[str]
    build: Mapped[str]
    environment: Mapped[str]
    start: Mapped[date]
    end: Mapped[date]
    status: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=1)
    created_on: Mapped[int]


class Phase(NumberedTable):
    __tablename__ = "phase"
    __table_args__ = never_reused(FirstId.PHASE)

    cycle_id: Mapped[int] = owned_by("cycle.id")
    name: Mapped[str]
    free_form: Mapped[bool]
    start: Mapped[date]
    end: Mapped[date]
    created_on: Mapped[int]


class Node(NumberedTable):
    """A folder: of a release's repository, or of a phase's own tree."""

    __tablename__ = "node"
    __table_args__ = never_reused(FirstId.NODE)

    release_id: Mapped[int] = owned_by("release.id")
    phase_id: Mapped[int | None] = owned_by("phase.id")
    parent_id: Mapped[int | None] = owned_by("node.id")
    kind: Mapped[str]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    created_on: Mapped[int]


class Case(NumberedTable):
    """One version of a test case; *case_id* in other tables is the *id* of this row.

    *testcase_id* is the visible id: the number that people see, the same for all
    versions. *alt* is the Alt ID, ``externalId`` in the API.
    """

    __tablename__ = "case_version"
    __table_args__ = never_reused(FirstId.VERSION)

    testcase_id: Mapped[int] = mapped_column(index=True)
    version: Mapped[int] = mapped_column(default=1)
    project_id: Mapped[int] = owned_by("project.id")
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    alt: Mapped[str | None] = mapped_column(index=True)
    tag: Mapped[str] = mapped_column(default="")
    priority: Mapped[str | None]
    automated: Mapped[bool] = mapped_column(default=False)
    script_name: Mapped[str | None]
    script_path: Mapped[str | None]
    comments: Mapped[str | None]
    estimated_time: Mapped[int] = mapped_column(default=0)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    creator_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    created_on: Mapped[int]
    modified_on: Mapped[int]


class RemovedCase(Table):
    """The visible id of a removed test case, which no other test case gets."""

    __tablename__ = "removed_case"

    testcase_id: Mapped[int] = mapped_column(primary_key=True)


class Placement(NumberedTable):
    """A test case in a folder (the API's tct)."""

    __tablename__ = "placement"
    __table_args__ = never_reused(FirstId.PLACEMENT)

    node_id: Mapped[int] = owned_by("node.id")
    case_id: Mapped[int] = owned_by("case_version.id")
    created_on: Mapped[int]


class Execution(NumberedTable):
    """An assigned test case of a phase (the API's release test schedule)."""

    __tablename__ = "execution"
    __table_args__ = never_reused(FirstId.EXECUTION)

    phase_id: Mapped[int] = owned_by("phase.id")
    placement_id: Mapped[int] = mapped_column(
        ForeignKey("placement.id", ondelete="CASCADE"), unique=True
    )
    tester_id: Mapped[int]
    assigned_on: Mapped[int]
    modified_on: Mapped[int]
    status: Mapped[str | None]
    comment: Mapped[str | None]
    actual_time: Mapped[int | None]
    executed_by: Mapped[int | None]
    executed_on: Mapped[int | None]
    last_result_id: Mapped[int | None]
    last_tester_id: Mapped[int | None]


class Result(NumberedTable):
    """One result of an execution; all of its results are its history."""

    __tablename__ = "result"
    __table_args__ = never_reused(FirstId.RESULT)

    execution_id: Mapped[int] = owned_by("execution.id")
    status: Mapped[str]
    comment: Mapped[str | None]
    actual_time: Mapped[int | None]
    executed_on: Mapped[int]
    executed_by: Mapped[int]


class Step(NumberedTable):
    __tablename__ = "step"
    __table_args__ = never_reused(FirstId.STEP)

    case_id: Mapped[int] = owned_by("case_version.id")
    order_id: Mapped[int]
    text: Mapped[str]
    data: Mapped[str] = mapped_column(default="")
    expected: Mapped[str] = mapped_column(default="")


class StepResult(NumberedTable):
    __tablename__ = "step_result"
    __table_args__ = (
        Index("one_result_per_step", "execution_id", "order_id", unique=True),
        never_reused(FirstId.STEP_RESULT),
    )

    execution_id: Mapped[int] = owned_by("execution.id", index=False)
    order_id: Mapped[int]
    status: Mapped[str]
    comment: Mapped[str | None]
    executed_on: Mapped[int]


class Upload(Table):
    """A file that was uploaded and not attached to anything yet."""

    __tablename__ = "upload"

    path: Mapped[str] = mapped_column(primary_key=True)
    content_type: Mapped[str]
    data: Mapped[bytes]


class Attachment(NumberedTable):
    __tablename__ = "attachment"
    __table_args__ = (
        Index("attachments_of_item", "item_type", "item_id"),
        never_reused(FirstId.ATTACHMENT),
    )

    ref_id: Mapped[str] = mapped_column(unique=True)
    item_type: Mapped[str]
    item_id: Mapped[int]
    name: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int]
    data: Mapped[bytes] = mapped_column(deferred=True)
    created_by: Mapped[int]
    created_on: Mapped[int]


class Defect(NumberedTable):
    __tablename__ = "defect"
    __table_args__ = never_reused(FirstId.DEFECT)

    execution_id: Mapped[int] = owned_by("execution.id")
    key: Mapped[str]
    summary: Mapped[str]


class Requirement(NumberedTable):
    __tablename__ = "requirement"
    __table_args__ = never_reused(FirstId.REQUIREMENT)

    release_id: Mapped[int] = owned_by("release.id", index=False)
    name: Mapped[str]
    alt: Mapped[str | None]


class RequirementLink(Table):
    __tablename__ = "requirement_link"

    requirement_id: Mapped[int] = mapped_column(
        ForeignKey("requirement.id", ondelete="CASCADE"), primary_key=True
    )
    testcase_id: Mapped[int] = mapped_column(primary_key=True)
