"""Start the embedded server: for `--zephyr-url sandbox`, or for `pytest-zephyr sandbox`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import require_sandbox
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.writer import make_directory
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.secret import Secret
from pytest_zephyr.text import display_path


if TYPE_CHECKING:
    from pytest_zephyr.sandbox import Sandbox


#: The port on which `pytest-zephyr sandbox` listens by default.
DEFAULT_PORT = 8765

#: The names of those places of the target that the settings leave out.
_DEFAULT_TARGET = {
    "project": "Sandbox",
    "release": "Release 1",
    "cycle": "Cycle 1",
    "phase": "Phase 1",
}


@contextmanager
def start_if_sandbox(
    settings: Settings, nodes: Iterable[NodeResult] = ()
) -> Iterator[Settings]:
    """Yield *settings*; for the URL `sandbox`, start a server and yield settings for it.

    The server runs until the block ends, with a database in the journal directory.
    Missing places of the target are created. The test cases of *nodes* are scheduled in
    its phase, and created first if they do not exist.
    """
    if settings.url != SANDBOX:
        yield settings
        return
    require_sandbox()
    database = settings.journal / SANDBOX_DATABASE
    make_directory(database.parent)
    with start(database, "Rename it to have a new one created.") as sandbox:
        places = {kind: _place(settings, kind) for kind in _DEFAULT_TARGET}
        ids = sandbox.store.ensure_target(**places)
        cases = dict.fromkeys(case for node in nodes for case in node.cases)
        sandbox.store.schedule_all(
            ids[-1],
            [case for case in cases if isinstance(case, int)],
            [case for case in cases if isinstance(case, str)],
        )
        refs: dict[str, Any] = {
            kind: Ref(number, str(places[kind]))
            for kind, number in zip(_DEFAULT_TARGET, ids, strict=True)
        }
        yield replace(
            settings,
            url=sandbox.url,
            credential=Credential("token", "the sandbox", secret=Secret(sandbox.token)),
            embedded=True,
            **refs,
        )


def start(database: Path, advice: str, port: int = 0) -> Sandbox:
    """Start the embedded server.

    Raises SettingsError if *database* cannot be used, with *advice* for the user, or if
    the *port* is taken.
    """
    from pytest_zephyr.sandbox import Sandbox

    try:
        return Sandbox(database, port=port).start()
    except OSError as error:
        what: object = display_path(database)
        if not error.filename and port:
            what, advice = f"port {port}", "Choose another with --port."
        why = str(error.strerror).partition(" (")[0].lower()
        message = f"the sandbox cannot use {what}: {why}. {advice}"
        raise SettingsError(message) from error


def _place(settings: Settings, kind: str) -> int | str:
    """Return the id or the name of a place; *kind* is its field of `Settings`."""
    ref: Ref | None = getattr(settings, kind)
    if ref is None:
        return _DEFAULT_TARGET[kind]
    return ref.id if ref.id is not None else str(ref.name)
