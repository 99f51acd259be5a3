"""Retries and timeouts of urllib3 that end with the time budget.

A DNS lookup, or a server that sends one byte at a time, can take longer: whoever runs
a client in a process must be able to end that process.
"""

from __future__ import annotations

import random
from ssl import SSLEOFError
from ssl import SSLSyscallError
from ssl import SSLZeroReturnError
import time
from types import TracebackType
from typing import Any
from typing import TYPE_CHECKING

from urllib3.exceptions import InvalidHeader
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import SSLError
from urllib3.util import Retry
from urllib3.util import Timeout

from pytest_zephyr.clock import Deadline


if TYPE_CHECKING:
    from requests import Response
    from typing_extensions import Self
    from urllib3.response import BaseHTTPResponse

#: Failures of TLS that come from the connection, so a retry may help.
_TRANSIENT = (SSLEOFError, SSLSyscallError, SSLZeroReturnError)


class DeadlineTimeout(Timeout):
    """A timeout that every try shortens to what is left of a deadline."""

    def __init__(self, seconds: float, deadline: Deadline) -> None:
        super().__init__(connect=seconds, read=seconds)
        self._seconds = seconds
        self._deadline = deadline

    def clone(self) -> Timeout:
        seconds = max(0.05, min(self._seconds, self._deadline.remaining()))
        return Timeout(connect=seconds, read=seconds)


class DeadlineRetry(Retry):
    """Decides when a request is repeated, within a deadline.

    Status 429 and 503 say that a call was not carried out: it is always repeated. A
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
        too_late = (retry_after(response) or 0) > self.deadline.remaining()
        if self.deadline.spent or too_late or not self._may_help(method, error):
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def _may_help(self, method: str | None, error: Exception | None) -> bool:
        """Return whether repeating a request may help after *error*.

        urllib3 would repeat after any failure of TLS, also a write that the server
        has read, or with a certificate that one side does not accept.
        """
        if not isinstance(error, SSLError):
            return True
        transient = any(isinstance(each, _TRANSIENT) for each in error.args)
        return transient and self._is_method_retryable(method or "")

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        wait = retry_after(response)
        if wait is None:
            # Half of it at random, so that many jobs do not retry at the same time.
            wait = self.get_backoff_time() * random.uniform(0.5, 1)  # noqa: S311
        time.sleep(max(0.0, min(wait, self.deadline.remaining())))


def retry_after(response: BaseHTTPResponse | Response | None) -> float | None:
    """Return the seconds that an answer asks to wait, `None` if it does not say."""
    header = None if response is None else response.headers.get("Retry-After")
    try:
        # It is a number or a date.
        return float(Retry().parse_retry_after(header)) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None
