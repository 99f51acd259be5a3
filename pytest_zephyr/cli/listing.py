"""`pytest-zephyr list`: print names and ids of the server, for the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import CONNECTION
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import reading
from pytest_zephyr.cli.output import complain
from pytest_zephyr.cli.output import say
from pytest_zephyr.cli.output import say_table
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Release
from pytest_zephyr.config.settings import missing_place
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.push.embedded import served
from pytest_zephyr.target.find import Finder


@dataclass(frozen=True)
class Entry:
    """One line of a list: id, name, and further details."""

    id: int | str
    name: str
    more: str = ""


def _projects(client: Client, _settings: Settings) -> list[Entry]:
    return [Entry(each.id, each.name) for each in client.projects()]


def _releases(client: Client, settings: Settings) -> list[Entry]:
    _require(settings, "project")
    project = Finder(client, settings).find_project()
    releases = client.releases(project.id)
    return [_dated(release) for release in releases if not release.hidden]


def _cycles(client: Client, settings: Settings) -> list[Entry]:
    return [_dated(each) for each in client.cycles(_release(client, settings))]


def _dated(entity: Release | Cycle) -> Entry:
    span = ""
    if entity.start or entity.end:
        span = f"{entity.start or ''} to {entity.end or ''}".strip()
    return Entry(entity.id, entity.name, span)


def _phases(client: Client, settings: Settings) -> list[Entry]:
    _require(settings, "cycle")
    assert settings.cycle is not None
    if settings.cycle.id is None or settings.release is not None:
        _release(client, settings)
    cycle, _ = Finder(client, settings).find_cycle()
    return [
        Entry(each.id, each.name, "free-form" if each.free_form else "structured")
        for each in (cycle.phases if cycle else ())
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


#: What can be listed, and how.
KINDS: Mapping[str, Callable[[Client, Settings], list[Entry]]] = {
    "projects": _projects,
    "releases": _releases,
    "cycles": _cycles,
    "phases": _phases,
    "statuses": _statuses,
}


#: What the last column of each list says, and where its entries are.
_MORE = {
    "releases": "DATES",
    "cycles": "DATES",
    "phases": "KIND",
    "statuses": "STATE",
    "projects": "",
}
_PARENTS = {"releases": "project", "cycles": "release", "phases": "cycle"}


def _place(kind: str, settings: Settings) -> str:
    """Name what has no entries of *kind*."""
    parent = _PARENTS.get(kind)
    return f"{parent} {settings.describe(parent)}" if parent else str(settings.url)


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "list",
        run,
        "print names and ids of the server",
        json=True,
        only=(*CONNECTION, "project", "release", "cycle"),
    )
    parser.add_argument("kind", choices=tuple(KINDS), help="what to list")


def run(args: argparse.Namespace) -> int:
    settings = load_settings(args)
    settings.require_login()
    with served(settings) as settings:
        try:
            with reading(settings) as client:
                client.current_user()
                entries = KINDS[args.kind](client, settings)
        except SettingsError:
            raise
        except ZephyrError as error:
            complain(error)
            return NOT_ALL
    if not entries and not args.json:
        say(f"no {args.kind} in {_place(args.kind, settings)}")
        return OK
    say_table(
        entries,
        ("ID", "NAME", _MORE[args.kind]),
        lambda each: (str(each.id), each.name, each.more),
        as_json=args.json,
    )
    return OK
