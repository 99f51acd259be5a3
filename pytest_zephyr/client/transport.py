"""Sends calls to one server: below its address, with a login, within a time budget."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import partial
import hashlib
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
import json
import os
from pathlib import Path
import random
import ssl
import time
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar
import warnings

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import InsecureRequestWarning

from pytest_zephyr import errors
from pytest_zephyr.client.auth import CookieAuth
from pytest_zephyr.client.auth import make_auth
from pytest_zephyr.client.multipart import Multipart
from pytest_zephyr.client.multipart import Part
from pytest_zephyr.client.no_answer import may_repeat
from pytest_zephyr.client.no_answer import no_answer
from pytest_zephyr.client.responses import check_status
from pytest_zephyr.client.responses import read_payload
from pytest_zephyr.client.responses import retry_after
from pytest_zephyr.client.server import Call
from pytest_zephyr.client.server import Server
from pytest_zephyr.clock import Deadline
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.settings import Settings


if TYPE_CHECKING:
    from typing_extensions import Self

REST = "/flex/services/rest"
JSON = "application/json"

#: Milliseconds by which two clocks may differ and still count as equal: answers take time.
_CLOCK_TOLERANCE = 5000

#: The most seconds between two tries, unless the server asks for more.
_MAX_PAUSE = 120

Result = TypeVar("Result")


class Transport:
    """Sends requests to one server; a bad or missing answer becomes a ZephyrError.

    No redirect is followed, so no credential goes to another host. *deadline* defaults to
    the time budget of *settings*. *clock_offset* is how many milliseconds the server's
    clock is ahead of ours, 0 if they agree or nothing was read yet.
    """

    def __init__(self, settings: Settings, deadline: Deadline | None = None) -> None:
        self.server = Server(settings)
        self.deadline = deadline or settings.time_budget()
        self.clock_offset = 0
        self.api_version = "v3"
        self._retries = settings.retries
        self._auth = make_auth(self.server.credential)
        self._http = http = _WithoutRedirects()
        # requests must not read netrc; the variables for proxies and certificates are
        # read here and by `Server`.
        http.trust_env = False
        http.proxies = self.server.proxies
        http.stream = True
        http.headers["User-Agent"] = f"pytest-zephyr/{version('pytest-zephyr')}"
        http.headers["Accept"] = JSON
        http.verify = bool(settings.verify)
        if settings.verify == "system":
            http.mount("https://", _SystemTrustAdapter())
        elif isinstance(settings.verify, Path):
            http.verify = str(settings.verify)
        elif settings.verify:
            names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            http.verify = next(filter(None, map(os.environ.get, names)), True)
        if settings.client_cert:
            # If a key is named, OpenSSL does not prompt for a pass phrase.
            http.cert = str(settings.client_cert[0]), str(settings.client_cert[-1])
        if not isinstance(self._auth, CookieAuth):
            # A session cookie next to a token could mix two logins.
            http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def renew(self, deadline: Deadline) -> None:
        """Start a new time budget with new connections, and keep the login."""
        self.close()
        self.deadline = deadline

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
    ) -> object:
        """Send one call below the REST base and return the JSON of its answer.

        Raises ZephyrUnreachable (ZephyrWriteUnanswered for a write that may have
        happened) or ZephyrBadAnswer.
        """
        url = f"{self.server.url}{REST}/{api_version or self.api_version}/{path}"
        options: dict[str, Any] = {
            "params": {
                key: str(value).lower() if isinstance(value, bool) else value
                for key, value in (params or {}).items()
            }
        }
        if body is not None:
            options["data"] = json.dumps(body).encode("ascii")
            options["headers"] = {"Content-Type": JSON}
        return self._send_for_json(Call(method, path, url, options))

    def send_files(self, path: str, parts: Mapping[str, Part]) -> object:
        """Send files, by form field, to *path* below the address. Raises as `send` does."""
        body = Multipart(parts)
        options = {"data": body, "headers": {"Content-Type": body.content_type}}
        return self._send_for_json(
            Call("POST", path, f"{self.server.url}/{path}", options)
        )

    def download_digest(self, path: str, params: Mapping[str, str]) -> str:
        """Return the SHA-256 of a file from *path* below the address. Raises as `send` does."""
        options = {"params": params, "headers": {"Accept": "*/*"}}
        call = Call("GET", path, f"{self.server.url}/{path}", options)
        return self._send_logged_in(call, _read_digest)

    def _send_for_json(self, call: Call) -> object:
        return self._send_logged_in(call, partial(read_payload, self.server, call))

    def _send_logged_in(
        self, call: Call, read: Callable[[requests.Response], Result]
    ) -> Result:
        """Send a call, and repeat it with a new login if the old one has expired."""
        auth = self._auth
        with warnings.catch_warnings():
            # The plugin has its own warning about certificates that are not verified.
            warnings.simplefilter("ignore", InsecureRequestWarning)
            if isinstance(auth, CookieAuth):
                if not auth.is_logged_in:
                    self._login(auth)
                try:
                    return self._send(call, auth, read)
                except errors.ZephyrUnauthorized as refused:
                    if refused.http_status != 401:
                        raise
                self._login(auth)
            return self._send(call, auth, read)

    def _login(self, auth: CookieAuth) -> None:
        """Get a new session cookie."""
        url = f"{self.server.url}{REST}/latest/manifest"
        cookie = self._send(Call("GET", "manifest", url, {}), auth.basic, auth.accept)
        if cookie is None:
            msg = (
                f"{self.server} accepted the login but set no cookie named token. Use an"
                f" API token instead: ZEPHYR_TOKEN."
            )
            raise errors.ZephyrRefused(msg, http_status=200)
        self.server.scrub.add(cookie.reveal())

    def _send(
        self, call: Call, auth: AuthBase, read: Callable[[requests.Response], Result]
    ) -> Result:
        """Return what *read* returns for a good answer, and raise for any other.

        A call is repeated as often as the settings and the deadline allow: after 429 and
        503, which mean that it was not carried out, and if it did not reach the server. A
        read is also repeated after 502, 504, a timeout or a broken connection, and once
        after 500.

        A DNS lookup, or a server that sends one byte at a time, can outlast the deadline.
        Only ending the process stops them.
        """
        if self.deadline.spent:
            msg = f"{self.deadline} is spent; {call} was not sent."
            raise errors.ZephyrUnreachable(msg)
        repeated_statuses = (
            {429, 500, 502, 503, 504} if call.method == "GET" else {429, 503}
        )
        for tries_left in range(self._retries, -1, -1):
            # requests refuses a timeout of 0.
            timeout = max(0.05, min(self.server.timeout, self.deadline.remaining()))
            # At random 50 to 100 % of 0, 1, 2, 4 … s: many jobs must not retry at once.
            seconds = 2 ** (self._retries - tries_left) // 2
            pause = min(seconds, _MAX_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
            try:
                with self._http.request(
                    call.method, call.url, auth=auth, timeout=timeout, **call.options
                ) as response:
                    # urllib3 1 accepts an answer that is cut off unless told otherwise.
                    response.raw.enforce_content_length = True
                    status = response.status_code
                    requested_pause = retry_after(response)
                    pause = pause if requested_pause is None else requested_pause
                    is_repeatable = status in repeated_statuses
                    if not (is_repeatable and self._can_wait(pause, tries_left)):
                        self._note_answer(response)
                        check_status(self.server, call, response)
                        return read(response)
                if status == 500:
                    repeated_statuses.remove(500)
            except (requests.RequestException, OSError, ValueError) as error:
                # requests does not wrap every error of the libraries below it.
                if not (self._can_wait(pause, tries_left) and may_repeat(call, error)):
                    raise no_answer(self.server, call, error, self.deadline) from None
            self.pause(pause)
        raise AssertionError("the last try returns or raises")

    def _can_wait(self, pause: float, tries_left: int) -> bool:
        """Return whether another try is left, and time for it after *pause* seconds."""
        return tries_left > 0 and pause < self.deadline.remaining()

    def _note_answer(self, response: requests.Response) -> None:
        """Note that the server has answered, and how far its clock is ahead of ours."""
        self.server.has_answered = True
        if "Age" in response.headers:
            # A cache sent the answer, with an old date.
            return
        try:
            text = response.headers.get("Date", "")
            date = parsedate_to_datetime(text).timestamp() * 1000
        except (TypeError, ValueError, OverflowError):
            return
        # The date has no fraction of a second, so half a second is added.
        clock_offset = round(date) + 500 - now_ms()
        self.clock_offset = clock_offset if abs(clock_offset) > _CLOCK_TOLERANCE else 0


def _read_digest(response: requests.Response) -> str:
    digest = hashlib.sha256()
    for chunk in response.iter_content(64 * 1024):
        digest.update(chunk)
    return digest.hexdigest()


class _WithoutRedirects(requests.Session):
    """Sends requests; it follows no redirects, and does not read their bodies."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _SystemTrustAdapter(HTTPAdapter):
    """Trusts the certificates that the operating system trusts, and no others."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        import truststore

        self._context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        # Remove the certificates of certifi, which requests has set.
        conn.ca_certs = None
