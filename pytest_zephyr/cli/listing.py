"""`pytest-zephyr list`: print names and ids from the server, for the configuration."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_zephyr.cli import common
from pytest_zephyr.cli import output
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Release
from pytest_zephyr.push.embedded import start_if_sandbox
from pytest_zephyr.target.find import Finder


@dataclass(frozen=True)
class ListedEntity:
    """A listed entity; *more* has its dates, kind or state."""

    id: int | str
    name: str
    more: str = ""


#: What can be listed, with the place that must be set for it, and the header of *more*.
KINDS = {
    "projects": ("", ""),
    "releases": ("project", "DATES"),
    "cycles": ("release", "DATES"),
    "phases": ("cycle", "KIND"),
    "statuses": ("", "STATE"),
}


def _entities(kind: str, client: Client, finder: Finder) -> Iterator[ListedEntity]:
    if kind == "projects":
        for project in client.projects():
            yield ListedEntity(project.id, project.name)
    elif kind == "releases":
        for release in client.releases(finder.find_project().id):
            if not release.hidden:
                yield ListedEntity(release.id, release.name, _dates(release))
    elif kind == "cycles":
        for cycle in client.cycles(finder.find_release().id):
            yield ListedEntity(cycle.id, cycle.name, _dates(cycle))
    elif kind == "phases":
        parent, _release = finder.find_cycle()
        for phase in parent.phases if parent else ():
            details = "free-form" if phase.free_form else "structured"
            yield ListedEntity(phase.id, phase.name, details)
    else:
        for status in client.statuses():
            yield ListedEntity(
                status.id, status.name, "" if status.active else "inactive"
            )


def _dates(entity: Release | Cycle) -> str:
    dates = f"{entity.start or ''} to {entity.end or ''}".strip()
    return "" if dates == "to" else dates


def declare(commands: common.Commands) -> None:
    text = "print names and ids from the server"
    shared_options = (*common.READING_OPTIONS, "project", "release", "cycle")
    parser = common.add_command(commands, "list", run, text, shared_options, json=True)
    parser.add_argument("kind", choices=tuple(KINDS), help="what to list")


def run(args: argparse.Namespace) -> int:
    parent, more_header = KINDS[args.kind]
    settings = common.load_settings(args)
    settings.require_login()
    with start_if_sandbox(settings) as settings, common.open_client(settings) as client:
        if parent:
            settings.require_place(parent)
        client.current_user()
        entities = list(_entities(args.kind, client, Finder(client, settings)))
    if args.json:
        output.say_json(entities)
    elif entities:
        rows = ((str(each.id), each.name, each.more) for each in entities)
        output.say_table(("ID", "NAME", more_header), rows)
    else:
        place = f"{parent} {settings.describe(parent)}" if parent else settings.url
        output.say(f"no {args.kind} in {place}")
    return common.OK
