"""Why a request got no answer, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import errno
import http.client
import re
import ssl

import requests
from urllib3 import exceptions
from urllib3.exceptions import ConnectTimeoutError
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError

from pytest_zephyr.client.server import Call
from pytest_zephyr.client.server import Server
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.command_line import command
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUnanswered
from pytest_zephyr.text import shorten


#: Errors after which the request certainly did not reach the server.
_NOT_CONNECTED = (NewConnectionError, ConnectTimeoutError)
_BEFORE_SENDING = (*_NOT_CONNECTED, ssl.SSLCertVerificationError)

#: Further errors after which a read is tried again: no answer in time, a broken
#: connection, an answer that is cut off.
_TRANSIENT = (
    ReadTimeoutError,
    ProtocolError,
    requests.exceptions.ChunkedEncodingError,
    ssl.SSLEOFError,
    ssl.SSLSyscallError,
    ssl.SSLZeroReturnError,
)

#: urllib3 1 has no error of its own for a host name without an address.
_UNRESOLVED = getattr(exceptions, "NameResolutionError", ())

_TIMEOUTS = (requests.Timeout, ReadTimeoutError, ConnectTimeoutError, TimeoutError)

#: Errors of plain http to a port that speaks TLS.
_CLOSED = (ConnectionError, http.client.BadStatusLine)

_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH}

_SET_PROXY = "if this network needs a proxy, set zephyr_proxy."


def may_repeat(call: Call, error: Exception) -> bool:
    """Return whether to repeat a call after *error*: a write only if it was not sent."""
    if isinstance(error, requests.exceptions.ProxyError):
        return True
    causes = list(_causes(error))
    repeatable = (*_NOT_CONNECTED, *(_TRANSIENT if call.method == "GET" else ()))
    return _contains(causes, repeatable)


def no_answer(
    server: Server, call: Call, error: Exception, deadline: Deadline
) -> ZephyrUnreachable:
    """Return the error to raise for a request that got no answer."""
    causes = list(_causes(error))
    reason = shorten(server.scrub(_reason(causes[-1])), 200)
    is_read = call.method == "GET"
    is_proxy_error = isinstance(error, requests.exceptions.ProxyError)
    is_tls_error = isinstance(error, requests.exceptions.SSLError)
    no_connection = _contains(causes, NewConnectionError)
    # For urllib3 a refused connection is a kind of timeout.
    is_timeout = not no_connection and _contains(causes, _TIMEOUTS)
    start = f"no answer from {server}"
    in_time = f"within {server.timeout:g} s (zephyr_timeout)"
    if is_tls_error:
        text = _tls_failure(server, reason)
    elif isinstance(error, requests.exceptions.InvalidSchema):
        text = f"the proxy {server.proxy} needs the package PySocks; install that."
    elif is_proxy_error:
        text = _proxy_failure(server, reason)
    elif deadline.spent:
        text = f"{start} to {call}: {deadline} is spent."
    elif is_timeout and _contains(causes, ConnectTimeoutError):
        text = f"{start} {in_time}: no connection. Check the address, the network and"
        text += " its firewall, or set zephyr_proxy."
    elif is_timeout:
        text = f"{start} to {call} {in_time}."
    elif _contains(causes, _UNRESOLVED):
        text = f"{start}: the host name {server.parts.hostname} cannot be resolved."
        text += f" Check its spelling and your network; {_SET_PROXY}"
    elif no_connection:
        text = f"{start}: {_simplify(reason)}. {_connection_advice(server, reason)}"
    elif (
        is_read
        and not server.has_answered
        and server.parts.scheme == "http"
        and _contains(causes, _CLOSED)
    ):
        text = f"{start}: the connection was closed. This port may speak https; try"
        text += f" zephyr_url = {server.with_other_scheme()}"
    else:
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            reason = "the answer was cut off"
        text = f"{start} to {call}: {reason}."
    text = server.scrub(text)
    if is_read or is_proxy_error or _contains(causes, _BEFORE_SENDING):
        return ZephyrUnreachable(text, code="tls" if is_tls_error else "unreachable")
    return ZephyrWriteUnanswered(
        f"{text.removesuffix('.')}. It may have been carried out.",
        may_land_within=server.timeout if is_timeout else 0.0,
    )


def _tls_failure(server: Server, reason: str) -> str:
    lower = reason.lower()
    if "wrong version number" in lower or "record layer failure" in lower:
        return (
            f"no answer from {server}: this port speaks http, not https. Set zephyr_url"
            f" to {server.with_other_scheme()}"
        )
    reason = re.sub(r"^\[[^]]*\]\s*|\s*\(_ssl\.c:\d+\)", "", reason)
    reason = reason.removeprefix("certificate verify failed: ").rstrip(".")
    if "mismatch, certificate is not valid for" in lower:
        return (
            f"the certificate of {server} is for another host: {reason}. Set zephyr_url"
            f" to the name in the certificate."
        )
    if "certificate verify failed" not in lower:
        return (
            f"TLS with {server} failed: {reason}. Check zephyr_client_cert and"
            f" zephyr_verify."
        )
    advice = "Ask the administrator of the server"
    if "certificate has expired" in lower:
        advice += " to renew it."
    else:
        advice += " for the certificate of the authority that signed it, and set"
        advice += " zephyr_verify to the path of that file."
    if "self-signed" in lower or "self signed" in lower:
        reason = "it is self-signed"
    elif "local issuer" in lower:
        reason = "this machine does not know the authority that signed it"
    return f"the certificate of {server} is not trusted: {reason}. {advice}"


def _proxy_failure(server: Server, reason: str) -> str:
    start = f"no connection through the proxy {server.proxy}"
    if "407" not in reason:
        return (
            f"{start} to {server}: {_simplify(reason)}. Check the address of the proxy; to"
            f" connect without it, add {server.parts.hostname} to NO_PROXY."
        )
    if server.proxy_has_login:
        return (
            f"{start}: it does not accept the user name and password in its address"
            f" (407). Correct them."
        )
    return (
        f"{start}: it requires a user name and password (407). Set ZEPHYR_PROXY to"
        f" http://USER:PASSWORD@HOST:PORT."
    )


def _connection_advice(server: Server, reason: str) -> str:
    """Return what to do if no connection could be made."""
    if any(f"Errno {number}]" in reason for number in _NO_ROUTE):
        return f"Check the network of this machine, and its VPN; {_SET_PROXY}"
    parts = server.parts
    is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if is_local and parts.scheme == "http" and parts.port is not None:
        return (
            f"Nothing listens on port {parts.port} of this machine. To start the embedded"
            f" server there: {command('sandbox', '--port', parts.port)}"
        )
    return f"Check host and port, or try zephyr_url = {server.address_to_try()}"


def _simplify(reason: str) -> str:
    """Return *reason* without the error number and the prefix that urllib3 adds."""
    text = re.sub(r"^Failed to establish a new connection: ", "", reason)
    text = re.sub(r"\[Errno -?\d+\] ", "", text).rstrip(".")
    return text[:1].lower() + text[1:]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and the errors it wraps, the outermost first."""
    while error is not None:
        yield error
        cause = getattr(error, "reason", None)
        if not isinstance(cause, BaseException):
            cause = next((a for a in error.args if isinstance(a, BaseException)), None)
        error = cause


def _reason(error: BaseException) -> str:
    """Return the text of *error* in one line, without the Python objects in it."""
    text = str(error) or type(error).__name__
    text = re.sub(r"<[^>]*object at 0x[0-9a-f]+>:? ?", "", text)
    text = re.sub(r"\w+\(host=.*?\): ", "", text)
    return " ".join(text.split()).rstrip(".")


def _contains(
    causes: Sequence[BaseException],
    kinds: type[BaseException] | tuple[type[BaseException], ...],
) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)
