"""`pytest-zephyr list`: names and ids on the server, to put into a configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
import json
import sys

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import reading
from pytest_zephyr.cli.output import say
from pytest_zephyr.cli.output import say_table
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import missing_place
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.push.embedded import served
from pytest_zephyr.target.find import Finder


@dataclass(frozen=True)
class Entry:
    """One thing of a list: its id, its name, and what else there is to know."""

    id: int | str
    name: str
    more: str = ""


def entries(kind: str, client: Client, settings: Settings) -> list[Entry]:
    """Return the list of *kind*, one of `KINDS`.

    Raises SettingsError if the settings do not say whose, ZephyrNotFound if the
    server has no such thing.
    """
    return KINDS[kind](client, settings)


def _projects(client: Client, _settings: Settings) -> list[Entry]:
    return [Entry(each.id, each.name) for each in client.projects()]


def _releases(client: Client, settings: Settings) -> list[Entry]:
    _require(settings, "project")
    project = Finder(client, settings).find_project()
    return [
        Entry(each.id, each.name, _span(each.start, each.end))
        for each in client.releases(project.id)
        if not each.hidden
    ]


def _cycles(client: Client, settings: Settings) -> list[Entry]:
    release = _release(client, settings)
    return [
        Entry(each.id, each.name, _span(each.start, each.end))
        for each in client.cycles(release)
    ]


def _phases(client: Client, settings: Settings) -> list[Entry]:
    cycle = settings.cycle
    if cycle is None:
        raise SettingsError(missing_place("cycle"))
    if cycle.id is None or settings.release is not None:
        _release(client, settings)
    found, _ = Finder(client, settings).find_cycle()
    return [
        Entry(each.id, each.name, "free-form" if each.free_form else "structured")
        for each in (found.phases if found else ())
    ]


def _statuses(client: Client, _settings: Settings) -> list[Entry]:
    return [
        Entry(each.id, each.name, "" if each.active else "inactive")
        for each in client.statuses()
    ]


def _release(client: Client, settings: Settings) -> int:
    _require(settings, "release")
    assert settings.release is not None
    if settings.release.id is None:
        _require(settings, "project")
    return Finder(client, settings).find_release().id


def _require(settings: Settings, name: str) -> None:
    if getattr(settings, name) is None:
        raise SettingsError(missing_place(name))


def _span(start: object, end: object) -> str:
    return f"{start or ''} to {end or ''}".strip() if start or end else ""


#: What can be listed, and how.
KINDS: Mapping[str, Callable[[Client, Settings], list[Entry]]] = {
    "projects": _projects,
    "releases": _releases,
    "cycles": _cycles,
    "phases": _phases,
    "statuses": _statuses,
}


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands, "list", run, "print names and ids of the server", json=True
    )
    parser.add_argument("kind", choices=tuple(KINDS), help="what to list")


def run(args: argparse.Namespace) -> int:
    settings = load_settings(args)
    settings.require_login()
    with served(settings) as settings:
        try:
            with reading(settings) as client:
                client.current_user()
                found = entries(args.kind, client, settings)
        except SettingsError:
            raise
        except ZephyrError as error:
            say(f"zephyr: {error}", sys.stderr.write)
            return NOT_ALL
    if args.json:
        say(json.dumps([asdict(each) for each in found], indent=2))
    else:
        say_table([(str(each.id), each.name, each.more) for each in found])
    return OK
