"""`pytest-zephyr drift`: compare the tests with the test cases of a phase or folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import csv
from dataclasses import dataclass
import json
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

from pytest_zephyr import errors
from pytest_zephyr.cli import common
from pytest_zephyr.cli import output
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.push.embedded import start_if_sandbox
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item
from pytest_zephyr.table import COLLECTED_VARIABLE
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.target.find import find_target
from pytest_zephyr.target.find import Finder
from pytest_zephyr.target.find_cases import find_cases
from pytest_zephyr.text import ambiguous_alt
from pytest_zephyr.text import format_case
from pytest_zephyr.text import one_line
from pytest_zephyr.text import plural


#: The plugin that writes a file with the tests that pytest collects.
_PLUGIN = "pytest_zephyr.plugin.drift_items"

#: The kinds of differences and their titles; *scope* is the word phase or folder.
TITLES = {
    "untested": "test cases of this {scope} without a test",
    "gone": "test cases marked as automated whose test is gone",
    "unmapped": "tests without a test case",
    "invalid": "tests with an invalid marker",
    "unknown": "test cases that Zephyr does not know",
    "elsewhere": "test cases with a test that are not in this {scope}",
}


@dataclass(frozen=True)
class Difference:
    """A test case, or tests, or a test case with its tests.

    *text* is the name of the test case, perhaps with its script, or a remark about it.
    """

    case: CaseRef | None = None
    text: str = ""
    tests: Sequence[str] = ()


@dataclass(frozen=True)
class Scope:
    """A phase or folder, with its test cases and the id of its release."""

    name: str
    release: int | None
    placements: Sequence[Placement]


def declare(commands: common.Commands) -> None:
    text = "compare tests with test cases"
    shared_options = (*common.READING_OPTIONS, *TARGET_OPTIONS, "map", "journal")
    parser = common.add_command(commands, "drift", run, text, shared_options, json=True)
    add = parser.add_argument
    add("--markdown", action="store_true", help="print Markdown, for a report")
    text = "compare with this repository folder and its subfolders instead of the phase"
    add("--folder", metavar="PATH", help=text)
    text = "take the tests from journals, or from the latest run in a directory"
    add("--journals", nargs="*", type=Path, metavar="JOURNAL|DIR", help=text)
    text = "write a new mapping file for the tests without a test case"
    add("--write-map", type=Path, metavar="FILE", help=text)
    add("args", nargs="*", metavar="-- ARGS", help="arguments for pytest")


def run(args: argparse.Namespace) -> int:
    settings = common.load_settings(args)
    if args.folder is None:
        settings.require_push_settings()
    else:
        settings.require_place("release")
        settings.require_login()
    if args.journals is not None and args.args:
        raise errors.SettingsError("use either --journals or arguments for pytest.")
    new_map: Path | None = args.write_map
    if new_map is not None and new_map.exists():
        raise errors.SettingsError(f"{new_map} exists (--write-map); name a new file.")
    if args.journals is None:
        tests = _collect(args)
    else:
        tests = _tests_of(_journals(args.journals or [settings.journal]))
    try:
        with (
            start_if_sandbox(settings) as settings,
            common.open_client(settings, settings.deadline) as client,
        ):
            client.current_user()
            if args.folder is None:
                scope = _read_phase(client, settings)
            else:
                scope = _read_folder(client, settings, args.folder)
            differences = _compare(client, tests, scope)
    except errors.ZephyrError as error:
        output.complain(error)
        # FAILED would mean that there is drift.
        return common.USAGE
    scope_word = "phase" if args.folder is None else "folder"
    cases = len({each.case for each in scope.placements})
    is_drift = any(differences.values())
    if args.json:
        counts = {"cases": cases, "tests": len(tests)}
        document = {scope_word: scope.name, "drift": is_drift, **counts, **differences}
        output.say_json(document)
    else:
        heading, quote = ("# Drift: ", "`") if args.markdown else ("", "")
        counts_text = f"{plural(cases, 'test case')}, {plural(len(tests), 'test')}"
        end = "" if is_drift else ", no drift"
        name = f"{quote}{scope.name}{quote}"
        output.say(f"{heading}{scope_word} {name}: {counts_text}{end}")
        for line in _lines(differences, scope_word, markdown=args.markdown):
            output.say(line)
    if new_map is not None:
        names = (each.tests[0] for each in differences["unmapped"])
        _write_map(new_map, list(dict.fromkeys(map(_pattern, names))))
    return common.FAILED if is_drift else common.OK


# Read the tests, by node id. If a test is in several journals, the last journal counts.


def _tests_of(journals: Iterable[Journal]) -> dict[str, Item]:
    entries = (entry for journal in journals for entry in journal.entries())
    return {entry.nodeid: entry for entry in entries if isinstance(entry, Item)}


def _journals(paths: Iterable[Path]) -> Iterator[Journal]:
    """Yield the journals *paths*; for a directory, those of its latest run."""
    for path in paths:
        if path.is_dir():
            problems: list[str] = []
            if not (runs := group(open_all([path], problems=problems))):
                raise errors.SettingsError(
                    problems[0] if problems else f"there are no journals in {path}."
                )
            yield from runs[-1].journals
        else:
            yield Journal(path)


def _collect(args: argparse.Namespace) -> dict[str, Item]:
    """Return the tests that pytest collects."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", _PLUGIN]
    if args.config_file is not None:
        words += ["-c", str(args.config_file)]
    if args.zephyr_map is not None:
        words += ["--zephyr-map", args.zephyr_map]
    with TemporaryDirectory() as directory:
        path = Path(directory) / "collected.jsonl"
        process = subprocess.run(  # noqa: S603 - what the user asked for
            [*words, *args.args, "--no-zephyr"],
            env={**os.environ, COLLECTED_VARIABLE: str(path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        # pytest exits with 5 if there are no tests.
        if process.returncode not in {0, 5} or not path.exists():
            sys.stderr.write(process.stdout + process.stderr)
            raise errors.SettingsError(
                f"pytest could not collect the tests (exit code {process.returncode})."
            )
        return _tests_of([Journal(path)])


# Read the test cases.


def _read_phase(client: Client, settings: Settings) -> Scope:
    target = find_target(client, settings)
    if target.phase is None:
        release = target.release.id if target.release else None
        return Scope(f"{target.path}, which does not exist yet", release, ())
    try:
        tree = client.phase_tree(target.phase.id)
    except errors.ZephyrRefused as refused:
        message = f"{settings.describe('phase')} cannot be read: {refused}"
        raise errors.ZephyrRefused(
            message, http_status=refused.http_status
        ) from refused
    rows = (row for folder in tree.walk() for row in client.phase_rows(folder.id))
    return Scope(target.path, tree.release, [row.placement for row in rows])


def _read_folder(client: Client, settings: Settings, path: str) -> Scope:
    release = Finder(client, settings).find_release().id
    names = [name.strip() for name in path.split("/") if name.strip()]
    folders = client.root_folders(release)
    if names:
        folders = [each for each in folders if each.name.strip() == names[0]]
    folders = [client.folder(each.id) for each in folders]
    for name in names[1:]:
        children = (child for each in folders for child in each.children)
        folders = [child for child in children if child.name.strip() == name]
    if not folders:
        raise errors.TargetNotFound(f"there is no folder {path!r} in this release.")
    below = (folder for each in folders for folder in each.walk())
    placements = [each for folder in below for each in client.folder_cases(folder.id)]
    return Scope("/".join(names) or "/", release, placements)


# Compare them.


def _compare(
    client: Client, tests: dict[str, Item], scope: Scope
) -> dict[str, list[Difference]]:
    """Return the differences of each kind between *tests* and the test cases of *scope*."""
    differences: dict[str, list[Difference]] = {kind: [] for kind in TITLES}
    scripts = {each.script for each in scope.placements}
    created_scripts = set()
    tests_by_case: dict[CaseRef, list[str]] = {}
    for nodeid, item in tests.items():
        for case in item.cases:
            tests_by_case.setdefault(case, []).append(nodeid)
        if item.new is not None and item.new.script in scripts:
            created_scripts.add(item.new.script)
        elif item.invalid or item.unmarked:
            kind = "invalid" if item.invalid else "unmapped"
            differences[kind].append(Difference(tests=[nodeid]))
    for each in {each.case: each for each in scope.placements}.values():
        is_tested = each.case in tests_by_case or each.alt in tests_by_case
        if not is_tested and each.script not in created_scripts:
            script = f" ({each.script})" if each.automated and each.script else ""
            kind = "gone" if each.automated else "untested"
            differences[kind].append(Difference(each.case, each.name + script))
    known = {name for each in scope.placements for name in (each.case, each.alt)}
    if missing := [case for case in tests_by_case if case not in known]:
        lookup = find_cases(client, missing, scope.release)
        for case in missing:
            kind = "elsewhere" if case in lookup.placements else "unknown"
            text = "the server cannot search for it" if case in lookup.uncertain else ""
            if case in lookup.ambiguous:
                text = ambiguous_alt(case, lookup.ambiguous[str(case)], "Zephyr")
            elif case in lookup.placements:
                text = lookup.placements[case].name
            differences[kind].append(Difference(case, text, tests_by_case[case]))
    return differences


def _lines(
    differences: dict[str, list[Difference]], scope_word: str, *, markdown: bool
) -> Iterator[str]:
    for kind, listed in differences.items():
        if listed:
            title = f"{TITLES[kind].format(scope=scope_word)}: {len(listed)}"
            yield f"\n## {title}\n" if markdown else title
        for each in listed:
            parts = [] if each.case is None else [format_case(each.case)]
            parts += [each.text, *each.tests[:1]]
            if len(each.tests) > 1:
                parts.append(f"and {len(each.tests) - 1} more")
            parts = [one_line(part).replace("`", "'") for part in parts if part]
            yield f"- `{'` `'.join(parts)}`" if markdown else f"  {'  '.join(parts)}"


def _write_map(path: Path, patterns: Sequence[str]) -> None:
    """Write a mapping file with a row for each of *patterns*, still without test cases."""
    try:
        with path.open("x", encoding="utf-8") as file:
            if path.suffix.lower() == ".json":
                table = dict.fromkeys(patterns, ())
                json.dump(table, file, indent=2, ensure_ascii=False)
                file.write("\n")
            else:
                rows = [("test", "cases"), *((each, "") for each in patterns)]
                csv.writer(file, lineterminator="\n").writerows(rows)
    except OSError as error:
        raise errors.SettingsError(
            f"{path} cannot be written: {error.strerror}."
        ) from error
    count = plural(len(patterns), "test")
    output.complain(f"wrote {path} with {count}; add their test cases to it.")


def _pattern(nodeid: str) -> str:
    """Return the pattern of a test: with any parameters, if it has some."""
    file, colons, name = nodeid.partition("::")
    function, bracket, _params = name.partition("[")
    has_params = bracket and name.endswith("]")
    return f"{file}{colons}{function}[*]" if has_params else nodeid
