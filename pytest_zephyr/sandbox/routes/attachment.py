"""Attachments: files are uploaded in one call, and attached in another."""

from __future__ import annotations

from urllib.parse import quote
from urllib.parse import unquote
import uuid

from flask import Blueprint
from flask import request
from flask import Response
from sqlalchemy.orm import Session

from pytest_zephyr.sandbox import as_json
from pytest_zephyr.sandbox import wire
from pytest_zephyr.sandbox.data import attachments
from pytest_zephyr.sandbox.data import executing
from pytest_zephyr.sandbox.data import repository
from pytest_zephyr.sandbox.data.database import get
from pytest_zephyr.sandbox.data.model import Attachment
from pytest_zephyr.sandbox.data.model import Requirement
from pytest_zephyr.sandbox.data.model import Upload
from pytest_zephyr.sandbox.data.values import ApiError
from pytest_zephyr.sandbox.data.values import bad_request
from pytest_zephyr.sandbox.data.values import missing_id
from pytest_zephyr.sandbox.data.values import unknown_id


routes = Blueprint("attachment", __name__)
files = Blueprint("files", __name__)

UNKNOWN_TYPE = "application/octet-stream"


@files.post("/flex/upload/document/genericattachment")
def upload() -> Response:
    request_files = list(request.files.items(multi=True))
    if not request_files:
        raise bad_request("No file was sent.")
    uploads = []
    with wire.writing() as session:
        for part, file in request_files:
            path = f"/zephyr/tmp/{uuid.uuid4()}"
            content_type = file.content_type or UNKNOWN_TYPE
            session.add(Upload(path=path, content_type=content_type, data=file.read()))
            uploads.append(
                {
                    "fileName": quote(file.filename or "", safe=""),
                    "fieldName": part,
                    "tempFilePath": path,
                    "contentType": content_type,
                }
            )
    return wire.answer(uploads)


@files.get("/flex/download")
def download() -> Response:
    with wire.reading() as session:
        row = attachments.with_data(session, request.args.get("fileId", ""))
    if row is None:
        raise ApiError(404)
    return file_response(row)


def file_response(row: Attachment) -> Response:
    """Answer with the file as a download: its content is not trusted."""
    response = Response(row.data, content_type=UNKNOWN_TYPE)
    response.headers["Content-Disposition"] = (
        f"attachment; filename*=UTF-8''{quote(row.name, safe='')}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@routes.post("/attachment/list")
def attach() -> Response:
    with wire.writing() as session:
        attached = []
        for given in wire.body_batch():
            item_type = wire.require_text(given, "itemType")
            item_id = wire.require_int(given, "itemId")
            check_item(session, item_type, item_id)
            path = wire.require_text(given, "tempPath")
            uploaded = session.get(Upload, path)
            if uploaded is None:
                raise ApiError(500, f"java.io.FileNotFoundException: {path}")
            row = attachments.add(
                session,
                item_type,
                item_id,
                # Clients pass on the name as the upload answered it: encoded.
                name=unquote(wire.require_text(given, "name")),
                content_type=wire.optional_text(given, "contentType")
                or uploaded.content_type,
                data=uploaded.data,
                creator_id=wire.user().id,
            )
            attached.append(row)
            session.delete(uploaded)
            session.flush()
        return wire.answer([as_json.attachment(row) for row in attached])


def check_item(session: Session, item_type: str, item_id: int) -> None:
    if item_type == attachments.EXECUTION_ITEM_TYPE:
        executing.executions_by_id(session, [item_id])
    elif item_type == "testcase":
        if item_id not in repository.known_testcases(session, [item_id]):
            raise unknown_id("Testcase", item_id)
    elif item_type == "requirement":
        get(session, Requirement, item_id)
    else:
        raise bad_request(f"Unknown item type {item_type}.")


def attach_request_files(session: Session, execution_id: int) -> None:
    """Attach the files of this request to an execution."""
    request_files = [file for part in request.files.listvalues() for file in part]
    for file in request_files:
        attachments.add(
            session,
            attachments.EXECUTION_ITEM_TYPE,
            execution_id,
            name=file.filename or "",
            content_type=file.content_type or UNKNOWN_TYPE,
            data=file.read(),
            creator_id=wire.user().id,
        )


@routes.get("/attachment")
def list_attachments() -> Response:
    item_type, item_id = request.args.get("type"), wire.query_int("itemid")
    if item_type is None or item_id is None:
        raise missing_id()
    with wire.reading() as session:
        rows = attachments.of_items(session, item_type, [item_id])
        return wire.answer([as_json.attachment(row) for row in rows])


@routes.delete("/attachment/<int:attachment_id>")
def delete(attachment_id: int) -> Response:
    with wire.writing() as session:
        session.delete(get(session, Attachment, attachment_id))
    return wire.answer_text("deleted")
