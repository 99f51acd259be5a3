"""Creating test cases in the repository, for tests that name none."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batching import batches
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import VisibleId
from pytest_zephyr.config import placeholders
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.notes import escape
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.target.created import CreatedCases
from pytest_zephyr.target.folders import Folders
from pytest_zephyr.target.folders import Path


#: How often to send test cases, and read back what was created.
_LOOKS = 3

_NOTHING = "\0"

#: The folder and name of a test case, which identify it.
Key = tuple[Path, str]


def path_of(case: NewCase, template: str) -> Path:
    """Return the folder of *case* from a *template* with ``{package}`` in it."""
    # A test in the root directory has no package.
    filled = placeholders.fill(template, {"package": case.package or _NOTHING}, {})
    parts = (part.replace(_NOTHING, "").strip() for part in filled.split("/"))
    return tuple(part for part in parts if part) or ("Automation",)


class CaseCreator:
    """Finds test cases in their folders of a release, and creates those that are missing.

    *templates* has the folder of each, *cases* its custom fields, by display name or by
    field name. The folder and the exact name identify a test case.
    """

    def __init__(
        self,
        client: Client,
        templates: Mapping[NewCase, str],
        release: int,
        cases: Mapping[NewCase, Mapping[str, FieldValue]],
    ) -> None:
        self._client = client
        self._release = release
        self._cases = cases
        self._names: dict[str, str] = {}
        self._folders = Folders(client, release)
        self._done = CreatedCases()
        self._created: list[tuple[Key, Placement]] = []
        # Tests of several files can have the same test case.
        self._same: dict[Key, list[NewCase]] = {}
        for case in cases:
            path = path_of(case, templates[case])
            self._same.setdefault((path, case.name), []).append(case)

    def find(self) -> CreatedCases:
        """Find the existing test cases; nothing is written."""
        done = self._done
        paths = dict.fromkeys(path for path, _name in self._same)
        done.folders = ["/".join(path) for path in self._folders.missing(paths)]
        for path in paths:
            self._recognise(path)
        done.missing = [
            same[0] for same in self._same.values() if same[0] not in done.placements
        ]
        return done

    def create(self) -> CreatedCases:
        """Create what `find` has not found."""
        done = self._done
        wanted = {
            key: same for key, same in self._same.items() if same[0] in done.missing
        }
        if any(self._values(same) for same in wanted.values()):
            self._names = self._client.field_names()
        self._folders.make(path for path, _name in wanted)
        keys = [key for key in wanted if self._has_folder(key)]
        for batch in batches(keys):
            self._create_batch(batch)
        # Another job may have created the same cases; the oldest ones count.
        for path in dict.fromkeys(path for path, _name in keys):
            self._recognise(path)
        self._link(key for key in keys if self._same[key][0] not in done.refused)
        return done

    @property
    def duplicates(self) -> list[Placement]:
        """Our copies of test cases that another job created before."""
        chosen = self._done.placements
        return [
            placement
            for key, placement in self._created
            if chosen.get(self._same[key][0], placement).case != placement.case
        ]

    def remove_duplicates(self, used: Collection[VisibleId]) -> None:
        """Remove our copies of test cases and folders that another job created, too.

        Those that are in use or cannot be removed are listed in a remark.
        """
        remaining = [
            f"test case {each.case}"
            for each in self.duplicates
            if not self._remove(each, used)
        ]
        for number, path in self._folders.duplicates.items():
            try:
                empty = not self._client.folder(number).children and not any(
                    True for _ in self._client.folder_cases(number)
                )
                if empty:
                    self._client.delete_folder(number)
                    continue
            except ZephyrError:
                pass
            remaining.append(f"folder {'/'.join(path)} (id {number})")
        if remaining:
            self._done.remarks.append(
                f"another job created the same test cases at the same time; not needed"
                f" and not removed: {', '.join(remaining)}"
            )

    def _remove(self, duplicate: Placement, used: Collection[VisibleId]) -> bool:
        """Remove a test case of ours, unless it is in use or its id is ambiguous."""
        if duplicate.folder is None or duplicate.case in used:
            return False
        try:
            cases = list(self._client.folder_cases(duplicate.folder))
            # A server may read the id as that of a version: there must be none.
            versions = {int(each.version) for each in cases}
            if duplicate not in cases or int(duplicate.id) in versions:
                return False
            self._client.delete_cases(duplicate.folder, [duplicate.id])
        except ZephyrError:
            return False
        return True

    def refuse(self, reason: str) -> None:
        """Refuse all that `find` has not found, for one *reason*."""
        for key, same in self._same.items():
            if same[0] in self._done.missing:
                self._refuse(key, reason)

    def _has_folder(self, key: Key) -> bool:
        if self._folders.find(key[0]) is not None:
            return True
        self._refuse(key, self._folders.why_not(key[0]))
        return False

    def _recognise(self, path: Path) -> None:
        """Note the existing cases in the folder *path*; the oldest of each name counts."""
        folder = self._folders.find(path)
        if folder is None:
            return
        cases = self._client.folder_cases(folder)
        for placement in sorted(cases, key=lambda each: -each.case):
            self._place((path, placement.name.strip()), placement)

    def _place(self, key: Key, placement: Placement) -> None:
        for case in self._same.get(key, ()):
            self._done.placements[case] = placement

    def _refuse(self, key: Key, reason: str) -> None:
        for case in self._same[key]:
            self._done.refused[case] = reason

    def _open(self, batch: Sequence[Key]) -> list[Key]:
        return [key for key in batch if self._same[key][0] not in self._done.placements]

    def _create_batch(self, batch: Sequence[Key]) -> None:
        """Create *batch*; halve it if refused, until the refused case is alone."""
        for _ in range(_LOOKS):
            refused: ZephyrRefused | None = None
            made: Sequence[Placement] = ()
            try:
                made = self._client.create_cases(list(map(self._request, batch)))
            except ZephyrWriteUncertain:
                pass
            except ZephyrRefused as error:
                refused = error
            self._take(batch, made)
            batch = self._open(batch)
            if batch and (refused is None or refused.status >= 500):
                # The server may have created more than its answer lists.
                for path in dict.fromkeys(path for path, _name in batch):
                    self._recognise(path)
                batch = self._open(batch)
            if not batch:
                return
            if refused is not None and len(batch) > 1:
                middle = len(batch) // 2
                self._create_batch(batch[:middle])
                self._create_batch(batch[middle:])
                return
            if refused is not None:
                self._refuse(batch[0], str(refused))
                return
        for key in batch:
            self._refuse(key, "the server did not create it and did not say why.")

    def _take(self, batch: Sequence[Key], made: Iterable[Placement]) -> None:
        """Note the placements in *made* of the cases of *batch*."""
        by_name = {(each.folder, each.name.strip()): each for each in made}
        for path, name in batch:
            placement = by_name.get((self._folders.find(path), name))
            if placement is not None:
                self._place((path, name), placement)
                self._created.append(((path, name), placement))

    def _request(self, key: Key) -> tuple[int, Mapping[str, object]]:
        folder = self._folders.find(key[0])
        assert folder is not None, "cases without a folder were refused earlier"
        same = self._same[key]
        case, values = same[0], self._values(same)
        return folder, {
            "name": case.name,
            "description": escape(case.description),
            "releaseId": self._release,
            "automated": True,
            "scriptName": case.script[:255],
            "scriptPath": str(PurePosixPath(case.script.partition("::")[0]))[:255],
            "tag": " ".join(case.tags),
            # Values without such a field are in the notes of the result.
            "customProperties": {
                self._names[name]: value
                for name, value in values.items()
                if name in self._names
            },
        }

    def _values(self, same: Sequence[NewCase]) -> dict[str, FieldValue]:
        """Return the custom fields that all tests of one case set."""
        return {
            name: value for case in same for name, value in self._cases[case].items()
        }

    def _link(self, keys: Iterable[Key]) -> None:
        links: dict[VisibleId, Sequence[str]] = {}
        for key in keys:
            same = self._same[key]
            alts = dict.fromkeys(alt for case in same for alt in case.requirements)
            placement = self._done.placements.get(same[0])
            if alts and placement is not None:
                links[placement.case] = list(alts)
        if not links:
            return
        try:
            self._client.link_requirements(links, self._release)
        except (ZephyrRefused, ZephyrWriteUncertain) as error:
            self._done.remarks.append(f"requirements could not be linked: {error}")
