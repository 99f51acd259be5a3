"""The command `pytest-zephyr`: what there is to do without a run of pytest."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
import io
import sys

from pytest_zephyr.cli import check
from pytest_zephyr.cli import listing
from pytest_zephyr.cli import push
from pytest_zephyr.cli import sandbox
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import USAGE
from pytest_zephyr.cli.output import say
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding must not end what was begun.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog="pytest-zephyr", description="Report pytest results to Zephyr Enterprise."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (push, check, listing, sandbox):
        module.declare(commands)
    try:
        args = parser.parse_args(argv)
        command: Callable[[argparse.Namespace], int] = args.command
        return command(args)
    except (SettingsError, JournalError) as error:
        for line in str(error).splitlines():
            say(f"zephyr: {line}", sys.stderr.write)
        return USAGE
    except KeyboardInterrupt:
        say(
            "zephyr: interrupted; what was delivered has its receipts.",
            sys.stderr.write,
        )
        return NOT_ALL
