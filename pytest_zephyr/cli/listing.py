"""`pytest-zephyr list`: print names and ids of the server, for the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_zephyr.cli import common
from pytest_zephyr.cli import output
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Release
from pytest_zephyr.config.settings import Settings
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
    project = Finder(client, settings).find_project()
    return [_dated(each) for each in client.releases(project.id) if not each.hidden]


def _cycles(client: Client, settings: Settings) -> list[Entry]:
    release = Finder(client, settings).find_release()
    return [_dated(each) for each in client.cycles(release.id)]


def _dated(entity: Release | Cycle) -> Entry:
    dates = f"{entity.start or ''} to {entity.end or ''}".strip()
    return Entry(entity.id, entity.name, "" if dates == "to" else dates)


def _phases(client: Client, settings: Settings) -> list[Entry]:
    cycle, _release = Finder(client, settings).find_cycle()
    return [
        Entry(each.id, each.name, "free-form" if each.free_form else "structured")
        for each in (cycle.phases if cycle else ())
    ]


def _statuses(client: Client, _settings: Settings) -> list[Entry]:
    return [
        Entry(each.id, each.name, "" if each.active else "inactive")
        for each in client.statuses()
    ]


#: What can be listed: how to read it, what it is in, and the header of the details.
KINDS: Mapping[str, tuple[Callable[[Client, Settings], list[Entry]], str, str]] = {
    "projects": (_projects, "", ""),
    "releases": (_releases, "project", "DATES"),
    "cycles": (_cycles, "release", "DATES"),
    "phases": (_phases, "cycle", "KIND"),
    "statuses": (_statuses, "", "STATE"),
}


def declare(commands: common.Commands) -> None:
    text = "print names and ids of the server"
    flags = (*common.CONNECTION, "project", "release", "cycle")
    parser = common.add_command(commands, "list", run, text, flags, json=True)
    parser.add_argument("kind", choices=tuple(KINDS), help="what to list")


def run(args: argparse.Namespace) -> int:
    read, parent, details = KINDS[args.kind]
    settings = common.load_settings(args)
    settings.require_login()
    with served(settings) as settings, common.reading(settings) as client:
        if parent:
            settings.require_place(parent)
        client.current_user()
        entries = read(client, settings)
    if args.json:
        output.say_json(entries)
    elif entries:
        rows = ((str(each.id), each.name, each.more) for each in entries)
        output.say_table(("ID", "NAME", details), rows)
    else:
        place = f"{parent} {settings.describe(parent)}" if parent else settings.url
        output.say(f"no {args.kind} in {place}")
    return common.OK
