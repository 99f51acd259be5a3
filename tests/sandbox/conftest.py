"""Fixtures: a running sandbox, its data, and a client that calls it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox
from tests.conftest import checked_sandbox
from tests.conftest import SandboxTarget


class Api:
    """Calls of version 3 of the API, with the token of the first user."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.url = sandbox.url
        self.base = f"{sandbox.url}/flex/services/rest/v3"
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {sandbox.token}"
        self.get = partial(self.call, "GET")
        self.post = partial(self.call, "POST")
        self.put = partial(self.call, "PUT")
        self.delete = partial(self.call, "DELETE")

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.http.request(method, self.base + path, timeout=30, **kwargs)

    def results(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return the rows of a list, which the answer has under ``results``."""
        answer = self.get(path, params=params)
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def execute(self, *rows: dict[str, Any]) -> requests.Response:
        return self.put("/execution/bulk/execute", json=list(rows))

    def upload(self, *files: tuple[str, Any]) -> list[dict[str, Any]]:
        """Send *files*, and return what the server says of each."""
        url = f"{self.url}/flex/upload/document/genericattachment"
        answer = self.http.post(url, files=list(files), timeout=30)
        answer.raise_for_status()
        uploads: list[dict[str, Any]] = answer.json()
        return uploads

    def attach(
        self,
        upload: dict[str, Any],
        item_id: int,
        item_type: str = "releaseTestSchedule",
    ) -> requests.Response:
        """Attach an uploaded file to an item, by default to an execution."""
        row = {
            "name": upload["fileName"],
            "contentType": upload["contentType"],
            "itemType": item_type,
            "itemId": item_id,
            "tempPath": upload["tempFilePath"],
        }
        return self.post("/attachment/list", json=[row])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Start a sandbox without projects, and check its answers against the contract."""
    with checked_sandbox(
        None,
        # Some tests send wrong requests on purpose; the answers have to be right.
        ": request: ",
        # The contract takes the last part of these paths for the id of an execution.
        "/execution/(teststepresult)?: answer: ",
    ) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Api]:
    api = Api(sandbox)
    with api.http:
        yield api


@pytest.fixture
def target(sandbox: Sandbox) -> SandboxTarget:
    """Return a phase from 10 to 20 November 2026, in a release of that month."""
    store = sandbox.store
    project = store.add_project("Shop")
    release = store.add_release(
        project, "Release 1", start=date(2026, 11, 1), end=date(2026, 11, 30)
    )
    cycle = store.add_cycle(
        release, "Cycle 1", start=date(2026, 11, 10), end=date(2026, 11, 20)
    )
    return SandboxTarget(
        sandbox, project, release, cycle, store.add_phase(cycle, "Phase 1")
    )


@pytest.fixture
def tester(sandbox: Sandbox) -> int:
    """Return the id of the first user."""
    return sandbox.store.user.id
