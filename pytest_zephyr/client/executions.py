"""Calls about the executions of a phase: scheduling, results, steps, attachments."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.client import decode
from pytest_zephyr.client import entities
from pytest_zephyr.client import readers
from pytest_zephyr.client.base import Calls
from pytest_zephyr.client.multipart import Part
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused


#: The tester id of rows without a tester.
_UNASSIGNED = -1

#: The type of an execution in calls about attachments.
_EXECUTION_ITEM = "releaseTestSchedule"


@dataclass(slots=True)
class ExecutionWrite:
    """What to write to one execution; if *notes* is `None`, its notes are kept.

    *milliseconds* is how long the tests took. *executed_on* is when they ended, in
    milliseconds since the epoch.
    """

    execution: int
    status_id: str
    milliseconds: int
    executed_on: int
    notes: str | None = None


@dataclass(frozen=True)
class StepWrite:
    """The result of one step of an execution; *step* is the step's number.

    *executed_on* is in milliseconds since the epoch.
    """

    execution: int
    step: int
    status_id: str
    executed_on: int
    comment: str = ""


@dataclass(frozen=True)
class AttachmentWrite:
    """A file to attach to an execution; *path* is from the answer to its upload.

    *name* is percent-encoded, or as that answer encodes it. *size* is in bytes.
    """

    execution: int
    name: str
    path: str
    content_type: str
    size: int


class ExecutionCalls(Calls):
    # Scheduling and assignment

    def phase_tree(self, phase: int) -> entities.Folder:
        return self._one(f"assignmenttree/{phase}", readers.folder, "tree")

    def phase_rows(self, folder: int) -> Iterator[entities.PhaseRow]:
        """Yield the rows of one folder of a phase's tree, assigned or not."""
        rows = self._pages(
            f"testcase/planning/{folder}",
            {"order": "orderId", "isascorder": True},
            lambda row: decode.mapping(row.get("tct")),
        )
        return filter(None, map(readers.phase_row, rows))

    def add_to_phase(
        self, phase: int, tree: int, ids_by_folder: Mapping[int, Sequence[int]]
    ) -> None:
        """Add test cases of repository folders to a free-form phase.

        The ids are those of versions; older servers expect those of placements.
        """
        # Despite its name, isExclusion restricts the call to these test cases.
        body = [
            {"treeid": folder, "tctIds": list(ids), "isExclusion": True}
            for folder, ids in ids_by_folder.items()
        ]
        path = f"assignmenttree/{phase}/assign/bytree/{tree}"
        self._write("POST", path, {"includehierarchy": False}, body)

    def assign_all(self, phase: int, tree: int, tester: int) -> None:
        """Assign every unassigned test case of a phase to *tester*."""
        path = f"assignmenttree/{phase}/bulk/tree/{tree}/from/{_UNASSIGNED}/to/{tester}"
        self._write("PUT", path, {"cascade": True, "easmode": 2})

    def assign(
        self, phase: int, placements: Sequence[entities.Placement], tester: int
    ) -> None:
        """Assign up to 500 test cases of one folder of a phase's tree to *tester*."""
        body = {
            "selectedAll": 1,
            "testerId": tester,
            "cyclePhaseId": phase,
            "createRTSList": [
                {"cyclePhaseId": phase, "tctId": placement.id, "testerId": tester}
                for placement in placements
            ],
        }
        if placements[0].folder is not None:
            body["tcrCatalogTreeId"] = placements[0].folder
        self._write("POST", "execution/modify", None, body)

    # Executions

    def executions(
        self, phase: int, release: int | None = None
    ) -> Iterator[entities.Execution]:
        """Yield the executions of *phase*.

        A server that does not know this filter returns executions of other phases, too.
        No result may be written to those, so the first one raises ZephyrRefused. So does
        one whose phase is unknown.
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
            execution = readers.execution(row)
            if execution is None:
                continue
            row_phase = decode.integer(row.get("cyclePhaseId"))
            if row_phase != phase:
                other_phase = "unknown" if row_phase is None else row_phase
                msg = (
                    f"the server returned an execution of phase {other_phase} in the list"
                    f" of phase {phase}. Nothing was written to that execution."
                )
                raise ZephyrRefused(msg, http_status=200)
            yield execution

    def execute(
        self, writes: Sequence[ExecutionWrite], tester: int
    ) -> list[entities.ExecutionState] | None:
        """Write status, notes and time of up to 500 executions in one call.

        Returns the new states that the answer has, `None` if it has no list.
        """
        body = []
        for write in writes:
            executed_on = self._not_in_future(write.executed_on)
            row: dict[str, object] = {
                "rtsId": write.execution,
                "testerId": tester,
                "status": write.status_id,
                "actualTime": write.milliseconds,
                "executedOn": executed_on,
                "changedOn": executed_on,
                "changeBy": tester,
            }
            # The server fails on a null, so the key is left out.
            if write.notes is not None:
                row["notes"] = write.notes
            body.append(row)
        answer = self._write("PUT", "execution/bulk/execute", None, body)
        return decode.entities(answer, readers.execution_state)

    def execute_status(
        self, executions: Sequence[int], status_id: str, tester: int
    ) -> list[entities.ExecutionState] | None:
        """Write one status to up to 500 executions. Returns the same as `execute`."""
        # The API has this spelling of searchView.
        body = {"ids": list(executions), "serachView": False}
        params = _execute_params(status_id, tester)
        answer = self._write("PUT", "execution/bulk", params, body)
        return decode.entities(answer, readers.execution_state)

    def execute_one(self, write: ExecutionWrite, tester: int) -> None:
        """Write one execution, for servers without the call of `execute`."""
        params = _execute_params(write.status_id, tester) | {"time": write.milliseconds}
        body = {} if write.notes is None else {"notes": write.notes}
        path = f"execution/{write.execution}"
        try:
            self._write("PUT", path, params, body)
        except ZephyrRefused as refused:
            # One page of the vendor's documentation says POST.
            if refused.http_status != 405:
                raise
            try:
                self._write("POST", path, params, body)
            except ZephyrNotFound:
                raise refused from None

    # Steps and attachments

    def case_steps(self, version: int) -> list[entities.CaseStep]:
        answer = decode.mapping(self._get(f"testcase/{version}/teststep"))
        return decode.entities(answer.get("steps"), readers.case_step) or []

    def save_steps(
        self, phase: int, writes: Sequence[StepWrite]
    ) -> Mapping[tuple[int, int], str] | None:
        """Write the results of up to 500 steps; this is safe to repeat.

        Returns the status id of each step in the answer by execution and number, `None` if
        the answer cannot be compared with *writes*.
        """
        body = [
            {
                "cyclePhaseId": phase,
                "releaseTestScheduleId": write.execution,
                "testStepId": write.step,
                "status": int(write.status_id),
                "executionDate": self._not_in_future(write.executed_on),
                **({"comment": write.comment} if write.comment else {}),
            }
            for write in writes
        ]
        path = "execution/teststepresult/saveorupdate"
        answer = decode.rows(self._write("POST", path, None, body))
        if answer is None:
            return None
        status_ids: dict[tuple[int, int], str] = {}
        for row in answer:
            execution = decode.integer(row.get("releaseTestScheduleId"))
            step = decode.integer(row.get("testStepId"))
            status_id = decode.integer(row.get("status"))
            if execution is None or step is None or status_id is None:
                return None
            status_ids[execution, step] = str(status_id)
        # A server may number the steps of its answer in another way.
        has_ours = any((write.execution, write.step) in status_ids for write in writes)
        return status_ids if has_ours or not status_ids else None

    def upload(self, parts: Mapping[str, Part]) -> dict[str, entities.UploadedFile]:
        """Upload files by form field; return those that the server has stored."""
        answer = self.send_files("flex/upload/document/genericattachment", parts)
        files = decode.entities(answer, readers.uploaded) or []
        return {file.field: file for file in files if file.field in parts and file.path}

    def attach(
        self, files: Sequence[AttachmentWrite]
    ) -> list[entities.Attachment] | None:
        """Attach uploaded files to their executions, up to 500 in one call.

        Returns the attachments in the answer, `None` if one of them names no execution.
        """
        body = [
            {
                "name": file.name,
                "contentType": file.content_type,
                "itemType": _EXECUTION_ITEM,
                "itemId": file.execution,
                "tempPath": file.path,
                "fileSize": file.size,
            }
            for file in files
        ]
        answer = self._write("POST", "attachment/list", None, body)
        attached = decode.entities(answer, readers.attachment) or []
        return None if any(file.execution is None for file in attached) else attached

    def attachments(self, execution: int) -> list[entities.Attachment]:
        params = {"itemid": execution, "type": _EXECUTION_ITEM}
        payload = self._get("attachment", params)
        return decode.entities(payload, readers.attachment) or []

    def attachment_digest(self, content_id: str) -> str:
        """Return the SHA-256 of the content of an attachment."""
        params = {"action": "download", "fileId": content_id}
        return self.download_digest("flex/download", params)


def _execute_params(status_id: str, tester: int) -> dict[str, object]:
    return {
        "status": status_id,
        "testerid": tester,
        "allExecutions": False,
        "includeanyoneuser": True,
    }
