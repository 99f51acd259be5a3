"""`pytest-zephyr journals`: list the journals of a directory, or discard some."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pytest_zephyr.cli import common
from pytest_zephyr.cli import output
from pytest_zephyr.config import placeholders
from pytest_zephyr.config.command_line import command
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import discard
from pytest_zephyr.journal.runs import journal_files
from pytest_zephyr.journal.runs import why_not_alone
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.text import display_path
from pytest_zephyr.text import plural


@dataclass(frozen=True)
class ListedJournal:
    """What is listed of a journal.

    *state* is delivered, waiting, running, dry run or unreadable.
    """

    path: str
    state: str
    started: str = ""
    run: str = ""
    server: str = ""
    target: str = ""
    tests: int = 0
    problem: str = ""


def declare(commands: common.Commands) -> None:
    text = "list journals, or discard some"
    parser = common.add_command(commands, "journals", run, text, {"journal"}, json=True)
    add = parser.add_argument
    text = "journals, or directories of them (default: that of zephyr_journal)"
    add("journals", nargs="*", type=Path, metavar="JOURNAL|DIR", help=text)
    text = "remove the named journals, even if they were not sent"
    add("--discard", action="store_true", help=text)


def run(args: argparse.Namespace) -> int:
    default = common.journal_directory(common.find_option_sources(args))
    if args.discard:
        return _discard(args.journals)
    paths = args.journals or [default]
    # The default directory may not exist.
    existing = paths if args.journals or default.is_dir() else []
    listed = [_read(path) for each in existing for path in journal_files(each)]
    if args.json:
        output.say_json(listed)
    elif not listed:
        output.say(f"no journals in {', '.join(map(str, map(display_path, paths)))}")
    else:
        output.say_table(("JOURNAL", "STATE", "RUN"), map(_row, listed))
        if any(each.state == "waiting" for each in listed):
            push_command = command("push", *map(display_path, paths))
            output.say(f"\nTo send the waiting journals: {push_command}")
    return common.OK


def _row(journal: ListedJournal) -> output.Row:
    target = journal.target or "no target"
    details = f"{journal.started}  {plural(journal.tests, 'test')}  {target}"
    return journal.path, journal.state, journal.problem or details


def _read(path: Path) -> ListedJournal:
    name = str(display_path(path))
    try:
        journal = Journal(path)
        contents = journal.read()
    except JournalError as error:
        return ListedJournal(name, "unreadable", problem=str(error))
    header, options = journal.header, journal.header.options
    if header.worker:
        return ListedJournal(name, "unreadable", problem=why_not_alone(Path(name)))
    return ListedJournal(
        path=name,
        state=_state(journal),
        started=f"{datetime.fromtimestamp(header.started / 1000):%Y-%m-%d %H:%M}",
        run=header.run,
        server=options.get("url", ""),
        target=" > ".join(filter(None, map(_place, map(options.get, TARGET_OPTIONS)))),
        tests=len(contents.session.nodes),
    )


def _place(text: str | None) -> str:
    """Return a project, release, cycle or phase as people write it, empty for `None`."""
    with suppress(InvalidValue):
        # The placeholders are filled already: this makes doubled braces single.
        return placeholders.fill(text or "", {}).removeprefix("name:")
    return str(text)


def _state(journal: Journal) -> str:
    if journal.is_delivered():
        return "delivered"
    if journal.is_running():
        return "running"
    return "dry run" if journal.header.dry_run else "waiting"


def _discard(paths: list[Path]) -> int:
    """Remove the journals *paths*, or none if one is in use or not a readable journal.

    Raises SettingsError if there are no *paths*.
    """
    if not paths:
        raise SettingsError(
            f"--discard needs the journals to remove: add their paths, which"
            f" {command('journals')} lists."
        )
    problems = list(filter(None, map(_why_not_removed, paths)))
    for problem in problems:
        output.complain(f"{problem} Nothing was removed.")
    if problems:
        return common.FAILED
    for path in paths:
        discard(path)
        output.say(f"removed {path}")
    return common.OK


def _why_not_removed(path: Path) -> str:
    """Return why a journal cannot be removed, empty if it can."""
    if path.is_dir():
        return f"{path} is a directory. Name the journals in it."
    try:
        is_running = Journal(path).is_running()
    except JournalError as error:
        return str(error)
    return f"{path} is in use: its tests still run." if is_running else ""
