"""Attachments: files are uploaded in one call and attached in another."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def execution(sandbox: Sandbox, target: SandboxTarget) -> int:
    """Assign test case 1, and return the id of its execution."""
    sandbox.store.schedule_all(target.phase, [1])
    return sandbox.store.executions(target.phase)[0].id


@pytest.mark.parametrize("name", ["shot 1.png", "bericht-größe.png", "50%.png"])
def test_file_arrives_as_it_was_sent(
    sandbox: Sandbox, api: Api, target: SandboxTarget, execution: int, name: str
) -> None:
    """The upload answers the name percent-encoded; the attachment has it decoded."""
    data = bytes(range(256))
    (sent,) = api.upload(("part-0", (name, data, "image/png")))

    assert sent["fieldName"] == "part-0"
    assert sent["fileName"] == quote(name)
    (made,) = api.attach(sent, execution).json()
    assert made["name"] == name

    state = target.execution(1)
    assert state.attachments == ((name, "image/png", 256),)
    assert sandbox.store.attachment_bytes(target.phase, 1, name) == [data]
    listed = api.get(
        "/attachment", params={"itemid": execution, "type": "releaseTestSchedule"}
    ).json()
    assert listed == [made]
    download = api.http.get(
        f"{sandbox.url}/flex/download",
        params={"action": "download", "fileId": made["refId"]},
        timeout=30,
    )
    assert download.content == data
    assert download.headers["Content-Type"] == "application/octet-stream"
    assert api.get(f"/execution/{execution}").json()["attachmentCount"] == 1


def test_uploaded_file_is_attached_only_once(api: Api, execution: int) -> None:
    """The temporary file is gone once it is attached."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))

    assert api.attach(sent, execution).status_code == 200
    assert api.attach(sent, execution).status_code == 500


def test_one_call_uploads_many_files(api: Api) -> None:
    """The answer has the name of each part of the form."""
    sent = api.upload(*((f"part-{i}", ("log.txt", str(i).encode())) for i in range(20)))

    assert {row["fieldName"] for row in sent} == {f"part-{i}" for i in range(20)}
    assert len({row["tempFilePath"] for row in sent}) == 20


def test_item_type_is_case_sensitive(api: Api, execution: int) -> None:
    """A type in the wrong case lists nothing and attaches nothing."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))

    assert api.attach(sent, execution, "releasetestschedule").status_code == 400
    assert api.attach(sent, execution).status_code == 200
    query = {"itemid": execution, "type": "releasetestschedule"}
    assert api.get("/attachment", params=query).json() == []


def test_a_file_is_attached_only_to_an_item_that_exists(
    api: Api, execution: int
) -> None:
    """For an attachment of a test case, the item id is the visible id."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))

    assert api.attach(sent, 1).status_code == 500
    assert api.attach(sent, 2, "testcase").status_code == 500
    assert api.attach(sent, 1, "testcase").status_code == 200


def test_attachment_is_deleted(
    sandbox: Sandbox, api: Api, target: SandboxTarget, execution: int
) -> None:
    """The execution no longer has a deleted attachment."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))
    (made,) = api.attach(sent, execution).json()

    assert api.delete(f"/attachment/{made['id']}").status_code == 200
    assert sandbox.store.attachment_bytes(target.phase, 1, "log.txt") == []


def test_one_call_sets_a_status_and_attaches_a_file(
    api: Api, target: SandboxTarget, execution: int, tester: int
) -> None:
    """The status is in the query, the file in the form."""
    api.put(
        f"/execution/statusandattachment/{execution}",
        params={"status": "2", "testerid": tester},
        files={"file": ("log.txt", b"why", "text/plain")},
    )

    state = target.execution(1)
    assert state.status == "2"
    assert state.attachments == (("log.txt", "text/plain", 3),)


def test_upload_without_a_file_or_a_login_is_refused(
    sandbox: Sandbox, api: Api
) -> None:
    """Without a file the answer is 400, without a login it is 401."""
    url = f"{sandbox.url}/flex/upload/document/genericattachment"

    assert api.http.post(url, data={"a": "b"}, timeout=30).status_code == 400
    assert requests.post(url, timeout=30).status_code == 401
