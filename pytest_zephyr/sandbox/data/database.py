"""The SQLite file: connections, transactions and the first id of each table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import errno
from pathlib import Path
import secrets
import sqlite3
import threading
from typing import Any
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.model import Table
from pytest_zephyr.sandbox.data.values import unknown_id


T = TypeVar("T", bound=Table)


class Database:
    """One SQLite file; any thread may open a session on it."""

    def __init__(self, path: Path) -> None:
        # The file holds credentials, so only its owner may read it.
        path.touch(mode=0o600)
        with suppress(OSError):
            path.chmod(0o600)
        self._engine = create_engine(
            f"sqlite:///{path}",
            pool_size=8,
            max_overflow=-1,
            connect_args={"timeout": 30},
        )
        event.listen(self._engine, "connect", self._on_connect)
        event.listen(self._engine, "begin", self._on_begin)
        # SQLite lets one writer at a time in; a lock wakes the next one sooner than
        # SQLite's own polling does.
        self._write_lock = threading.Lock()
        self._writer = self._engine.execution_options(sandbox_begin="BEGIN IMMEDIATE")
        try:
            with self._writer.begin() as connection:
                self._check_tables(connection, path)
                self._create_tables(connection)
        except (DatabaseError, OSError) as error:
            self._engine.dispose()
            if isinstance(error, OSError):
                raise
            raise OSError(
                errno.EINVAL, "not a database of the sandbox", path
            ) from error
        # The watcher only reads a number that changes when other connections commit.
        self._watcher = sqlite3.connect(path, check_same_thread=False)
        self._watch_lock = threading.Lock()
        # Without this id, versions of two openings of the file could be the same.
        self._opening_id = secrets.token_hex(4)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a session; all changes are kept if the block succeeds, else none."""
        with (
            self._write_lock,
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @property
    def version(self) -> str:
        """Text that changes with every write, also with a write of another process."""
        with self._watch_lock:
            (number,) = self._watcher.execute("PRAGMA data_version").fetchone()
        return f"{self._opening_id}-{number}"

    def close(self) -> None:
        self._watcher.close()
        self._engine.dispose()

    @staticmethod
    def _on_connect(connection: Any, _record: object) -> None:
        # Transactions are begun by _on_begin: Python's driver would begin them late.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @staticmethod
    def _on_begin(connection: Connection) -> None:
        begin = connection.get_execution_options().get("sandbox_begin", "BEGIN")
        connection.exec_driver_sql(begin)

    @staticmethod
    def _check_tables(connection: Connection, path: Path) -> None:
        """Refuse a file with unknown tables, or with other columns than this version."""
        present = {
            (table, column)
            for table, column in connection.execute(
                text(
                    "SELECT m.name, c.name"
                    " FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c"
                    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'"
                )
            )
        }
        present_tables = {table for table, _column in present}
        known = {
            (table.name, column.name)
            for table in Table.metadata.tables.values()
            for column in table.columns
            if table.name in present_tables
        }
        if present != known:
            raise OSError(errno.EINVAL, "made by another version of the sandbox", path)

    @staticmethod
    def _create_tables(connection: Connection) -> None:
        Table.metadata.create_all(connection)
        known = set(connection.scalars(text("SELECT name FROM sqlite_sequence")))
        for table in Table.metadata.tables.values():
            if "first_id" in table.info and table.name not in known:
                connection.execute(
                    text(
                        "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"
                    ),
                    {"name": table.name, "seq": table.info["first_id"] - 1},
                )


def get(session: Session, table: type[T], identifier: int) -> T:
    """Return the row of *table* with an id; raise the server's error if it is missing."""
    row = session.get(table, identifier)
    if row is None:
        raise unknown_id(table.__name__, identifier)
    return row


def list_rows(session: Session, table: type[T], *where: Any) -> list[T]:
    """Return the rows of *table* that meet *where*, in the order of their ids."""
    query = select(table).where(*where).order_by(*table.__table__.primary_key)
    return list(session.scalars(query))


def count_by(session: Session, column: Any, *where: Any) -> dict[int, int]:
    """Return the number of rows that meet *where*, by their value in *column*."""
    query = select(column, func.count()).where(*where).group_by(column)
    return {row[0]: row[1] for row in session.execute(query)}


def grouped(pairs: Iterable[Any]) -> dict[Any, list[Any]]:
    """Group the second values of *pairs* by the first; other keys have an empty list."""
    groups: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def chunks(values: Iterable[int], size: int = 10_000) -> Iterable[list[int]]:
    """Yield *values* in lists short enough for one SQL statement."""
    rest = list(values)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


def next_ids(session: Session, table: type[Table], count: int) -> range:
    """Return ids for *count* new rows of *table*, for inserting them in bulk."""
    session.flush()
    last = session.scalar(
        text("SELECT seq FROM sqlite_sequence WHERE name = :name"),
        {"name": table.__tablename__},
    )
    first = int(last or 0) + 1
    return range(first, first + count)
