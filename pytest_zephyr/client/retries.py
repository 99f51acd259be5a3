"""When a request is repeated, and how long the pause before that is."""

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

from pytest_zephyr.clock import Deadline


if TYPE_CHECKING:
    from typing_extensions import Self
    from urllib3.response import BaseHTTPResponse

#: Failures of TLS that are those of a connection, which may go better next time.
_PASSING = (SSLEOFError, SSLSyscallError, SSLZeroReturnError)


class PatientRetry(Retry):
    """When a request is repeated (design 3, "Repeats"), within a deadline.

    A call answered 429 or 503 was not carried out and is repeated whatever it is. A
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
        too_late = (self._wanted_pause(response) or 0) > self.deadline.left()
        useless = error is not None and not self._is_of_use(method, error)
        if self.deadline.spent or too_late or useless:
            raise MaxRetryError(_pool, url or "", error)
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def _is_of_use(self, method: str | None, error: Exception) -> bool:
        """Return whether a failure of TLS may be answered by asking again.

        urllib3 would repeat everything, also a write that was read before TLS failed.
        A certificate that one side does not accept, or a file that holds none, stays.
        """
        if not isinstance(error, SSLError):
            return True
        if not any(isinstance(each, _PASSING) for each in error.args):
            return False
        return self._is_method_retryable(method or "")

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        wait = self._wanted_pause(response)
        if wait is None:
            # Half of it at random, so that many jobs do not come back at once.
            wait = self.get_backoff_time() * random.uniform(0.5, 1)  # noqa: S311
        time.sleep(max(0.0, min(wait, self.deadline.left())))

    def _wanted_pause(self, response: BaseHTTPResponse | None) -> float | None:
        """Return for how many seconds a server does not want to be asked."""
        header = response.headers.get("Retry-After") if response else None
        return read_retry_after(header)


def read_retry_after(header: str | None) -> float | None:
    """Return the seconds in a *header*, a number or a date; `None` if there are none."""
    try:
        return float(Retry().parse_retry_after(header)) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None
