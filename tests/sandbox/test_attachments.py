"""Attachments: sent in one call, attached in another."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import SandboxTarget
from tests.sandbox.conftest import Api


@pytest.fixture
def execution(sandbox: Sandbox, target: SandboxTarget) -> int:
    sandbox.store.schedule_all(target.phase, [1])
    return sandbox.store.executions(target.phase)[0].id


@pytest.mark.parametrize("name", ["shot 1.png", "bericht-größe.png", "50%.png"])
def test_file_arrives_as_it_was_sent(
    sandbox: Sandbox, api: Api, target: SandboxTarget, execution: int, name: str
) -> None:
    """Its name comes back encoded from the first call, plain from the list."""
    data = bytes(range(256))
    (sent,) = api.upload(("part-0", (name, data, "image/png")))

    assert sent["fieldName"] == "part-0"
    assert unquote(sent["fileName"]) == name
    (made,) = api.attach(sent, execution).json()

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
    """The temporary file is gone after the second step."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))

    assert api.attach(sent, execution).status_code == 200
    assert api.attach(sent, execution).status_code == 500


def test_many_files_in_one_call(api: Api) -> None:
    """The answer has the name of each part of the form."""
    sent = api.upload(*((f"part-{i}", ("log.txt", str(i).encode())) for i in range(20)))

    assert {row["fieldName"] for row in sent} == {f"part-{i}" for i in range(20)}
    assert len({row["tempFilePath"] for row in sent}) == 20


def test_type_is_case_sensitive(api: Api, execution: int) -> None:
    """A type in the wrong case lists nothing and attaches nothing."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))

    assert api.attach(sent, execution, "releasetestschedule").status_code == 400
    api.attach(sent, execution)
    query = {"itemid": execution, "type": "releasetestschedule"}
    assert api.get("/attachment", params=query).json() == []


def test_item_must_exist(api: Api, execution: int) -> None:
    """A file for a test case names it by its visible id."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))

    assert api.attach(sent, 1).status_code == 500
    assert api.attach(sent, 2, "testcase").status_code == 500
    assert api.attach(sent, 1, "testcase").status_code == 200


def test_attachment_is_deleted(
    sandbox: Sandbox, api: Api, target: SandboxTarget, execution: int
) -> None:
    """A deleted attachment is no longer listed."""
    (sent,) = api.upload(("a", ("log.txt", b"1")))
    (made,) = api.attach(sent, execution).json()

    assert api.delete(f"/attachment/{made['id']}").status_code == 200
    assert sandbox.store.attachment_bytes(target.phase, 1, "log.txt") == []


def test_status_and_file_in_one_call(
    api: Api, target: SandboxTarget, execution: int, tester: int
) -> None:
    """One call sets the status and attaches a file."""
    api.put(
        f"/execution/statusandattachment/{execution}",
        params={"status": "2", "testerid": tester},
        files={"file": ("log.txt", b"why", "text/plain")},
    )

    state = target.execution(1)
    assert state.status == "2"
    assert state.attachments == (("log.txt", "text/plain", 3),)


def test_nothing_sent_is_refused(sandbox: Sandbox, api: Api) -> None:
    """An upload without a file is an error of the client."""
    url = f"{sandbox.url}/flex/upload/document/genericattachment"

    assert api.http.post(url, data={"a": "b"}, timeout=30).status_code == 400
    assert requests.post(url, timeout=30).status_code == 401
