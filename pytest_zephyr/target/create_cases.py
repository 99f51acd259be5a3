"""Create test cases in the repository, for tests that name none."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from pathlib import PurePosixPath

from pytest_zephyr import errors
from pytest_zephyr.client import entities
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.config import placeholders
from pytest_zephyr.results import records
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.notes import escape
from pytest_zephyr.target import folders
from pytest_zephyr.target.creations import Creations


#: Stands for an empty package until the path is split.
_NO_PACKAGE = "\0"

#: The folder and name of a test case, which identify it.
CaseKey = tuple[folders.FolderPath, str]


def folder_path(case: records.NewCase, template: str) -> folders.FolderPath:
    """Return the path of the folder of *case*; *template* may have ``{package}`` in it.

    The path is ``Automation`` if nothing is left of the template.
    """
    # A test in the root directory has no package.
    filled = placeholders.fill(template, {"package": case.package or _NO_PACKAGE})
    parts = (part.replace(_NO_PACKAGE, "").strip() for part in filled.split("/"))
    return tuple(part for part in parts if part) or ("Automation",)


@dataclass
class NewCaseTests:
    """The tests of a new test case, and the template of its folder."""

    folder_template: str
    nodes: list[records.NodeResult] = field(default_factory=list)


class CaseCreator(BatchWriter[CaseKey]):
    """Finds test cases in their folders of a release, and creates those that are missing.

    The folder and the exact name identify a test case. *creations* gets what exists, what is
    missing, and what could not be created.
    """

    def __init__(
        self,
        client: Client,
        release: int,
        cases: Mapping[records.NewCase, NewCaseTests],
        creations: Creations,
    ) -> None:
        super().__init__(client)
        self._release = release
        self._cases = cases
        self._field_names: dict[str, str] = {}
        self._folders = folders.Folders(client, release)
        self._creations = creations
        self._created: list[tuple[CaseKey, entities.Placement]] = []
        # Tests of several files can need the same folder and name.
        self._cases_by_key: dict[CaseKey, list[records.NewCase]] = {}
        for case, tests in cases.items():
            path = folder_path(case, tests.folder_template)
            self._cases_by_key.setdefault((path, case.name), []).append(case)

    def find(self) -> None:
        """Find the existing test cases, and note what is missing. Nothing is written."""
        creations = self._creations
        paths = dict.fromkeys(path for path, _name in self._cases_by_key)
        creations.folders = ["/".join(path) for path in self._folders.missing(paths)]
        for path in paths:
            self._note_existing(path)
        creations.cases = [
            self._cases_by_key[key][0] for key in self.unfinished(self._cases_by_key)
        ]

    def create(self) -> None:
        """Create what `find` has not found."""
        missing = self.unfinished(self._cases_by_key)
        if any(self._values(self._cases_by_key[key]) for key in missing):
            self._field_names = self._client.field_names()
        self._folders.create(path for path, _name in missing)
        for key in missing:
            if self._folders.find(key[0]) is None:
                self.refuse([key], self._folders.why_not(key[0]))
        keys = self.unfinished(missing)
        self.send_all(keys)
        # Another job may have created the same cases; the lowest ids count.
        self.read_back(keys)
        refused = self._creations.refused
        self._link_requirements(
            key for key in keys if self._cases_by_key[key][0] not in refused
        )

    @property
    def duplicates(self) -> list[entities.Placement]:
        """The test cases that we created, but another job had created before."""
        chosen = self._creations.placements
        return [
            placement
            for key, placement in self._created
            if chosen.get(self._cases_by_key[key][0], placement).case != placement.case
        ]

    def remove_duplicates(self, used: Collection[int | None]) -> None:
        """Remove our copies of test cases and folders that another job had created before.

        *used* has the ids of test cases in the phase. Copies that are used or cannot be
        removed are listed in a remark.
        """
        remaining = [
            f"test case {placement.case}"
            for placement in self.duplicates
            if not self._remove_case(placement, used)
        ]
        remaining += [
            f"folder {'/'.join(path)} (id {number})"
            for number, path in self._folders.duplicates.items()
            if not self._remove_folder(number)
        ]
        if remaining:
            self._creations.remarks.append(
                f"another job created the same test cases at the same time; ours are"
                f" not needed, but were not removed: {', '.join(remaining)}"
            )

    def _remove_case(
        self, duplicate: entities.Placement, used: Collection[int | None]
    ) -> bool:
        """Remove a test case of ours if this is safe, and return whether it was removed."""
        if duplicate.folder is None or duplicate.case in used:
            return False
        with suppress(errors.ZephyrError):
            cases = list(self._client.folder_cases(duplicate.folder))
            # A server may take the id for that of a version, so no version may have it.
            versions = {int(each.version) for each in cases}
            if duplicate in cases and int(duplicate.id) not in versions:
                self._client.delete_cases(duplicate.folder, [duplicate.id])
                return True
        return False

    def _remove_folder(self, folder: int) -> bool:
        """Remove a folder of ours if it is empty, and return whether it was removed."""
        with suppress(errors.ZephyrError):
            has_folders = self._client.folder(folder).children
            has_cases = any(True for _ in self._client.folder_cases(folder))
            if not has_folders and not has_cases:
                self._client.delete_folder(folder)
                return True
        return False

    def refuse_all(self, reason: str) -> None:
        """Refuse all that `find` has not found, for one *reason*."""
        self.refuse(self.unfinished(self._cases_by_key), reason)

    def _note_existing(self, path: folders.FolderPath) -> None:
        """Note the cases in the folder *path*; of equal names the lowest id counts."""
        folder = self._folders.find(path)
        cases = () if folder is None else self._client.folder_cases(folder)
        for placement in sorted(cases, key=lambda each: -each.case):
            self._note_placement((path, placement.name.strip()), placement)

    def _note_placement(self, key: CaseKey, placement: entities.Placement) -> None:
        self.finished.add(key)
        for case in self._cases_by_key.get(key, ()):
            self._creations.placements[case] = placement

    def note_refused(self, rows: Sequence[CaseKey], reason: str) -> None:
        for key in rows:
            self._creations.refused |= dict.fromkeys(self._cases_by_key[key], reason)

    def key(self, row: CaseKey) -> CaseKey:
        return row

    def write(self, rows: Sequence[CaseKey]) -> None:
        created = self._client.create_cases(list(map(self._request, rows)))
        by_name = {(each.folder, each.name.strip()): each for each in created}
        for path, name in rows:
            placement = by_name.get((self._folders.find(path), name))
            if placement is not None:
                self._note_placement((path, name), placement)
                self._created.append(((path, name), placement))

    def read_back(self, rows: Sequence[CaseKey]) -> Sequence[CaseKey]:
        """Look for *rows* in their folders, and note those that are there."""
        for path in dict.fromkeys(path for path, _name in rows):
            self._note_existing(path)
        return rows

    def _request(self, key: CaseKey) -> tuple[int, Mapping[str, object]]:
        """Return the id of the folder and the fields of a new test case."""
        folder = self._folders.find(key[0])
        assert folder is not None, "cases without a folder were refused earlier"
        cases = self._cases_by_key[key]
        case, values = cases[0], self._values(cases)
        return folder, {
            "name": case.name,
            "description": escape(case.description),
            "releaseId": self._release,
            "automated": True,
            "scriptName": case.script[:255],
            "scriptPath": str(PurePosixPath(case.script.partition("::")[0]))[:255],
            "tag": " ".join(case.tags),
            # Values without a field of their name are in the notes of the result.
            "customProperties": {
                self._field_names[name]: value
                for name, value in values.items()
                if name in self._field_names
            },
        }

    def _values(self, cases: Sequence[records.NewCase]) -> dict[str, FieldValue]:
        """Return the values of custom fields, by name, that the tests of *cases* set."""
        return {
            name: value
            for case in cases
            for node in self._cases[case].nodes
            for name, value in node.evidence.fields
        }

    def _link_requirements(self, keys: Iterable[CaseKey]) -> None:
        links: dict[entities.VisibleId, Sequence[str]] = {}
        for key in keys:
            cases = self._cases_by_key[key]
            alts = dict.fromkeys(alt for case in cases for alt in case.requirements)
            placement = self._creations.placements.get(cases[0])
            if alts and placement is not None:
                links[placement.case] = list(alts)
        if not links:
            return
        try:
            self._client.link_requirements(links, self._release)
        except (errors.ZephyrRefused, errors.ZephyrWriteUnanswered) as error:
            self._creations.remarks.append(f"requirements could not be linked: {error}")
