"""One method per Zephyr call that we use: plain values in, our own things out."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
import time
from typing import Any
from typing import TypeVar

from pytest_zephyr import decode
from pytest_zephyr import entities
from pytest_zephyr.clock import Deadline
from pytest_zephyr.entities import Attachment
from pytest_zephyr.entities import CaseStep
from pytest_zephyr.entities import Cycle
from pytest_zephyr.entities import Execution
from pytest_zephyr.entities import Folder
from pytest_zephyr.entities import Phase
from pytest_zephyr.entities import Placement
from pytest_zephyr.entities import PlacementId
from pytest_zephyr.entities import Planned
from pytest_zephyr.entities import Project
from pytest_zephyr.entities import Release
from pytest_zephyr.entities import Uploaded
from pytest_zephyr.entities import User
from pytest_zephyr.entities import VersionId
from pytest_zephyr.entities import VisibleId
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnclear
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.status import Status
from pytest_zephyr.transport import Part
from pytest_zephyr.transport import Transport


#: Rows per page (API 7, 14).
PAGE = 500

#: The most ids in one search, and the most results of one (API 5, 9).
SEARCH = 100

#: Seconds between two tries while somebody else has a release locked (design 3).
LOCK_PAUSE = 15.0

#: Where files are sent to, outside the REST base, and what kind of item has them.
UPLOAD = "flex/upload/document/genericattachment"
EXECUTION_ITEM = "releaseTestSchedule"

STATUS_LIST = "testresult.testresultStatus.LOV"
ENVIRONMENT_WANTED = "cycle.environment.enabled"

#: Assigned to nobody, and what the tree call wants beside it (API 7, 5).
_UNASSIGNED = -1
_EASMODE = 2

Entity = TypeVar("Entity")


@dataclass(frozen=True)
class Write:
    """What to write on one execution; *notes* `None` leaves its notes as they are.

    *milliseconds* is the time the tests took, *executed_on* when they ended, in
    milliseconds since the epoch.
    """

    execution: int
    status: str
    milliseconds: int
    executed_on: int
    notes: str | None = None


@dataclass(frozen=True)
class NewCycle:
    """A cycle to be created; dates go as texts, which no time zone bends (API 4.4)."""

    name: str
    release: int
    start: date
    end: date
    build: str = ""
    environment: str = ""


def _row_key(row: Mapping[str, Any]) -> object:
    number = decode.integer(row.get("id"))
    return id(row) if number is None else number


def _planned_key(row: Mapping[str, Any]) -> object:
    return _row_key(decode.mapping(row.get("tct")))


@dataclass(frozen=True)
class StepWrite:
    """The result of one step of an execution; *step* is the step's number."""

    execution: int
    step: int
    status: str
    executed_on: int
    comment: str = ""


@dataclass(frozen=True)
class AttachWrite:
    """An uploaded file and the execution that it is to be attached to.

    *name* and *path* are those of the upload's answer.
    """

    execution: int
    name: str
    path: str
    type: str
    size: int


