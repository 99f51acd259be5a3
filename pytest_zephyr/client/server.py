"""The server, its proxy, its calls and the login, with their names for messages."""

from __future__ import annotations

from dataclasses import dataclass
import os
from typing import Any
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies
from requests.utils import select_proxy
from requests.utils import should_bypass_proxies

from pytest_zephyr.config.credentials import secrets_of
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.config.settings import Source
from pytest_zephyr.secret import mask_userinfo
from pytest_zephyr.secret import Scrubber


@dataclass(frozen=True)
class Call:
    """A request to *url*; *options* are passed to requests, messages name *path*."""

    method: str
    path: str
    url: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Server:
    """The server of *settings*.

    *user* is the name of the user, empty until it is known. *has_answered* is set by the
    first answer. *timeout* is in seconds. *project*, and *proxy* with its source, are for
    messages. *scrub* hides our secrets in texts.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.url is not None
        assert settings.credential is not None
        self.url = settings.url
        self.parts = urlsplit(self.url)
        self.credential = settings.credential
        self.project = settings.project
        self.timeout = settings.timeout
        self.user = ""
        self.has_answered = False
        self._name = self.url
        if not settings.embedded:
            self._name += f" ({settings.sources['url']})"
        self.proxies, proxy_source = _proxies(self.url, settings)
        proxy = select_proxy(self.url, self.proxies) or ""
        self.proxy_has_login = "@" in proxy
        self.proxy = f"{mask_userinfo(proxy)} ({proxy_source})"
        self.scrub = Scrubber(secrets_of(self.credential, self.proxies.values()))

    def __str__(self) -> str:
        return self._name

    @property
    def who(self) -> str:
        """Who is logged in, for a message; with the source of a token."""
        if self.user and self.credential.kind == "token":
            return f"user {self.user!r} (token in {self.credential.source})"
        return f"user {self.user!r}" if self.user else str(self.credential)

    def with_other_scheme(self) -> str:
        """Return the address with http in place of https, or the reverse."""
        scheme = "http" if self.parts.scheme == "https" else "https"
        return self.parts._replace(scheme=scheme).geturl()

    def address_to_try(self) -> str:
        """Return the address to try after the connection to this one failed.

        It has https and no port; if this one has no port, it has the other scheme.
        """
        if self.parts.port is None:
            return self.with_other_scheme()
        host = self.parts.netloc.rpartition(":")[0]
        return self.parts._replace(scheme="https", netloc=host).geturl()


def _proxies(url: str, settings: Settings) -> tuple[dict[str, str], Source]:
    """Return the proxies to use for *url*, and where they are set."""
    source = settings.sources["proxy"]
    if settings.embedded:
        return {}, source
    if settings.proxy and not should_bypass_proxies(url, no_proxy=None):
        proxies = {"http": settings.proxy, "https": settings.proxy}
        return proxies, source
    proxies = get_environ_proxies(url)
    proxy = select_proxy(url, proxies)
    names = (
        name
        for name, value in os.environ.items()
        if value == proxy and name.lower().endswith("_proxy")
    )
    return proxies, Source("environment", next(names, "the system's settings"))
