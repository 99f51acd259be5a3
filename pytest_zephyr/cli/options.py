"""Flags, settings and exit codes that the commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
import os
from pathlib import Path
from typing import Any
from typing import NoReturn

from pytest_zephyr import table
from pytest_zephyr.cli import inifiles
from pytest_zephyr.cli.watchdog import watchdog
from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.resolve import Given
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.runs import Run


#: Exit codes: all done; something failed; wrong usage or an invalid setting.
OK = 0
NOT_ALL = 1
USAGE = 2

#: Options that only apply to a run of pytest.
_PYTEST_ONLY = {
    *("zephyr", "push", "on_error", "show_config", "id_prefix", "inherit", "map"),
    *("capture", "attach_max_size", "report", "only_planned"),
}


#: Options for a command that reads from the server.
CONNECTION = (
    *("url", "auth", "token_file", "verify", "client_cert", "proxy"),
    *("timeout", "retries", "deadline"),
)


#: Time budget in seconds of a command that only reads.
_READ_BUDGET = 30.0


#: The object that argparse adds the parsers of commands to.
Commands = argparse._SubParsersAction


class _RejectCredential(argparse.Action):
    """Reject a flag with a credential, without showing its value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> NoReturn:
        flag = option_string or ""
        raise SettingsError(
            options.credential_message(flag.removeprefix("--zephyr-"), flag)
        )


def add_command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    *,
    json: bool = False,
    also: Collection[str] = (),
    only: Collection[str] | None = None,
) -> argparse.ArgumentParser:
    """Return the parser of a new command, with flags that pytest has, too.

    These are all that make sense outside pytest and those in *also*, or *only* those.
    """
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    if json:
        parser.add_argument(
            "--json", action="store_true", help="print JSON, for scripts"
        )
    parser.add_argument("-c", "--config-file", type=Path, help="ini file to read")
    for refused in table.REFUSED:
        parser.add_argument(
            f"--zephyr-{refused}", action=_RejectCredential, help=argparse.SUPPRESS
        )
    for option in OPTIONS:
        is_included = option.name in (only or also) or (
            only is None and option.name not in _PYTEST_ONLY
        )
        if option.flag and is_included:
            kind: dict[str, Any] = {"metavar": option.metavar}
            if option.switch:
                kind = {"action": "store_const", "const": "true"}
            parser.add_argument(
                option.flag_name, dest=option.ini_name, help=option.help, **kind
            )
    return parser


def find_given(args: argparse.Namespace) -> Given:
    """Return what flags, environment and the ini file say. Raises SettingsError."""
    if args.config_file is not None:
        ini = inifiles.load(args.config_file.absolute())
    else:
        ini = inifiles.find(Path.cwd())
    options.reject_credentials(ini.options.get, ini.root / ini.name)
    return Given(
        flags=options.flags_of(args),
        environ=os.environ,
        ini={
            option.name: (ini.options[option.ini_name], ini.name)
            for option in OPTIONS
            if option.ini and option.ini_name in ini.options
        },
        ini_root=ini.root,
        config_file=args.config_file,
    )


def load_settings(args: argparse.Namespace, run: Run | None = None) -> Settings:
    """Return the settings of a command, with those of *run* from its first journal."""
    given = find_given(args)
    if run is not None:
        first = run.journals[0]
        given = replace(given, header=first.header.options, header_name=first.path.name)
    settings = resolve.resolve(given)
    return replace(settings, journal=given.ini_root / settings.journal)


@contextmanager
def reading(settings: Settings, budget: float = _READ_BUDGET) -> Iterator[Client]:
    """Open a client for a command that only reads, in at most *budget* seconds."""
    deadline = Deadline(settings.deadline)
    if settings.deadline > budget:
        deadline = Deadline(budget, "for a command that only reads")
    with watchdog(deadline, NOT_ALL), Client(settings, deadline) as client:
        yield client
