"""One method per Zephyr call that we use: plain values in, our own things out."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TypeVar

from pytest_zephyr import decode
from pytest_zephyr import entities
from pytest_zephyr.clock import Deadline
from pytest_zephyr.entities import Attachment
from pytest_zephyr.entities import CaseStep
from pytest_zephyr.entities import Cycle
from pytest_zephyr.entities import Execution
from pytest_zephyr.entities import Named
from pytest_zephyr.entities import Uploaded
from pytest_zephyr.entities import User
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.status import Status
from pytest_zephyr.transport import Part
from pytest_zephyr.transport import Transport


#: Rows per page and per batch (API 5, 26; 7, 14).
PAGE = 500
BATCH = 500

#: Where files are sent to, outside the REST base, and what kind of item has them.
UPLOAD = "flex/upload/document/genericattachment"
EXECUTION_ITEM = "releaseTestSchedule"

STATUS_LIST = "testresult.testresultStatus.LOV"

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

    def projects(self) -> list[Named]:
        return self._list("project/lite", entities.named)

    def releases(self, project: int) -> list[Named]:
        return self._list(f"release/project/{project}", entities.named)

    def cycles(self, release: int) -> list[Cycle]:
        """Return the cycles of a release, each with its phases."""
        return self._list(f"cycle/release/{release}", entities.cycle)

    def cycle(self, cycle: int) -> Cycle:
        found = entities.cycle(decode.mapping(self._get(f"cycle/{cycle}")))
        if found is None:
            raise self._unusable(f"cycle/{cycle}", "no cycle in it")
        return found

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

    def _pages(
        self, path: str, params: Mapping[str, object]
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
            fresh = [row for row in page if _row_key(row) not in seen]
            seen.update(map(_row_key, fresh))
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


def _row_key(row: Mapping[str, Any]) -> object:
    number = decode.integer(row.get("id"))
    return id(row) if number is None else number


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
