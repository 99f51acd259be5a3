"""Calls about what an execution has to show: steps and attachments."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.client import decode
from pytest_zephyr.client import entities
from pytest_zephyr.client.base import Calls
from pytest_zephyr.client.entities import Attachment
from pytest_zephyr.client.entities import CaseStep
from pytest_zephyr.client.entities import Uploaded
from pytest_zephyr.client.multipart import Part


#: Where files are sent to and read from, outside the REST base, and what kind of item has them.
UPLOAD = "flex/upload/document/genericattachment"
DOWNLOAD = "flex/download"

EXECUTION_ITEM = "releaseTestSchedule"


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


class EvidenceCalls(Calls):
    """The calls of API 4.9, 4.12 and 4.13."""

    def case_steps(self, version: int) -> list[CaseStep]:
        """Return the steps of a version of a test case; many have none."""
        block = decode.mapping(self._get(f"testcase/{version}/teststep"))
        listed = decode.rows(block.get("steps")) or []
        return [found for row in listed if (found := entities.case_step(row))]

    def save_steps(
        self, phase: int, writes: Sequence[StepWrite]
    ) -> Mapping[tuple[int, int], str] | None:
        """Write the results of up to 500 steps; writing one again changes nothing.

        Returns the status of each step by execution and number, `None` if the answer
        does not tell.
        """
        body = [
            _step_request(write, phase, self._date(write.executed_on))
            for write in writes
        ]
        path = "execution/teststepresult/saveorupdate"
        answered = decode.rows(self._transport.send("POST", path, None, body).payload)
        if answered is None:
            return None
        found: dict[tuple[int, int], str] = {}
        for row in answered:
            execution = decode.integer(row.get("releaseTestScheduleId"))
            step = decode.integer(row.get("testStepId"))
            status = decode.integer(row.get("status"))
            if execution is None or step is None or status is None:
                return None
            found[execution, step] = str(status)
        # Steps may be numbered in another way there.
        speaks = any((each.execution, each.step) in found for each in writes)
        return found if speaks or not found else None

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

    def attachment_digest(self, attachment: Attachment) -> str:
        """Return the SHA-256 of an attachment that has a *file* id."""
        return self._transport.download_digest(
            DOWNLOAD, {"action": "download", "fileId": attachment.file}
        )


def _step_request(write: StepWrite, phase: int, date: int) -> dict[str, object]:
    """Return one row of teststepresult/saveorupdate (API 4.12)."""
    row: dict[str, object] = {
        "cyclePhaseId": phase,
        "releaseTestScheduleId": write.execution,
        "testStepId": write.step,
        "status": int(write.status),
        "executionDate": date,
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
