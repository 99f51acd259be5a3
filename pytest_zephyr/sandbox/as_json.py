"""Rows as the JSON the server answers with."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import date
from typing import Any

from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Case
from pytest_zephyr.sandbox.data.model import Cycle
from pytest_zephyr.sandbox.data.model import Defect
from pytest_zephyr.sandbox.data.model import Execution
from pytest_zephyr.sandbox.data.model import Node
from pytest_zephyr.sandbox.data.model import Phase
from pytest_zephyr.sandbox.data.model import Placement
from pytest_zephyr.sandbox.data.model import Project
from pytest_zephyr.sandbox.data.model import Release
from pytest_zephyr.sandbox.data.model import Step
from pytest_zephyr.sandbox.data.model import StepResult
from pytest_zephyr.sandbox.data.model import User
from pytest_zephyr.sandbox.data.values import to_iso
from pytest_zephyr.sandbox.data.values import to_ms
from pytest_zephyr.sandbox.data.values import to_us_date


Json = dict[str, Any]

DEFECT_STATUS = "Open"


def present(**values: Any) -> Json:
    """Return *values* without those that are `None`: the server never sends null."""
    return {key: value for key, value in values.items() if value is not None}


def date_fields(prefix: str, start: date | None, end: date | None) -> Json:
    """Return the dates that are set, each as epoch milliseconds and as text."""
    fields: Json = {}
    for name, day in (("Start", start), ("End", end)):
        if day is not None:
            fields[f"{name.lower()}Date"] = to_ms(day)
            fields[f"{prefix}{name}Date"] = to_us_date(day)
    return fields


def user(row: User) -> Json:
    return {
        "id": row.id,
        "username": row.username,
        "firstName": row.first_name,
        "lastName": row.last_name,
        "fullName": row.full_name,
        "email": f"{row.username}@example.com",
        "loginName": row.username,
        "location": "",
        "type": "2",
        "userType": 1,
        "accountEnabled": True,
        "accountExpired": False,
        "credentialsExpired": False,
        "chargeableFlag": True,
        "roles": [
            {
                "id": 2,
                "name": "manager",
                "description": "Test Manager",
                "hasManagerApp": True,
            }
        ],
    }


def project_lite(row: Project) -> Json:
    return {"id": row.id, "name": row.name, "active": True, "globalProject": False}


def project(row: Project) -> Json:
    return {
        **project_lite(row),
        "version": 1,
        "description": "",
        **date_fields("project", row.start, row.end),
        "status": "2",
        "showItem": False,
        "newItem": False,
        "members": [],
        "projectGroups": [],
        "sharedProjects": [],
        "isolationLevel": 0,
        "dashboardSecured": False,
        "dashboardRestricted": False,
        "createdOn": row.created_on,
        "shared": False,
        "customProperties": {},
        "customFieldValues": [],
        "allowedGlobalProject": False,
        "autoUpdateTestStatus": False,
        "webhookId": 0,
        "allowedInternalRequirements": True,
        "attachmentStorageId": -1,
    }


def release(row: Release) -> Json:
    return {
        "id": row.id,
        "name": row.name,
        **present(description=row.description),
        **date_fields("release", row.start, row.end),
        "createdDate": row.created_on,
        "status": 0,
        "projectId": row.project_id,
        "orderId": row.order_id,
        "globalRelease": False,
        "projectRelease": row.hidden,
        # It is false for releases with cycles, too.
        "hasChild": False,
        "syncEnabled": False,
    }


def cycle(row: Cycle, phases: Iterable[tuple[Phase, int]]) -> Json:
    phases_json = [phase(*entry) for entry in phases]
    return {
        "id": row.id,
        "environment": row.environment,
        "build": row.build,
        "name": row.name,
        **date_fields("cycle", row.start, row.end),
        "status": row.status,
        "revision": row.revision,
        "releaseId": row.release_id,
        "cyclePhases": phases_json,
        "createdOn": row.created_on,
        "hasChild": bool(phases_json),
    }


def phase(row: Phase, root: int) -> Json:
    return {
        "id": row.id,
        "name": row.name,
        "tcrCatalogTreeId": root,
        "freeForm": row.free_form,
        **date_fields("phase", row.start, row.end),
        "createdOn": row.created_on,
        "cycleId": row.cycle_id,
        "resetExecution": False,
        "hasChild": False,
    }


def node(row: Node, children: Sequence[Json], case_count: int = 0) -> Json:
    return {
        "id": row.id,
        **present(parentId=row.parent_id),
        "type": row.kind,
        "name": row.name,
        "description": row.description,
        "revision": 0,
        "categories": list(children),
        "assignedUsers": [],
        "releaseId": row.release_id,
        "createdOn": row.created_on,
        "lastModifiedOn": row.created_on,
        "testcaseCount": case_count,
        "cumulativeTestcaseCount": case_count
        + sum(child["cumulativeTestcaseCount"] for child in children),
    }


def case(row: Case, release_id: int | None, requirements: Sequence[int] = ()) -> Json:
    return {
        "customProperties": row.properties,
        "customProcessedProperties": {},
        "id": row.id,
        "name": row.name,
        "description": row.description,
        **present(
            externalId=row.alt,
            priority=row.priority,
            scriptName=row.script_name,
            scriptPath=row.script_path,
            comments=row.comments,
        ),
        "tag": row.tag,
        "lastModifiedOn": row.modified_on,
        "creationDate": row.created_on,
        "createDatetime": row.created_on,
        "isComplex": False,
        "estimatedTime": row.estimated_time,
        "writerId": 0,
        "creatorId": row.creator_id,
        "lastUpdaterId": row.creator_id,
        "oldId": 0,
        "automated": row.automated,
        "customFieldProcessed": True,
        "customFieldValues": [],
        "testcaseSequence": {"seqNumber": row.testcase_id},
        "testcaseId": row.testcase_id,
        "versionNumber": row.version,
        "projectId": row.project_id,
        **present(releaseId=release_id),
        "testcaseType": "ORIGINAL",
        "requirementIds": list(requirements),
        "requirementIdsNew": [],
        "testcaseShared": False,
        "automatedDefault": False,
    }


def placement(
    row: Placement,
    case_version: Case,
    release_id: int,
    requirements: Sequence[int] = (),
) -> Json:
    """Return a placement; without the key ``testcase``, the API calls it a ``tct``."""
    return {
        "id": row.id,
        "tcrCatalogTreeId": row.node_id,
        "revision": 0,
        "stateFlag": 0,
        "lastModifiedOn": case_version.modified_on,
        "versionNumber": case_version.version,
        "createDatetime": row.created_on,
        "createdById": case_version.creator_id,
        "modifiedById": case_version.creator_id,
        "projectId": case_version.project_id,
        "releaseId": release_id,
        "isDerivedFromBDD": False,
        "orderId": row.id,
        "maxVersionNumber": case_version.version,
        "projectIdParam": case_version.project_id,
        "original": True,
        "testcase": case(case_version, release_id, requirements),
    }


def case_steps(
    row: Case, release_id: int, placement_id: int, steps: Sequence[Step]
) -> Json:
    return {
        "id": min((step.id for step in steps), default=0),
        "tcId": row.id,
        "tctId": placement_id,
        "releaseId": release_id,
        "maxId": max((step.order_id for step in steps), default=0),
        "lastModificationDate": row.modified_on,
        "lastModifiedBy": row.creator_id,
        "testcaseVersionId": row.id,
        "steps": [
            {
                "id": step.id,
                "localId": step.order_id,
                "orderId": step.order_id,
                "step": step.text,
                "data": step.data,
                "result": step.expected,
            }
            for step in steps
        ],
    }


def execution(
    row: Execution,
    placement_json: Mapping[str, Any],
    estimated_time: int,
    user_names: Mapping[int, str],
    attachment_count: int,
    defects: Iterable[Defect],
) -> Json:
    """Return an execution; *placement_json* is its placement as JSON."""
    fields = {
        "id": row.id,
        "assignmentDate": row.assigned_on,
        "estimatedTime": estimated_time,
        # The estimated time until an actual time is set.
        "actualTime": estimated_time if row.actual_time is None else row.actual_time,
        **present(status=row.status, comment=row.comment, executedBy=row.executed_by),
        "testerId": row.tester_id,
        "testerIdName": user_names.get(row.tester_id, "Anyone"),
        "cyclePhaseId": row.phase_id,
        "attachmentCount": attachment_count,
        "defects": [defect(entry) for entry in defects],
        "lastModifiedOn": row.modified_on,
        "createDatetime": row.assigned_on,
        "tcrTreeTestcase": placement_json,
    }
    if row.last_result_id is not None and row.executed_on is not None:
        fields["versionId"] = str(placement_json["versionNumber"])
        fields["lastTestResult"] = {
            "id": row.last_result_id,
            "executionDate": row.executed_on,
            "execDate": to_iso(row.executed_on),
            "executionStatus": row.status,
            "testerId": row.last_tester_id,
            "releaseTestScheduleId": row.id,
        }
    return fields


def defect(row: Defect) -> Json:
    return {
        "id": row.id,
        "bugId": row.id,
        "externalId": row.key,
        "description": row.summary,
        "status": DEFECT_STATUS,
    }


def step_result(row: StepResult, phase_id: int) -> Json:
    return {
        "id": row.id,
        "cyclePhaseId": phase_id,
        "releaseTestScheduleId": row.execution_id,
        "testStepId": row.order_id,
        "status": row.status,
        "executionDate": row.executed_on,
        **present(comment=row.comment),
        "attachmentCount": 0,
    }


def attachment(row: Attachment) -> Json:
    return {
        "id": row.id,
        "name": row.name,
        "refId": row.ref_id,
        "link": False,
        "contentType": row.content_type,
        "fileSize": row.size,
        "itemId": row.item_id,
        "itemType": row.item_type,
        "createdBy": row.created_by,
        "timeStamp": row.created_on,
    }
