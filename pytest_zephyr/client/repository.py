"""Calls about the test repository: folders, test cases, their steps and fields."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from pytest_zephyr.client import decode
from pytest_zephyr.client import entities
from pytest_zephyr.client.base import Calls
from pytest_zephyr.client.entities import Folder
from pytest_zephyr.client.entities import Placement
from pytest_zephyr.client.entities import PlacementId
from pytest_zephyr.client.entities import VisibleId


#: The most ids in one search, and the most results in its answer.
SEARCH = 100


class RepositoryCalls(Calls):
    def search_cases(
        self, cases: Sequence[VisibleId], release: int
    ) -> Iterator[Placement]:
        """Yield the placements of up to 100 test cases that a search finds.

        A server may return shorter pages than requested. So the search ends with a
        page that has no new placement, or when each case was found in *release*.
        """
        missing = set(cases)
        ids: set[PlacementId] = set()
        params = {
            "word": f"testcaseId in ({','.join(map(str, cases))})",
            "entitytype": "testcase",
            "releaseid": release,
            "zql": True,
            "maxresults": SEARCH,
            "is_cfield": False,
        }
        while True:
            payload = self._get("advancesearch", {**params, "firstresult": len(ids)})
            page = decode.entities(payload, entities.placement)
            if page is None:
                raise self._unusable("advancesearch", "list")
            fresh = [each for each in page if each.id not in ids]
            yield from fresh
            ids.update(each.id for each in fresh)
            missing -= {each.case for each in fresh if each.release in {release, None}}
            if not fresh or not missing:
                return

    def cases_by_alt(self, alt: str) -> list[Placement]:
        payload = self._get("testcase/altid", {"altids": alt})
        listed = decode.entities(payload, entities.placement) or []
        return [each for each in listed if each.alt == alt]

    def root_folders(self, release: int) -> list[Folder]:
        return self._list(f"testcasetree/phases/{release}", entities.folder)

    def folder(self, folder: int) -> Folder:
        """Return a folder with all folders below it."""
        return self._one(f"testcasetree/{folder}", entities.folder, "folder")

    def create_folder(self, name: str, release: int, parent: int | None) -> Folder:
        """Create a folder, at the root without a *parent*."""
        body = {
            "name": name,
            "description": "",
            "type": "Phase" if parent is None else "Module",
            "releaseId": release,
        }
        params = {"parentid": parent or 0}
        return self._create("testcasetree", body, entities.folder, params)

    def folder_cases(self, folder: int) -> Iterator[Placement]:
        params = {"order": "orderId", "isascorder": True, "dbsearch": True}
        for row in self._pages(f"testcase/tree/{folder}", params):
            if (placement := entities.placement(row)) is not None:
                yield placement

    def create_cases(
        self, cases: Sequence[tuple[int, Mapping[str, object]]]
    ) -> list[Placement]:
        """Create up to 500 test cases, each in a folder; return placements in any order."""
        body = [
            {"tcrCatalogTreeId": folder, "testcase": dict(fields)}
            for folder, fields in cases
        ]
        payload = self._write("POST", "testcase/bulk", body=body)
        return decode.entities(payload, entities.placement) or []

    def delete_cases(self, folder: int, placements: Sequence[PlacementId]) -> None:
        """Remove test cases from a folder; this deletes those that are in no other."""
        body = {"selectedAll": 0, "ids": list(placements)}
        self._write("DELETE", "testcase", {"tcrCatalogTreeId": folder}, body)

    def delete_folder(self, folder: int) -> None:
        self._write("DELETE", f"testcasetree/{folder}")

    def link_requirements(
        self, links: Mapping[VisibleId, Sequence[str]], release: int
    ) -> None:
        """Link test cases to requirements, which are given by Alt ID."""
        body = [
            {"requirementAltId": list(alts), "testcaseId": case, "releaseId": release}
            for case, alts in links.items()
        ]
        self._write("POST", "requirement/bulk", body=body)

    def field_names(self) -> dict[str, str]:
        """Map the display and field names of custom fields of test cases to field names."""
        names: dict[str, str] = {}
        for row in decode.rows(self._get("field/entity/testcase")) or []:
            name = decode.text(row.get("fieldName"))
            if name and not decode.boolean(row.get("systemField"), default=False):
                names.setdefault(decode.text(row.get("displayName")), name)
                names[name] = name
        return names
