"""The command `pytest-zephyr`, for tasks outside of a session of pytest."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import version
import io
import sys

from pytest_zephyr import errors
from pytest_zephyr.cli import check
from pytest_zephyr.cli import common
from pytest_zephyr.cli import drift
from pytest_zephyr.cli import import_
from pytest_zephyr.cli import journals
from pytest_zephyr.cli import listing
from pytest_zephyr.cli import push
from pytest_zephyr.cli import sandbox
from pytest_zephyr.cli.output import complain


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with all commands."""
    parser = argparse.ArgumentParser(
        prog="pytest-zephyr", description="Report pytest results to Zephyr Enterprise."
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"pytest-zephyr {version('pytest-zephyr')}",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (push, journals, import_, check, drift, listing, sandbox):
        module.declare(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the console cannot encode must not end a push.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
        if "command" not in args:
            parser.print_help()
            return common.OK
        return int(args.command(args))
    except errors.ZephyrError as error:
        complain(error)
        is_usage = isinstance(error, errors.SettingsError | errors.JournalError)
        return common.USAGE if is_usage else common.FAILED
    except KeyboardInterrupt:
        complain("interrupted; delivered results are noted in their journals.")
        return common.FAILED
