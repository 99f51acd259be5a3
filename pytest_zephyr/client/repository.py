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


#: The most ids in one search, and the most results of one (API 5, 9).
SEARCH = 100


class RepositoryCalls(Calls):
    """The calls of API 3.5, and the search of 3.8."""

    def search_cases(
        self, cases: Sequence[VisibleId], release: int
    ) -> Iterator[Placement]:
        """Yield placements of up to 100 test cases that a search finds (API 3.8).

        A server may cut pages shorter than asked. So the end is a page without news,
        or that each case was found where it is wanted: in *release*.
        """
        ids = ",".join(map(str, cases))
        wanted = set(cases)
        seen: set[PlacementId] = set()
        while True:
            page = decode.rows(
                self._get(
                    "advancesearch",
                    {
                        "word": f"testcaseId in ({ids})",
                        "entitytype": "testcase",
                        "releaseid": release,
                        "zql": True,
                        "firstresult": len(seen),
                        "maxresults": SEARCH,
                        "is_cfield": False,
                    },
                )
            )
            if page is None:
                raise self._unusable("advancesearch", "no list in it")
            found = [each for each in map(entities.placement, page) if each]
            fresh = [each for each in found if each.id not in seen]
            yield from fresh
            seen.update(each.id for each in fresh)
            here = (each for each in fresh if each.release in {release, None})
            wanted.difference_update(each.case for each in here)
            if not fresh or not wanted:
                return

    def cases_by_alt(self, alt: str) -> list[Placement]:
        """Return the placements of the test cases with this Alt ID."""
        payload = self._get("testcase/altid", {"altids": alt})
        listed = decode.rows(payload) or []
        found = (entities.placement(row) for row in listed)
        return [each for each in found if each is not None and each.alt == alt]

    def root_folders(self, release: int) -> list[Folder]:
        return self._list(f"testcasetree/phases/{release}", entities.folder)

    def folder(self, folder: int) -> Folder:
        """Return a folder with all folders below it."""
        path = f"testcasetree/{folder}"
        found = entities.folder(decode.mapping(self._get(path)))
        if found is None:
            raise self._unusable(path, "no folder in it")
        return found

    def create_folder(self, name: str, release: int, parent: int | None) -> Folder:
        """Create a folder; without a *parent* it is a root, which has another type."""
        body = {
            "name": name,
            "description": "",
            "type": "Phase" if parent is None else "Module",
            "releaseId": release,
        }
        params = {"parentid": parent or 0}
        return self._made("testcasetree", body, entities.folder, params)

    def folder_cases(self, folder: int) -> Iterator[Placement]:
        params = {"order": "orderId", "isascorder": True, "dbsearch": True}
        for row in self._pages(f"testcase/tree/{folder}", params):
            found = entities.placement(row)
            if found is not None:
                yield found

    def create_cases(
        self, cases: Sequence[tuple[int, Mapping[str, object]]]
    ) -> list[Placement]:
        """Create up to 500 test cases, each in a folder, and return where they are.

        The answer is in no order; their names tell which is which.
        """
        body = [
            {"tcrCatalogTreeId": folder, "testcase": dict(fields)}
            for folder, fields in cases
        ]
        answered = decode.rows(self._write("POST", "testcase/bulk", body=body)) or []
        return [each for each in map(entities.placement, answered) if each]

    def delete_cases(self, folder: int, placements: Sequence[PlacementId]) -> None:
        """Remove test cases from a folder; with their last placement they are gone."""
        body = {"selectedAll": 0, "ids": list(placements)}
        self._write("DELETE", "testcase", {"tcrCatalogTreeId": folder}, body)

    def delete_folder(self, folder: int) -> None:
        self._write("DELETE", f"testcasetree/{folder}")

    def link_requirements(
        self, links: Mapping[VisibleId, Sequence[str]], release: int
    ) -> None:
        """Link test cases to requirements by the Alt IDs of these."""
        body = [
            {"requirementAltId": list(alts), "testcaseId": case, "releaseId": release}
            for case, alts in links.items()
        ]
        self._write("POST", "requirement/bulk", body=body)

    def field_names(self) -> dict[str, str]:
        """Return the custom fields of test cases: display and field name to field name."""
        names: dict[str, str] = {}
        for row in decode.rows(self._get("field/entity/testcase")) or []:
            name = decode.text(row.get("fieldName"))
            if name and not decode.boolean(row.get("systemField"), default=False):
                names.setdefault(decode.text(row.get("displayName")), name)
                names[name] = name
        return names
