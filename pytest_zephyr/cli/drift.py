"""`pytest-zephyr drift`: compare the tests with the test cases of a phase or folder."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
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
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import reading
from pytest_zephyr.cli.options import USAGE
from pytest_zephyr.cli.output import complain
from pytest_zephyr.cli.output import say
from pytest_zephyr.config.settings import missing_place
from pytest_zephyr.drift.compare import Drift
from pytest_zephyr.drift.compare import TITLES
from pytest_zephyr.drift.read import read_drift
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal.reader import Journal
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import open_all
from pytest_zephyr.push.embedded import served
from pytest_zephyr.results.records import Item
from pytest_zephyr.table import COLLECTED
from pytest_zephyr.text import format_case
from pytest_zephyr.text import one_line


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "drift",
        run,
        "compare tests with test cases",
        json=True,
        also=("map",),
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print Markdown, for a report"
    )
    parser.add_argument(
        "--folder",
        metavar="PATH",
        help="compare with this repository folder, and those below, instead of the phase",
    )
    parser.add_argument(
        "--journals",
        nargs="*",
        type=Path,
        metavar="JOURNAL|DIR",
        help="take the tests from journals, of a directory from its latest run"
        " (default: collect them)",
    )
    parser.add_argument(
        "--write-map",
        type=Path,
        metavar="FILE",
        help="write a new mapping file for the tests without a test case",
    )
    parser.add_argument(
        "args", nargs="*", metavar="-- ARGS", help="arguments for pytest"
    )


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
        journals = _journals(args.journals or [settings.journal])
        items = [item for each in journals for item in _items(each)]
    try:
        with (
            served(settings) as settings,
            reading(settings, settings.deadline) as client,
        ):
            drift, place = read_drift(client, settings, items, args.folder)
    except ZephyrError as error:
        complain(error)
        return USAGE
    kind = "phase" if args.folder is None else "folder"
    if args.json:
        counts = {"drift": bool(drift), "cases": drift.cases, "tests": drift.tests}
        differences = asdict(drift)["differences"]
        say(json.dumps({kind: place, **counts, **differences}, indent=2))
    else:
        for line in _lines(drift, kind, place, markdown=args.markdown):
            say(line)
    if target is not None:
        names = [each.tests[0] for each in drift.differences["unmapped"]]
        _write_map(target, dict.fromkeys(map(_pattern, names)))
    return NOT_ALL if drift else OK


def _items(journal: Journal) -> Iterator[Item]:
    return (record for record in journal.entries() if isinstance(record, Item))


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
    """Have pytest collect the tests, with a plugin of ours that writes them to a file."""
    plugin = "pytest_zephyr.plugin.collect"
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", plugin]
    if args.config_file is not None:
        words += ["-c", str(args.config_file)]
    if args.zephyr_map is not None:
        words += ["--zephyr-map", args.zephyr_map]
    with TemporaryDirectory() as directory:
        path = Path(directory) / "collected.jsonl"
        done = subprocess.run(  # noqa: S603 - what the user asked for
            [*words, *args.args, "--no-zephyr"],
            env={**os.environ, COLLECTED: str(path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        # 5: there are no tests.
        if done.returncode not in {0, 5} or not path.exists():
            sys.stderr.write(done.stdout + done.stderr)
            raise SettingsError(
                f"pytest could not collect the tests (exit code {done.returncode})."
            )
        return list(_items(Journal(path)))


def _lines(drift: Drift, kind: str, place: str, *, markdown: bool) -> Iterator[str]:
    code = "`" if markdown else ""
    yield (
        f"{'# Drift: ' if markdown else ''}{kind} {code}{place}{code}: {drift.cases} test"
        f" cases, {drift.tests} tests" + ("" if drift else ", no drift")
    )
    for each, differences in drift.differences.items():
        if not differences:
            continue
        title = f"{TITLES[each].format(place=kind)}: {len(differences)}"
        yield from ("", f"## {title}", "") if markdown else (title,)
        for one in differences:
            parts = [one.text, *one.tests[:1]]
            if one.case is not None:
                parts.insert(0, format_case(one.case))
            if len(one.tests) > 1:
                parts.append(f"and {len(one.tests) - 1} more")
            parts = [one_line(part).replace("`", "'") for part in parts if part]
            yield f"- `{'` `'.join(parts)}`" if markdown else f"  {'  '.join(parts)}"


def _write_map(path: Path, patterns: Collection[str]) -> None:
    """Write a row for each test function, without test cases."""
    if path.suffix.lower() == ".json":
        rows: dict[str, list[int]] = {pattern: [] for pattern in patterns}
        text = json.dumps(rows, indent=2, ensure_ascii=False)
    else:
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerows([("test", "cases"), *((each, "") for each in patterns)])
        text = table.getvalue()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error
    complain(
        f"{path} is written with {len(patterns)} names of tests; add their test cases to"
        f" it."
    )


def _pattern(nodeid: str) -> str:
    """Return the pattern for the function of a test, with any parameters."""
    file, colons, name = nodeid.partition("::")
    function, bracket, _params = name.partition("[")
    has_params = bracket and name.endswith("]")
    return f"{file}{colons}{function}[*]" if has_params else nodeid
