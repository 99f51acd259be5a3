"""Calls about the steps and attachments of executions."""

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


#: Paths for files, outside the REST base, and the type of the item they are attached to.
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
    """A file to attach to an execution; *name* and *path* are from the upload's answer."""

    execution: int
    name: str
    path: str
    type: str
    size: int


class EvidenceCalls(Calls):
    def case_steps(self, version: int) -> list[CaseStep]:
        block = decode.mapping(self._get(f"testcase/{version}/teststep"))
        return decode.entities(block.get("steps"), entities.case_step) or []

    def save_steps(
        self, phase: int, writes: Sequence[StepWrite]
    ) -> Mapping[tuple[int, int], str] | None:
        """Write the results of up to 500 steps; this is safe to repeat.

        Returns the status of each step by execution and number, `None` if the answer
        does not list them.
        """
        body = [
            {
                "cyclePhaseId": phase,
                "releaseTestScheduleId": write.execution,
                "testStepId": write.step,
                "status": int(write.status),
                "executionDate": self._date(write.executed_on),
                **({"comment": write.comment} if write.comment else {}),
            }
            for write in writes
        ]
        path = "execution/teststepresult/saveorupdate"
        answered = decode.rows(self.send("POST", path, None, body).payload)
        if answered is None:
            return None
        statuses: dict[tuple[int, int], str] = {}
        for row in answered:
            execution = decode.integer(row.get("releaseTestScheduleId"))
            step = decode.integer(row.get("testStepId"))
            status = decode.integer(row.get("status"))
            if execution is None or step is None or status is None:
                return None
            statuses[execution, step] = str(status)
        # A server may number the steps of its answer in another way.
        matches = any((each.execution, each.step) in statuses for each in writes)
        return statuses if matches or not statuses else None

    def upload(self, parts: Mapping[str, Part]) -> dict[str, Uploaded]:
        """Upload files; return what the server stored, by the name of the part."""
        answer = self.send_files(UPLOAD, parts)
        files = decode.entities(answer.payload, entities.uploaded) or []
        return {each.part: each for each in files if each.part in parts and each.path}

    def attach(self, files: Sequence[AttachWrite]) -> list[Attachment] | None:
        """Attach uploaded files to their executions, up to 500 in one call.

        Returns the new attachments, `None` if the answer does not list them.
        """
        body = [
            {
                "name": file.name,
                "contentType": file.type,
                "itemType": EXECUTION_ITEM,
                "itemId": file.execution,
                "tempPath": file.path,
                "fileSize": file.size,
            }
            for file in files
        ]
        answer = self.send("POST", "attachment/list", None, body)
        made = decode.entities(answer.payload, entities.attachment) or []
        return made if all(each.item is not None for each in made) else None

    def attachments(self, execution: int) -> list[Attachment]:
        params = {"itemid": execution, "type": EXECUTION_ITEM}
        payload = self._get("attachment", params)
        return decode.entities(payload, entities.attachment) or []

    def attachment_digest(self, attachment: Attachment) -> str:
        """Return the SHA-256 of an attachment that has a *file* id."""
        return self.download_digest(
            DOWNLOAD, {"action": "download", "fileId": attachment.file}
        )
