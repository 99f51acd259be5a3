"""The payload of an answer, or the error that a bad or missing answer stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
from urllib.parse import urlsplit

import requests

from pytest_zephyr.client import decode
from pytest_zephyr.client.retries import read_retry_after
from pytest_zephyr.client.server import Server
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import shorten


_ERRORS: Mapping[int, type[ZephyrBadAnswer]] = {
    401: ZephyrUnauthorized,
    403: ZephyrUnauthorized,
    404: ZephyrNotFound,
    405: ZephyrNotFound,
    410: ZephyrNotFound,
}

#: From a server that is overloaded, or a gateway that cannot reach it.
_UNAVAILABLE = {429, 502, 503, 504}

#: What a user may not do if a request is refused: the verb by method, the thing by path.
_VERBS = {"GET": "read", "POST": "create", "PUT": "change", "DELETE": "delete"}
_THINGS = (
    ("user", ""),
    ("manifest", ""),
    ("execution", "executions"),
    ("assignmenttree", "phases"),
    ("testcase/planning", "phases"),
    ("cycle", "cycles and phases"),
    ("release", "releases"),
    ("project", "projects"),
    ("testcasetree", "folders of test cases"),
    ("requirement", "requirements"),
    ("admin", "settings of the server"),
    ("attachment", "attachments"),
    ("flex", "attachments"),
    ("", "test cases"),
)


@dataclass(frozen=True)
class Answer:
    """The status and JSON of a good answer; `None` for no body or plain text."""

    status: int
    payload: object


@dataclass(frozen=True)
class ResponseReader:
    """Reads the answers of one server; *scrub* hides secrets that a server may repeat."""

    server: Server
    scrub: Scrubber

    def read(
        self, method: str, path: str, response: requests.Response, content: bytes
    ) -> Answer:
        """Return what an answer contains. Raises ZephyrBadAnswer or ZephyrWriteUncertain."""
        self.check(method, path, response, content)
        status = response.status_code
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        kind = kind.strip().lower()
        if not content.strip():
            return Answer(status, None)
        try:
            return Answer(status, json.loads(content.decode("utf-8-sig")))
        except (ValueError, RecursionError):
            if kind == "text/plain":
                return Answer(status, None)
        msg = f"{self.server} answered {method} {path} with "
        if kind == "text/html" or content.lstrip()[:1] == b"<":
            msg += "a web page instead of JSON, such as the login page of a proxy or of"
            msg += " single sign-on. Check zephyr_url."
        else:
            msg += "a body that is not JSON, or JSON that is nested too deeply."
            msg += " Check zephyr_url."
        if method != "GET":
            raise ZephyrWriteUncertain(msg)
        raise ZephyrRefused(msg, status=status)

    def check(
        self, method: str, path: str, response: requests.Response, content: bytes
    ) -> None:
        """Raise the error that the status stands for, unless it is 2xx."""
        status = response.status_code
        if 200 <= status < 300:
            return
        server = self.server
        text = f"{server} answered {status} to {method} {path}"
        message = shorten(self.scrub(_server_message(content)), 300)
        said = f"{text}: {message}" if message else text
        if status == 401:
            text = _login_failed(server)
        elif status == 403:
            text = _denied(server, method, path, said)
        elif status == 407:
            text = f"the proxy {server.proxy} wants a user name and password (407). Set"
            text += " ZEPHYR_PROXY to http://USER:PASSWORD@HOST:PORT."
        elif 300 <= status < 400:
            text += _redirected(server, response.headers.get("Location", ""))
        elif _wants_tls(server, status, content):
            text = f"{server} answered {status}: this port speaks https, not http. Set"
            text += f" zephyr_url to {server.other_scheme()}"
        elif status in {404, 405, 410} and path == "user/current":
            text += (
                f", so it is not the address of Zephyr Enterprise. {_shorter(server)}"
            )
        else:
            pause = read_retry_after(response.headers.get("Retry-After"))
            if status in _UNAVAILABLE and pause:
                text += f", retry after {pause:.0f} s"
            text += f": {message}" if message else "."
        if status not in _UNAVAILABLE:
            kind = _ERRORS.get(status, ZephyrRefused)
            raise kind(text, status=status)
        if method == "GET" or status not in {502, 504}:
            raise ZephyrUnreachable(text)
        late = server.timeout if status == 504 else 0.0
        raise ZephyrWriteUncertain(text, may_land_within=late)


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


def _denied(server: Server, method: str, path: str, said: str) -> str:
    thing = next(name for start, name in _THINGS if path.startswith(start))
    what = f"{_VERBS[method]} {thing}{server.project}" if thing else "use the API"
    return (
        f"permission denied: {server.who} may not {what}. Ask a Zephyr administrator to"
        f" allow it. ({said})"
    )


def _redirected(server: Server, location: str) -> str:
    target = _origin_of(location)
    text = f" with a redirect to {target or 'elsewhere'}. Set zephyr_url to "
    if target and urlsplit(target).hostname == server.parts.hostname:
        return f"{text}{target}{server.parts.path}"
    return (
        f"{text}the server's own address; a server with single sign-on needs a token"
        f" (ZEPHYR_TOKEN)."
    )


def _wants_tls(server: Server, status: int, content: bytes) -> bool:
    """Return whether this is how a TLS port answers plain http: nginx, Apache, Tomcat."""
    if status != 400 or server.parts.scheme != "http":
        return False
    text = content[:4096].lower()
    return any(
        sign in text for sign in (b"https port", b"ssl-enabled", b"requires tls")
    )


def _shorter(server: Server) -> str:
    parts = server.parts
    if parts.path:
        return f"Try zephyr_url = {parts.scheme}://{parts.netloc}"
    return "Set zephyr_url to the address of its login page."


def _server_message(content: bytes) -> str:
    """Return the server's error message in one line."""
    try:
        payload = decode.mapping(json.loads(content))
    except (ValueError, RecursionError):
        payload = {}
    texts = map(decode.text, map(payload.get, ("errorMsg", "message")))
    message = next(filter(None, texts), "")
    printable = (char if char.isprintable() else " " for char in message)
    return " ".join("".join(printable).split())


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}" if parts.hostname else ""
