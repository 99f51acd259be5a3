"""Test cases for tests that have none: folders and cases of the repository (API 6c)."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from pytest_zephyr import templates
from pytest_zephyr.client import Client
from pytest_zephyr.entities import BATCH
from pytest_zephyr.entities import Folder
from pytest_zephyr.entities import Placement
from pytest_zephyr.entities import VisibleId
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnclear
from pytest_zephyr.notes import escape
from pytest_zephyr.outcome import NewCase
from pytest_zephyr.provision import Shelved
from pytest_zephyr.said import FieldValue


#: How often what was created is looked for after an unclear answer.
_LOOKS = 3

_NOTHING = "\0"

Path = tuple[str, ...]


def path_of(case: NewCase, template: str) -> Path:
    """Return the folder of *case*, by name from the root down."""
    # A test at the top has no package, which leaves nothing in its place.
    filled = templates.fill(template, {"package": case.package or _NOTHING}, {})
    parts = (part.replace(_NOTHING, "").strip() for part in filled.split("/"))
    return tuple(part for part in parts if part) or ("Automation",)


class Shelves:
    """Finds new test cases in their folders of a release, and makes those it misses.

    *cases* has the custom fields of each, by display name or by field name.
    The folder and the exact name are what identifies a case (API 5, 21).
    """

    def __init__(
        self,
        client: Client,
        template: str,
        release: int,
        cases: Mapping[NewCase, Mapping[str, FieldValue]],
    ) -> None:
        self._client = client
        self._template = template
        self._release = release
        self._cases = cases
        self._names: dict[str, str] = {}
        self._roots: list[Folder] | None = None
        self._trees: dict[str, Folder] = {}
        self._done = Shelved()

    def look(self) -> Shelved:
        """Read what there is of the cases; nothing is written."""
        shelves: dict[Path, list[NewCase]] = {}
        for case in self._cases:
            shelves.setdefault(path_of(case, self._template), []).append(case)
        done = self._done
        for path, shelf in shelves.items():
            here = self._find(path)
            if here is None:
                done.folders.append("/".join(path))
            else:
                self._recognise(here.id, shelf)
            done.missing += [each for each in shelf if each not in done.placements]
        return done

    def create(self) -> Shelved:
        """Create what the look has missed."""
        if any(self._cases[case] for case in self._done.missing):
            self._names = self._client.field_names()
        self._create(self._done.missing)
        return self._done

    # Folders

    def _find(self, path: Path) -> Folder | None:
        """Return the folder at *path*, of several with one name the oldest."""
        if self._roots is None:
            self._roots = self._client.root_folders(self._release)
        tree = self._trees.get(path[0])
        if tree is None:
            root = _named(self._roots, path[0])
            if root is None:
                return None
            tree = self._trees[path[0]] = self._client.folder(root.id)
        here: Folder | None = tree
        for name in path[1:]:
            here = _named(here.children, name) if here else None
        return here

    def _make(self, path: Path) -> Folder:
        """Create what is missing of *path*; a look decides who made it first."""
        for depth in range(1, len(path) + 1):
            if self._find(path[:depth]) is not None:
                continue
            for _ in range(_LOOKS):
                parent = self._find(path[: depth - 1]) if depth > 1 else None
                # The look that follows settles an unclear answer.
                with suppress(ZephyrUnclear):
                    self._client.create_folder(
                        path[depth - 1], self._release, parent.id if parent else None
                    )
                self._roots = None
                self._trees.pop(path[0], None)
                if self._find(path[:depth]) is not None:
                    break
        found = self._find(path)
        if found is None:
            msg = f"the folder {'/'.join(path)} was created, and the server does not show it."
            raise ZephyrRefused(msg)
        return found

    # Cases

    def _recognise(self, folder: int, cases: Iterable[NewCase]) -> None:
        held: dict[str, Placement] = {}
        for placement in self._client.folder_cases(folder):
            held.setdefault(placement.name.strip(), placement)
        for case in cases:
            if case.name in held:
                self._done.placements[case] = held[case.name]

    def _create(self, cases: Sequence[NewCase]) -> None:
        places: list[tuple[int, NewCase]] = []
        for case in cases:
            try:
                folder = self._make(path_of(case, self._template))
            except ZephyrUnauthorized:
                raise
            except ZephyrRefused as refused:
                self._done.refused[case] = str(refused)
                continue
            places.append((folder.id, case))
        for start in range(0, len(places), BATCH):
            self._create_batch(places[start : start + BATCH])
        self._link(cases)

    def _create_batch(self, batch: Sequence[tuple[int, NewCase]]) -> None:
        """Create *batch*, halving it where the server refuses, until the culprit is alone."""
        for _ in range(_LOOKS):
            try:
                made = self._client.create_cases(
                    [(folder, self._fields(case)) for folder, case in batch]
                )
            except ZephyrUnclear:
                made = []
            except ZephyrUnauthorized:
                raise
            except ZephyrRefused as refused:
                if len(batch) == 1:
                    self._done.refused[batch[0][1]] = str(refused)
                    return
                middle = len(batch) // 2
                self._create_batch(batch[:middle])
                self._create_batch(batch[middle:])
                return
            batch = self._take(batch, made)
            if not batch:
                return
            # What the answer left out may be there all the same.
            for folder in {folder for folder, _ in batch}:
                self._recognise(
                    folder, [case for each, case in batch if each == folder]
                )
            batch = [pair for pair in batch if pair[1] not in self._done.placements]
            if not batch:
                return
        for _, case in batch:
            self._done.refused[case] = (
                "the server did not create it and did not say why."
            )

    def _take(
        self, batch: Sequence[tuple[int, NewCase]], made: Iterable[Placement]
    ) -> list[tuple[int, NewCase]]:
        """Note where the cases of *batch* are; return those that *made* lacks."""
        by_name = {(each.folder, each.name.strip()): each for each in made}
        rest = []
        for folder, case in batch:
            placement = by_name.get((folder, case.name))
            if placement is None:
                rest.append((folder, case))
            else:
                self._done.placements[case] = placement
        return rest

    def _fields(self, case: NewCase) -> Mapping[str, object]:
        """Return what is sent of a new case (API 4.8); the server wants no nulls."""
        return {
            "name": case.name,
            "description": escape(case.description),
            "releaseId": self._release,
            "automated": True,
            "scriptName": case.script[:255],
            "scriptPath": str(PurePosixPath(case.script.partition("::")[0]))[:255],
            "tag": " ".join(case.tags),
            # A name that is no field's is left to the server to refuse.
            "customProperties": {
                self._names.get(name, name): value
                for name, value in self._cases[case].items()
            },
        }

    def _link(self, cases: Iterable[NewCase]) -> None:
        links: dict[VisibleId, Sequence[str]] = {
            self._done.placements[case].case: case.requirements
            for case in cases
            if case.requirements and case in self._done.placements
        }
        if not links:
            return
        try:
            self._client.link_requirements(links, self._release)
        except ZephyrUnauthorized:
            raise
        except (ZephyrRefused, ZephyrUnclear) as error:
            self._done.remarks.append(f"requirements could not be linked: {error}")


def _named(folders: Iterable[Folder], name: str) -> Folder | None:
    matches = [each for each in folders if each.name.strip() == name]
    return min(matches, key=lambda each: each.id, default=None)
