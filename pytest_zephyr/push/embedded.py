"""Start the embedded server for a run with `--zephyr-url sandbox`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import TYPE_CHECKING

from pytest_zephyr.config.command_line import display_path
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


if TYPE_CHECKING:
    from pytest_zephyr.sandbox import Sandbox


#: Where `pytest-zephyr sandbox` listens.
PORT = 8765

#: Where results go if the settings do not say.
_PLACES = {
    "project": "Sandbox",
    "release": "Release 1",
    "cycle": "Cycle 1",
    "phase": "Phase 1",
}


@contextmanager
def served(settings: Settings, nodes: Iterable[NodeResult] = ()) -> Iterator[Settings]:
    """Yield settings with the URL of a running server.

    For `sandbox` the embedded server is started with a database in the journal directory.
    It creates the target, and the test cases of *nodes* that it does not have.
    """
    if settings.url != SANDBOX:
        yield settings
        return
    require_sandbox()
    database = settings.journal / SANDBOX_DATABASE
    make_directory(database.parent)
    with start(database, "Rename it, and a new one is made.") as sandbox:
        places = {name: _place(settings, name) for name in _PLACES}
        ids = sandbox.store.ensure_target(**places)
        known = dict.fromkeys(case for node in nodes for case in node.cases)
        sandbox.store.schedule_all(
            ids[-1],
            [case for case in known if isinstance(case, int)],
            [case for case in known if isinstance(case, str)],
        )
        refs: dict[str, Any] = {
            name: Ref(number, str(places[name]))
            for name, number in zip(_PLACES, ids, strict=True)
        }
        yield replace(
            settings,
            url=sandbox.url,
            credential=Credential("token", "the sandbox", secret=Secret(sandbox.token)),
            embedded=True,
            **refs,
        )


def start(database: Path, advice: str, port: int = 0) -> Sandbox:
    """Start the embedded server; *advice* is for a *database* that is not one.

    Raises SettingsError.
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
    ref: Ref | None = getattr(settings, name)
    if ref is None:
        return _PLACES[name]
    return ref.id if ref.id is not None else str(ref.name)
