"""One HTTP session to one server: base address, login, repeats, and what errors mean."""

from __future__ import annotations

import base64
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from importlib.metadata import version
import json
import queue
import random
import re
import threading
import time
from types import TracebackType
from typing import Any
from typing import cast
from typing import TYPE_CHECKING
from typing import TypeVar
from urllib.parse import unquote
from urllib.parse import urlsplit
import warnings

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from requests.utils import should_bypass_proxies
from urllib3.exceptions import ConnectTimeoutError
from urllib3.exceptions import InsecureRequestWarning
from urllib3.exceptions import InvalidHeader
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import ReadTimeoutError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry
from urllib3.util import Timeout

from pytest_zephyr import decode
from pytest_zephyr.auth import CookieAuth
from pytest_zephyr.auth import make_auth
from pytest_zephyr.clock import Deadline
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnclear
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.settings import Credential
from pytest_zephyr.settings import Settings


if TYPE_CHECKING:
    from typing_extensions import Self

Returned = TypeVar("Returned")

REST = "/flex/services/rest"
JSON = "application/json"

#: The largest answer we read, in bytes; a page of 500 executions has about 1 MB.
MAX_ANSWER = 64 * 1024 * 1024

_ERRORS: Mapping[int, type[ZephyrRefused]] = {
    401: ZephyrUnauthorized,
    403: ZephyrUnauthorized,
    404: ZephyrNotFound,
    405: ZephyrNotFound,
    410: ZephyrNotFound,
}

#: A gateway speaks for a server that it could not reach.
_AWAY = {429, 502, 503, 504}


class PatientRetry(Retry):
    """When a request is repeated (design 3, "Repeats"), within a deadline.

    A call answered 429 or 503 was not carried out and is repeated whatever it is. A
    read is also repeated after 502, 504, a broken connection, and once after a 500.
    A write is repeated only if it never reached the server.
    """

    deadline: Deadline

    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deadline = deadline

    def new(self, **kwargs: Any) -> Self:
        return super().new(deadline=self.deadline, **kwargs)

    def is_retry(
        self, method: str, status_code: int, has_retry_after: bool = False
    ) -> bool:
        if not self.total or self.deadline.spent:
            return False
        if status_code in {429, 503}:
            return True
        if not self._is_method_retryable(method):
            return False
        if status_code == 500:
            return not any(each.status == 500 for each in self.history)
        return status_code in {502, 504}

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if self.deadline.spent:
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        try:
            wait = self.get_retry_after(response) if response else None
        except InvalidHeader:
            wait = None
        if wait is None:
            # Half of it at random, so that many jobs do not come back at once.
            wait = self.get_backoff_time() * random.uniform(0.5, 1)  # noqa: S311
        time.sleep(max(0.0, min(wait, self.deadline.left())))


class DeadlineTimeout(Timeout):
    """A timeout that is cut to what is left of a deadline at every single try."""

    def __init__(self, seconds: float, deadline: Deadline) -> None:
        super().__init__(connect=seconds, read=seconds)
        self._seconds = seconds
        self._deadline = deadline

    def clone(self) -> Timeout:
        seconds = max(0.05, min(self._seconds, self._deadline.left()))
        return Timeout(connect=seconds, read=seconds)


@dataclass(frozen=True)
class Answer:
    """A good answer: its status and its JSON; `None` if it had no body or plain text."""

    status: int
    payload: object


@dataclass(frozen=True)
class Part:
    """A file to upload."""

    name: str
    type: str
    content: bytes = field(repr=False)


