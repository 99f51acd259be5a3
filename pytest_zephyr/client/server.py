"""The server as messages name it: its address, the way to it, and who logs in."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
import os
from urllib.parse import SplitResult
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies
from requests.utils import select_proxy
from requests.utils import should_bypass_proxies

from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.secret import mask_userinfo


@dataclass
class Server:
    """One server; *user* is known after the login, *answered* after the first answer.

    *source* says where its address came from, and is empty if no user named it.
    """

    origin: str
    source: str
    credential: Credential
    project: str
    timeout: float
    proxies: dict[str, str] = field(repr=False)
    proxy_source: str
    user: str = ""
    answered: bool = False

    @classmethod
    def of(cls, origin: str, credential: Credential, settings: Settings) -> Server:
        source = settings.sources.get("url", "default")
        proxies, proxy_source = _proxies(origin, settings)
        return cls(
            origin=origin,
            source="" if settings.embedded or source == "default" else source,
            credential=credential,
            project=f" in project {settings.project}" if settings.project else "",
            timeout=settings.timeout,
            proxies=proxies,
            proxy_source=proxy_source,
        )

    def __str__(self) -> str:
        return f"{self.origin} (from {self.source})" if self.source else self.origin

    @property
    def proxy(self) -> str:
        """The proxy with its source, for a message."""
        proxy = select_proxy(self.origin, self.proxies) or ""
        return f"{mask_userinfo(proxy)} (from {self.proxy_source})"

    @property
    def proxy_has_login(self) -> bool:
        return "@" in (select_proxy(self.origin, self.proxies) or "")

    @property
    def who(self) -> str:
        """The user and the credential of the login, for a message."""
        if self.user and self.credential.kind == "token":
            return f"user {self.user!r} (token in {self.credential.source})"
        return f"user {self.user!r}" if self.user else str(self.credential)

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.origin)

    def other_scheme(self) -> str:
        """Return the address with http in place of https, or the reverse."""
        scheme = "http" if self.parts.scheme == "https" else "https"
        return self.parts._replace(scheme=scheme).geturl()

    def without_port(self) -> str:
        """Return the address to try if nothing listens on the port of this one."""
        if self.parts.port is None:
            return self.other_scheme()
        host = self.parts.netloc.rpartition(":")[0]
        return self.parts._replace(scheme="https", netloc=host).geturl()


def _proxies(origin: str, settings: Settings) -> tuple[dict[str, str], str]:
    """Return the proxies to use for *origin*, and where they are set."""
    if settings.embedded:
        return {}, ""
    if settings.proxy and not should_bypass_proxies(origin, no_proxy=None):
        proxies = {"http": settings.proxy, "https": settings.proxy}
        return proxies, settings.sources.get("proxy", "")
    proxies = get_environ_proxies(origin)
    proxy = select_proxy(origin, proxies)
    names = (
        name
        for name, value in os.environ.items()
        if value == proxy and name.lower().endswith("_proxy")
    )
    return proxies, next(names, "the system's settings")
