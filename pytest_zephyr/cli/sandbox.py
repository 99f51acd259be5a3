"""`pytest-zephyr sandbox`: run the embedded server."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import os
from pathlib import Path
import shlex
import signal
import threading
from typing import TYPE_CHECKING

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.output import say
from pytest_zephyr.config.settings import require_sandbox
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.journal.writer import make_directory
from pytest_zephyr.push.embedded import PORT
from pytest_zephyr.push.embedded import refusal


if TYPE_CHECKING:
    from pytest_zephyr.sandbox import CycleState
    from pytest_zephyr.sandbox import PhaseState
    from pytest_zephyr.sandbox import ProjectState
    from pytest_zephyr.sandbox import ReleaseState
    from pytest_zephyr.sandbox import Sandbox
    from pytest_zephyr.sandbox import Store

    _Place = ProjectState | ReleaseState | CycleState | PhaseState


#: How many places are listed.
_SHOWN = 20

#: Project, release, cycle and phase.
_DEPTH = 4


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands, "sandbox", run, "run the embedded server", only=("journal",)
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        help=f"port to listen on, 0 for a free one (default: {PORT})",
    )
    parser.add_argument(
        "--db",
        type=Path,
        metavar="FILE",
        help=f"SQLite file, created if it does not exist (default: {SANDBOX_DATABASE}"
        " in the directory of journals)",
    )
    parser.add_argument(
        "--empty",
        action="store_true",
        help="leave the demo project out of a new database",
    )


def run(args: argparse.Namespace) -> int:
    require_sandbox()
    from pytest_zephyr.sandbox import add_demo
    from pytest_zephyr.sandbox import Sandbox

    database = args.db or load_settings(args).journal / SANDBOX_DATABASE
    if args.db is None or not database.parent.is_dir():
        make_directory(database.parent)
    is_new = not database.exists()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    try:
        sandbox = Sandbox(database, port=args.port)
        sandbox.start()
    except OSError as error:
        if error.filename:
            advice = "Choose another with --db, or rename it."
            raise refusal(error, error.filename, advice) from error
        advice = "Choose another with --port."
        raise refusal(error, f"port {args.port}", advice) from error
    try:
        contents: tuple[str, ...] = ()
        if is_new and not args.empty:
            contents = add_demo(sandbox.store)
        say(f"Zephyr sandbox at {sandbox.url}, database {database}")
        for line in _introduction(sandbox, *contents):
            say(line)
        # On Windows, Ctrl-C does not interrupt a wait without a timeout.
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sandbox.stop()
    return OK


def _port(text: str) -> int:
    """Read the number of a port."""
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(
            f"invalid port {text!r}: use a number from 0 to 65535"
        )
    return port


def _introduction(sandbox: Sandbox, *contents: str) -> Iterator[str]:
    """Say what *sandbox* holds, and what to copy to report to it."""
    places = list(_places(sandbox.store))
    yield ""
    if not places:
        yield f"It holds no project yet. Add one at {sandbox.url}"
    for kind, place, depth in places[:_SHOWN]:
        yield f"{'  ' * (depth + 1)}{place.name} ({kind} {place.id})"
    if len(places) > _SHOWN:
        yield f"  … and {len(places) - _SHOWN} more, see {sandbox.url}"
    for line in contents:
        yield f"  {line}"
    yield ""
    yield "To report to it, copy these lines into another terminal:"
    yield ""
    yield _export("ZEPHYR_URL", sandbox.url)
    yield _export("ZEPHYR_TOKEN", sandbox.token)
    target: list[tuple[str, str]] = []
    for kind, place, depth in places:
        # A name that would be read as an id or as a placeholder is given as an id.
        is_plain = not place.name.isdecimal() and not set("{}:") & set(place.name)
        name = place.name if is_plain else str(place.id)
        target[depth:] = [(f"ZEPHYR_{kind.split()[-1].upper()}", name)]
        if len(target) == _DEPTH:
            break
    for variable, name in target:
        yield _export(variable, name)
    if len(target) == _DEPTH:
        yield "  pytest --zephyr"
    else:
        yield ""
        yield "and set ZEPHYR_PROJECT, ZEPHYR_RELEASE, ZEPHYR_CYCLE and ZEPHYR_PHASE; with"
        yield "--zephyr-create cycle a run creates the cycle and the phase."
    yield ""
    yield "A name and a password log in, too, instead of the token:"
    yield ""
    yield _export("ZEPHYR_USERNAME", sandbox.username)
    yield _export("ZEPHYR_PASSWORD", sandbox.password)
    yield ""
    yield "Stop the sandbox with Ctrl-C."


def _places(store: Store) -> Iterator[tuple[str, _Place, int]]:
    """Yield projects, releases, cycles and phases, each with its kind and its depth."""
    for project in store.projects():
        yield "project", project, 0
        for release in store.releases(project.id):
            if release.hidden:
                continue
            yield "release", release, 1
            for cycle in store.cycles(release.id):
                yield "cycle", cycle, 2
                for phase in store.phases(cycle.id):
                    kind = "phase" if phase.free_form else "structured phase"
                    yield kind, phase, 3


def _export(variable: str, value: str) -> str:
    """Return the line that sets a variable in the shell of this system."""
    if os.name == "nt":
        quoted = value.replace("'", "''")
        return f"  $env:{variable} = '{quoted}'"
    return f"  export {variable}={shlex.quote(value)}"
