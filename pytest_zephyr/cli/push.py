"""`pytest-zephyr push`: send what runs left in their journals."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import suppress
from dataclasses import dataclass
import json
from pathlib import Path
import sys

from pytest_zephyr.cli.destination import Destination
from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import find_given
from pytest_zephyr.cli.options import find_ini
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import USAGE
from pytest_zephyr.cli.output import say
from pytest_zephyr.cli.watchdog import watchdog
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import resolve
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.parsers import InvalidValue
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import Interrupted
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal.problems import cut_short
from pytest_zephyr.journal.problems import unreadable
from pytest_zephyr.journal.runs import find_journals
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push import summary
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.sender.deliver import deliver
from pytest_zephyr.sender.deliver import Delivered
from pytest_zephyr.sender.deliver import DeliveryRequest


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands, "push", run, "send what a run left in its journal", json=True
    )
    parser.add_argument(
        "journals",
        nargs="*",
        type=Path,
        metavar="JOURNAL|DIR",
        help="journals, or directories of them (default: all undelivered ones)",
    )
    parser.add_argument(
        "--force", action="store_true", help="write over newer results, too"
    )
    parser.add_argument(
        "--dry-run",
        dest="zephyr_dry_run",
        action="store_const",
        const="true",
        help="print what would be written, and write nothing",
    )


def run(args: argparse.Namespace) -> int:
    given = find_given(args, find_ini(args))
    # One for the whole command, and for what it reads.
    deadline = Deadline(resolve.value("deadline", given))
    found = find_journals(args.journals or [_journals_of(args)])
    for problem in found.problems:
        say(f"zephyr: {problem}", sys.stderr.write)
    nothing = args.journals and not found.journals and found.problems
    told = {
        name: str(given.flags[name]) for name in ("url", *TARGET) if name in given.flags
    }
    # Wrong usage is said before anything is sent.
    destination = Destination()
    runs = [
        (run, _settings_of(run, args, destination))
        for run in group(found.journals, told, found.directories)
    ]
    pushed: list[_Pushed] = []
    for run, settings in runs:
        if pushed and pushed[-1].interrupted:
            pushed.append(_not_begun(run, args))
        else:
            pushed.append(_push_run(run, settings, args, deadline))
    complete = not found.problems and all(each.ok for each in pushed)
    if args.json:
        documents = [each.as_json for each in pushed]
        document = {"runs": documents, "problems": found.problems, "complete": complete}
        say(json.dumps(document, indent=2))
    elif not pushed and not nothing:
        say("nothing to send")
    if found.dry_runs and not args.json:
        shared = None
        with suppress(SettingsError):
            shared = load_settings(args)
        for path in found.dry_runs:
            again = command("push", path, settings=shared)
            say(f"{path} is of a dry run. To send it: {again}")
    if nothing:
        return USAGE
    return OK if complete else NOT_ALL


def _journals_of(args: argparse.Namespace) -> Path:
    ini = find_ini(args)
    # Names in the ini file need not have a value here: journals have their own.
    directory: Path = ini.root / resolve.value("journal", find_given(args, ini))
    if not directory.is_dir():
        # What is wrong in the settings comes first.
        load_settings(args)
        msg = f"there is no directory of journals {directory}. Name a journal to push."
        raise JournalError(msg)
    return directory


@dataclass(frozen=True)
class _Pushed:
    """How the push of one run went, for people and for scripts."""

    ok: bool
    as_json: Mapping[str, object]
    interrupted: bool = False


def _settings_of(
    run: Run, args: argparse.Namespace, destination: Destination
) -> Settings | SettingsError:
    """Return the settings of a run, or what is wrong with those in its journal.

    Raises SettingsError for what is wrong without the journal, too.
    """
    try:
        settings = load_settings(args, run)
    except SettingsError as error:
        load_settings(args)
        return error
    settings = destination.choose(settings, run)
    settings.require_server(journal=run.journals[0].path)
    return settings


def _not_begun(run: Run, args: argparse.Namespace) -> _Pushed:
    """Say of a run that Ctrl-C came before it."""
    names = [str(journal.path) for journal in run.journals]
    if not args.json:
        say(f"{', '.join(names)}: nothing sent, interrupted before")
    document = {"journals": names, "error": "interrupted before it was sent."}
    return _Pushed(False, document, interrupted=True)


def _push_run(
    run: Run,
    settings: Settings | SettingsError,
    args: argparse.Namespace,
    deadline: Deadline,
) -> _Pushed:
    names = [str(journal.path) for journal in run.journals]
    if isinstance(settings, SettingsError):
        say(f"zephyr: {settings}", sys.stderr.write)
        return _Pushed(False, {"journals": names, "error": str(settings)})
    for warning in settings.warnings:
        say(f"zephyr: {warning}", sys.stderr.write)
    try:
        delivered = _deliver(run, settings, deadline, force=args.force)
    except ZephyrError as error:
        if not args.json:
            say(f"{', '.join(names)}: nothing sent")
            say(f"zephyr: {error}")
        return _Pushed(False, {"journals": names, "error": str(error)})
    delivery, results = delivered.delivery, delivered.results
    if not args.json:
        for line in summary.planned(delivery):
            say(line)
        say(f"{', '.join(names)}: {summary.numbers(delivery)}")
        for line in (
            *summary.counted(results),
            *summary.made(delivery),
            *summary.evidence(delivery),
        ):
            say(line)
        problems = summary.problems(delivery, run.paths, settings)
        for line in (*problems, *_corrections(run, settings, args, problems)):
            say(line)
        for line in (*cut_short(run.cut), *unreadable(run.unreadable)):
            say(line)
    numbers: dict[str, list[int]] = {}
    for each in run.unreadable:
        numbers.setdefault(str(each.path), []).append(each.number)
    return _Pushed(
        not (delivery.failed or delivery.refused or run.cut or run.spoilt),
        {
            "journals": names,
            **summary.as_json(delivery),
            **summary.counted_as_json(results),
            "cut_short": list(map(str, run.cut)),
            "unreadable": numbers,
        },
        isinstance(delivery.error, Interrupted),
    )


def _corrections(
    run: Run, settings: Settings, args: argparse.Namespace, problems: Sequence[str]
) -> list[str]:
    """Name what failed in the header of a journal and is another value here by now."""
    path = run.journals[0].path
    names = (*TARGET, "create", "status_map")
    told = [
        each
        for name in names
        for each in (settings.describe(name), f"(zephyr_{name}, {path.name})")
    ]
    if not any(each in line for each in told for line in problems):
        return []
    here = find_given(args, find_ini(args))
    lines, flags = [], []
    has_target = any(here.find(BY_NAME[name]) for name in TARGET)
    for name in names:
        now = here.find(BY_NAME[name])
        if now is None and not (has_target and name in TARGET):
            continue
        text, source = now or ("", "not set any more")
        if not _is_same(name, text, settings):
            flags += [BY_NAME[name].flag_name, text]
            lines.append(
                f"zephyr: {text!r} ({source}) is not used: the journal keeps its own"
                f" zephyr_{name}."
            )
    if flags:
        again = command("push", *run.paths, *flags, settings=settings)
        lines.append(f"        to use what is here: {again}")
    return lines


def _is_same(name: str, text: str, settings: Settings) -> bool:
    """Return whether *text* means the value that the settings have."""
    try:
        value = BY_NAME[name].parse(text) if text else None
    except InvalidValue:
        return False
    return bool(value == getattr(settings, name))


def _deliver(
    run: Run, settings: Settings, deadline: Deadline, *, force: bool
) -> Delivered:
    """Push *run* and note in its journals what was delivered."""
    with ExitStack() as stack:
        writers = []
        for journal in run.journals:
            writers.append(JournalWriter.reopen(journal.path))
            stack.callback(writers[-1].close)
        stack.enter_context(watchdog(deadline, NOT_ALL))
        order = DeliveryRequest(
            settings, deadline, writers, keep_flags=True, force=force
        )
        return deliver(run, order)
