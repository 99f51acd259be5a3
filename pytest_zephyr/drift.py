"""How tests and the test cases of a phase or folder differ."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item
from pytest_zephyr.target.find import find_target
from pytest_zephyr.target.find import Finder
from pytest_zephyr.target.find_cases import find_cases
from pytest_zephyr.text import ambiguous_alt


Kind = Literal["untested", "gone", "unmapped", "invalid", "unknown", "elsewhere"]

#: What each kind of difference is; *place* is a phase or folder.
TITLES: dict[Kind, str] = {
    "untested": "test cases of this {place} without a test",
    "gone": "test cases marked as automated whose test is gone",
    "unmapped": "tests without a test case",
    "invalid": "tests with an invalid marker",
    "unknown": "test cases that Zephyr does not know",
    "elsewhere": "test cases with a test that are not in this {place}",
}


@dataclass(frozen=True)
class Difference:
    """A test case with its *tests*, or only one of both; *text* is for people."""

    case: CaseRef | None = None
    text: str = ""
    tests: Sequence[str] = ()


@dataclass(frozen=True)
class Drift:
    """How *tests* and the test *cases* of a place differ; *kinds* has every kind."""

    place: str
    cases: int
    tests: int
    kinds: dict[Kind, list[Difference]]


def read_drift(
    client: Client, settings: Settings, items: Iterable[Item], folder: str | None
) -> Drift:
    """Compare *items* with the phase in *settings*, or with a repository *folder*."""
    client.current_user()
    if folder is None:
        place, release, placements = _read_phase(client, settings)
    else:
        place, release, placements = _read_folder(client, settings, folder)
    planned = {each.case: each for each in placements}
    scripts = {each.script for each in placements}
    # Tests may be in several journals, and change their markers.
    by_name = {item.nodeid: item for item in items}
    kinds: dict[Kind, list[Difference]] = {kind: [] for kind in TITLES}
    tests: dict[CaseRef, list[str]] = {}
    created = set()
    for name, item in by_name.items():
        for case in item.cases:
            tests.setdefault(case, []).append(name)
        if item.new is not None and item.new.script in scripts:
            created.add(item.new.script)
        elif item.invalid or item.unmarked:
            kind: Kind = "invalid" if item.invalid else "unmapped"
            kinds[kind].append(Difference(tests=[name]))
    for number, each in planned.items():
        if not (number in tests or each.alt in tests or each.script in created):
            script = f" ({each.script})" if each.automated and each.script else ""
            kind = "gone" if each.automated else "untested"
            kinds[kind].append(Difference(number, each.name + script))
    known = {*planned, *(each.alt for each in placements)}
    if others := [case for case in tests if case not in known]:
        lookup = find_cases(client, others, release)
        for case in others:
            kind = "elsewhere" if case in lookup.placements else "unknown"
            text = "" if lookup.certain else "the server cannot search for it"
            if case in lookup.ambiguous:
                text = ambiguous_alt(case, lookup.ambiguous[str(case)], "Zephyr")
            elif case in lookup.placements:
                text = lookup.placements[case].name
            kinds[kind].append(Difference(case, text, tests[case]))
    return Drift(place, len(planned), len(by_name), kinds)


#: Name, release and test cases.
_Place = tuple[str, int | None, list[Placement]]


def _read_phase(client: Client, settings: Settings) -> _Place:
    target = find_target(client, settings)
    if target.phase is None:
        release = target.release.id if target.release else None
        return f"{target.path}, which does not exist yet", release, []
    try:
        tree = client.phase_tree(target.phase.id)
    except ZephyrRefused as refused:
        message = f"{settings.describe('phase')} cannot be read: {refused}"
        raise ZephyrNotFound(message) from refused
    rows = (row for node in tree.walk() for row in client.phase_rows(node.id))
    return target.path, tree.release, [row.placement for row in rows]


def _read_folder(client: Client, settings: Settings, folder: str) -> _Place:
    release = Finder(client, settings).find_release().id
    names = [name.strip() for name in folder.split("/") if name.strip()]
    folders = client.root_folders(release)
    if names:
        folders = [each for each in folders if each.name.strip() == names[0]]
    folders = [client.folder(each.id) for each in folders]
    for name in names[1:]:
        children = (child for each in folders for child in each.children)
        folders = [child for child in children if child.name.strip() == name]
    if not folders:
        raise ZephyrNotFound(f"there is no folder {folder!r} in this release.")
    nodes = (node for each in folders for node in each.walk())
    cases = [each for node in nodes for each in client.folder_cases(node.id)]
    return "/".join(names) or "/", release, cases
