"""The command `pytest-zephyr`: what there is to do without a run of pytest."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
import io
import json
import os
from pathlib import Path
import signal
import sys
import threading
from typing import NoReturn

from pytest_zephyr.cli import inifiles
from pytest_zephyr.cli.inifiles import IniFile
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.resolve import Given
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal.runs import find_journals
from pytest_zephyr.journal.runs import group
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push import summary
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.embedded import DATABASE
from pytest_zephyr.push.embedded import PORT
from pytest_zephyr.push.embedded import require_sandbox
from pytest_zephyr.push.embedded import served
from pytest_zephyr.text import one_line


#: Exit codes (design 2.6).
OK = 0
NOT_ALL = 1
USAGE = 2

#: Seconds for all calls of `check` or `list`.
_PATIENCE = 30.0

_LISTED = ("projects", "releases", "cycles", "phases", "statuses")

#: Options that only a run of pytest can use.
_PYTEST_ONLY = {
    *("zephyr", "push", "on_error", "show_config", "id_prefix", "inherit"),
    *("capture", "attach_max_size"),
}


def main(argv: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding must not end what was begun.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    try:
        args = parser.parse_args(argv)
        command: Callable[[argparse.Namespace], int] = args.command
        return command(args)
    except (SettingsError, JournalError) as error:
        for line in str(error).splitlines():
            _say(f"zephyr: {line}", sys.stderr.write)
        return USAGE
    except KeyboardInterrupt:
        _say(
            "zephyr: interrupted; what was delivered has its receipts.",
            sys.stderr.write,
        )
        return NOT_ALL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-zephyr", description="Report pytest results to Zephyr Enterprise."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    push = commands.add_parser(
        "push", help="send what a run left in its journal", allow_abbrev=False
    )
    push.add_argument(
        "journals",
        nargs="*",
        type=Path,
        metavar="JOURNAL|DIR",
        help="journals, or directories of them (default: all undelivered ones)",
    )
    push.add_argument(
        "--force", action="store_true", help="write over newer results, too"
    )
    push.add_argument("--json", action="store_true", help="print JSON, for scripts")
    push.add_argument(
        "--dry-run",
        dest="zephyr_dry_run",
        action="store_const",
        const="true",
        help="print what would be written, and write nothing",
    )
    _add_options(push)
    push.set_defaults(command=_push)

    check = commands.add_parser(
        "check", help="try the way to a phase, step by step", allow_abbrev=False
    )
    check.add_argument("--json", action="store_true", help="print JSON, for scripts")
    _add_options(check)
    check.set_defaults(command=_check)

    listing = commands.add_parser(
        "list", help="print names and ids of the server", allow_abbrev=False
    )
    listing.add_argument("kind", choices=_LISTED, help="what to list")
    listing.add_argument("--json", action="store_true", help="print JSON, for scripts")
    _add_options(listing)
    listing.set_defaults(command=_list)

    sandbox = commands.add_parser(
        "sandbox", help="run the embedded server", allow_abbrev=False
    )
    sandbox.add_argument(
        "--port", type=int, default=PORT, help=f"port (default: {PORT})"
    )
    sandbox.add_argument(
        "--db", type=Path, help="SQLite file (default: in the journals)"
    )
    _add_options(sandbox)
    sandbox.set_defaults(command=_sandbox)
    return parser


class _Refuse(argparse.Action):
    """A flag that is recognised only to be refused, without showing its value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> NoReturn:
        flag = option_string or ""
        raise SettingsError(options.refusal(flag.removeprefix("--zephyr-"), flag))


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags that pytest takes, with the same names and meanings."""
    parser.add_argument("-c", "--config-file", type=Path, help="ini file to read")
    for name in options.REFUSED:
        parser.add_argument(f"--zephyr-{name}", action=_Refuse, help=argparse.SUPPRESS)
    for option in OPTIONS:
        if option.flag and option.name not in _PYTEST_ONLY:
            _add_option(parser, option)


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    flag, dest = option.flag_name, option.dest
    if option.switch:
        parser.add_argument(
            flag, dest=dest, action="store_const", const="true", help=option.help
        )
    else:
        parser.add_argument(flag, dest=dest, metavar=option.metavar, help=option.help)


def _ini(args: argparse.Namespace) -> IniFile:
    if args.config_file is not None:
        return inifiles.load(args.config_file.absolute())
    return inifiles.find(Path.cwd())


def _given(args: argparse.Namespace, ini: IniFile) -> Given:
    for name in options.REFUSED:
        if ini.options.get(f"zephyr_{name}"):
            where = f"zephyr_{name} in {ini.root / ini.name}"
            raise SettingsError(options.refusal(name, where))
    return Given(
        flags={
            option.name: found
            for option in OPTIONS
            if (found := getattr(args, option.dest, None)) is not None
        },
        environ=os.environ,
        ini={
            option.name: (ini.options[option.ini_name], ini.name)
            for option in OPTIONS
            if option.ini and option.ini_name in ini.options
        },
    )


def _settings(args: argparse.Namespace, run: Run | None = None) -> Settings:
    ini = _ini(args)
    given = _given(args, ini)
    if run is not None:
        first = run.journals[0]
        given = replace(given, header=first.header.options, header_name=first.path.name)
    settings = resolve.resolve(given)
    return replace(settings, journal=ini.root / settings.journal)


def _push(args: argparse.Namespace) -> int:
    found = find_journals(args.journals or [_journals_of(args)])
    for problem in found.problems:
        _say(f"zephyr: {problem}", sys.stderr.write)
    nothing = args.journals and not found.journals and found.problems
    # Wrong usage is said before anything is sent.
    runs = [(run, _settings_of(run, args)) for run in group(found.journals)]
    pushed = [_push_run(run, settings, args) for run, settings in runs]
    complete = not found.problems and all(each.ok for each in pushed)
    if args.json:
        documents = [each.as_json for each in pushed]
        document = {"runs": documents, "problems": found.problems, "complete": complete}
        _say(json.dumps(document, indent=2))
    elif not pushed and not nothing:
        _say("nothing to send")
    if nothing:
        return USAGE
    return OK if complete else NOT_ALL


def _journals_of(args: argparse.Namespace) -> Path:
    ini = _ini(args)
    # Names in the ini file need not have a value here: journals have their own.
    directory: Path = ini.root / resolve.value("journal", _given(args, ini))
    if not directory.is_dir():
        # What is wrong in the settings comes first.
        _settings(args)
        msg = f"there is no directory of journals {directory}. Name a journal to push."
        raise JournalError(msg)
    return directory


@dataclass(frozen=True)
class _Pushed:
    """How the push of one run went, for people and for scripts."""

    ok: bool
    as_json: dict[str, object]


def _settings_of(run: Run, args: argparse.Namespace) -> Settings | SettingsError:
    """Return the settings of a run, or what is wrong with those in its journal.

    Raises SettingsError for what is wrong without the journal, too.
    """
    try:
        settings = _settings(args, run)
    except SettingsError as error:
        _settings(args)
        return error
    settings.require_server()
    return settings


def _push_run(
    run: Run, settings: Settings | SettingsError, args: argparse.Namespace
) -> _Pushed:
    names = [str(journal.path) for journal in run.journals]
    if isinstance(settings, SettingsError):
        _say(f"zephyr: {settings}", sys.stderr.write)
        return _Pushed(False, {"journals": names, "error": str(settings)})
    for warning in settings.warnings:
        _say(f"zephyr: {warning}", sys.stderr.write)
    try:
        delivery = _deliver(run, settings, force=args.force)
    except ZephyrError as error:
        if not args.json:
            _say(f"{', '.join(names)}: nothing sent")
            _say(f"zephyr: {error}")
        return _Pushed(False, {"journals": names, "error": str(error)})
    if not args.json:
        for line in summary.planned(delivery):
            _say(line)
        _say(f"{', '.join(names)}: {summary.numbers(delivery)}")
        for line in (*summary.made(delivery), *summary.evidence(delivery)):
            _say(line)
        for line in summary.problems(delivery, run.journals[0].path):
            _say(line)
        for line in summary.cut_short(run.cut):
            _say(line)
    return _Pushed(
        not (delivery.failed or delivery.refused or run.cut),
        {
            "journals": names,
            **summary.as_json(delivery),
            "cut_short": list(map(str, run.cut)),
        },
    )


def _deliver(run: Run, settings: Settings, *, force: bool) -> Delivery:
    """Push *run* and note in its journals what was delivered."""
    from pytest_zephyr.push.workflow import connect
    from pytest_zephyr.push.workflow import push

    with ExitStack() as stack:
        writers = []
        for journal in run.journals:
            writers.append(JournalWriter.reopen(journal.path))
            stack.callback(writers[-1].close)
        nodes = run.nodes()
        cases = dict.fromkeys(case for node in nodes for case in node.cases)
        settings = stack.enter_context(served(settings, cases))
        client = stack.enter_context(connect(settings))
        delivery = push(
            nodes, client, settings, run.memory(writers), newer_wins=not force
        )
        if delivery.complete and not run.cut:
            run.note_delivered(writers)
        return delivery


def _check(args: argparse.Namespace) -> int:
    from pytest_zephyr.cli.check import Checker
    from pytest_zephyr.push.workflow import connect

    with served(_settings(args), ()) as settings:
        checker = Checker(settings)
        if checker.ready:
            with connect(settings, _deadline(settings)) as client:
                checker.run(client)
    findings = checker.findings
    if args.json:
        _say(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        marks = {True: "ok", False: "WRONG", None: "-"}
        rows = [(each.step, marks[each.ok], each.text) for each in findings]
        _say_table(rows)
    return NOT_ALL if any(each.ok is False for each in findings) else OK


def _list(args: argparse.Namespace) -> int:
    from pytest_zephyr.cli.listing import entries
    from pytest_zephyr.push.workflow import connect

    settings = _settings(args)
    settings.require_login()
    with served(settings, ()) as settings:
        try:
            with connect(settings, _deadline(settings)) as client:
                client.current_user()
                found = entries(args.kind, client, settings)
        except SettingsError:
            raise
        except ZephyrError as error:
            _say(f"zephyr: {error}", sys.stderr.write)
            return NOT_ALL
    if args.json:
        _say(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _say_table([(str(each.id), each.name, each.more) for each in found])
    return OK


def _deadline(settings: Settings) -> Deadline | None:
    if settings.deadline <= _PATIENCE:
        return None
    return Deadline(_PATIENCE, "for a command that only reads")


def _say_table(rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows in columns; the last one is as wide as it is."""
    first = max((len(row[0]) for row in rows), default=0)
    second = max((len(row[1]) for row in rows), default=0)
    for one, two, three in rows:
        _say(f"{one:<{first}}  {two:<{second}}  {three}".rstrip())


def _sandbox(args: argparse.Namespace) -> int:
    require_sandbox()
    from pytest_zephyr.sandbox import Sandbox

    database = args.db or _settings(args).journal / DATABASE
    database.parent.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    try:
        sandbox = Sandbox(database, port=args.port)
        sandbox.start()
    except OSError as error:
        msg = f"the sandbox cannot listen on port {args.port}: {error.strerror}."
        raise SettingsError(msg) from error
    try:
        _say(f"Zephyr sandbox at {sandbox.url} over {database}")
        _say(f"  ZEPHYR_URL={sandbox.url}")
        _say(f"  ZEPHYR_TOKEN={sandbox.token}")
        _say(
            f"  or ZEPHYR_USERNAME={sandbox.username} ZEPHYR_PASSWORD={sandbox.password}"
        )
        _say("Stop it with Ctrl-C.")
        # On Windows a wait without an end would not hear Ctrl-C.
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        sandbox.stop()
    return OK


def _say(text: str, write: Callable[[str], object] | None = None) -> None:
    for line in text.split("\n"):
        (write or sys.stdout.write)(f"{one_line(line)}\n")
    sys.stdout.flush()
