"""Calls about the user, projects, releases, cycles and phases, and the test repository."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import date

from pytest_zephyr import errors
from pytest_zephyr.client import decode
from pytest_zephyr.client import entities
from pytest_zephyr.client import readers
from pytest_zephyr.client.base import Calls
from pytest_zephyr.results.status import Status


#: The preference of the server that has the list of statuses.
_STATUS_LIST = "testresult.testresultStatus.LOV"

#: The most ids in one search, and the most results in a page of its answer.
SEARCH_SIZE = 100


class ProjectCalls(Calls):
    # User and settings

    def current_user(self) -> entities.User:
        """Return the user of the credential; this is also the cheapest check of it.

        This must be the first call, because it finds out the API version of the server,
        unless that is known from an earlier client.
        """
        try:
            user = self._one("user/current", readers.user, "user")
        except errors.ZephyrNotFound:
            self.api_version = "latest"
            user = self._one("user/current", readers.user, "user")
        self.server.user = user.name
        return user

    def statuses(self) -> list[Status]:
        """Return all execution statuses, inactive ones too; empty if none can be read."""
        for path, params, version in (
            ("admin/preference", {"key": _STATUS_LIST}, None),
            ("admin/preference/all/system", {"name": _STATUS_LIST}, "v4"),
        ):
            try:
                payload = self.send("GET", path, params, api_version=version)
            except errors.ZephyrBadAnswer as refused:
                if refused.http_status == 401:
                    raise
                continue
            for preference in decode.rows(payload) or [decode.mapping(payload)]:
                if decode.text(preference.get("name")) in {_STATUS_LIST, ""}:
                    statuses = readers.statuses(preference)
                    if statuses:
                        return statuses
        return []

    # Projects, releases, cycles and phases

    def projects(self) -> list[entities.Project]:
        return self._list("project/lite", readers.project)

    def project(self, project: int) -> entities.Project:
        return self._one(f"project/{project}", readers.project, "project")

    def releases(self, project: int) -> list[entities.Release]:
        return self._list(f"release/project/{project}", readers.release)

    def cycles(self, release: int) -> list[entities.Cycle]:
        return self._list(f"cycle/release/{release}", readers.cycle)

    def cycle(self, cycle: int) -> entities.Cycle:
        return self._one(f"cycle/{cycle}", readers.cycle, "cycle")

    def requires_environment(self) -> bool:
        """Return whether every cycle must name its environment."""
        try:
            key = "cycle.environment.enabled"
            payload = self._get("admin/preference", {"key": key})
        except errors.ZephyrRefused:
            # A server without this setting answers with an error.
            return False
        value = decode.mapping(payload).get("value")
        return decode.boolean(value, default=False)

    def create_cycle(
        self,
        name: str,
        release: int,
        start: date,
        end: date,
        *,
        build: str = "",
        environment: str = "",
    ) -> entities.Cycle:
        body = {
            "name": name,
            "releaseId": release,
            "build": build,
            "environment": environment,
            "status": 0,
            "cycleStartDate": _us_date(start),
            "cycleEndDate": _us_date(end),
        }
        return self._create("cycle", body, readers.cycle)

    def delete_cycle(self, cycle: int) -> None:
        self._write("DELETE", f"cycle/{cycle}")

    def create_phase(
        self, name: str, cycle: entities.Cycle, release: int
    ) -> entities.Phase:
        """Create a free-form phase with the dates of its cycle."""
        body: dict[str, object] = {
            "name": name,
            "cycleId": cycle.id,
            "releaseId": release,
            "freeForm": True,
        }
        for key, day in (("phaseStartDate", cycle.start), ("phaseEndDate", cycle.end)):
            if day is not None:
                body[key] = _us_date(day)
        return self._create(f"cycle/{cycle.id}/phase", body, readers.phase)

    def delete_phase(self, cycle: int, phase: int) -> None:
        self._write("DELETE", f"cycle/{cycle}/phase/{phase}")

    # Test repository

    def search_cases(
        self, cases: Sequence[entities.VisibleId], release: int
    ) -> Iterator[entities.Placement]:
        """Yield the placements of up to 100 test cases that a search finds.

        A server may return shorter pages than requested. So the search ends with a page
        without new placements, or when each case was found in *release* or in a release
        that the server does not state.
        """
        missing = set(cases)
        seen_ids: set[entities.PlacementId] = set()
        params = {
            "word": f"testcaseId in ({','.join(map(str, cases))})",
            "entitytype": "testcase",
            "releaseid": release,
            "zql": True,
            "maxresults": SEARCH_SIZE,
            "is_cfield": False,
        }
        while True:
            params["firstresult"] = len(seen_ids)
            page = self._list("advancesearch", readers.placement, params)
            new = [placement for placement in page if placement.id not in seen_ids]
            yield from new
            seen_ids.update(placement.id for placement in new)
            missing -= {row.case for row in new if row.release in {release, None}}
            if not new or not missing:
                return

    def cases_by_alt(self, alt: str) -> list[entities.Placement]:
        payload = self._get("testcase/altid", {"altids": alt})
        placements = decode.entities(payload, readers.placement) or []
        return [placement for placement in placements if placement.alt == alt]

    def root_folders(self, release: int) -> list[entities.Folder]:
        return self._list(f"testcasetree/phases/{release}", readers.folder)

    def folder(self, folder: int) -> entities.Folder:
        """Return a folder with all folders below it."""
        return self._one(f"testcasetree/{folder}", readers.folder, "folder")

    def create_folder(
        self, name: str, release: int, parent: int | None
    ) -> entities.Folder:
        """Create a folder in *parent*, or at the root if that is `None`."""
        body = {
            "name": name,
            "description": "",
            "type": "Phase" if parent is None else "Module",
            "releaseId": release,
        }
        params = {"parentid": parent or 0}
        return self._create("testcasetree", body, readers.folder, params)

    def folder_cases(self, folder: int) -> Iterator[entities.Placement]:
        params = {"order": "orderId", "isascorder": True, "dbsearch": True}
        rows = self._pages(f"testcase/tree/{folder}", params)
        return filter(None, map(readers.placement, rows))

    def create_cases(
        self, cases: Sequence[tuple[int, Mapping[str, object]]]
    ) -> list[entities.Placement]:
        """Create up to 500 test cases, each in a folder; return those in the answer."""
        body = [
            {"tcrCatalogTreeId": folder, "testcase": dict(fields)}
            for folder, fields in cases
        ]
        payload = self._write("POST", "testcase/bulk", body=body)
        return decode.entities(payload, readers.placement) or []

    def delete_cases(
        self, folder: int, placements: Sequence[entities.PlacementId]
    ) -> None:
        """Remove test cases from a folder; this deletes those in no other folder."""
        body = {"selectedAll": 0, "ids": list(placements)}
        self._write("DELETE", "testcase", {"tcrCatalogTreeId": folder}, body)

    def delete_folder(self, folder: int) -> None:
        self._write("DELETE", f"testcasetree/{folder}")

    def link_requirements(
        self, links: Mapping[entities.VisibleId, Sequence[str]], release: int
    ) -> None:
        """Link test cases to requirements, which are given by Alt ID."""
        body = [
            {"requirementAltId": list(alts), "testcaseId": case, "releaseId": release}
            for case, alts in links.items()
        ]
        self._write("POST", "requirement/bulk", body=body)

    def field_names(self) -> dict[str, str]:
        """Map display name and API name of each custom field to its API name."""
        names: dict[str, str] = {}
        for row in decode.rows(self._get("field/entity/testcase")) or []:
            name = decode.text(row.get("fieldName"))
            if name and not decode.boolean(row.get("systemField"), default=False):
                names.setdefault(decode.text(row.get("displayName")), name)
                names[name] = name
        return names


def _us_date(day: date) -> str:
    """Return *day* as MM/dd/yyyy: the server shifts milliseconds to its own time zone."""
    return day.strftime("%m/%d/%Y")
