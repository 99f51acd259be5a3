"""`pytest-zephyr push`: send undelivered results from journals."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
from functools import cache
import os
from pathlib import Path

from pytest_zephyr import errors
from pytest_zephyr import table
from pytest_zephyr.cli import common
from pytest_zephyr.cli import destination
from pytest_zephyr.cli import output
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import resolve
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.runs import find_journals
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.push import summary
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.problems import describe_problems
from pytest_zephyr.results.lines import github_annotations
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problem
from pytest_zephyr.results.report import add_job_summary
from pytest_zephyr.results.report import problems_as_json
from pytest_zephyr.results.report import RunReport
from pytest_zephyr.results.report import write_report
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.sender.deliver import deliver
from pytest_zephyr.sender.deliver import reopened
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.text import display_path


@dataclass(frozen=True)
class _PushResult:
    """The result of pushing one run: a *document* for scripts, and *lines* for people.

    *ok* says that nothing is undelivered, refused or damaged; a dry run can be ok, too.
    *report* is for the report file that the user asked for, with its path, `None` if
    there is none.
    """

    document: Mapping[str, object]
    lines: Sequence[Line]
    ok: bool = False
    interrupted: bool = False
    report: tuple[Path, RunReport] | None = None


def declare(commands: common.Commands) -> None:
    text = "send undelivered results from journals"
    # A session has its run key from the start.
    shared_options = {*common.SENDING_OPTIONS, "report"} - {"run_key"}
    parser = common.add_command(commands, "push", run, text, shared_options, json=True)
    add = parser.add_argument
    text = "journals, or directories of them (default: all undelivered ones)"
    add("journals", nargs="*", type=Path, metavar="JOURNAL|DIR", help=text)
    add("--force", action="store_true", help="also overwrite newer results in Zephyr")
    add(
        "--dry-run",
        dest="zephyr_dry_run",
        action="store_const",
        const="true",
        help="print what would be written, and write nothing",
    )


def run(args: argparse.Namespace) -> int:
    option_sources = common.find_option_sources(args)
    # One time budget for the whole command, the reading of journals included.
    deadline = Deadline(resolve.value("deadline", option_sources), "zephyr_deadline")
    selection = find_journals(args.journals or [_directory(option_sources)])
    for text in selection.problems:
        output.complain(text)
    flags = option_sources.flags
    target = {
        name: str(flags[name]) for name in ("url", *TARGET_OPTIONS) if name in flags
    }
    # Check the settings of all runs before anything is sent, and ask about each address
    # only once.
    confirm = cache(destination.ask_on_terminal)
    runs = [
        (run, _settings_of(run, option_sources, confirm))
        for run in group(selection.journals, target, selection.directories)
    ]
    pushed: list[_PushResult] = []
    for run, settings in runs:
        if pushed and pushed[-1].interrupted:
            error = errors.Interrupted("interrupted before it was sent.")
            pushed.append(_not_sent(run, error))
        elif isinstance(settings, errors.SettingsError):
            pushed.append(_not_sent(run, settings))
        else:
            pushed.append(
                _push_run(run, settings, option_sources, deadline, force=args.force)
            )
        if not args.json:
            for line in pushed[-1].lines:
                output.say("\n".join(line.terminal_lines))
    _publish(pushed, show=not args.json)
    is_complete = not selection.problems and all(each.ok for each in pushed)
    only_problems = args.journals and not selection.journals and selection.problems
    if args.json:
        documents = [each.document for each in pushed]
        problems = selection.problems
        output.say_json(
            {"runs": documents, "problems": problems, "complete": is_complete}
        )
    else:
        if not pushed and not only_problems:
            output.say("nothing to send")
        _list_dry_runs(selection.dry_runs, option_sources)
    has_only_mistakes = runs and all(
        isinstance(settings, errors.SettingsError) for _run, settings in runs
    )
    if only_problems or has_only_mistakes:
        return common.USAGE
    return common.OK if is_complete else common.FAILED


def _directory(option_sources: resolve.OptionSources) -> Path:
    directory = common.journal_directory(option_sources)
    if not directory.is_dir():
        # Report invalid settings first.
        _settings_of_push(option_sources)
        raise errors.JournalError(
            f"there is no directory of journals {directory}. Name a journal to push."
        )
    return directory


def _settings_of_push(option_sources: resolve.OptionSources) -> Settings:
    """Return the settings of a push, without those that a journal has. Raises SettingsError."""
    return common.settings_of(replace(option_sources, journal_options={}))


def _settings_of(
    run: Run, option_sources: resolve.OptionSources, confirm: Callable[[str], bool]
) -> Settings | errors.SettingsError:
    """Return the settings of a run, or the error about those in its journal.

    Raises SettingsError if settings from elsewhere are invalid, if there is no server or
    no credential, or if the credential may not be sent to the server.
    """
    try:
        settings = common.settings_of(option_sources, run)
    except errors.SettingsError as error:
        _settings_of_push(option_sources)
        return error
    settings = destination.choose_server(settings, run, confirm)
    settings.require_login()
    try:
        settings.require_push_settings(journal=run.paths[0])
    except errors.SettingsError as error:
        return error
    return settings


def _push_run(
    run: Run,
    settings: Settings,
    option_sources: resolve.OptionSources,
    deadline: Deadline,
    *,
    force: bool,
) -> _PushResult:
    for warning in settings.warnings:
        output.complain(warning)
    try:
        with reopened(run.paths) as writers, common.time_limit(deadline):
            delivered = deliver(
                run, settings, deadline, writers, by_journal=True, force=force
            )
    except errors.ZephyrError as error:
        return _not_sent(run, error, settings)
    delivery, contents = delivered.delivery, delivered.contents
    paths = [display_path(path) for path in run.paths]
    problem_lines = describe_problems(delivery, paths, settings)
    if corrections := _corrections(run, settings, option_sources, delivery):
        problem_lines.append(problem(corrections, code="settings"))
    lines = delivered.summary_lines(problem_lines, name=", ".join(map(str, paths)))
    report = delivered.report(lines)
    document = {
        "journals": report.journals,
        "server": report.server,
        "url": report.url,
        "problems": problems_as_json(lines),
        **delivered.scrub.clean(summary.as_json(delivery, contents.merged)),
        "complete": report.complete,
        "cut_short": [str(display_path(path)) for path in run.cut_short],
        "unreadable": {
            str(display_path(path)): each for path, each in contents.unreadable.items()
        },
    }
    return _PushResult(
        document,
        lines,
        ok=not (delivery.undelivered or delivery.changes.refused or delivered.damaged),
        interrupted=isinstance(delivery.error, errors.Interrupted),
        report=(settings.report, report) if settings.report is not None else None,
    )


def _not_sent(
    run: Run, error: errors.ZephyrError, settings: Settings | None = None
) -> _PushResult:
    """Return the result for a run of which nothing was sent."""
    credential = settings.credential if settings else None
    proxy = settings.proxy if settings else None
    # A value in a journal, which anyone may have edited, may be the credential.
    scrub = Scrubber(known_secrets(os.environ, credential, proxy=proxy))
    paths, reason = [str(display_path(path)) for path in run.paths], scrub(str(error))
    text = scrub(f"{', '.join(paths)}: nothing sent: {error}")
    document: dict[str, object] = {
        "journals": paths,
        "server": settings.url if settings else None,
        "url": None,
        "target": None,
        "statuses": {},
        "problems": problems_as_json([problem([reason], code=error.code)]),
        "error": reason,
    }
    is_interrupted = isinstance(error, errors.Interrupted)
    line = problem(text.splitlines(), code=error.code)
    return _PushResult(document, [line], interrupted=is_interrupted)


def _publish(pushed: Sequence[_PushResult], *, show: bool) -> None:
    """Write the report files that the user asked for, and a summary for the CI service.

    Problems of this are printed; with *show* also which files were written, and
    annotations for GitHub.
    """
    reports: dict[Path, list[RunReport]] = {}
    for each in pushed:
        if each.report is not None:
            path, report = each.report
            reports.setdefault(path, []).append(report)
    written = [write_report(path, runs) for path, runs in reports.items()]
    lines = [line for each in pushed for line in each.lines]
    if pushed:
        written += add_job_summary(os.environ, [*lines, *written])
    for line in written:
        if line.is_problem:
            output.complain(line.text)
        elif show:
            output.say(line.text)
    if show:
        for text in github_annotations([*lines, *written], os.environ):
            output.say(text)


def _list_dry_runs(
    journals: Iterable[Path], option_sources: resolve.OptionSources
) -> None:
    settings = None
    with suppress(errors.SettingsError):
        settings = _settings_of_push(option_sources)
    for path in journals:
        push_command = command("push", path, settings=settings)
        output.say(f"{path} is the journal of a dry run. To send it: {push_command}")


def _corrections(
    run: Run,
    settings: Settings,
    option_sources: resolve.OptionSources,
    delivery: Delivery,
) -> list[str]:
    """Return lines about the settings of the journal that differ from the current ones.

    The list is empty unless a problem of *delivery* is about a setting that no flag sets.
    """
    refused = delivery.changes.refused
    wrong = {"status_map"} if any(each.code == "status" for each in refused) else set()
    if isinstance(delivery.error, errors.TargetNotFound):
        wrong |= {delivery.error.option} - {""}
    if all(settings.sources[name].kind == "flag" for name in wrong):
        return []
    # The placeholders for the run and the build are filled as in the journal.
    of_run = {"run_key": settings.run_key, "build": settings.build}
    current_sources = replace(option_sources, flags={**of_run, **option_sources.flags})
    try:
        current = common.settings_of(current_sources)
    except errors.SettingsError:
        return []
    lines, flags = [], []
    has_target = not current.missing_places()
    for name in (*TARGET_OPTIONS, "create", "status_map"):
        is_set = current.sources[name].kind != "default"
        is_known = is_set or (has_target and name in TARGET_OPTIONS)
        if not is_known or getattr(current, name) == getattr(settings, name):
            continue
        what = f"{current.describe(name)} is not used" if is_set else "it is not set"
        flags += [table.flag_of(name), current.texts[name]]
        lines.append(f"{table.ini_of(name)}: {what}; the journal keeps its own value.")
    if flags:
        paths = map(display_path, run.paths)
        push_command = command("push", *paths, *flags, settings=settings)
        lines.append(f"to use the current values: {push_command}")
    return lines