class Client:
    """The calls of API section 3 over one `Transport`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def origin(self) -> str:
        return self._transport.origin

    def renew(self, seconds: float) -> None:
        """Begin a new time budget of *seconds*; the login goes on."""
        self._transport.renew(Deadline(seconds))

    def disconnect(self) -> None:
        """Close all connections; the next call opens a new one."""
        self._transport.disconnect()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the deadline allows."""
        self._transport.pause(seconds)

    @property
    def deadline(self) -> Deadline:
        return self._transport.deadline

    # Session and settings (API 3.1, 3.2)

    def current_user(self) -> User:
        """Return the user of the credential; this is also the cheapest check of it.

        The first call of a session: it finds out which base path the server has.
        """
        try:
            payload = self._get("user/current")
        except ZephyrNotFound:
            self._transport.api_version = "latest"
            payload = self._get("user/current")
        found = entities.user(payload)
        if found is None:
            raise self._unusable("user/current", "no user in it")
        return found

    def statuses(self) -> list[Status]:
        """Return the server's execution statuses, inactive ones included (API 4.11).

        Empty if the server does not say.
        """
        for path, params in (
            ("admin/preference", {"key": STATUS_LIST}),
            ("admin/preference/all/system", {"name": STATUS_LIST}),
        ):
            try:
                payload = self._get(
                    path, params, api_version="v4" if path.endswith("system") else None
                )
            except ZephyrRefused as refused:
                if refused.status == 401:
                    raise
                continue
            for preference in decode.rows(payload) or [decode.mapping(payload)]:
                if decode.text(preference.get("name")) in {STATUS_LIST, ""}:
                    found = entities.statuses(preference)
                    if found:
                        return found
        return []

    # Targets (API 3.3, 3.4)

    def projects(self) -> list[Project]:
        return self._list("project/lite", entities.project)

    def project(self, project: int) -> Project:
        found = entities.project(decode.mapping(self._get(f"project/{project}")))
        if found is None:
            raise self._unusable(f"project/{project}", "no project in it")
        return found

    def releases(self, project: int) -> list[Release]:
        return self._list(f"release/project/{project}", entities.release)

    def cycles(self, release: int) -> list[Cycle]:
        """Return the cycles of a release, each with its phases."""
        return self._list(f"cycle/release/{release}", entities.cycle)

    def cycle(self, cycle: int) -> Cycle:
        found = entities.cycle(decode.mapping(self._get(f"cycle/{cycle}")))
        if found is None:
            raise self._unusable(f"cycle/{cycle}", "no cycle in it")
        return found

    def wants_environment(self) -> bool:
        """Return whether every cycle must name its environment (API 4.4)."""
        try:
            payload = self._get("admin/preference", {"key": ENVIRONMENT_WANTED})
        except ZephyrUnauthorized:
            raise
        except ZephyrRefused:
            # A server without this setting has no such rule.
            return False
        value = decode.mapping(payload).get("value")
        return decode.boolean(value, default=False)

    def create_cycle(self, new: NewCycle) -> Cycle:
        body = {
            "name": new.name,
            "releaseId": new.release,
            "build": new.build,
            "environment": new.environment,
            "status": 0,
            "cycleStartDate": _us(new.start),
            "cycleEndDate": _us(new.end),
        }
        return self._made("cycle", body, entities.cycle)

    def delete_cycle(self, cycle: int) -> None:
        self._write("DELETE", f"cycle/{cycle}")

    def create_phase(self, name: str, cycle: Cycle, release: int) -> Phase:
        """Create a free-form phase with the dates of its cycle (API 4.5)."""
        body: dict[str, object] = {
            "name": name,
            "cycleId": cycle.id,
            "releaseId": release,
            "freeForm": True,
        }
        for key, day in (("phaseStartDate", cycle.start), ("phaseEndDate", cycle.end)):
            if day is not None:
                body[key] = _us(day)
        return self._made(f"cycle/{cycle.id}/phase", body, entities.phase)

    def delete_phase(self, cycle: int, phase: int) -> None:
        self._write("DELETE", f"cycle/{cycle}/phase/{phase}")

    # Test repository (API 3.5, 4.8)

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

    # Planning and assignment (API 3.6, 4.6, 4.7)

    def phase_tree(self, phase: int) -> Folder:
        path = f"assignmenttree/{phase}"
        found = entities.folder(decode.mapping(self._get(path)))
        if found is None:
            raise self._unusable(path, "no tree in it")
        return found

    def planned(self, node: int) -> Iterator[Planned]:
        """Yield the rows of one node of a phase's tree, assigned or not."""
        params = {"order": "orderId", "isascorder": True}
        for row in self._pages(f"testcase/planning/{node}", params, _planned_key):
            found = entities.planned(row)
            if found is not None:
                yield found

    def add_to_phase(
        self,
        phase: int,
        tree: int,
        chosen: Mapping[int, Sequence[VersionId] | Sequence[PlacementId]],
    ) -> None:
        """Add test cases of repository folders to a free-form phase.

        *chosen* maps folders to versions (API 7, 3 says why placements are possible).
        """
        # "Exclusion" means the opposite: only these.
        body = [
            {"treeid": folder, "tctIds": list(ids), "isExclusion": True}
            for folder, ids in chosen.items()
        ]
        path = f"assignmenttree/{phase}/assign/bytree/{tree}"
        self._write("POST", path, {"includehierarchy": False}, body)

    def assign_all(self, phase: int, tree: int, tester: int) -> None:
        """Give *tester* all that nobody has in a phase."""
        path = f"assignmenttree/{phase}/bulk/tree/{tree}/from/{_UNASSIGNED}/to/{tester}"
        self._write("PUT", path, {"cascade": True, "easmode": _EASMODE})

    def assign(
        self, phase: int, rows: Sequence[Placement], tester: int
    ) -> list[Execution]:
        """Give *tester* up to 500 rows of one node; return the executions made."""
        body = {
            "selectedAll": 1,
            "testerId": tester,
            "cyclePhaseId": phase,
            "createRTSList": [
                {"cyclePhaseId": phase, "tctId": row.id, "testerId": tester}
                for row in rows
            ],
        }
        if rows and rows[0].folder is not None:
            body["tcrCatalogTreeId"] = rows[0].folder
        answered = decode.rows(self._write("POST", "execution/modify", body=body)) or []
        return [each for each in map(entities.execution, answered) if each]

    # Executions (API 3.7, 4.10)

    def executions(self, phase: int, release: int | None = None) -> Iterator[Execution]:
        """Yield the executions of *phase*.

        Raises ZephyrRefused if a row is of another phase: the server ignores filters
        that it does not know, and wrong rows must not be written to (API 5, 2).
        """
        params: dict[str, object] = {
            "cyclephaseid": phase,
            "includeanyoneuser": True,
            "order": "orderId",
            "isascorder": True,
        }
        if release is not None:
            params["releaseid"] = release
        for row in self._pages("execution", params):
            found = entities.execution(row)
            if found is None:
                continue
            if found.phase != phase:
                msg = (
                    f"executions of phase {phase} were asked for, and one of phase"
                    f" {found.phase} came back. Nothing was written."
                )
                raise ZephyrRefused(msg, method="GET", path="execution", status=200)
            yield found

    def execute(self, writes: Sequence[Write], tester: int) -> list[Execution] | None:
        """Write status, notes and time of up to 500 executions in one call.

        Returns the executions as they are now, `None` if the answer does not tell.
        """
        body = [_execution_request(write, tester) for write in writes]
        return self._executions_answered("PUT", "execution/bulk/execute", None, body)

    def execute_status(
        self, executions: Sequence[int], status: str, tester: int
    ) -> list[Execution] | None:
        """Give up to 500 executions the same status (API 4.10 ii)."""
        return self._executions_answered(
            "PUT",
            "execution/bulk",
            _execute_params(status, tester),
            {"ids": list(executions), "serachView": False},
        )

    def execute_one(self, write: Write, tester: int) -> None:
        """Write one execution; the call for servers without bulk/execute."""
        params = _execute_params(write.status, tester) | {"time": write.milliseconds}
        body = {} if write.notes is None else {"notes": write.notes}
        path = f"execution/{write.execution}"
        try:
            self._transport.send("PUT", path, params, body)
        except ZephyrRefused as refused:
            # A page of the vendor's documentation prints POST (API 7, 1).
            if refused.status != 405:
                raise
            self._transport.send("POST", path, params, body)

    # Evidence (API 3.5, 3.8, 4.9, 4.12, 4.13)

    def case_steps(self, version: int) -> list[CaseStep]:
        """Return the steps of a version of a test case; many have none."""
        block = decode.mapping(self._get(f"testcase/{version}/teststep"))
        listed = decode.rows(block.get("steps")) or []
        return [found for row in listed if (found := entities.case_step(row))]

    def save_steps(self, phase: int, writes: Sequence[StepWrite]) -> None:
        """Write the results of up to 500 steps; writing one again changes nothing."""
        body = [_step_request(write, phase) for write in writes]
        self._transport.send(
            "POST", "execution/teststepresult/saveorupdate", None, body
        )

    def upload(self, parts: Mapping[str, Part]) -> dict[str, Uploaded]:
        """Send files and return them as the server has them, by the name of the part."""
        answer = self._transport.upload(UPLOAD, parts)
        found = map(entities.uploaded, decode.rows(answer.payload) or [])
        return {each.part: each for each in found if each.part in parts and each.path}

    def attach(self, files: Sequence[AttachWrite]) -> list[Attachment] | None:
        """Attach uploaded files to their executions, up to 500 in one call.

        Returns the attachments that were made, `None` if the answer does not tell.
        """
        body = [_attach_request(each) for each in files]
        answer = self._transport.send("POST", "attachment/list", None, body)
        found = list(map(entities.attachment, decode.rows(answer.payload) or []))
        return found if all(each.item is not None for each in found) else None

    def attachments(self, execution: int) -> list[Attachment]:
        params = {"itemid": execution, "type": EXECUTION_ITEM}
        listed = decode.rows(self._get("attachment", params)) or []
        return list(map(entities.attachment, listed))

    # How calls are made

    def _get(
        self,
        path: str,
        params: Mapping[str, object] | None = None,
        api_version: str | None = None,
    ) -> object:
        return self._transport.send(
            "GET", path, params, api_version=api_version
        ).payload

    def _list(
        self, path: str, read: Callable[[Mapping[str, Any]], Entity | None]
    ) -> list[Entity]:
        listed = decode.rows(self._get(path))
        if listed is None:
            raise self._unusable(path, "no list in it")
        return [found for row in listed if (found := read(row)) is not None]

    def _write(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        body: object = None,
    ) -> object:
        """Send a write, again and again while somebody else has the release locked.

        Raises ZephyrUnreachable if it is still locked when the time is over.
        """
        while True:
            try:
                return self._transport.send(method, path, params, body).payload
            except ZephyrRefused as refused:
                if refused.status != 400 or "is locked" not in str(refused):
                    raise
                left = self._transport.deadline.left()
                if left <= LOCK_PAUSE:
                    msg = f"{refused} It was locked for as long as we waited."
                    raise ZephyrUnreachable(msg) from None
            time.sleep(LOCK_PAUSE)

    def _made(
        self,
        path: str,
        body: object,
        read: Callable[[Mapping[str, Any]], Entity | None],
        params: Mapping[str, object] | None = None,
    ) -> Entity:
        made = read(decode.mapping(self._write("POST", path, params, body)))
        if made is None:
            # What was made has an id that nobody told us; a look will show it.
            msg = f"POST {path}: {self.origin} did not say what it created."
            raise ZephyrUnclear(msg)
        return made

    def _pages(
        self,
        path: str,
        params: Mapping[str, object],
        key: Callable[[Mapping[str, Any]], object] = _row_key,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a paged list until a page is short (API 4.0).

        The total that the server names is not believed. A page is also full when it
        has the size the server says it cut pages to. A server that ignores ``offset``
        sends rows that were there before; that ends the list, too.
        """
        seen: set[object] = set()
        offset = 0
        while True:
            payload = self._get(path, {**params, "offset": offset, "pagesize": PAGE})
            page = decode.rows(payload)
            if page is None:
                raise self._unusable(path, "no list in it")
            fresh = [row for row in page if key(row) not in seen]
            seen.update(map(key, fresh))
            yield from fresh
            echoed = decode.integer(decode.mapping(payload).get("pageNumber"))
            full = len(page) >= PAGE or len(page) == echoed
            if not full or not fresh:
                return
            offset += len(page)

    def _executions_answered(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None,
        body: object,
    ) -> list[Execution] | None:
        answered = decode.rows(self._transport.send(method, path, params, body).payload)
        if answered is None:
            return None
        return [found for row in answered if (found := entities.execution(row))]

    def _unusable(self, path: str, why: str) -> ZephyrRefused:
        msg = f"GET {path}: {self.origin} answered with {why}. Check zephyr_url."
        return ZephyrRefused(msg, method="GET", path=path, status=200)


def _us(day: date) -> str:
    return day.strftime("%m/%d/%Y")


def _execute_params(status: str, tester: int) -> dict[str, object]:
    return {
        "status": status,
        "testerid": tester,
        "allExecutions": False,
        "includeanyoneuser": True,
    }


def _execution_request(write: Write, tester: int) -> dict[str, object]:
    """Return one row of bulk/execute (API 4.10 iii); the server chokes on nulls."""
    row: dict[str, object] = {
        "rtsId": write.execution,
        "testerId": tester,
        "status": write.status,
        "actualTime": write.milliseconds,
        "executedOn": write.executed_on,
        "changedOn": write.executed_on,
        "changeBy": tester,
    }
    if write.notes is not None:
        row["notes"] = write.notes
    return row


def _step_request(write: StepWrite, phase: int) -> dict[str, object]:
    """Return one row of teststepresult/saveorupdate (API 4.12)."""
    row: dict[str, object] = {
        "cyclePhaseId": phase,
        "releaseTestScheduleId": write.execution,
        "testStepId": write.step,
        "status": int(write.status),
        "executionDate": write.executed_on,
    }
    if write.comment:
        row["comment"] = write.comment
    return row


def _attach_request(write: AttachWrite) -> dict[str, object]:
    """Return one row of attachment/list (API 4.13)."""
    return {
        "name": write.name,
        "contentType": write.type,
        "itemType": EXECUTION_ITEM,
        "itemId": write.execution,
        "tempPath": write.path,
        "fileSize": write.size,
    }
