"""What an answer means, or that there was none: a payload, or an error in one line."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
import json
import re
import ssl
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
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.secret import Scrubber


_ERRORS: Mapping[int, type[ZephyrRefused]] = {
    401: ZephyrUnauthorized,
    403: ZephyrUnauthorized,
    404: ZephyrNotFound,
    405: ZephyrNotFound,
    410: ZephyrNotFound,
}

#: A gateway speaks for a server that it could not reach.
_AWAY = {429, 502, 503, 504}


@dataclass(frozen=True)
class Answer:
    """A good answer: its status and its JSON; `None` if it had no body or plain text."""

    status: int
    payload: object


@dataclass(frozen=True)
class ResponseReader:
    """Judges what came from one server; *scrub* hides what a server may repeat."""

    origin: str
    credential: Credential
    timeout: float
    scrub: Scrubber

    def no_answer(
        self, method: str, path: str, error: Exception, deadline: Deadline
    ) -> ZephyrError:
        reason = _cut(self.scrub(_reason(error)), 200)
        what = f"{method} {path}: no answer from {self.origin}"
        never_arrived = _never_arrived(error)
        tls = isinstance(error, requests.exceptions.SSLError)
        if tls:
            what = f"{method} {path}: TLS with {self.origin} failed: {reason}"
            what += f". {_tls_mend(reason)}"
        elif isinstance(error, requests.exceptions.ProxyError):
            what += (
                f": the proxy refused: {reason}. Check zephyr_proxy and the variables"
                f" HTTPS_PROXY and NO_PROXY"
            )
            never_arrived = True
        elif deadline.spent:
            what += f"; the time budget of {deadline.seconds:g} s ({deadline.name})"
            what += " is spent"
        elif _is_timeout(error):
            what += f" within {self.timeout:g} s"
        elif any(isinstance(each, NameResolutionError) for each in _chain(error)):
            what += ": the name cannot be resolved. Check zephyr_url, and whether this"
            what += " network reaches the server only through a proxy (zephyr_proxy)"
        elif reason:
            what += f": {reason}"
        if method == "GET" or never_arrived:
            return ZephyrUnreachable(self.scrub(f"{what}."), tls=tls)
        return ZephyrWriteUncertain(
            self.scrub(f"{what}; it may have been carried out."),
            may_land_within=self.timeout if _is_timeout(error) else 0.0,
        )

    def read(
        self, method: str, path: str, response: requests.Response, content: bytes
    ) -> Answer:
        """Return what an answer carries. Raises ZephyrRefused or ZephyrWriteUncertain."""
        self.check(method, path, response, content)
        status = response.status_code
        where = self._where(method, path, response)
        if not content.strip():
            return Answer(status, None)
        kind = (
            response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        )
        try:
            return Answer(status, json.loads(content.decode("utf-8-sig")))
        except (ValueError, RecursionError):
            if kind == "text/plain":
                return Answer(status, None)
        looks_html = kind == "text/html" or content.lstrip()[:1] == b"<"
        msg = f"{where}, but with " + (
            "a web page instead of JSON: a login page, a proxy, or an address that is"
            " not the server's. Check zephyr_url."
            if looks_html
            else "a body that is not JSON, or nested deeper than any of Zephyr's."
        )
        if method != "GET":
            raise ZephyrWriteUncertain(msg)
        raise ZephyrRefused(msg, method=method, path=path, status=status)

    def check(
        self, method: str, path: str, response: requests.Response, content: bytes
    ) -> None:
        """Raise ZephyrRefused or ZephyrWriteUncertain unless the status is a good one."""
        status = response.status_code
        where = self._where(method, path, response)
        if 300 <= status < 400:
            target = _origin_of(response.headers.get("Location", ""))
            msg = (
                f"{where}, a redirect to {target or 'elsewhere'}. Set zephyr_url to the"
            )
            msg += " address that answers itself; a single sign-on page needs a token."
            raise ZephyrRefused(msg, method=method, path=path, status=status)
        if not 200 <= status < 300:
            raise self._refusal(where, method, path, response, content)

    def _where(self, method: str, path: str, response: requests.Response) -> str:
        return f"{method} {path}: {response.status_code} from {self.origin}"

    def _refusal(
        self,
        where: str,
        method: str,
        path: str,
        response: requests.Response,
        content: bytes,
    ) -> ZephyrError:
        status = response.status_code
        if status == 401:
            said = f"{where}. {_not_accepted(self.credential)}"
            return ZephyrUnauthorized(said, method=method, path=path, status=401)
        pause = read_retry_after(response.headers.get("Retry-After"))
        if status in _AWAY and pause:
            where += f", to be asked again in {pause:.0f} s"
        message = _cut(self.scrub(_server_message(content)), 300)
        said = f"{where}: {message}" if message else f"{where}."
        if status == 407:
            said += " It is the proxy that says so: check zephyr_proxy and HTTPS_PROXY."
        if status == 403:
            said += f" Ask for the permission for {self.credential}."
        if status in _AWAY:
            if method == "GET" or status not in {502, 504}:
                return ZephyrUnreachable(said)
            return ZephyrWriteUncertain(
                said, may_land_within=self.timeout if status == 504 else 0.0
            )
        kind = _ERRORS.get(status, ZephyrRefused)
        return kind(said, method=method, path=path, status=status)


def _tls_mend(reason: str) -> str:
    """Return what to do about a failure of TLS."""
    reason = reason.lower()
    if "mismatch, certificate is not valid for" in reason:
        return "The certificate is for another name: check zephyr_url"
    if "certificate verify failed" in reason:
        return (
            "If the server has a private certificate authority, name its certificate"
            " with zephyr_verify"
        )
    if "wrong version number" in reason or "record layer failure" in reason:
        return "Nobody speaks TLS there: check zephyr_url"
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
    """Return what the server says was wrong, in one line (API 4.15)."""
    try:
        payload = decode.mapping(json.loads(content))
    except (ValueError, RecursionError):
        payload = {}
    message = decode.text(payload.get("errorMsg")) or decode.text(
        payload.get("message")
    )
    printable = (sign if sign.isprintable() else " " for sign in message)
    return " ".join("".join(printable).split())


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _chain(error: BaseException | None) -> Iterable[BaseException]:
    """Yield *error* and what is wrapped in it, outside in."""
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


def _is_timeout(error: Exception) -> bool:
    # For urllib3 a refused connection is a kind of timeout.
    if any(isinstance(each, NewConnectionError) for each in _chain(error)):
        return False
    late = requests.Timeout | ReadTimeoutError | ConnectTimeoutError | TimeoutError
    return any(isinstance(each, late) for each in _chain(error))


def _never_arrived(error: Exception) -> bool:
    """Return whether the request certainly did not reach the server."""
    before = NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError
    return any(isinstance(each, before) for each in _chain(error))


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
