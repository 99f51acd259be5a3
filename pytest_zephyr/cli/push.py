"""`pytest-zephyr push`: send undelivered results from journals."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
import json
import os
from pathlib import Path

from pytest_zephyr.cli.destination import Destination
from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import find_given
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import USAGE
from pytest_zephyr.cli.output import complain
from pytest_zephyr.cli.output import say
from pytest_zephyr.cli.watchdog import watchdog
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import resolve
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.parsers import InvalidValue
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import Interrupted
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal.problems import cut_short
from pytest_zephyr.journal.problems import unreadable
from pytest_zephyr.journal.report_file import add_job_summary
from pytest_zephyr.journal.report_file import write_report
from pytest_zephyr.journal.runs import find_journals
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push import summary
from pytest_zephyr.push.problems import describe_problems
from pytest_zephyr.results.lines import github_annotations
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problem
from pytest_zephyr.results.lines import problems
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.results.report import problems_as_json
from pytest_zephyr.results.report import RunReport
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.sender.deliver import deliver
from pytest_zephyr.sender.deliver import Delivered
from pytest_zephyr.sender.report import link_lines
from pytest_zephyr.sender.report import run_report


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "push",
        run,
        "send undelivered results from journals",
        json=True,
        also={"report"},
    )
    parser.add_argument(
        "journals",
        nargs="*",
        type=Path,
        metavar="JOURNAL|DIR",
        help="journals, or directories of them (default: all undelivered ones)",
    )
    parser.add_argument(
        "--force", action="store_true", help="also overwrite newer results"
    )
    parser.add_argument(
        "--dry-run",
        dest="zephyr_dry_run",
        action="store_const",
        const="true",
        help="print what would be written, and write nothing",
    )


def run(args: argparse.Namespace) -> int:
    # One budget for the whole command, reading included.
    deadline = Deadline(resolve.value("deadline", find_given(args)))
    selection = find_journals(args.journals or [_directory(args)])
    for text in selection.problems:
        complain(text)
    flags = find_given(args).flags
    target = {name: str(flags[name]) for name in ("url", *TARGET) if name in flags}
    # Check the settings of all runs before anything is sent.
    destination = Destination()
    runs = [
        (run, _settings_of(run, args, destination))
        for run in group(selection.journals, target, selection.directories)
    ]
    pushed: list[_Pushed] = []
    for run, settings in runs:
        names = [str(journal.path) for journal in run.journals]
        if pushed and pushed[-1].interrupted:
            error = Interrupted("interrupted before it was sent.")
            result = _Pushed(_failed(error), interrupted=True)
            if not args.json:
                say(f"{', '.join(names)}: nothing sent, interrupted before")
        elif isinstance(settings, SettingsError):
            complain(settings)
            line = problem(str(settings).splitlines(), code=settings.code)
            result = _Pushed(_failed(settings), lines=(line,))
        else:
            result = _push_run(run, settings, args, deadline)
        pushed.append(replace(result, as_json={"journals": names, **result.as_json}))
    _publish(pushed, show=not args.json)
    complete = not selection.problems and all(each.ok for each in pushed)
    only_problems = args.journals and not selection.journals and selection.problems
    if args.json:
        documents = [each.as_json for each in pushed]
        document = {
            "runs": documents,
            "problems": selection.problems,
            "complete": complete,
        }
        say(json.dumps(document, indent=2))
    elif not pushed and not only_problems:
        say("nothing to send")
    if selection.dry_runs and not args.json:
        shared = None
        with suppress(SettingsError):
            shared = load_settings(args)
        for path in selection.dry_runs:
            again = command("push", path, settings=shared)
            say(f"{path} is of a dry run. To send it: {again}")
    if only_problems:
        return USAGE
    return OK if complete else NOT_ALL


def _directory(args: argparse.Namespace) -> Path:
    given = find_given(args)
    # Only this option is read: placeholders in the ini file need no value here.
    directory: Path = given.ini_root / resolve.value("journal", given)
    if not directory.is_dir():
        # Report invalid settings first.
        load_settings(args)
        raise JournalError(
            f"there is no directory of journals {directory}. Name a journal to push."
        )
    return directory


@dataclass(frozen=True)
class _Pushed:
    """The result of pushing one run."""

    as_json: Mapping[str, object]
    ok: bool = False
    interrupted: bool = False
    lines: tuple[Line, ...] = ()
    report: RunReport | None = None
    report_to: Path | None = None


def _settings_of(
    run: Run, args: argparse.Namespace, destination: Destination
) -> Settings | SettingsError:
    """Return the settings of a run, or the error if those in its journal are invalid.

    Raises SettingsError if settings from elsewhere are invalid.
    """
    try:
        settings = load_settings(args, run)
    except SettingsError as error:
        load_settings(args)
        return error
    settings = destination.choose(settings, run)
    settings.require_server(journal=run.journals[0].path)
    return settings


def _push_run(
    run: Run, settings: Settings, args: argparse.Namespace, deadline: Deadline
) -> _Pushed:
    for warning in settings.warnings:
        complain(warning)
    names = ", ".join(str(journal.path) for journal in run.journals)
    try:
        with ExitStack() as stack:
            writers = []
            for journal in run.journals:
                writers.append(JournalWriter.reopen(journal.path))
                stack.callback(writers[-1].close)
            stack.enter_context(watchdog(deadline, NOT_ALL))
            delivered = deliver(
                run, settings, deadline, writers, keep_flags=True, force=args.force
            )
    except ZephyrError as error:
        if not args.json:
            say(f"{names}: nothing sent")
            say(f"zephyr: {error}")
        line = Line(f"{names}: nothing sent: {error}", "error", code=error.code)
        return _Pushed(_failed(error, settings), lines=(line,))
    delivery, contents = delivered.delivery, delivered.contents
    lines = _lines(delivered, settings, args)
    if not args.json:
        for line in lines:
            for text in line.shown:
                say(text)
    numbers: dict[str, list[int]] = {}
    for line_problem in contents.unreadable:
        numbers.setdefault(str(line_problem.path), []).append(line_problem.number)
    return _Pushed(
        {
            "server": settings.url,
            "url": next((line.url for line in lines if line.url), None),
            "problems": problems_as_json(lines),
            **summary.as_json(delivery),
            **summary.merged_as_json(contents.results),
            "cut_short": list(map(str, run.cut)),
            "unreadable": numbers,
        },
        ok=not (
            delivery.failed or delivery.changes.refused or run.cut or contents.damaged
        ),
        interrupted=isinstance(delivery.error, Interrupted),
        lines=tuple(lines),
        report=run_report(delivered, lines) if settings.report else None,
        report_to=settings.report,
    )


def _failed(error: ZephyrError, settings: Settings | None = None) -> dict[str, object]:
    """Return for scripts that nothing of a run was sent, with the keys of any run."""
    line = Line(str(error), "error", code=error.code)
    return {
        "server": settings.url if settings else None,
        "url": None,
        "target": None,
        "statuses": {},
        "problems": problems_as_json([line]),
        "error": str(error),
    }


def _lines(
    delivered: Delivered, settings: Settings, args: argparse.Namespace
) -> list[Line]:
    """Return the lines of the summary of a run."""
    delivery, run, contents = delivered.delivery, delivered.run, delivered.contents
    problem_lines = describe_problems(delivery, run.paths, settings)
    texts = [text for line in problem_lines for text in line.shown]
    corrections = _corrections(run, settings, args, texts)
    names = ", ".join(map(str, run.paths))
    count = summary.counts(delivery)
    return [
        *summary.planned(delivery),
        replace(count, text=f"{names}: {count.text}"),
        *summary.created(delivery),
        *summary.evidence(delivery),
        *summary.without_case(delivery),
        *summary.merged(contents.results),
        *problem_lines,
        *([problem(corrections, code="settings")] if corrections else []),
        *problems(cut_short(run.cut)),
        *problems(unreadable(contents.unreadable)),
        *link_lines(delivered),
    ]


def _publish(pushed: Sequence[_Pushed], *, show: bool) -> None:
    """Write the reports that the user asked for, and tell the CI service."""
    reports: dict[Path, list[RunReport]] = {}
    for each in pushed:
        if each.report is not None and each.report_to is not None:
            reports.setdefault(each.report_to, []).append(each.report)
    written = [write_report(path, runs, path) for path, runs in reports.items()]
    scrub = Scrubber(known_secrets(os.environ))
    lines = [line.cleaned(scrub) for each in pushed for line in each.lines]
    lines += written
    if lines:
        written += add_job_summary(os.environ, lines)
    for line in written:
        if line.is_problem:
            complain(line.text)
        elif show:
            say(line.text)
    if show:
        for text in github_annotations((*lines, *written[len(reports) :]), os.environ):
            say(text)


def _corrections(
    run: Run, settings: Settings, args: argparse.Namespace, problems: Sequence[str]
) -> list[str]:
    """Name settings from the journal that failed and have another value here now."""
    path = run.journals[0].path
    names = (*TARGET, "create", "status_map")
    if not any(f"(from {path.name})" in line for line in problems):
        return []
    here = find_given(args)
    lines, flags = [], []
    has_target = any(here.find(BY_NAME[name]) for name in TARGET)
    for name in names:
        now = here.find(BY_NAME[name])
        if now is None and not (has_target and name in TARGET):
            continue
        text, source = now or ("", "not set any more")
        try:
            value = BY_NAME[name].parse(text) if text else None
        except InvalidValue:
            differs = True
        else:
            differs = value != getattr(settings, name)
        if differs:
            flags += [BY_NAME[name].flag_name, text]
            here_now = (
                f"{text!r} (from {source}) is not used" if now else "it was unset"
            )
            lines.append(
                f"zephyr: zephyr_{name}: {here_now}; the journal keeps its own value."
            )
    if flags:
        again = command("push", *run.paths, *flags, settings=settings)
        lines.append(f"        to use what is here: {again}")
    return lines
