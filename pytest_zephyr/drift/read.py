"""Reads the test cases of a phase or folder, and looks up those that are not there."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.drift.compare import compare
from pytest_zephyr.drift.compare import Drift
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.results.records import Item
from pytest_zephyr.target.find import find_target
from pytest_zephyr.target.find import Finder
from pytest_zephyr.target.find_cases import find_cases
from pytest_zephyr.text import ambiguous_alt


def read_drift(
    client: Client, settings: Settings, items: Iterable[Item], folder: str | None
) -> tuple[Drift, str]:
    """Compare *items* with the phase in *settings*, or with a repository *folder*.

    Returns the name of the place as well.
    """
    client.current_user()
    read = _read_phase if folder is None else _read_folder
    name, release, planned = read(client, settings, folder or "")
    drift, others = compare(items, {each.case: each for each in planned})
    if others:
        found = find_cases(client, others, release)
        for case, tests in others.items():
            if case in found.ambiguous:
                why = ambiguous_alt(case, found.ambiguous[str(case)], "Zephyr")
                drift.add("unknown", case, why, tests)
            elif case in found.placements:
                drift.add("elsewhere", case, found.placements[case].name, tests)
            elif found.certain:
                drift.add("unknown", case, "", tests)
            else:
                drift.add("unknown", case, "the server cannot search for it", tests)
    return drift, name


#: Name, release and test cases.
_Place = tuple[str, int | None, list[Placement]]


def _read_phase(client: Client, settings: Settings, _folder: str) -> _Place:
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
    roots = client.root_folders(release)
    if names:
        roots = [each for each in roots if each.name.strip() == names[0]]
    folders = [client.folder(each.id) for each in roots]
    for name in names[1:]:
        children = (child for each in folders for child in each.children)
        folders = [child for child in children if child.name.strip() == name]
    if not folders:
        raise ZephyrNotFound(f"there is no folder {folder!r} in this release.")
    nodes = (node for each in folders for node in each.walk())
    cases = [each for node in nodes for each in client.folder_cases(node.id)]
    return "/".join(names) or "/", release, cases
