"""Read the payload of an answer, or raise the error for a bad answer."""

from __future__ import annotations

from collections.abc import Mapping
import json
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from pytest_zephyr import errors
from pytest_zephyr.client import decode
from pytest_zephyr.client.server import Call
from pytest_zephyr.client.server import Server
from pytest_zephyr.text import shorten


_ERRORS: Mapping[int, type[errors.ZephyrBadAnswer]] = {
    401: errors.ZephyrUnauthorized,
    403: errors.ZephyrUnauthorized,
    **dict.fromkeys((404, 405, 410), errors.ZephyrNotFound),
}

#: Statuses of a server that is overloaded, or of a gateway that cannot reach it.
_UNAVAILABLE = {429, 502, 503, 504}

#: What a 403 forbids: the verb by method, the thing by the first start that fits the path.
#: An empty thing means the whole API.
_VERBS = {"GET": "read", "POST": "create", "PUT": "change", "DELETE": "delete"}
_THINGS = {
    "user": "",
    "manifest": "",
    "execution": "executions",
    "assignmenttree": "phases",
    "testcase/planning": "phases",
    "cycle": "cycles and phases",
    "release": "releases",
    "project": "projects",
    "testcasetree": "folders of test cases",
    "requirement": "requirements",
    "admin": "settings of the server",
    "attachment": "attachments",
    "flex": "attachments",
    "": "test cases",
}

#: The most bytes of an answer; a page of 500 executions has about 1 MB.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

#: Words in the answers of nginx, Apache and Tomcat to plain http on a TLS port.
_TLS_PORT_WORDS = (b"https port", b"ssl-enabled", b"requires tls")


def read_payload(server: Server, call: Call, response: requests.Response) -> object:
    """Return the JSON of a good answer, `None` for no body, or plain text without JSON.

    Raises ZephyrRefused for other bodies, ZephyrWriteUnanswered if they answer a write.
    """
    content = _read(response)
    if not content.strip():
        return None
    content_type = response.headers.get("Content-Type", "").partition(";")[0]
    content_type = content_type.strip().lower()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        if content_type == "text/plain":
            return None
    described = "a body that is not JSON, or JSON that is nested too deeply"
    if content_type == "text/html" or content.lstrip()[:1] == b"<":
        described = (
            "a web page instead of JSON, such as the login page of a proxy or of single"
            " sign-on"
        )
    msg = f"{server} answered {call} with {described}. Check zephyr_url."
    if call.method != "GET":
        raise errors.ZephyrWriteUnanswered(msg)
    raise errors.ZephyrRefused(msg, http_status=response.status_code)


def check_status(server: Server, call: Call, response: requests.Response) -> None:
    """Raise the error for the status of an answer, unless it is 2xx."""
    status = response.status_code
    if 200 <= status < 300:
        return
    content = _read(response)
    text = f"{server} answered {status} to {call}"
    message = shorten(server.scrub(_server_message(content)), 300)
    if status == 401:
        text = _login_failed(server)
    elif status == 403:
        answer = f"{text}: {message}" if message else text
        text = f"permission denied: {server.who} may not {_action(server, call)}."
        text += f" Ask a Zephyr administrator to allow it. ({answer})"
    elif status == 407:
        text = f"the proxy {server.proxy} requires a user name and password (407). Set"
        text += " ZEPHYR_PROXY to http://USER:PASSWORD@HOST:PORT."
    elif 300 <= status < 400:
        text += _redirected(server, response.headers.get("Location", ""))
    elif (
        status == 400
        and server.parts.scheme == "http"
        and any(words in content[:4096].lower() for words in _TLS_PORT_WORDS)
    ):
        text = f"{server} answered {status}: this port speaks https, not http. Set"
        text += f" zephyr_url to {server.with_other_scheme()}"
    elif _ERRORS.get(status) is errors.ZephyrNotFound and call.path == "user/current":
        parts = server.parts
        text += ", so it is not the address of Zephyr Enterprise. "
        if parts.path:
            text += f"Try zephyr_url = {parts.scheme}://{parts.netloc}"
        else:
            text += "Set zephyr_url to the address of its login page."
    else:
        pause = retry_after(response)
        if status in _UNAVAILABLE and pause:
            text += f", retry after {pause:.0f} s"
        text += f": {message}" if message else "."
    if status not in _UNAVAILABLE:
        raise _ERRORS.get(status, errors.ZephyrRefused)(text, http_status=status)
    if call.method == "GET" or status not in {502, 504}:
        raise errors.ZephyrUnreachable(text)
    may_land_within = server.timeout if status == 504 else 0.0
    raise errors.ZephyrWriteUnanswered(text, may_land_within=may_land_within)


def _read(response: requests.Response) -> bytes:
    """Read the whole body; raise RequestException if it is too large."""
    chunks = []
    size = 0
    for chunk in response.iter_content(64 * 1024):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            msg = f"the answer has more than {MAX_ANSWER_BYTES // 1024 // 1024} MB"
            raise requests.RequestException(msg)
    return b"".join(chunks)


def _login_failed(server: Server) -> str:
    credential = server.credential
    start = f"login failed: {server} does not accept "
    if credential.kind == "token":
        return (
            f"{start}the token in {credential.source}. It is wrong, expired or revoked:"
            f" create a new one in your Zephyr profile and put it there."
        )
    return (
        f"{start}user {credential.username!r} with the password in ZEPHYR_PASSWORD."
        f" Correct ZEPHYR_USERNAME or ZEPHYR_PASSWORD; a server with single sign-on"
        f" accepts only a token, ZEPHYR_TOKEN."
    )


def _action(server: Server, call: Call) -> str:
    """Return what a request does, for a message: ``read releases in project 'A'``."""
    thing = next(name for start, name in _THINGS.items() if call.path.startswith(start))
    if not thing:
        return "use the API"
    project = f" in project {server.project}" if server.project else ""
    return f"{_VERBS[call.method]} {thing}{project}"


def _redirected(server: Server, location: str) -> str:
    try:
        target = urlsplit(location)
    except ValueError:
        target = urlsplit("")
    origin = f"{target.scheme}://{target.netloc.rpartition('@')[2]}"
    text = f" with a redirect to {origin if target.hostname else 'elsewhere'}."
    if target.hostname == server.parts.hostname:
        return f"{text} Set zephyr_url to {origin}{server.parts.path}"
    return (
        f"{text} Set zephyr_url to the server's own address; a server with single sign-on"
        f" needs a token (ZEPHYR_TOKEN)."
    )


def _server_message(content: bytes) -> str:
    """Return the server's error message in one line, empty if there is none."""
    try:
        payload = decode.mapping(json.loads(content))
    except (ValueError, RecursionError):
        return ""
    message = decode.text(payload.get("errorMsg")) or decode.text(
        payload.get("message")
    )
    printable = (char if char.isprintable() else " " for char in message)
    return " ".join("".join(printable).split())


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that an answer asks to wait, `None` if it does not say."""
    header = response.headers.get("Retry-After")
    try:
        # The header is a number or a date.
        return float(Retry().parse_retry_after(header)) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None
