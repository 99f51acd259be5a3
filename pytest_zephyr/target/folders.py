"""Folders of a release's test repository: found by path, or created."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Folder
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrWriteUncertain


#: How often to create missing folders and read them back.
_ROUNDS = 3

#: The names of a folder and its parents, from the root down.
Path = tuple[str, ...]


class Folders:
    """The folders of a *release*; of several with one path the oldest is used.

    *refused* says why a folder could not be created. *duplicates* maps ids to paths, the
    deepest first, of folders created here that another job created before.
    """

    def __init__(self, client: Client, release: int) -> None:
        self._client = client
        self._release = release
        self._roots: dict[str, int] | None = None
        self._read: set[str] = set()
        self._ids: dict[Path, int] = {}
        self.refused: dict[Path, str] = {}
        self.duplicates: dict[int, Path] = {}

    def find(self, path: Path) -> int | None:
        """Return the id of the folder at *path*."""
        self._load(path[0])
        return self._ids.get(path)

    def missing(self, paths: Iterable[Path]) -> list[Path]:
        """Return the missing ones of *paths* and their parents, parents first."""
        needed = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
        return sorted(path for path in needed if self.find(path) is None)

    def create(self, paths: Iterable[Path]) -> None:
        """Create what is missing of *paths*, and read back whether it is there."""
        paths = list(paths)
        created: dict[int, Path] = {}
        for _ in range(_ROUNDS):
            todo = [path for path in self.missing(paths) if path not in self.refused]
            if not todo:
                break
            for path in todo:
                self._create(path, created)
            for root in {path[0] for path in todo}:
                self._forget(root)
        self.duplicates |= {
            number: path
            for number, path in sorted(created.items(), key=lambda each: -len(each[1]))
            if self.find(path) not in {number, None}
        }

    def why_not(self, path: Path) -> str:
        """Say why the folder at *path* could not be created."""
        return self.refused.get(path) or (
            f"the folder {'/'.join(path)} was created, but the server does not list it."
        )

    def _create(self, path: Path, created: dict[int, Path]) -> None:
        if path[:-1] in self.refused:
            self.refused[path] = self.refused[path[:-1]]
            return
        parent = self._ids.get(path[:-1])
        if len(path) > 1 and parent is None:
            return
        try:
            folder = self._client.create_folder(path[-1], self._release, parent)
        except ZephyrWriteUncertain:
            # `create` reads back whether it happened.
            return
        except ZephyrRefused as refused:
            if refused.status < 500:
                self.refused[path] = str(refused)
            return
        created[folder.id], self._ids[path] = path, folder.id

    def _load(self, root: str) -> None:
        if self._roots is None:
            self._roots = {}
            for each in sorted(
                self._client.root_folders(self._release), key=lambda each: each.id
            ):
                self._roots.setdefault(each.name.strip(), each.id)
        if root in self._read:
            return
        self._read.add(root)
        if root in self._roots:
            self._take((root,), self._client.folder(self._roots[root]))

    def _take(self, path: Path, folder: Folder) -> None:
        self._ids[path] = folder.id
        for child in sorted(folder.children, key=lambda each: each.id):
            below = (*path, child.name.strip())
            if below not in self._ids:
                self._take(below, child)

    def _forget(self, root: str) -> None:
        """Have the tree of *root* read again at its next use."""
        self._roots = None
        self._read.discard(root)
        self._ids = {path: n for path, n in self._ids.items() if path[0] != root}
