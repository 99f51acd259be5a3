"""Start the embedded server for a run with `--zephyr-url sandbox`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pytest_zephyr.config.command_line import command
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
    from pytest_zephyr.sandbox import Sandbox

    database = settings.journal / SANDBOX_DATABASE
    make_directory(database.parent)
    sandbox = Sandbox(database)
    try:
        sandbox.start()
    except OSError as error:
        raise refusal(
            error, display_path(database), "Rename it, and a new one is made."
        ) from error
    with sandbox:
        places = {name: _place(settings, name) for name in _PLACES}
        project, release, cycle, phase = sandbox.store.ensure_target(**places)
        known = dict.fromkeys(case for node in nodes for case in node.cases)
        sandbox.store.adopt(
            phase,
            [case for case in known if isinstance(case, int)],
            [case for case in known if isinstance(case, str)],
        )
        yield replace(
            settings,
            url=sandbox.url,
            credential=Credential("token", "the sandbox", secret=Secret(sandbox.token)),
            embedded=True,
            project=Ref(project, str(places["project"])),
            release=Ref(release, str(places["release"])),
            cycle=Ref(cycle, str(places["cycle"])),
            phase=Ref(phase, str(places["phase"])),
        )


def refusal(error: OSError, what: object, advice: str) -> SettingsError:
    """Return the message for what keeps the embedded server from starting."""
    why = str(error.strerror).partition(" (")[0].lower()
    return SettingsError(f"the sandbox cannot use {what}: {why}. {advice}")


def how_to_look(database: Path, phase: int) -> tuple[str, str]:
    """Return the page of a phase in *database*, and how to start its server."""
    start = f"start its server with: {command('sandbox', '--db', database)}"
    return f"http://127.0.0.1:{PORT}/phase/{phase}", start


def _place(settings: Settings, name: str) -> int | str:
    ref: Ref | None = getattr(settings, name)
    if ref is None:
        return _PLACES[name]
    return ref.id if ref.id is not None else str(ref.name)
