"""Why a request got no answer, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
import errno
import http.client
import re
import ssl
from typing import TypeAlias

import requests
from urllib3.exceptions import ConnectTimeoutError
from urllib3.exceptions import NameResolutionError
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import ReadTimeoutError

from pytest_zephyr.client.server import Server
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.command_line import command
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import shorten


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

#: How a server that speaks TLS ends a connection that does not.
_CLOSED: _Kinds = (ConnectionError, http.client.BadStatusLine)

#: Settings and flags to copy, at the end of a message.
_COPIED = re.compile(r"(zephyr_url \S+ https?:\S+|--port \d+)$")

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH}


def no_answer(
    server: Server,
    method: str,
    path: str,
    error: Exception,
    deadline: Deadline,
    scrub: Scrubber,
) -> ZephyrError:
    """Return the error to raise for a request that got no answer."""
    reason = shorten(scrub(_reason(error)), 200)
    tls = isinstance(error, requests.exceptions.SSLError)
    at_proxy = isinstance(error, requests.exceptions.ProxyError)
    timed_out = _is_timeout(error)
    call = f"no answer from {server} to {method} {path}"
    if tls:
        text = _tls(server, reason)
    elif at_proxy:
        text = _proxy(server, reason)
    elif deadline.spent:
        text = f"{call}: the time budget of {deadline.seconds:g} s ({deadline.name})"
        text += " is spent"
    elif timed_out and _contains(error, ConnectTimeoutError):
        text = f"no answer from {server} within {server.timeout:g} s: no connection."
        text += " Check the address, the network and its firewall, or set zephyr_proxy"
    elif timed_out:
        text = f"{call} within {server.timeout:g} s"
    else:
        text = _not_connected(server, method, error, reason) or f"{call}: {reason}"
    if method == "GET" or at_proxy or _contains(error, _BEFORE_SENDING):
        # An address or a command at the end is copied without a full stop.
        end = "" if _COPIED.search(text) else "."
        return ZephyrUnreachable(scrub(text + end), tls=tls)
    return ZephyrWriteUncertain(
        scrub(f"{text}. It may have been carried out."),
        may_land_within=server.timeout if timed_out else 0.0,
    )


def _tls(server: Server, reason: str) -> str:
    lower = reason.lower()
    reason = re.sub(r"\s*\(_ssl\.c:\d+\)", "", re.sub(r"^\[[^]]*\]\s*", "", reason))
    if "wrong version number" in lower or "record layer failure" in lower:
        return (
            f"no answer from {server}: this port speaks http, not https. Set zephyr_url"
            f" to {server.other_scheme()}"
        )
    reason = reason.removeprefix("certificate verify failed: ").rstrip(".")
    if "self-signed" in lower or "self signed" in lower:
        reason = "it is self-signed"
    elif "local issuer" in lower:
        reason = "this machine does not know the authority that signed it"
    if "mismatch, certificate is not valid for" in lower:
        return (
            f"the certificate of {server} is for another host: {reason}. Set zephyr_url"
            f" to the name in the certificate"
        )
    if "certificate has expired" in lower:
        return (
            f"the certificate of {server} is not trusted: {reason}. Ask the"
            f" administrator of the server to renew it"
        )
    if "certificate verify failed" in lower:
        return (
            f"the certificate of {server} is not trusted: {reason}. Ask the"
            f" administrator of the server for the certificate of the authority that"
            f" signed it, and set zephyr_verify to the path of that file"
        )
    return f"TLS with {server} failed: {reason}. Check zephyr_client_cert and zephyr_verify"


def _proxy(server: Server, reason: str) -> str:
    if "407" in reason:
        advice = (
            "it does not accept the user name and password in its address (407)."
            " Correct them"
            if server.proxy_has_login
            else "it wants a user name and password (407). Set ZEPHYR_PROXY to"
            " http://USER:PASSWORD@HOST:PORT"
        )
        return f"no connection through the proxy {server.proxy}: {advice}"
    return (
        f"no connection through the proxy {server.proxy} to {server}:"
        f" {_plain(reason)}. Check the address of the proxy; to connect without it,"
        f" name {server.parts.hostname} in NO_PROXY"
    )


def _not_connected(server: Server, method: str, error: Exception, reason: str) -> str:
    """Return what to say if the server was not reached, empty if it was."""
    start = f"no answer from {server}"
    if _contains(error, NameResolutionError):
        return (
            f"{start}: the host name {server.parts.hostname} cannot be resolved. Check"
            f" its spelling and your network; if only a proxy leads out of this network,"
            f" set zephyr_proxy"
        )
    if _contains(error, NewConnectionError):
        if any(f"Errno {number}]" in reason for number in _NO_ROUTE):
            return (
                f"{start}: {_plain(reason)}. Check the network of this machine, and its"
                f" VPN; if only a proxy leads out of this network, set zephyr_proxy"
            )
        return f"{start}: {_plain(reason)}. {_other_port(server)}"
    first = method == "GET" and not server.answered
    if first and server.parts.scheme == "http" and _contains(error, _CLOSED):
        return (
            f"{start}: the connection was closed. This port may speak https; try"
            f" zephyr_url = {server.other_scheme()}"
        )
    return ""


def _other_port(server: Server) -> str:
    port = server.parts.port
    here = server.parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if here and server.parts.scheme == "http" and port is not None:
        sandbox = command("sandbox", "--port", port)
        return (
            f"Nothing listens on port {port} of this machine. To start the embedded"
            f" server there: {sandbox}"
        )
    return f"Check host and port, or try zephyr_url = {server.without_port()}"


def _plain(reason: str) -> str:
    """Return *reason* without error numbers and the words of urllib3."""
    text = re.sub(r"^Failed to establish a new connection: ", "", reason)
    text = re.sub(r"\[Errno -?\d+\] ", "", text).rstrip(".")
    return text[:1].lower() + text[1:]


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
