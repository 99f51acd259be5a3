"""The command `pytest-zephyr`: what there is to do without a run of pytest."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import replace
import json
import os
from pathlib import Path
import signal
import sys
import threading

from pytest_zephyr import inifiles
from pytest_zephyr import options
from pytest_zephyr import summary
from pytest_zephyr.delivery import Delivery
from pytest_zephyr.embedded import DATABASE
from pytest_zephyr.embedded import PORT
from pytest_zephyr.embedded import require_sandbox
from pytest_zephyr.embedded import served
from pytest_zephyr.errors import JournalError
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.inifiles import IniFile
from pytest_zephyr.journal import JournalWriter
from pytest_zephyr.options import Given
from pytest_zephyr.options import Option
from pytest_zephyr.options import OPTIONS
from pytest_zephyr.runs import find_journals
from pytest_zephyr.runs import group
from pytest_zephyr.runs import Run
from pytest_zephyr.settings import Settings


#: Exit codes (design 2.6).
OK = 0
NOT_ALL = 1
USAGE = 2

#: Options that only a run of pytest can use.
_PYTEST_ONLY = {
    *("zephyr", "push", "on_error", "show_config", "id_prefix", "inherit"),
    *("capture", "attach_max_size"),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    command: Callable[[argparse.Namespace], int] = args.command
    try:
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

    push = commands.add_parser("push", help="send what a run left in its journal")
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

    sandbox = commands.add_parser("sandbox", help="run the embedded server")
    sandbox.add_argument(
        "--port", type=int, default=PORT, help=f"port (default: {PORT})"
    )
    sandbox.add_argument(
        "--db", type=Path, help="SQLite file (default: in the journals)"
    )
    _add_options(sandbox)
    sandbox.set_defaults(command=_sandbox)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags that pytest takes, with the same names and meanings."""
    parser.add_argument("-c", "--config-file", type=Path, help="ini file to read")
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
    settings = options.resolve(given)
    return replace(settings, journal=ini.root / settings.journal)


def _push(args: argparse.Namespace) -> int:
    found = find_journals(args.journals or [_journals_of(args)])
    for problem in found.problems:
        _say(f"zephyr: {problem}", sys.stderr.write)
    if args.journals and not found.journals and found.problems:
        return USAGE
    pushed = [_push_run(run, args) for run in group(found.journals)]
    complete = not found.problems and all(each.ok for each in pushed)
    if args.json:
        runs = [each.as_json for each in pushed]
        document = {"runs": runs, "problems": found.problems, "complete": complete}
        _say(json.dumps(document, indent=2))
    elif not pushed:
        _say("nothing to send")
    return OK if complete else NOT_ALL


def _journals_of(args: argparse.Namespace) -> Path:
    directory = _settings(args).journal
    if not directory.is_dir():
        msg = f"there is no directory of journals {directory}. Name a journal to push."
        raise JournalError(msg)
    return directory


@dataclass(frozen=True)
class _Pushed:
    """How the push of one run went, for people and for scripts."""

    ok: bool
    as_json: dict[str, object]


def _push_run(run: Run, args: argparse.Namespace) -> _Pushed:
    settings = _settings(args, run)
    settings.require_server()
    names = [str(journal.path) for journal in run.journals]
    try:
        delivery = _deliver(run, settings, force=args.force)
    except ZephyrError as error:
        if not args.json:
            _say(f"{', '.join(names)}: nothing sent")
            _say(f"zephyr: {error}")
        return _Pushed(False, {"journals": names, "error": str(error)})
    if not args.json:
        for line in summary.planned(delivery.planned) if delivery.planned else ():
            _say(line)
        _say(f"{', '.join(names)}: {summary.numbers(delivery)}")
        for line in summary.evidence(delivery):
            _say(line)
        for line in summary.problems(delivery, run.journals[0].path):
            _say(line)
    return _Pushed(
        not delivery.failed, {"journals": names, **summary.as_json(delivery)}
    )


def _deliver(run: Run, settings: Settings, *, force: bool) -> Delivery:
    """Push *run* and note in its journals what was delivered."""
    from pytest_zephyr.push import connect
    from pytest_zephyr.push import push

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
        if delivery.complete:
            run.note_delivered(writers)
        return delivery


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
        stop.wait()
    except KeyboardInterrupt:
        pass
    finally:
        sandbox.stop()
    return OK


def _say(line: str, write: Callable[[str], object] | None = None) -> None:
    (write or sys.stdout.write)(f"{line}\n")
    sys.stdout.flush()
