"""One HTTP session to one server: base address, login, and calls within a time budget."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
import hashlib
from importlib.metadata import version
import json
import os
from pathlib import Path
import ssl
import time
from typing import Any
from typing import TYPE_CHECKING
import warnings

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3.exceptions import InsecureRequestWarning
from urllib3.exceptions import MaxRetryError

from pytest_zephyr.client.auth import CookieAuth
from pytest_zephyr.client.auth import make_auth
from pytest_zephyr.client.multipart import Multipart
from pytest_zephyr.client.multipart import Part
from pytest_zephyr.client.no_answer import no_answer
from pytest_zephyr.client.responses import Answer
from pytest_zephyr.client.responses import ResponseReader
from pytest_zephyr.client.retries import DeadlineRetry
from pytest_zephyr.client.retries import DeadlineTimeout
from pytest_zephyr.client.server import Server
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

#: The largest answer to read, in bytes; a page of 500 executions has about 1 MB.
MAX_ANSWER = 64 * 1024 * 1024

#: Milliseconds that two clocks may differ because of the time a message takes.
_SAME_TIME = 5000


class Transport:
    """Sends requests to *origin* and turns every bad answer into a ZephyrError.

    No redirect is followed, so no credential goes to another host. *clock_offset* is by how
    many milliseconds the server's clock is ahead of ours, 0 if they agree.
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
        self.clock_offset = 0
        self.deadline = deadline
        self._auth = make_auth(credential)
        self._timeout = settings.timeout
        self.server = Server.of(origin, credential, settings)
        proxies = self.server.proxies
        self._scrub = Scrubber(secrets_of(credential, proxies.values()))
        self._responses = ResponseReader(self.server, self._scrub)
        verify = settings.verify
        self._verify = str(verify) if isinstance(verify, Path) else bool(verify)
        self._adapter = _SystemTrust if verify == "system" else HTTPAdapter
        if verify is True:
            names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            self._verify = next(filter(None, map(os.environ.get, names)), True)
        self._options: dict[str, Any] = {"proxies": proxies}
        if settings.client_cert:
            # With a key named, OpenSSL does not prompt for a pass phrase.
            certificate, key = settings.client_cert[0], settings.client_cert[-1]
            self._options["cert"] = str(certificate), str(key)
        self._retries = settings.retries
        self._http = self._session()

    def _session(self) -> requests.Session:
        http = _Session()
        # The settings already include what the environment says.
        http.trust_env = False
        http.headers["User-Agent"] = f"pytest-zephyr/{version('pytest-zephyr')}"
        http.headers["Accept"] = JSON
        retry = DeadlineRetry(
            self._retries,
            redirect=0,
            raise_on_status=False,
            allowed_methods={"GET"},
            backoff_factor=0.5,
            deadline=self.deadline,
        )
        for scheme in ("http://", "https://"):
            http.mount(scheme, self._adapter(max_retries=retry))
        if not isinstance(self._auth, CookieAuth):
            # A session cookie next to a token could mix two logins.
            http.cookies.set_policy(_NoCookies())
        return http

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def renew(self, deadline: Deadline) -> None:
        """Start a new time budget with new connections, and keep the login."""
        self.close()
        self.deadline = deadline
        self._http = self._session()

    def close(self) -> None:
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the deadline allows."""
        time.sleep(min(seconds, self.deadline.remaining()))

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        body: object = None,
        api_version: str | None = None,
    ) -> Answer:
        """Send one call below the REST base and return its answer.

        Raises ZephyrUnreachable (ZephyrWriteUncertain for a write that may have
        happened) or ZephyrBadAnswer.
        """
        url = f"{self.origin}{REST}/{api_version or self.api_version}/{path}"
        options: dict[str, Any] = {
            "params": {
                key: str(value).lower() if isinstance(value, bool) else value
                for key, value in (params or {}).items()
            }
        }
        if body is not None:
            options["data"] = json.dumps(body).encode("ascii")
            options["headers"] = {"Content-Type": JSON}
        response, content = self._call_logged_in(method, path, url, **options)
        return self._responses.read(method, path, response, content)

    def send_files(self, path: str, parts: Mapping[str, Part]) -> Answer:
        """Send files, by part name, to *path* of the origin. Raises as `send` does."""
        body = Multipart(parts)
        headers = {"Content-Type": body.content_type}
        response, content = self._call_logged_in(
            "POST", path, f"{self.origin}/{path}", data=body, headers=headers
        )
        return self._responses.read("POST", path, response, content)

    def download_digest(self, path: str, params: Mapping[str, str]) -> str:
        """Return the SHA-256 of a file from *path* of the origin. Raises as `send`."""
        response, content = self._call_logged_in(
            "GET",
            path,
            f"{self.origin}/{path}",
            digest=True,
            params=params,
            headers={"Accept": "*/*"},
        )
        self._responses.check("GET", path, response, content)
        return content.decode("ascii")

    def _call_logged_in(
        self, method: str, path: str, url: str, **options: Any
    ) -> tuple[requests.Response, bytes]:
        """Make a call, and repeat it with a new login if the old one has expired."""
        auth = self._auth
        if isinstance(auth, CookieAuth):
            self._login(auth)
        response, content = self._call(method, path, url, auth=auth, **options)
        if response.status_code == 401 and isinstance(auth, CookieAuth):
            auth.forget()
            self._login(auth)
            response, content = self._call(method, path, url, auth=auth, **options)
        return response, content

    def _login(self, auth: CookieAuth) -> None:
        """Get the session cookie unless there is one."""
        if auth.current:
            return
        url = f"{self.origin}{REST}/latest/manifest"
        response, content = self._call("GET", "manifest", url, auth=auth.basic)
        if response.status_code != 200:
            self._responses.read("GET", "manifest", response, content)
        elif auth.accept(response):
            self._scrub.add(auth.cookie.reveal())
        else:
            msg = (
                f"{self.server} accepted the login but set no cookie named token. Use an"
                f" API token instead: ZEPHYR_TOKEN."
            )
            raise ZephyrRefused(msg, status=200)

    def _call(
        self, method: str, path: str, url: str, **options: Any
    ) -> tuple[requests.Response, bytes]:
        if self.deadline.spent:
            msg = (
                f"the time budget of {self.deadline.seconds:g} s"
                f" ({self.deadline.name}) is spent; {method} {path} was not sent."
            )
            raise ZephyrUnreachable(msg)
        try:
            with warnings.catch_warnings():
                # The plugin has its own warning about certificates that are not verified.
                warnings.simplefilter("ignore", InsecureRequestWarning)
                return self._ask(method, url, **options)
        except (requests.RequestException, OSError, ValueError) as error:
            # requests does not wrap every error of the libraries below it.
            raise no_answer(
                self.server, method, path, error, self.deadline, self._scrub
            ) from None

    def _ask(
        self, method: str, url: str, *, digest: bool = False, **options: Any
    ) -> tuple[requests.Response, bytes]:
        """Return a response with its whole body, or with the *digest* of a good one.

        urllib3 repeats a request that gets no answer, this one whose body is cut off.
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
                self.server.answered = True
                if "Age" not in response.headers:
                    # Otherwise a cache sent it, with an old date.
                    self._note_date(response.headers.get("Date", ""))
                try:
                    is_file = digest and response.status_code == 200
                    read = self._read_digest if is_file else self._read
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
        """Compare the date of an answer, in whole seconds, with our clock."""
        try:
            date = parsedate_to_datetime(text).timestamp() * 1000
        except (TypeError, ValueError, OverflowError):
            return
        clock_offset = round(date) + 500 - now_ms()
        self.clock_offset = clock_offset if abs(clock_offset) > _SAME_TIME else 0

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
            # urllib3 before 2.0 does not notice this.
            msg = "the answer was cut off"
            raise ChunkedEncodingError(msg)


class _Session(requests.Session):
    """A session that ignores redirects, and does not read their bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _SystemTrust(HTTPAdapter):
    """Trusts the certificates that the operating system trusts, and no others."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        self._context = _system_context()
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        # Not those of certifi, which requests has set.
        conn.ca_certs = None


def _system_context() -> ssl.SSLContext:
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined,misc]
    """Accepts no cookie from any answer."""

    def set_ok(self, cookie: object, request: object) -> bool:
        return False
