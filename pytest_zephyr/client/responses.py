"""The payload of an answer, or the error that a bad or missing answer stands for."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
import json
import re
import ssl
from typing import TypeAlias
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError
from urllib3.exceptions import NameResolutionError
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import ReadTimeoutError

from pytest_zephyr.client import decode
from pytest_zephyr.client.retries import read_retry_after
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrError
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

_Kinds: TypeAlias = "type[BaseException] | tuple[type[BaseException], ...]"

#: Errors after which the request certainly did not reach the server.
_BEFORE_SENDING: _Kinds = (
    NewConnectionError,
    ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)

_TIMEOUTS: _Kinds = (
    requests.Timeout,
    ReadTimeoutError,
    ConnectTimeoutError,
    TimeoutError,
)


@dataclass(frozen=True)
class Answer:
    """The status and JSON of a good answer; `None` for no body or plain text."""

    status: int
    payload: object


@dataclass(frozen=True)
class ResponseReader:
    """Reads the answers of one server; *scrub* hides secrets that a server may repeat."""

    origin: str
    credential: Credential
    timeout: float
    scrub: Scrubber

    def no_answer(
        self, method: str, path: str, error: Exception, deadline: Deadline
    ) -> ZephyrError:
        """Return the error to raise for a request that got no answer."""
        reason = shorten(self.scrub(_reason(error)), 200)
        text = f"{method} {path}: no answer from {self.origin}"
        never_arrived = _contains(error, _BEFORE_SENDING)
        timed_out = _is_timeout(error)
        tls = isinstance(error, requests.exceptions.SSLError)
        if tls:
            text = f"{method} {path}: TLS with {self.origin} failed: {reason}"
            text += f". {_tls_advice(reason.lower())}"
        elif isinstance(error, requests.exceptions.ProxyError):
            text += (
                f": the proxy refused: {reason}. Check zephyr_proxy and the variables"
                f" HTTPS_PROXY and NO_PROXY"
            )
            never_arrived = True
        elif deadline.spent:
            text += f"; the time budget of {deadline.seconds:g} s ({deadline.name})"
            text += " is spent"
        elif timed_out:
            text += f" within {self.timeout:g} s"
        elif _contains(error, NameResolutionError):
            text += ": the name cannot be resolved. Check zephyr_url, and whether this"
            text += " network reaches the server only through a proxy (zephyr_proxy)"
        elif reason:
            text += f": {reason}"
        if method == "GET" or never_arrived:
            return ZephyrUnreachable(self.scrub(f"{text}."), tls=tls)
        return ZephyrWriteUncertain(
            self.scrub(f"{text}; it may have been carried out."),
            may_land_within=self.timeout if timed_out else 0.0,
        )

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
        msg = f"{method} {path}: {status} from {self.origin}, but with "
        if kind == "text/html" or content.lstrip()[:1] == b"<":
            msg += "a web page instead of JSON: a login page, a proxy, or an address"
            msg += " that is not the server's. Check zephyr_url."
        else:
            msg += "a body that is not JSON, or JSON that is nested too deeply."
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
        text = f"{method} {path}: {status} from {self.origin}"
        if status == 401:
            text += f". {_not_accepted(self.credential)}"
        elif 300 <= status < 400:
            target = _origin_of(response.headers.get("Location", ""))
            text += (
                f", a redirect to {target or 'elsewhere'}. Set zephyr_url to the server's"
                f" own address; a server with single sign-on needs a token."
            )
        else:
            pause = read_retry_after(response.headers.get("Retry-After"))
            if status in _UNAVAILABLE and pause:
                text += f", retry after {pause:.0f} s"
            message = shorten(self.scrub(_server_message(content)), 300)
            text += f": {message}" if message else "."
        if status == 407:
            text += " This comes from the proxy: check zephyr_proxy and HTTPS_PROXY."
        if status == 403:
            text += f" Ask for the permission for {self.credential}."
        if status not in _UNAVAILABLE:
            kind = _ERRORS.get(status, ZephyrRefused)
            raise kind(text, status=status)
        if method == "GET" or status not in {502, 504}:
            raise ZephyrUnreachable(text)
        late = self.timeout if status == 504 else 0.0
        raise ZephyrWriteUncertain(text, may_land_within=late)


def _tls_advice(reason: str) -> str:
    if "mismatch, certificate is not valid for" in reason:
        return "The certificate is for another name: check zephyr_url"
    if "certificate verify failed" in reason:
        return (
            "If the server has a private certificate authority, name its certificate"
            " with zephyr_verify"
        )
    if "wrong version number" in reason or "record layer failure" in reason:
        return "The server does not speak TLS on that port: check zephyr_url"
    return "Check zephyr_client_cert and zephyr_verify"


def _not_accepted(credential: Credential) -> str:
    if credential.kind == "token":
        return (
            f"The token in {credential.source} was not accepted. Create a new one in"
            f" your Zephyr profile and put it there."
        )
    return (
        f"{credential.username!r} with the password in ZEPHYR_PASSWORD was not accepted."
        f" If the server has single sign-on, only a token is: ZEPHYR_TOKEN."
    )


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


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    """Yield *error* and the errors it wraps, the outermost first."""
    while error is not None:
        yield error
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        error = inner


def _reason(error: Exception) -> str:
    """Return the innermost reason of *error* in one line, without object addresses."""
    innermost = list(_chain(error))[-1]
    text = str(innermost) or type(innermost).__name__
    text = re.sub(r"<[^>]*object at 0x[0-9a-f]+>:? ?", "", text)
    text = re.sub(r"\w+\(host=.*?\): ", "", text)
    return " ".join(text.split()).rstrip(".")


def _contains(error: Exception, kinds: _Kinds) -> bool:
    return any(isinstance(each, kinds) for each in _chain(error))


def _is_timeout(error: Exception) -> bool:
    # For urllib3 a refused connection is a kind of timeout.
    return _contains(error, _TIMEOUTS) and not _contains(error, NewConnectionError)


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