class Transport:
    """Sends requests to *origin* and turns every bad answer into a ZephyrError.

    No redirect is followed, so a credential never leaves for another host.
    """

    def __init__(
        self,
        origin: str,
        credential: Credential,
        settings: Settings,
        deadline: Deadline,
    ) -> None:
        self.origin = origin
        self.api_version = "v3"
        self.deadline = deadline
        self._credential = credential
        self._auth = make_auth(credential)
        self._timeout = settings.timeout
        proxies = [settings.proxy or "", *get_environ_proxies(origin).values()]
        self._secrets = _secrets(credential, proxies)
        self._verify: bool | str = (
            settings.verify
            if isinstance(settings.verify, bool)
            else str(settings.verify)
        )
        self._options: dict[str, Any] = {}
        if settings.client_cert:
            paths = tuple(map(str, settings.client_cert))
            self._options["cert"] = paths[0] if len(paths) == 1 else paths
        if settings.proxy and not should_bypass_proxies(origin, no_proxy=None):
            self._options["proxies"] = {"http": settings.proxy, "https": settings.proxy}
        self._http = self._session(settings.retries)

    def _session(self, retries: int) -> requests.Session:
        http = _Session()
        http.headers["User-Agent"] = f"pytest-zephyr/{version('pytest-zephyr')}"
        http.headers["Accept"] = JSON
        retry = PatientRetry(
            retries,
            redirect=0,
            raise_on_status=False,
            allowed_methods={"GET"},
            backoff_factor=0.5,
            deadline=self.deadline,
        )
        for scheme in ("http://", "https://"):
            http.mount(scheme, HTTPAdapter(max_retries=retry))
        if not isinstance(self._auth, CookieAuth):
            # A session cookie beside a token could mix two logins (API 7, 31).
            http.cookies.set_policy(_NoCookies())
        return http

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        body: object = None,
        api_version: str | None = None,
    ) -> Answer:
        """Send one call below the REST base and return its answer.

        Raises ZephyrUnreachable (ZephyrUnclear for a write that may have happened) or
        ZephyrRefused.
        """
        url = f"{self.origin}{REST}/{api_version or self.api_version}/{path}"
        response, content = self._logged_in(
            lambda: self._exchange(method, path, url, params, body)
        )
        return self._judge(method, path, response, content)

    def upload(self, path: str, parts: Mapping[str, Part]) -> Answer:
        """Send files to *path* of the origin, outside the REST base, by part name.

        Raises as `send` does.
        """
        files = {name: (p.name, p.content, p.type) for name, p in parts.items()}
        response, content = self._logged_in(
            lambda: self._call(
                "POST", path, f"{self.origin}/{path}", auth=self._auth, files=files
            )
        )
        return self._judge("POST", path, response, content)

    def _logged_in(
        self, call: Callable[[], tuple[requests.Response, bytes]]
    ) -> tuple[requests.Response, bytes]:
        """Make a *call* with a login, and once more with a new one if it ran out."""
        if isinstance(self._auth, CookieAuth):
            self._login(self._auth)
        response, content = call()
        if response.status_code == 401 and isinstance(self._auth, CookieAuth):
            self._auth.forget()
            self._login(self._auth)
            response, content = call()
        return response, content

    def _login(self, auth: CookieAuth) -> None:
        """Fetch the session cookie unless there is one (API 2)."""
        with auth.lock:
            if auth.current:
                return
            url = f"{self.origin}{REST}/latest/manifest"
            response, content = self._call("GET", "manifest", url, auth=auth.basic)
            accepted = response.status_code == 200 and auth.accept(response)
            self._secrets.insert(0, auth.cookie.reveal())
            if not accepted:
                if response.status_code == 200:
                    msg = (
                        f"GET manifest: {self.origin} accepted the login but set no"
                        f" cookie named token. Use an API token instead: ZEPHYR_TOKEN."
                    )
                    raise ZephyrRefused(msg, method="GET", path="manifest", status=200)
                self._judge("GET", "manifest", response, content)

    def _exchange(
        self,
        method: str,
        path: str,
        url: str,
        params: Mapping[str, object] | None,
        body: object,
    ) -> tuple[requests.Response, bytes]:
        data = None if body is None else json.dumps(body).encode("ascii")
        headers = {"Content-Type": JSON} if data is not None else {}
        return self._call(
            method,
            path,
            url,
            auth=self._auth,
            params={key: _query(value) for key, value in (params or {}).items()},
            data=data,
            headers=headers,
        )

    def _call(
        self, method: str, path: str, url: str, **options: Any
    ) -> tuple[requests.Response, bytes]:
        if self.deadline.spent:
            msg = (
                f"{method} {path}: the time budget of {self.deadline.seconds:g} s"
                f" (zephyr_deadline) is spent."
            )
            raise ZephyrUnreachable(msg)
        try:
            with warnings.catch_warnings():
                if self._verify is False:
                    # Who switches the check off has read a warning of ours.
                    warnings.simplefilter("ignore", InsecureRequestWarning)
                return _bounded(
                    lambda: self._ask(method, url, **options),
                    self.deadline.left() + 0.2,
                )
        except requests.RequestException as error:
            raise self._no_answer(method, path, error) from None
        except (OSError, ValueError) as error:
            # requests lets a few errors of the layers below through.
            raise self._no_answer(method, path, error) from None

    def _ask(
        self, method: str, url: str, **options: Any
    ) -> tuple[requests.Response, bytes]:
        with self._http.request(
            method,
            url,
            timeout=DeadlineTimeout(self._timeout, self.deadline),  # type: ignore[arg-type]
            verify=self._verify,
            allow_redirects=False,
            stream=True,
            **self._options,
            **options,
        ) as response:
            return response, self._read(response)

    def _read(self, response: requests.Response) -> bytes:
        """Read the whole body, unless it is too large or the time is over."""
        parts = []
        size = 0
        for part in response.iter_content(64 * 1024):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER:
                msg = f"the answer has more than {MAX_ANSWER // 1024 // 1024} MB"
                raise requests.RequestException(msg)
            if self.deadline.spent:
                raise requests.ReadTimeout
        return b"".join(parts)

    def _no_answer(self, method: str, path: str, error: Exception) -> ZephyrError:
        reason = _reason(error)
        what = f"{method} {path}: no answer from {self.origin}"
        if isinstance(error, requests.exceptions.SSLError):
            return ZephyrUnreachable(
                self._scrub(
                    f"{method} {path}: TLS with {self.origin} failed: {reason}. If the"
                    f" server has a private certificate authority, name its certificate"
                    f" with zephyr_verify."
                )
            )
        if isinstance(error, requests.exceptions.ProxyError):
            return ZephyrUnreachable(
                self._scrub(
                    f"{what}: the proxy refused: {reason}. Check zephyr_proxy and the"
                    f" variables HTTPS_PROXY and NO_PROXY."
                )
            )
        if _is_timeout(error):
            what += f" within {self._timeout:g} s"
        elif reason:
            what += f": {reason}"
        if method == "GET" or _never_arrived(error):
            return ZephyrUnreachable(self._scrub(f"{what}."))
        return ZephyrUnclear(self._scrub(f"{what}; it may have been carried out."))

    def _judge(
        self, method: str, path: str, response: requests.Response, content: bytes
    ) -> Answer:
        status = response.status_code
        where = f"{method} {path}: {status} from {self.origin}"
        if 300 <= status < 400:
            target = _origin_of(response.headers.get("Location", ""))
            msg = (
                f"{where}, a redirect to {target or 'elsewhere'}. Set zephyr_url to the"
            )
            msg += " address that answers itself; a single sign-on page needs a token."
            raise ZephyrRefused(msg, method=method, path=path, status=status)
        if not 200 <= status < 300:
            raise self._refusal(where, method, path, response, content)
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
            else "a body that is not JSON."
        )
        if method != "GET":
            raise ZephyrUnclear(msg)
        raise ZephyrRefused(msg, method=method, path=path, status=status)

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
            said = f"{where}. {_not_accepted(self._credential)}"
            return ZephyrUnauthorized(said, method=method, path=path, status=401)
        message = self._scrub(_server_message(content))
        said = f"{where}: {message}" if message else f"{where}."
        if status == 403:
            said += f" Ask for the permission for {self._credential}."
        if status in _AWAY:
            unclear = method != "GET" and status in {502, 504}
            return (ZephyrUnclear if unclear else ZephyrUnreachable)(said)
        kind = _ERRORS.get(status, ZephyrRefused)
        return kind(said, method=method, path=path, status=status)

    def _scrub(self, text: str) -> str:
        for secret in filter(None, self._secrets):
            text = text.replace(secret, HIDDEN)
        return text


