"""Test cases for tests that have none: folders and cases of the repository (API 6c)."""

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
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.notes import escape
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.target.created import CreatedCases
from pytest_zephyr.target.folders import Folders
from pytest_zephyr.target.folders import Path


#: How often what was created is looked for after an unclear answer.
_LOOKS = 3

_NOTHING = "\0"

#: A test case by its folder and its name.
Key = tuple[Path, str]


def path_of(case: NewCase, template: str) -> Path:
    """Return the folder of *case*, by name from the root down."""
    # A test at the top has no package, which leaves nothing in its place.
    filled = placeholders.fill(template, {"package": case.package or _NOTHING}, {})
    parts = (part.replace(_NOTHING, "").strip() for part in filled.split("/"))
    return tuple(part for part in parts if part) or ("Automation",)


class CaseCreator:
    """Finds new test cases in their folders of a release, and makes those it misses.

    *templates* has the folder of each, *cases* its custom fields, by display name or by
    field name.
    The folder and the exact name are what identifies a case (API 5, 21).
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
        self._own: list[tuple[Key, Placement]] = []
        # One folder and one name are one case, whichever files its tests are in.
        self._same: dict[tuple[Path, str], list[NewCase]] = {}
        for case in cases:
            path = path_of(case, templates[case])
            self._same.setdefault((path, case.name), []).append(case)

    def look(self) -> CreatedCases:
        """Read what there is of the cases; nothing is written."""
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
        """Create what the look has missed."""
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
        # Another job may have made the same at the same time: the oldest is meant.
        for path in dict.fromkeys(path for path, _name in keys):
            self._recognise(path)
        self._link(key for key in keys if key not in self._refused())
        return done

    @property
    def twins(self) -> list[Placement]:
        """The test cases that were made here in vain: another job's are the oldest."""
        chosen = self._done.placements
        return [
            placement
            for key, placement in self._own
            if chosen.get(self._same[key][0], placement).case != placement.case
        ]

    def remove_twins(self, used: Collection[VisibleId]) -> None:
        """Remove the test cases and folders that were made in vain.

        What somebody uses or cannot be removed stays and is named.
        """
        left = [
            f"test case {each.case}"
            for each in self.twins
            if not self._gone(each, used)
        ]
        for number, path in self._folders.twins.items():
            try:
                empty = not self._client.folder(number).children and not any(
                    True for _ in self._client.folder_cases(number)
                )
                if empty:
                    self._client.delete_folder(number)
                    continue
            except ZephyrError:
                pass
            left.append(f"folder {'/'.join(path)} (id {number})")
        if left:
            self._done.remarks.append(
                f"another job made the same test cases at the same time; not needed and"
                f" not removed are {', '.join(left)}"
            )

    def _gone(self, twin: Placement, used: Collection[VisibleId]) -> bool:
        """Remove a test case of ours, if nobody uses it and its id is beyond doubt."""
        if twin.folder is None or twin.case in used:
            return False
        try:
            held = list(self._client.folder_cases(twin.folder))
            # Should a server take these for ids of versions, they must mean nothing.
            if twin not in held or any(
                int(each.version) == int(twin.id) for each in held
            ):
                return False
            self._client.delete_cases(twin.folder, [twin.id])
        except ZephyrError:
            return False
        return True

    def refuse(self, reason: str) -> None:
        """Make none of what the look has missed, for one *reason*."""
        for key, same in self._same.items():
            if same[0] in self._done.missing:
                self._refuse(key, reason)

    def _has_folder(self, key: Key) -> bool:
        if self._folders.find(key[0]) is not None:
            return True
        self._refuse(key, self._folders.why_not(key[0]))
        return False

    def _recognise(self, path: Path) -> None:
        """Note which of the cases at *path* are there, of one name the oldest."""
        folder = self._folders.find(path)
        if folder is None:
            return
        held = list(self._client.folder_cases(folder))
        for placement in sorted(held, key=lambda each: -each.case):
            self._place((path, placement.name.strip()), placement)

    def _place(self, key: Key, placement: Placement) -> None:
        for case in self._same.get(key, ()):
            self._done.placements[case] = placement

    def _refuse(self, key: Key, reason: str) -> None:
        for case in self._same[key]:
            self._done.refused[case] = reason

    def _refused(self) -> set[Key]:
        return {
            key for key, same in self._same.items() if same[0] in self._done.refused
        }

    def _open(self, batch: Sequence[Key]) -> list[Key]:
        return [key for key in batch if self._same[key][0] not in self._done.placements]

    def _create_batch(self, batch: Sequence[Key]) -> None:
        """Create *batch*, halving it where the server refuses, until the culprit is alone."""
        for _ in range(_LOOKS):
            refused: ZephyrRefused | None = None
            made: Sequence[Placement] = ()
            try:
                made = self._client.create_cases(list(map(self._request, batch)))
            except ZephyrWriteUncertain:
                pass
            except ZephyrUnauthorized:
                raise
            except ZephyrRefused as error:
                refused = error
            self._take(batch, made)
            batch = self._open(batch)
            if batch and (refused is None or refused.status >= 500):
                # What the answer left out may be there all the same.
                for path in dict.fromkeys(path for path, _name in batch):
                    self._recognise(path)
                batch = self._open(batch)
            if not batch:
                return
            if refused is not None:
                self._divide(batch, refused)
                return
        for key in batch:
            self._refuse(key, "the server did not create it and did not say why.")

    def _divide(self, batch: Sequence[Key], refused: ZephyrRefused) -> None:
        if len(batch) == 1:
            self._refuse(batch[0], str(refused))
            return
        middle = len(batch) // 2
        self._create_batch(batch[:middle])
        self._create_batch(batch[middle:])

    def _take(self, batch: Sequence[Key], made: Iterable[Placement]) -> None:
        """Note where the cases of *batch* are that *made* shows."""
        by_name = {(each.folder, each.name.strip()): each for each in made}
        for path, name in batch:
            placement = by_name.get((self._folders.find(path), name))
            if placement is not None:
                self._place((path, name), placement)
                self._own.append(((path, name), placement))

    def _request(self, key: Key) -> tuple[int, Mapping[str, object]]:
        folder = self._folders.find(key[0])
        assert folder is not None, "cases without a folder are refused before"
        same = self._same[key]
        return folder, self._fields(same[0], self._values(same))

    def _values(self, same: Sequence[NewCase]) -> dict[str, FieldValue]:
        """Return the custom fields that the tests of one case named."""
        return {
            name: value for case in same for name, value in self._cases[case].items()
        }

    def _fields(
        self, case: NewCase, values: Mapping[str, FieldValue]
    ) -> Mapping[str, object]:
        """Return what is sent of a new case (API 4.8); the server wants no nulls."""
        return {
            "name": case.name,
            "description": escape(case.description),
            "releaseId": self._release,
            "automated": True,
            "scriptName": case.script[:255],
            "scriptPath": str(PurePosixPath(case.script.partition("::")[0]))[:255],
            "tag": " ".join(case.tags),
            # What is no field of test cases stands in the notes of the result.
            "customProperties": {
                self._names[name]: value
                for name, value in values.items()
                if name in self._names
            },
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
        except ZephyrUnauthorized:
            raise
        except (ZephyrRefused, ZephyrWriteUncertain) as error:
            self._done.remarks.append(f"requirements could not be linked: {error}")
