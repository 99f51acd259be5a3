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

#: The names for the places of the target that the settings do not name.
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
    Missing places of the target are created, and the test cases of *nodes* are
    scheduled in its phase.
    """
    if settings.url != SANDBOX:
        yield settings
        return
    require_sandbox()
    database = settings.journal / SANDBOX_DATABASE
    make_directory(database.parent)
    with start(database, "Rename it to have a new one created.") as sandbox:
        places = {name: _place(settings, name) for name in _DEFAULT_TARGET}
        ids = sandbox.store.ensure_target(**places)
        known = dict.fromkeys(case for node in nodes for case in node.cases)
        sandbox.store.schedule_all(
            ids[-1],
            [case for case in known if isinstance(case, int)],
            [case for case in known if isinstance(case, str)],
        )
        refs: dict[str, Any] = {
            name: Ref(number, str(places[name]))
            for name, number in zip(_DEFAULT_TARGET, ids, strict=True)
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

    Raises SettingsError, with *advice* if *database* cannot be used.
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


def _place(settings: Settings, name: str) -> int | str:
    """Return the id or the name of a place of the target, such as `release`."""
    ref: Ref | None = getattr(settings, name)
    if ref is None:
        return _DEFAULT_TARGET[name]
    return ref.id if ref.id is not None else str(ref.name)
