"""One HTTP session to one server: base address, login, and calls within a time budget."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
import hashlib
from importlib.metadata import version
import json
import os
import time
from types import TracebackType
from typing import Any
from typing import TYPE_CHECKING
import warnings

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from requests.utils import get_environ_proxies
from requests.utils import should_bypass_proxies
from urllib3.exceptions import InsecureRequestWarning
from urllib3.exceptions import MaxRetryError

from pytest_zephyr.client.auth import CookieAuth
from pytest_zephyr.client.auth import make_auth
from pytest_zephyr.client.multipart import Multipart
from pytest_zephyr.client.multipart import Part
from pytest_zephyr.client.responses import Answer
from pytest_zephyr.client.responses import ResponseReader
from pytest_zephyr.client.retries import PatientRetry
from pytest_zephyr.client.timeouts import DeadlineTimeout
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.credentials import secrets_of
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.secret import Scrubber


if TYPE_CHECKING:
    from typing_extensions import Self

REST = "/flex/services/rest"
JSON = "application/json"

#: The largest answer we read, in bytes; a page of 500 executions has about 1 MB.
MAX_ANSWER = 64 * 1024 * 1024

#: Milliseconds between two clocks that may be due to the way from one to the other.
_SAME_TIME = 5000


class Transport:
    """Sends requests to *origin* and turns every bad answer into a ZephyrError.

    No redirect is followed, so a credential never leaves for another host. *ahead* is by
    how many milliseconds the server's clock is ahead of ours, 0 if they agree.
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
        self.ahead = 0
        self.deadline = deadline
        self._auth = make_auth(credential)
        self._timeout = settings.timeout
        proxies = {} if settings.embedded else _proxies(origin, settings)
        self._scrub = Scrubber(secrets_of(credential, proxies.values()))
        self._responses = ResponseReader(
            origin, credential, settings.timeout, self._scrub
        )
        self._verify: bool | str
        if isinstance(settings.verify, bool):
            self._verify = settings.verify and (_trusted() or True)
        else:
            self._verify = str(settings.verify)
        self._options: dict[str, Any] = {"proxies": proxies}
        if settings.client_cert:
            # A key that is named is not asked a pass phrase for on the terminal.
            certificate, key = settings.client_cert[0], settings.client_cert[-1]
            self._options["cert"] = str(certificate), str(key)
        self._retries = settings.retries
        self._http = self._session(settings.retries)

    def _session(self, retries: int) -> requests.Session:
        http = _Session()
        # All that the environment has to say is in the settings.
        http.trust_env = False
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

    def renew(self, deadline: Deadline) -> None:
        """Begin a new time budget with new connections; the login goes on."""
        self.close()
        self.deadline = deadline
        self._http = self._session(self._retries)

    def close(self) -> None:
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the deadline allows."""
        time.sleep(min(seconds, self.deadline.left()))

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        body: object = None,
        api_version: str | None = None,
    ) -> Answer:
        """Send one call below the REST base and return its answer.

        Raises ZephyrUnreachable (ZephyrWriteUncertain for a write that may have happened) or
        ZephyrRefused.
        """
        url = f"{self.origin}{REST}/{api_version or self.api_version}/{path}"
        response, content = self._logged_in(
            lambda: self._exchange(method, path, url, params, body)
        )
        return self._responses.read(method, path, response, content)

    def upload(self, path: str, parts: Mapping[str, Part]) -> Answer:
        """Send files to *path* of the origin, outside the REST base, by part name.

        Raises as `send` does.
        """
        body = Multipart(parts)
        headers = {"Content-Type": body.content_type}
        response, content = self._logged_in(
            lambda: self._call(
                "POST",
                path,
                f"{self.origin}/{path}",
                auth=self._auth,
                data=body,
                headers=headers,
            )
        )
        return self._responses.read("POST", path, response, content)

    def download_digest(self, path: str, params: Mapping[str, str]) -> str:
        """Return the SHA-256 of a file from *path* of the origin. Raises as `send`."""
        response, content = self._logged_in(
            lambda: self._call(
                "GET",
                path,
                f"{self.origin}/{path}",
                digest=True,
                auth=self._auth,
                params=params,
                headers={"Accept": "*/*"},
            )
        )
        self._responses.check("GET", path, response, content)
        return content.decode("ascii")

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
        if auth.current:
            return
        url = f"{self.origin}{REST}/latest/manifest"
        response, content = self._call("GET", "manifest", url, auth=auth.basic)
        accepted = response.status_code == 200 and auth.accept(response)
        self._scrub.add(auth.cookie.reveal())
        if not accepted:
            if response.status_code == 200:
                msg = (
                    f"GET manifest: {self.origin} accepted the login but set no"
                    f" cookie named token. Use an API token instead: ZEPHYR_TOKEN."
                )
                raise ZephyrRefused(msg, method="GET", path="manifest", status=200)
            self._responses.read("GET", "manifest", response, content)

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
                f" ({self.deadline.name}) is spent."
            )
            raise ZephyrUnreachable(msg)
        try:
            with self._without_warning():
                return self._ask(method, url, **options)
        except (requests.RequestException, OSError, ValueError) as error:
            # requests lets a few errors of the layers below through.
            raise self._responses.no_answer(
                method, path, error, self.deadline
            ) from None

    @contextmanager
    def _without_warning(self) -> Iterator[None]:
        """Keep urllib3 from warning of what the user has read a warning of ours about."""
        if self._verify is not False:
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            yield

    def _ask(
        self, method: str, url: str, *, digest: bool = False, **options: Any
    ) -> tuple[requests.Response, bytes]:
        """Send a request until it has a whole answer, or the *digest* of a good one.

        urllib3 repeats what got none; of the body, which is read later, it knows nothing.
        """
        retry = None
        for tries_left in range(self._retries, -1, -1):
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
                if "Age" not in response.headers:
                    # That of a copy which somebody on the way has kept is not now.
                    self._note_date(response.headers.get("Date", ""))
                try:
                    digests = digest and response.status_code == 200
                    read = self._read_digest if digests else self._read
                    return response, read(response)
                except ChunkedEncodingError as error:
                    if method != "GET" or not tries_left:
                        raise
                    cut_off = error
            retry = retry or response.raw.retries
            assert retry is not None, "the adapter gives every answer its own"
            try:
                retry = retry.increment(method, url, error=cut_off)
            except MaxRetryError:
                raise cut_off from None
            retry.sleep()
        raise AssertionError("the last try returns or raises")

    def _note_date(self, text: str) -> None:
        """Compare the date of an answer, which has whole seconds, with our clock."""
        try:
            date = parsedate_to_datetime(text).timestamp() * 1000
        except (TypeError, ValueError, OverflowError):
            return
        ahead = round(date) + 500 - now_ms()
        self.ahead = ahead if abs(ahead) > _SAME_TIME else 0

    def _read(self, response: requests.Response) -> bytes:
        """Read the whole body, unless it is too large."""
        parts = []
        size = 0
        for part in response.iter_content(64 * 1024):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER:
                msg = f"the answer has more than {MAX_ANSWER // 1024 // 1024} MB"
                raise requests.RequestException(msg)
        self._check_whole(response)
        return b"".join(parts)

    def _read_digest(self, response: requests.Response) -> bytes:
        hashed = hashlib.sha256()
        for part in response.iter_content(64 * 1024):
            hashed.update(part)
        self._check_whole(response)
        return hashed.hexdigest().encode("ascii")

    def _check_whole(self, response: requests.Response) -> None:
        if response.raw.length_remaining:
            # urllib3 before 2.0 takes half an answer for all of it.
            msg = "the answer was cut off"
            raise ChunkedEncodingError(msg)


def _proxies(origin: str, settings: Settings) -> dict[str, str]:
    if settings.proxy and not should_bypass_proxies(origin, no_proxy=None):
        return {"http": settings.proxy, "https": settings.proxy}
    proxies: dict[str, str] = get_environ_proxies(origin)
    return proxies


def _trusted() -> str:
    """Return the file of certificates that the environment names, if it does."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return next(filter(None, map(os.environ.get, names)), "")


class _Session(requests.Session):
    """Does not even look where a redirect leads, nor read its body for that."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined,misc]
    """Takes no cookie from any answer."""

    def set_ok(self, cookie: object, request: object) -> bool:
        return False


def _query(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
