"""`pytest-zephyr sandbox`: run the embedded server."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import suppress
import os
from pathlib import Path
import shlex
import signal
import time
from typing import TYPE_CHECKING

from pytest_zephyr import table
from pytest_zephyr.cli import common
from pytest_zephyr.cli.output import say
from pytest_zephyr.config.settings import require_sandbox
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.journal.writer import make_directory
from pytest_zephyr.push import embedded
from pytest_zephyr.table import TARGET_OPTIONS


if TYPE_CHECKING:
    from pytest_zephyr.sandbox import Sandbox
    from pytest_zephyr.sandbox import Store


#: The most places to list.
_MAX_PLACES = 20


def declare(commands: common.Commands) -> None:
    text = "run the embedded server"
    parser = common.add_command(commands, "sandbox", run, text, {"journal"})
    add = parser.add_argument
    text = f"port to listen on, 0 for a free one (default: {embedded.DEFAULT_PORT})"
    add("--port", type=_port, default=embedded.DEFAULT_PORT, help=text)
    text = (
        f"SQLite file, created if it does not exist (default: {SANDBOX_DATABASE} in the"
        f" directory of journals)"
    )
    add("--db", type=Path, metavar="FILE", help=text)
    text = "leave the demo project out of a new database"
    add("--empty", action="store_true", help=text)


def run(args: argparse.Namespace) -> int:
    require_sandbox()
    from pytest_zephyr.sandbox import add_demo

    database = (
        args.db
        or common.journal_directory(common.find_option_sources(args)) / SANDBOX_DATABASE
    )
    if args.db is None or not database.parent.is_dir():
        make_directory(database.parent)
    is_new = not database.exists()
    # SIGTERM ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    advice = "Choose another with --db, or rename it."
    sandbox = embedded.start(database, advice, args.port)
    with sandbox, suppress(KeyboardInterrupt):
        contents = add_demo(sandbox.store) if is_new and not args.empty else ()
        say(f"Zephyr sandbox at {sandbox.url}, database {database}")
        for line in _introduction(sandbox, contents):
            say(line)
        # Not a wait for an event: Ctrl-C could interrupt the code that takes its lock.
        while True:
            time.sleep(1)
    return common.OK


def _port(text: str) -> int:
    """Return the number of a port. Raises ArgumentTypeError."""
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(
            f"invalid port {text!r}: use a number from 0 to 65535"
        )
    return port


def _introduction(sandbox: Sandbox, contents: Iterable[str]) -> Iterator[str]:
    """Yield lines that say what *sandbox* has, and how to report to it.

    *contents* describes what a new sandbox has besides the places.
    """
    places = list(_places(sandbox.store))
    yield ""
    if not places:
        yield f"It has no project yet. Add one at {sandbox.url}"
    for depth, kind, number, name in places[:_MAX_PLACES]:
        yield f"{'  ' * (depth + 1)}{name} ({kind} {number})"
    if len(places) > _MAX_PLACES:
        yield f"  … and {len(places) - _MAX_PLACES} more, see {sandbox.url}"
    yield from (f"  {line}" for line in contents)
    yield "\nTo report to it, copy these lines into another terminal:\n"
    yield _export("ZEPHYR_URL", sandbox.url)
    yield _export("ZEPHYR_TOKEN", sandbox.token)
    target: list[str] = []
    for depth, kind, number, name in places:
        if len(target) == len(TARGET_OPTIONS):
            break
        # A name that would be read as an id or as a placeholder is given as an id.
        is_plain = not name.isdecimal() and not set("{}:") & set(name)
        variable = table.env_of(kind.split()[-1])
        target[depth:] = [_export(variable, name if is_plain else str(number))]
    yield from target
    if len(target) == len(TARGET_OPTIONS):
        yield "  pytest --zephyr"
    else:
        yield "\nAlso set the missing ones of ZEPHYR_PROJECT, ZEPHYR_RELEASE, ZEPHYR_CYCLE and"
        yield "ZEPHYR_PHASE; with --zephyr-create cycle a run creates the cycle and the phase."
    yield "\nA name and a password log in, too, instead of the token:\n"
    yield _export("ZEPHYR_USERNAME", sandbox.username)
    yield _export("ZEPHYR_PASSWORD", sandbox.password)
    yield "\nStop the sandbox with Ctrl-C."


def _places(store: Store) -> Iterator[tuple[int, str, int, str]]:
    """Yield depth, kind, id and name of projects, releases, cycles and phases."""
    for project in store.projects():
        yield 0, "project", project.id, project.name
        for release in store.releases(project.id):
            if release.hidden:
                continue
            yield 1, "release", release.id, release.name
            for cycle in store.cycles(release.id):
                yield 2, "cycle", cycle.id, cycle.name
                for phase in store.phases(cycle.id):
                    kind = "phase" if phase.free_form else "structured phase"
                    yield 3, kind, phase.id, phase.name


def _export(variable: str, value: str) -> str:
    """Return the line that sets a variable in the shell of this system."""
    if os.name == "nt":
        quoted = value.replace("'", "''")
        return f"  $env:{variable} = '{quoted}'"
    return f"  export {variable}={shlex.quote(value)}"
