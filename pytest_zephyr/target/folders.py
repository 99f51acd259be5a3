"""Folders of a release's test repository: found by path, or created."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_zephyr import errors
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Folder


#: The most times to create missing folders and read them back.
_MAX_ROUNDS = 3

#: The names of a folder and its parents, from the root down.
FolderPath = tuple[str, ...]


class Folders:
    """The folders of a *release*; of several with one path the lowest id is used.

    *duplicates* are the ids and paths of folders that we created, but another job had
    created before; the deepest come first.
    """

    def __init__(self, client: Client, release: int) -> None:
        self._client = client
        self._release = release
        self._roots: list[Folder] | None = None
        # For each root folder that was read: the ids of it and all below, by path.
        self._trees: dict[str, dict[FolderPath, int]] = {}
        # Why the last try to create a folder failed.
        self._failures: dict[FolderPath, errors.ZephyrError] = {}
        self.duplicates: dict[int, FolderPath] = {}

    def find(self, path: FolderPath) -> int | None:
        """Return the id of the folder at *path*, `None` if it is missing."""
        return self._tree(path[0]).get(path)

    def missing(self, paths: Iterable[FolderPath]) -> list[FolderPath]:
        """Return the missing ones of *paths* and their parents, parents first."""
        needed = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
        return sorted(path for path in needed if self.find(path) is None)

    def create(self, paths: Iterable[FolderPath]) -> None:
        """Create what is missing of *paths*, and read back whether it is there."""
        paths = list(paths)
        created: dict[int, FolderPath] = {}
        for _ in range(_MAX_ROUNDS):
            missing = [
                path for path in self.missing(paths) if not self._is_refused(path)
            ]
            if not missing:
                break
            for path in missing:
                self._create(path, created)
            # Read the folders again when they are used.
            self._roots = None
            for path in missing:
                self._trees.pop(path[0], None)
        self.duplicates |= {
            number: path
            for number, path in sorted(created.items(), key=lambda each: -len(each[1]))
            if self.find(path) not in {number, None}
        }

    def why_not(self, path: FolderPath) -> str:
        """Say why the missing folder at *path*, or one above it, could not be created."""
        first = self.missing([path])[0]
        reason = self._failures.get(first, "the server does not list it afterwards.")
        return f"the folder {'/'.join(first)} could not be created: {reason}"

    def _is_refused(self, path: FolderPath) -> bool:
        """Return whether the server refuses the folder at *path* or one above it."""
        failures = map(self._failures.get, self.missing([path]))
        return any(
            isinstance(each, errors.ZephyrRefused) and each.http_status < 500
            for each in failures
        )

    def _create(self, path: FolderPath, created: dict[int, FolderPath]) -> None:
        tree = self._tree(path[0])
        parent = tree.get(path[:-1])
        if len(path) > 1 and parent is None:
            return
        try:
            folder = self._client.create_folder(path[-1], self._release, parent)
        except (errors.ZephyrRefused, errors.ZephyrWriteUnanswered) as failure:
            # `create` reads back whether the folder is there nevertheless.
            self._failures[path] = failure
            return
        self._failures.pop(path, None)
        created[folder.id], tree[path] = path, folder.id

    def _tree(self, root: str) -> dict[FolderPath, int]:
        if root not in self._trees:
            if self._roots is None:
                self._roots = self._client.root_folders(self._release)
            ids = [each.id for each in self._roots if each.name.strip() == root]
            tree = self._trees[root] = {}
            if ids:
                _add_folder((root,), self._client.folder(min(ids)), tree)
        return self._trees[root]


def _add_folder(path: FolderPath, folder: Folder, tree: dict[FolderPath, int]) -> None:
    """Add *folder* and all below it to *tree*."""
    tree[path] = folder.id
    for child in sorted(folder.children, key=lambda each: each.id):
        below = (*path, child.name.strip())
        if below not in tree:
            _add_folder(below, child, tree)
