"""A sandbox whose calls are checked, and rows for these calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
import itertools
from typing import Any
from typing import TYPE_CHECKING

from flask import got_request_exception
import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.contract.contract import ContractMiddleware


if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

V3 = "/flex/services/rest/v3"


@dataclass(frozen=True)
class Call:
    """A call of the server.

    A *path* that does not begin with ``/flex/`` is below version 3 of the API. With
    *basic*, the user name and password are sent instead of the token.
    """

    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    files: dict[str, tuple[str, bytes]] | None = None
    basic: bool = False


class Server:
    """A sandbox with a client, and the exceptions and violations of its calls."""

    def __init__(self) -> None:
        self.crashes: list[str] = []
        self.middleware: ContractMiddleware
        self.sandbox = Sandbox(wrap=self._wrap)
        self.http = requests.Session()
        # Settings of proxies and .netrc are not for the sandbox.
        self.http.trust_env = False
        self._numbers = itertools.count(1)

    def send(self, call: Call) -> requests.Response:
        path = call.path if call.path.startswith("/flex/") else V3 + call.path
        headers = {} if call.basic else self.credential
        basic = (self.sandbox.username, self.sandbox.password) if call.basic else None
        response = self.http.request(
            call.method,
            self.sandbox.url + path,
            params=call.query,
            json=call.json,
            files=call.files,
            headers=headers,
            auth=basic,
            allow_redirects=False,
            timeout=30,
        )
        # A cookie that a login set is not sent with later calls.
        self.http.cookies.clear()
        return response

    def get(self, path: str, **query: Any) -> Any:
        return self._value(Call("GET", path, query))

    def post(self, path: str, body: Any) -> Any:
        return self._value(Call("POST", path, json=body))

    def _value(self, call: Call) -> Any:
        response = self.send(call)
        assert response.status_code == 200, f"{call.path}: {response.text}"
        return response.json()

    def take_crashes(self) -> list[str]:
        """Return the uncaught exceptions so far, and clear the list."""
        taken, self.crashes = self.crashes, []
        return taken

    @cached_property
    def credential(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sandbox.token}"}

    def add_rows(self) -> KnownIds:
        """Add a project with all that the calls need, and return the ids."""
        store = self.sandbox.store
        number = next(self._numbers)
        project = store.add_project(f"Project {number}")
        release = store.add_release(project, "1.0")
        cycle = store.add_cycle(release, "Regression")
        phase = store.add_phase(cycle, "Smoke")
        folder = store.add_folder(release, "Login")
        case = store.add_case(
            release,
            "accepts the password",
            alt=f"AUTH-{number}",
            folder=folder,
            steps=["open", "type"],
        )
        unassigned = store.add_to_phase(
            phase, store.add_case(release, "waits", folder=folder)
        )
        spare = store.add_case(release, "unplanned", folder=folder)
        execution = store.schedule(phase, case)
        placements = {
            row["testcase"]["testcaseId"]: row
            for row in self.get(f"/testcase/tree/{folder}", pagesize=0)["results"]
        }
        (uploaded,) = self._value(upload_call())
        (attached,) = self.post(
            "/attachment/list",
            [
                {
                    "name": "log.txt",
                    "itemType": "releaseTestSchedule",
                    "itemId": execution,
                    "tempPath": uploaded["tempFilePath"],
                }
            ],
        )
        (unattached,) = self._value(upload_call())
        return KnownIds(
            project=project,
            release=release,
            cycle=cycle,
            phase=phase,
            phase_tree=self.get(f"/assignmenttree/{phase}")["id"],
            folder=folder,
            case=case,
            alt=f"AUTH-{number}",
            version=placements[case]["testcase"]["id"],
            placement=placements[case]["id"],
            spare_version=placements[spare]["testcase"]["id"],
            spare_placement=placements[spare]["id"],
            unassigned=unassigned,
            execution=execution,
            requirement=store.add_requirement(release, "Users log in"),
            attachment=attached["id"],
            file_id=attached["refId"],
            temp_path=unattached["tempFilePath"],
            tester=self.get("/user/current")["id"],
        )

    def _wrap(self, app: WSGIApplication) -> WSGIApplication:
        self.middleware = ContractMiddleware(app)
        return self.middleware

    def note_crash(
        self, _sender: object, exception: Exception, **_more: object
    ) -> None:
        self.crashes.append(f"{type(exception).__name__}: {exception}"[:500])


@dataclass(frozen=True)
class KnownIds:
    """Ids of rows that the server has.

    A placement is a test case in a folder: *placement* is *case*, a visible id, in
    *folder*; *unassigned* is another test case in the phase, which has no tester. The
    *spare* test case is not in the phase. The file at *temp_path* is uploaded, but not
    attached.
    """

    project: int
    release: int
    cycle: int
    phase: int
    phase_tree: int
    folder: int
    case: int
    alt: str
    version: int
    placement: int
    spare_version: int
    spare_placement: int
    unassigned: int
    execution: int
    requirement: int
    attachment: int
    file_id: str
    temp_path: str
    tester: int


def upload_call() -> Call:
    return Call(
        "POST",
        "/flex/upload/document/genericattachment",
        files={"file-1": ("log.txt", b"a\n")},
    )


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    server = Server()
    # Flask signals uncaught exceptions; the client gets only a 500.
    connection = got_request_exception.connected_to(server.note_crash)
    with connection, server.http, server.sandbox:
        yield server


@pytest.fixture
def server(running_server: Server) -> Server:
    """Return the running server, without violations and crashes of earlier tests."""
    running_server.middleware.violations.clear()
    running_server.crashes.clear()
    return running_server


@pytest.fixture
def known_ids(server: Server) -> KnownIds:
    return server.add_rows()
