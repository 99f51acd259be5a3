"""Faults on demand: what can go wrong between a client and its server."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import copy
from dataclasses import asdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
import json
import threading
from typing import Any
from typing import Literal
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl
from urllib.parse import urlencode

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response


if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment


Kind = Literal[
    "status",
    "status_after",
    "html",
    "latency",
    "hang",
    "hang_after",
    "cut_before",
    "cut_after",
    "omit_rows",
    "truncate",
    "not_json",
    "not_utf8",
    "huge",
    "redirect",
    "expire_cookie",
    "missing",
    "lie_result_size",
    "ignore_offset",
    "foreign_rows",
    "plain_text",
    "retry_after",
]

#: What each kind of fault does, for people. The values that it uses are in *asterisks*,
#: except the headers, which every kind with a *status* adds to the answer.
EFFECTS: Mapping[Kind, str] = {
    "status": "Rejects the request with the given *status* and *body*",
    "status_after": "Carries the request out, but answers with the given *status* and"
    " *body*",
    "html": "Answers with a login page, or with the given *body*; the request is not"
    " carried out",
    "latency": "Answers correctly, but late by the given *seconds*",
    "hang": "Does not answer for the given *seconds*, then closes the connection; the"
    " request is not carried out",
    "hang_after": "Carries the request out, does not answer for the given *seconds*,"
    " then closes the connection",
    "cut_before": "Closes the connection; the request is not carried out",
    "cut_after": "Carries the request out, then closes the connection without an answer",
    "omit_rows": "Leaves out as many rows of the answer's list as given by *rows*",
    "truncate": "Sends half of the answer, then closes the connection",
    "not_json": "Carries the request out, but answers with invalid JSON or the given"
    " *body*",
    "not_utf8": "Carries the request out; the answer is not UTF-8",
    "huge": "Adds white space to the answer, as many MiB as given by *rows*",
    "redirect": "Redirects to the given *location*; the request is not carried out",
    "expire_cookie": "Ends all logins by cookie, as happens after 90 minutes",
    "missing": "Answers 404 without a body, like a server that lacks the call",
    "lie_result_size": "Says that the list is empty (resultSize 0), but sends its rows",
    "ignore_offset": "Sends the first page of a list again for every other page",
    "foreign_rows": "Puts rows of another phase in front of the list, as many as given"
    " by *rows*",
    "plain_text": "Carries the request out, but answers with plain text or the given"
    " *body*",
    "retry_after": "Rejects the request with the given *status* and *body*, and asks to"
    " wait the given *seconds* (header Retry-After)",
}

#: Key of the WSGI environ; its value is the kind of the fault that spoils the answer.
FAULT_KEY = "sandbox.fault"
#: Kinds of fault with which the sandbox still gives the right answer.
HARMLESS_KINDS = ("latency", "expire_cookie")
LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    "<body><h1>Sign in</h1><form><input name=user></form></body></html>"
)


class CutConnection(Exception):
    """The connection is to be closed without an answer."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with requests whose method and path match.

    *path* is a part of the path after ``/flex``, or a pattern with ``*``, ``?`` or
    ``[`` for all of it. The fault skips the first *after* requests that match, and
    applies to the next *times* of them (`None`: to all that follow).

    What each *kind* does, and with which of the other values, is in `EFFECTS`.
    """

    method: str = "*"
    path: str = ""
    kind: Kind = "status"
    status: int = 503
    body: str | bytes | None = None
    seconds: float = 1.0
    times: int | None = 1
    after: int = 0
    location: str | None = None
    rows: int = 1
    headers: tuple[tuple[str, str], ...] = ()

    def matches(self, method: str, path: str) -> bool:
        if self.method not in ("*", method):
            return False
        path = path.removeprefix("/flex")
        if any(char in self.path for char in "*?["):
            return fnmatchcase(path, self.path)
        return self.path in path


class Faults:
    """The active faults, and how many requests each has matched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[Fault] = []
        self._matches: list[int] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._active.append(fault)
            self._matches.append(0)

    def clear(self) -> None:
        with self._lock:
            self._active = []
            self._matches = []

    def listed(self) -> list[dict[str, Any]]:
        """Return each fault as JSON, with the number of matches so far."""
        with self._lock:
            return [
                {**_fault_json(fault), "met": matches}
                for fault, matches in zip(self._active, self._matches, strict=True)
            ]

    def take(self, method: str, path: str, start: int) -> tuple[int, Fault] | None:
        """Count a request for the faults that it matches, until one of them applies.

        Faults before position *start* are left out. Return the fault that applies and
        its position; `None` if none does.
        """
        with self._lock:
            for index in range(start, len(self._active)):
                fault = self._active[index]
                if not fault.matches(method, path):
                    continue
                matches = self._matches[index]
                self._matches[index] += 1
                end = None if fault.times is None else fault.after + fault.times
                if matches >= fault.after and (end is None or matches < end):
                    return index, fault
        return None


class FaultyApp:
    """WSGI application that applies faults to the requests and answers of another."""

    def __init__(
        self,
        app: WSGIApplication,
        faults: Faults,
        *,
        expire_cookies: Callable[[], None],
        stopping: threading.Event,
    ) -> None:
        self._app = app
        self._faults = faults
        self._expire_cookies = expire_cookies
        self._stopping = stopping

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/flex/"):
            return self._app(environ, start_response)
        return self._answer(environ, 0)(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, start: int) -> Response:
        applicable = self._faults.take(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], start
        )
        if applicable is None:
            chunks, status, headers = run_wsgi_app(self._app, environ, buffered=True)
            return Response(b"".join(chunks), status, headers)
        index, fault = applicable
        if fault.kind not in HARMLESS_KINDS:
            environ[FAULT_KEY] = fault.kind
        replacement = self._replacement(fault)
        if replacement is not None:
            return replacement
        if fault.kind == "ignore_offset":
            environ = _without_offset(environ)
        return self._changed(fault, self._answer(environ, index + 1))

    def _replacement(self, fault: Fault) -> Response | None:
        """Do what the fault does before the request is carried out.

        Return the answer to send instead of carrying it out; `None` to carry it out.
        """
        match fault.kind:
            case "status":
                return _status_response(fault)
            case "retry_after":
                response = _status_response(fault)
                response.headers["Retry-After"] = f"{fault.seconds:g}"
                return response
            case "html":
                body = LOGIN_PAGE if fault.body is None else fault.body
                return Response(body, content_type="text/html;charset=UTF-8")
            case "redirect":
                location = fault.location or "/flex/html5/login"
                return Response(status=302, headers={"Location": location})
            case "missing":
                return Response(status=404)
            case "cut_before":
                raise CutConnection
            case "hang":
                self._stopping.wait(fault.seconds)
                raise CutConnection
            case "latency":
                self._stopping.wait(fault.seconds)
            case "expire_cookie":
                self._expire_cookies()
        return None

    def _changed(self, fault: Fault, response: Response) -> Response:
        """Return the real answer as the fault changes it."""
        data = response.get_data()
        match fault.kind:
            case "status_after":
                return _status_response(fault)
            case "cut_after":
                raise CutConnection
            case "hang_after":
                self._stopping.wait(fault.seconds)
                raise CutConnection
            case "truncate":
                # The header names the whole length; the connection closes before that.
                response.set_data(data[: len(data) // 2])
                response.headers["Content-Length"] = str(len(data))
            case "not_json":
                response.set_data(_bytes(fault.body, "{not json"))
            case "not_utf8":
                response.set_data(data.replace(b'"', b'"\xff\xfe', 1))
            case "plain_text":
                response.set_data(_bytes(fault.body, "OK"))
                response.content_type = "text/plain;charset=UTF-8"
            case "huge":
                response.set_data(data + b" " * (fault.rows << 20))
            case "omit_rows" | "lie_result_size" | "foreign_rows":
                _edit_rows(response, fault)
        return response


def _status_response(fault: Fault) -> Response:
    if fault.body is None:
        reasons = {status.value: status.phrase for status in HTTPStatus}
        reason = reasons.get(fault.status, "Error")
        body = json.dumps({"errorMsg": reason, "errorCode": str(fault.status)})
        content_type = "application/json;charset=UTF-8"
        response = Response(body, fault.status, content_type=content_type)
    else:
        content_type = "text/plain;charset=UTF-8"
        response = Response(fault.body, fault.status, content_type=content_type)
    for name, value in fault.headers:
        response.headers[name] = value
    return response


def _bytes(body: str | bytes | None, default: str) -> bytes:
    if body is None:
        return default.encode()
    return body.encode() if isinstance(body, str) else body


def _fault_json(fault: Fault) -> dict[str, Any]:
    plain = asdict(fault)
    if isinstance(fault.body, bytes):
        plain["body"] = fault.body.decode("utf-8", "replace")
    return plain


def _without_offset(environ: WSGIEnvironment) -> WSGIEnvironment:
    query = [
        pair
        for pair in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if pair[0] not in ("offset", "firstresult")
    ]
    return {**environ, "QUERY_STRING": urlencode(query)}


def _edit_rows(response: Response, fault: Fault) -> None:
    """Change the rows, or the total, in a list, an envelope, or an envelope in a list.

    Other answers stay as they are.
    """
    try:
        value = json.loads(response.get_data())
    except ValueError:
        return
    listing = value
    match value:
        case [{"results": _} as envelope]:
            listing = envelope
    if (
        isinstance(listing, dict)
        and "resultSize" in listing
        and fault.kind == "lie_result_size"
    ):
        listing["resultSize"] = 0
    rows = listing.get("results") if isinstance(listing, dict) else listing
    if isinstance(rows, list):
        if fault.kind == "omit_rows":
            del rows[: fault.rows]
        if fault.kind == "foreign_rows":
            rows[:0] = [_foreign_row(row) for row in rows[: fault.rows]]
    response.set_data(json.dumps(value, ensure_ascii=False))


def _foreign_row(row: Any) -> Any:
    """Copy an execution, with another id and the id of another phase."""
    foreign = copy.deepcopy(row)
    if isinstance(foreign, dict):
        foreign["id"] = foreign.get("id", 0) + 5_000_000
        foreign["cyclePhaseId"] = foreign.get("cyclePhaseId", 0) + 500_000
    return foreign