class _Session(requests.Session):
    """Does not even look where a redirect leads, nor read its body for that."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _bounded(call: Callable[[], Returned], seconds: float) -> Returned:
    """Return what *call* returns, or raise `requests.ReadTimeout` after *seconds*.

    The timeout of a socket begins anew with every byte, so that a server that
    trickles would hold us for ever. What does not end is left to a daemon thread.
    """
    answers: queue.SimpleQueue[tuple[Returned | None, BaseException | None]]
    answers = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised again below
            answers.put((None, error))

    threading.Thread(target=run, name="zephyr-request", daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise requests.ReadTimeout from None
    if error is not None:
        raise error
    return cast(Returned, found)


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined,misc]
    """Takes no cookie from any answer."""

    def set_ok(self, cookie: object, request: object) -> bool:
        return False


def _query(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _secrets(credential: Credential, proxies: Iterable[str]) -> list[str]:
    """Return every text that must not be shown, longest first."""
    secret = credential.secret.reveal()
    found = {secret}
    if (
        credential.kind != "token"
        and credential.username.isascii()
        and secret.isascii()
    ):
        pair = f"{credential.username}:{secret}".encode("ascii")
        found.add(base64.b64encode(pair).decode())
    for proxy in proxies:
        userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
        name, _, password = userinfo.partition(":")
        pair = f"{unquote(name)}:{unquote(password)}".encode("utf-8", "replace")
        found |= {userinfo, password, unquote(password)}
        if userinfo:
            found.add(base64.b64encode(pair).decode())
    return sorted(filter(None, found), key=len, reverse=True)


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
    """Return what the server says was wrong, in one short line (API 4.15)."""
    try:
        payload = decode.mapping(json.loads(content))
    except (ValueError, RecursionError):
        payload = {}
    message = decode.text(payload.get("errorMsg")) or decode.text(
        payload.get("message")
    )
    printable = (sign if sign.isprintable() else " " for sign in message)
    message = " ".join("".join(printable).split())
    return message if len(message) <= 300 else f"{message[:297]}..."


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
    text = " ".join(text.split())
    return text.rstrip(".") if len(text) <= 200 else f"{text[:197]}..."


def _is_timeout(error: Exception) -> bool:
    # For urllib3 a refused connection is a kind of timeout.
    if any(isinstance(each, NewConnectionError) for each in _chain(error)):
        return False
    return any(
        isinstance(each, requests.Timeout | ReadTimeoutError | ConnectTimeoutError)
        for each in _chain(error)
    )


def _never_arrived(error: Exception) -> bool:
    """Return whether the request certainly did not reach the server."""
    return any(
        isinstance(each, NewConnectionError | ConnectTimeoutError)
        for each in _chain(error)
    )


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
