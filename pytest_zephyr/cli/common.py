"""What the commands share: exit codes, flags, settings and the time budget."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import sys
import threading
from typing import Any
from typing import TypeAlias

from pytest_zephyr import table
from pytest_zephyr.cli import inifiles
from pytest_zephyr.cli.output import complain
from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.runs import Run


#: Exit codes: success; something failed or was found; wrong usage or unusable input.
OK = 0
FAILED = 1
USAGE = 2

#: The options of commands that read from the server.
READING_OPTIONS = (
    *(option.name for option in options.OPTIONS if option.connects),
    *("timeout", "retries", "deadline"),
)

#: The options of commands that send results.
SENDING_OPTIONS = (
    *(*READING_OPTIONS, "journal", "dry_run"),
    *(option.name for option in options.OPTIONS if option.journaled),
)

#: The longest time budget of most commands that only read, in seconds.
_READ_BUDGET = 30.0

#: Seconds that a block may take beyond its time budget before the program is ended.
_GRACE = 2.0

#: The object that argparse adds the parsers of commands to.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    shared_options: Collection[str],
    *,
    json: bool = False,
) -> argparse.ArgumentParser:
    """Add a command, and return its parser.

    *text* says what the command does. *shared_options* are the names of the options that
    it shares with pytest; an option without a flag is only read from ini files.
    """
    description = f"{text[0].upper()}{text[1:]}."
    parser = commands.add_parser(
        name, help=text, description=description, allow_abbrev=False
    )
    parser.set_defaults(command=run)
    add = parser.add_argument
    if json:
        add("--json", action="store_true", help="print JSON, for scripts")
    add("-c", "--config-file", type=Path, help="ini file to read")
    for refused in table.REFUSED_OPTIONS:
        reject = partial(options.reject_flag, refused)
        add(table.flag_of(refused), type=reject, help=argparse.SUPPRESS)
    for option in options.OPTIONS:
        if option.has_flag and option.name in shared_options:
            kind: dict[str, Any] = {"metavar": option.metavar}
            if option.is_switch:
                kind = {"action": "store_const", "const": "true"}
            add(option.flag_name, dest=option.ini_name, help=option.help, **kind)
    return parser


def find_option_sources(args: argparse.Namespace) -> resolve.OptionSources:
    """Return the flags, environment and ini file of a command. Raises SettingsError."""
    if args.config_file is not None:
        ini = inifiles.load(args.config_file.absolute())
    else:
        ini = inifiles.find(Path.cwd())
    options.reject_credentials(ini.options.get, ini.path)
    return resolve.OptionSources(
        flags=options.flags_of(args),
        environ=os.environ,
        ini={
            option.name: ini.options[option.ini_name]
            for option in options.OPTIONS
            if option.ini_name in ini.options
        },
        ini_file=ini.path,
        config_file=args.config_file,
    )


def load_settings(args: argparse.Namespace) -> Settings:
    """Return the settings of a command. Raises SettingsError."""
    return settings_of(find_option_sources(args))


def settings_of(
    option_sources: resolve.OptionSources, run: Run | None = None
) -> Settings:
    """Return the settings of a command, with those of *run* from its first journal."""
    if run is not None:
        path, header = run.journals[0].path, run.journals[0].header
        option_sources = replace(
            option_sources, journal_options=header.options, journal_name=path.name
        )
    settings = resolve.resolve(option_sources)
    return replace(settings, journal=option_sources.ini_file.parent / settings.journal)


def journal_directory(option_sources: resolve.OptionSources) -> Path:
    """Return the directory of journals, even if other options are invalid."""
    directory: Path = option_sources.ini_file.parent / resolve.value(
        "journal", option_sources
    )
    return directory


@contextmanager
def open_client(settings: Settings, budget: float = _READ_BUDGET) -> Iterator[Client]:
    """Open a client for a command that only reads, for at most *budget* seconds."""
    deadline = settings.time_budget(budget, "for a command that only reads")
    with time_limit(deadline), Client(settings, deadline) as client:
        yield client


@contextmanager
def time_limit(deadline: Deadline) -> Iterator[None]:
    """End the program if the block does not end soon after the *deadline*.

    Nothing else stops the look-up of a host name, or a server that keeps sending single
    bytes.
    """

    def end() -> None:
        complain(f"{deadline} is spent; delivered results are noted in their journals.")
        sys.stdout.flush()
        os._exit(FAILED)

    timer = threading.Timer(deadline.remaining() + _GRACE, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
