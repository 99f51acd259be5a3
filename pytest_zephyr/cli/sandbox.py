"""`pytest-zephyr sandbox`: run the embedded server."""

from __future__ import annotations

import argparse
from pathlib import Path
import signal
import threading

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.output import say
from pytest_zephyr.config.settings import require_sandbox
from pytest_zephyr.config.settings import SANDBOX_DATABASE
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.writer import make_directory
from pytest_zephyr.push.embedded import PORT


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "sandbox", run, "run the embedded server")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"port (default: {PORT})"
    )
    parser.add_argument(
        "--db", type=Path, help="SQLite file (default: in the directory of journals)"
    )


def run(args: argparse.Namespace) -> int:
    require_sandbox()
    from pytest_zephyr.sandbox import Sandbox

    database = args.db or load_settings(args).journal / SANDBOX_DATABASE
    if args.db is None or not database.parent.is_dir():
        make_directory(database.parent)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    try:
        sandbox = Sandbox(database, port=args.port)
        sandbox.start()
    except OSError as error:
        what = error.filename or f"port {args.port}"
        raise SettingsError(
            f"the sandbox cannot use {what}: {error.strerror}."
        ) from error
    try:
        say(f"Zephyr sandbox at {sandbox.url}, database {database}")
        say(f"  ZEPHYR_URL={sandbox.url}")
        say(f"  ZEPHYR_TOKEN={sandbox.token}")
        say(
            f"  or ZEPHYR_USERNAME={sandbox.username} ZEPHYR_PASSWORD={sandbox.password}"
        )
        say("Stop it with Ctrl-C.")
        # On Windows, Ctrl-C does not interrupt a wait without a timeout.
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sandbox.stop()
    return OK
