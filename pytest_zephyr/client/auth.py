"""Logins as requests auth callables that only sign: token, basic, cookie."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
import base64
from http.cookies import CookieError
from http.cookies import SimpleCookie

from requests import PreparedRequest
from requests import Response
from requests.auth import AuthBase

from pytest_zephyr.clock import monotonic
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import Secret


class ZephyrAuth(AuthBase, ABC):
    """A login; its `repr` shows no secret."""

    @abstractmethod
    def __call__(self, request: PreparedRequest) -> PreparedRequest: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}({HIDDEN})"


class TokenAuth(ZephyrAuth):
    """API token, sent as a bearer token; the only login that works with single sign-on."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request


class BasicAuth(ZephyrAuth):
    """User name and password, ASCII only."""

    def __init__(self, username: str, password: Secret) -> None:
        self._username = username
        self._password = password

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        pair = f"{self._username}:{self._password.reveal()}".encode("ascii")
        request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return request


class CookieAuth(ZephyrAuth):
    """The cookie named ``token`` that a login returns; it lasts 90 minutes.

    It is marked ``Secure``, so an ordinary cookie jar would not send it to a server on
    plain http. This class sends it to any server that the login was made with.
    """

    LIFETIME = 5400.0
    MARGIN = 60.0

    def __init__(self, username: str, password: Secret) -> None:
        self.basic = BasicAuth(username, password)
        self._cookie: Secret | None = None
        self._expires = 0.0

    @property
    def current(self) -> bool:
        """Whether there is a cookie that does not expire within the margin."""
        return self._cookie is not None and monotonic() < self._expires

    @property
    def cookie(self) -> Secret:
        return self._cookie or Secret("")

    def forget(self) -> None:
        self._cookie = None

    def accept(self, response: Response) -> bool:
        """Store the cookie of a login's answer; return whether there was one."""
        # raw.headers keeps several Set-Cookie headers apart, response.headers does not.
        for header in response.raw.headers.getlist("Set-Cookie"):
            try:
                morsel = SimpleCookie(header).get("token")
            except CookieError:
                continue
            if morsel is None or not morsel.value:
                continue
            age = morsel["max-age"]
            lifetime = float(age) if age.isdigit() else self.LIFETIME
            self._cookie = Secret(morsel.value)
            self._expires = monotonic() + max(lifetime - self.MARGIN, lifetime / 2)
            return True
        return False

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._cookie is not None:
            pairs = request.headers.get("Cookie", "").split("; ")
            others = [each for each in pairs if each and not each.startswith("token=")]
            token = f"token={self._cookie.reveal()}"
            request.headers["Cookie"] = "; ".join([*others, token])
        return request


def make_auth(credential: Credential) -> ZephyrAuth:
    if credential.kind == "token":
        return TokenAuth(credential.secret)
    if credential.kind == "basic":
        return BasicAuth(credential.username, credential.secret)
    return CookieAuth(credential.username, credential.secret)
