"""Folders of a release's test repository: found by path, and made where they are missing."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Folder
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrWriteUncertain


#: How often what was created is looked for, and what another job covered made again.
_LOOKS = 3

#: A folder by the names from the root down.
Path = tuple[str, ...]


class Folders:
    """The folders of a *release*; of several with one path the oldest is meant.

    *refused* says why a folder could not be made. *twins* are those that this process
    made in vain, because another job made the same: paths by id, the deepest first.
    """

    def __init__(self, client: Client, release: int) -> None:
        self._client = client
        self._release = release
        self._roots: dict[str, int] | None = None
        self._read: set[str] = set()
        self._ids: dict[Path, int] = {}
        self.refused: dict[Path, str] = {}
        self.twins: dict[int, Path] = {}

    def find(self, path: Path) -> int | None:
        """Return the id of the folder at *path*."""
        self._load(path[0])
        return self._ids.get(path)

    def missing(self, paths: Iterable[Path]) -> list[Path]:
        """Return every folder that is not there, those above *paths* before them."""
        wanted = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
        return sorted(path for path in wanted if self.find(path) is None)

    def make(self, paths: Iterable[Path]) -> None:
        """Create what is missing of *paths*, until a look shows that it is there."""
        wanted = list(paths)
        made: dict[int, Path] = {}
        for _ in range(_LOOKS):
            todo = [path for path in self.missing(wanted) if self._may(path)]
            if not todo:
                break
            for path in todo:
                if self._may(path):
                    self._make(path, made)
            for root in {path[0] for path in todo}:
                self._forget(root)
        self.twins |= {
            number: path
            for number, path in sorted(made.items(), key=lambda each: -len(each[1]))
            if self.find(path) not in {number, None}
        }

    def why_not(self, path: Path) -> str:
        """Say why there is no folder at *path* although it was to be made."""
        for depth in range(1, len(path) + 1):
            if path[:depth] in self.refused:
                return self.refused[path[:depth]]
        return f"the folder {'/'.join(path)} was created, and is not shown."

    def _may(self, path: Path) -> bool:
        return not any(path[:n] in self.refused for n in range(1, len(path) + 1))

    def _make(self, path: Path, made: dict[int, Path]) -> None:
        parent = self._ids.get(path[:-1])
        if len(path) > 1 and parent is None:
            return
        try:
            folder = self._client.create_folder(path[-1], self._release, parent)
        except ZephyrWriteUncertain:
            # The look that follows tells whether it happened.
            return
        except ZephyrUnauthorized:
            raise
        except ZephyrRefused as refused:
            if refused.status < 500:
                self.refused[path] = str(refused)
            return
        made[folder.id], self._ids[path] = path, folder.id

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
        """Read the tree of *root* again when it is asked for next."""
        self._roots = None
        self._read.discard(root)
        self._ids = {path: n for path, n in self._ids.items() if path[0] != root}
