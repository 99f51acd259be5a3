"""`pytest-zephyr import`: turn JUnit XML of any tool into a journal."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import re

from pytest_zephyr.cli import common
from pytest_zephyr.cli import output
from pytest_zephyr.cli import push
from pytest_zephyr.config import ci
from pytest_zephyr.config import resolve
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.job import identify_job
from pytest_zephyr.errors import JunitError
from pytest_zephyr.journal.format import Header
from pytest_zephyr.junit.journal import Importer
from pytest_zephyr.text import display_path
from pytest_zephyr.text import plural


def declare(commands: common.Commands) -> None:
    text = "turn JUnit XML of any tool into a journal"
    shared_options = (*common.SENDING_OPTIONS, "capture", "attach_max_size", "map")
    parser = common.add_command(commands, "import", run, text, shared_options)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JUnit XML")
    parser.add_argument(
        "--zephyr-id-pattern",
        type=_pattern,
        metavar="REGEX",
        help="pattern of ids in the names of tests; an id is the first group, or the match",
    )
    parser.add_argument("--push", action="store_true", help="send the journal at once")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def run(args: argparse.Namespace) -> int:
    option_sources = common.find_option_sources(args)
    settings = common.settings_of(option_sources)
    if args.push:
        settings.require_push_settings()
    job_args = ["import", *map(str, args.files)]
    header = Header(
        session="",
        options=resolve.journaled_options(settings),
        job=identify_job(os.environ, Path.cwd(), Path.cwd(), job_args),
        page=ci.job_url(os.environ),
        commit=ci.find(os.environ, "commit"),
        dry_run=settings.dry_run,
    )
    importer = Importer(settings, option_sources, args.zephyr_id_pattern)
    try:
        journal = display_path(importer.write(args.files, header))
    except JunitError as error:
        output.complain(f"{error} Nothing was imported.")
        return common.USAGE
    for problem in importer.problems:
        output.complain(problem)
    if importer.test_count:
        counts = plural(importer.test_count, "test")
        if importer.unmapped_count:
            counts += f", {importer.unmapped_count} without a test case"
        remarks = (f"zephyr: {each}" for each in importer.case_map.remarks())
        output.say("\n".join([*remarks, f"{journal}: {counts}"]))
    else:
        output.say(f"{journal} has the same results; nothing was imported.")
    exit_code = common.FAILED if importer.problems else common.OK
    if args.push:
        args.journals, args.force, args.json = [journal], False, False
        return max(exit_code, push.run(args))
    push_command = command("push", journal, settings=settings)
    output.say(f"        send them later with: {push_command}")
    return exit_code
