"""Calls that clients made and the sandbox does not support."""

from __future__ import annotations

from collections import Counter
import re
import threading


MAX_DIFFERENT_CALLS = 200

#: Parts of a path that do not make calls different: ids, and versions of the API.
_ID = re.compile(r"(?<=/)-?\d+(?=/|$)")
_VERSION = re.compile(r"^/flex/services/rest/(latest|v3|v4)(?=/)")


class UnsupportedCalls:
    """How often each unsupported call was made.

    Calls that differ only in ids, or in the version of the API (latest, v3 or v4), count
    as the same call.
    Only the first `MAX_DIFFERENT_CALLS` different calls are counted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, method: str, path: str) -> None:
        call = method, _ID.sub("{id}", _VERSION.sub("", path))
        with self._lock:
            if call in self._counts or len(self._counts) < MAX_DIFFERENT_CALLS:
                self._counts[call] += 1

    def listed(self) -> list[dict[str, str | int]]:
        """Return the calls and their counts as JSON, in the order they were first made."""
        with self._lock:
            return [
                {"method": method, "path": path, "count": count}
                for (method, path), count in self._counts.items()
            ]
