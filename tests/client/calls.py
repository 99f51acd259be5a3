"""Pushes and requests for tests of the client, and secrets that must not be shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from collections.abc import Iterable
import traceback
from typing import Any

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.transport import Transport
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.push import workflow
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.records import NodeResult
from tests.client.servers import answer


TOKEN = "t0ken-0123456789abcdef"
READ_PATH = "user/current"
WRITE_PATH = "execution/bulk/execute"

PASSWORD = "pa55-word"
BASIC_CREDENTIALS = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
COOKIE = "c00kie-4f2a"
PROXY_PASSWORD = "pr0xy-pass"
SECRETS = (TOKEN, PASSWORD, BASIC_CREDENTIALS, COOKIE, PROXY_PASSWORD)


def push(
    merged: MergedResults,
    client: Client,
    settings: Settings,
    memory: Memory,
    progress: Callable[..., None] = lambda *_progress: None,
) -> Delivery:
    """Push all results in *merged*; the *settings* apply to each session."""
    return workflow.push(
        merged,
        client,
        settings,
        memory,
        progress,
        sessions_to_send={node.origin.session for node in merged.nodes},
        settings_by_session={},
    )


def push_nodes(
    settings: Settings,
    nodes: Iterable[NodeResult],
    memory: Memory | None = None,
    progress: Callable[..., None] = lambda *_progress: None,
) -> Delivery:
    """Push *nodes* with a client of its own."""
    with Client(settings) as client:
        merged = MergedResults(list(nodes))
        return push(merged, client, settings, memory or Memory(), progress)


def send_read(transport: Transport) -> object:
    """Ask which user is logged in."""
    return transport.send("GET", READ_PATH)


def send_write(transport: Transport, target: Any = None, body: object = None) -> object:
    """Give case 101 of *target* the status Pass.

    Without a target, send *body*, by default an empty list.
    """
    if target is not None:
        tester = target.sandbox.store.user.id
        execution = target.execution(101).id
        body = [{"rtsId": execution, "testerId": tester, "status": "1"}]
    return transport.send("PUT", WRITE_PATH, body=body or [])


def visible_text(error: BaseException, *, with_locals: bool = True) -> str:
    """Return all that *error* shows in a message, a debugger or a traceback of our code.

    *with_locals* adds the local variables to the traceback.
    """
    summary = traceback.TracebackException.from_exception(
        error, capture_locals=with_locals
    )
    frames = [frame for frame in summary.stack if "pytest_zephyr" in frame.filename]
    assert frames
    summary.stack = traceback.StackSummary.from_list(frames)
    return f"{error} {error!r} {vars(error)} {''.join(summary.format())}"


def with_proxy_password(url: str) -> str:
    """Return *url*, the address of a proxy, with a user name and `PROXY_PASSWORD`."""
    return url.replace("//", f"//mallory:{PROXY_PASSWORD}@")


def refuse_with_headers(request: Any) -> bytes:
    """Accept a login; refuse other requests, and repeat their headers in the message."""
    if request.path == "manifest":
        return answer({}, Set_Cookie=f"token={COOKIE}; Max-Age=5400")
    words = " ".join(f"{name}={text}" for name, text in request.headers.items())
    return answer({"errorMsg": words}, status=400)
