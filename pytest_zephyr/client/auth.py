"""Authentication of requests: API token, basic authentication, session cookie."""

from __future__ import annotations

from http.cookies import CookieError
from http.cookies import SimpleCookie

from requests import PreparedRequest
from requests import Response
from requests.auth import AuthBase

from pytest_zephyr.clock import monotonic
from pytest_zephyr.config.credentials import encode_login
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import Secret


class HeaderAuth(AuthBase):
    """Adds a credential to each request: an API token, or user name and password.

    Only a token works with single sign-on.
    """

    def __init__(self, header: Secret) -> None:
        self._header = header

    def __repr__(self) -> str:
        return f"HeaderAuth({HIDDEN})"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._header.reveal()
        return request


class CookieAuth(AuthBase):
    """Adds the cookie named ``token`` that a login returns.

    The cookie is marked ``Secure``, so an ordinary cookie jar would not send it over plain
    http. This class sends it.
    """

    #: Seconds for which a cookie without a ``Max-Age`` counts as valid.
    DEFAULT_LIFETIME = 5400.0

    #: A cookie is renewed this many seconds before it expires, or after half of its
    #: lifetime if that is later.
    RENEWAL_MARGIN = 60.0

    def __init__(self, basic: HeaderAuth) -> None:
        self.basic = basic
        self._cookie: Secret | None = None
        self._renew_at = 0.0

    def __repr__(self) -> str:
        return f"CookieAuth({HIDDEN})"

    @property
    def is_logged_in(self) -> bool:
        """Whether there is a cookie that need not be renewed yet."""
        return self._cookie is not None and monotonic() < self._renew_at

    def accept(self, response: Response) -> Secret | None:
        """Store the cookie of a login's answer and return it; `None` if there is none."""
        # raw.headers keeps several Set-Cookie headers apart, response.headers does not.
        for header in response.raw.headers.getlist("Set-Cookie"):
            try:
                morsel = SimpleCookie(header).get("token")
            except CookieError:
                continue
            if morsel is None or not morsel.value:
                continue
            max_age = morsel["max-age"]
            lifetime = float(max_age) if max_age.isdigit() else self.DEFAULT_LIFETIME
            self._cookie = Secret(morsel.value)
            valid = max(lifetime - self.RENEWAL_MARGIN, lifetime / 2)
            self._renew_at = monotonic() + valid
            return self._cookie
        return None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._cookie is not None:
            pairs = request.headers.get("Cookie", "").split("; ")
            others = [pair for pair in pairs if pair and not pair.startswith("token=")]
            token = f"token={self._cookie.reveal()}"
            request.headers["Cookie"] = "; ".join([*others, token])
        return request


def make_auth(credential: Credential) -> HeaderAuth | CookieAuth:
    secret = credential.secret.reveal()
    if credential.kind == "token":
        return HeaderAuth(Secret(f"Bearer {secret}"))
    basic = HeaderAuth(Secret(f"Basic {encode_login(credential.username, secret)}"))
    return basic if credential.kind == "basic" else CookieAuth(basic)
