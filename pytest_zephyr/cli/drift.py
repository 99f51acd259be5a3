"""`pytest-zephyr drift`: compare the tests with the test cases of a phase or folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import csv
from dataclasses import asdict
import io
import json
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import CONNECTION
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import reading
from pytest_zephyr.cli.options import USAGE
from pytest_zephyr.cli.output import complain
from pytest_zephyr.cli.output import say
from pytest_zephyr.config.settings import missing_place
from pytest_zephyr.drift import Drift
from pytest_zephyr.drift import read_drift
from pytest_zephyr.drift import TITLES
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.push.embedded import served
from pytest_zephyr.results.records import Item
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.table import COLLECTED
from pytest_zephyr.text import format_case
from pytest_zephyr.text import one_line
from pytest_zephyr.text import plural


#: Writes the tests that pytest collects to a file.
_PLUGIN = "pytest_zephyr.plugin.collect"


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    text = "compare tests with test cases"
    only = (*CONNECTION, *TARGET, "map", "journal")
    parser = add_command(commands, "drift", run, text, json=True, only=only)
    add = parser.add_argument
    add("--markdown", action="store_true", help="print Markdown, for a report")
    text = "compare with this repository folder, and those below, instead of the phase"
    add("--folder", metavar="PATH", help=text)
    text = "take the tests from journals, of a directory from its latest run"
    add("--journals", nargs="*", type=Path, metavar="JOURNAL|DIR", help=text)
    text = "write a new mapping file for the tests without a test case"
    add("--write-map", type=Path, metavar="FILE", help=text)
    add("args", nargs="*", metavar="-- ARGS", help="arguments for pytest")


def run(args: argparse.Namespace) -> int:
    settings = load_settings(args)
    if args.folder is None:
        settings.require_server()
    elif settings.release is None:
        raise SettingsError(missing_place("release"))
    else:
        settings.require_login()
    if args.journals is not None and args.args:
        raise SettingsError("use either --journals or arguments for pytest.")
    target: Path | None = args.write_map
    if target is not None and target.exists():
        raise SettingsError(f"{target} exists (--write-map); name a new file.")
    if args.journals is None:
        items = _collect(args)
    else:
        items = _items(_journals(args.journals or [settings.journal]))
    budget = settings.deadline
    try:
        with served(settings) as settings, reading(settings, budget) as client:
            drift = read_drift(client, settings, items, args.folder)
    except ZephyrError as error:
        complain(error)
        return USAGE
    kind = "phase" if args.folder is None else "folder"
    if args.json:
        counts = {"cases": drift.cases, "tests": drift.tests}
        head = {kind: drift.place, "drift": any(drift.kinds.values()), **counts}
        say(json.dumps({**head, **asdict(drift)["kinds"]}, indent=2))
    else:
        say("\n".join(_lines(drift, kind, markdown=args.markdown)))
    if target is not None:
        names = [each.tests[0] for each in drift.kinds["unmapped"]]
        _write_map(target, list(dict.fromkeys(map(_pattern, names))))
    return NOT_ALL if any(drift.kinds.values()) else OK


def _items(journals: Iterable[Journal]) -> list[Item]:
    entries = (entry for journal in journals for entry in journal.entries())
    return [entry for entry in entries if isinstance(entry, Item)]


def _journals(paths: Iterable[Path]) -> Iterator[Journal]:
    """Return the journals of *paths*, of a directory those of its latest run."""
    for path in paths:
        if path.is_dir():
            problems: list[str] = []
            if not (runs := group(open_all([path], problems=problems))):
                raise SettingsError(problems[0] if problems else f"{path} is empty.")
            yield from runs[-1].journals
        else:
            yield Journal(path)


def _collect(args: argparse.Namespace) -> list[Item]:
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", _PLUGIN]
    if args.config_file is not None:
        words += ["-c", str(args.config_file)]
    if args.zephyr_map is not None:
        words += ["--zephyr-map", args.zephyr_map]
    with TemporaryDirectory() as directory:
        path = Path(directory) / "collected.jsonl"
        process = subprocess.run(  # noqa: S603 - what the user asked for
            [*words, *args.args, "--no-zephyr"],
            env={**os.environ, COLLECTED: str(path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        # 5: there are no tests.
        if process.returncode not in {0, 5} or not path.exists():
            sys.stderr.write(process.stdout + process.stderr)
            raise SettingsError(
                f"pytest could not collect the tests (exit code {process.returncode})."
            )
        return _items([Journal(path)])


def _lines(drift: Drift, kind: str, *, markdown: bool) -> Iterator[str]:
    mark, code = ("# Drift: ", "`") if markdown else ("", "")
    counts = f"{drift.cases} test cases, {drift.tests} tests"
    end = "" if any(drift.kinds.values()) else ", no drift"
    yield f"{mark}{kind} {code}{drift.place}{code}: {counts}{end}"
    for each, differences in drift.kinds.items():
        if differences:
            title = f"{TITLES[each].format(place=kind)}: {len(differences)}"
            yield f"\n## {title}\n" if markdown else title
        for difference in differences:
            parts = [] if difference.case is None else [format_case(difference.case)]
            parts += [difference.text, *difference.tests[:1]]
            if len(difference.tests) > 1:
                parts.append(f"and {len(difference.tests) - 1} more")
            parts = [one_line(part).replace("`", "'") for part in parts if part]
            yield f"- `{'` `'.join(parts)}`" if markdown else f"  {'  '.join(parts)}"


def _write_map(path: Path, patterns: Sequence[str]) -> None:
    """Write a row for each test function, without test cases."""
    table = io.StringIO()
    if path.suffix.lower() == ".json":
        text = json.dumps(dict.fromkeys(patterns, ()), indent=2, ensure_ascii=False)
        table.write(f"{text}\n")
    else:
        rows = [("test", "cases"), *((each, "") for each in patterns)]
        csv.writer(table, lineterminator="\n").writerows(rows)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(table.getvalue())
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error
    count = plural(len(patterns), "name")
    complain(f"{path} is written with {count} of tests; add their test cases to it.")


def _pattern(nodeid: str) -> str:
    """Return the pattern for the function of a test, with any parameters."""
    file, colons, name = nodeid.partition("::")
    function, bracket, _params = name.partition("[")
    has_params = bracket and name.endswith("]")
    return f"{file}{colons}{function}[*]" if has_params else nodeid
