"""Calls that clients made and the sandbox does not support."""

from __future__ import annotations

from collections import Counter
import re
import threading


MAX_CALLS = 200

#: Ids in a path, and the versions of the API that are answered alike.
_ID = re.compile(r"(?<=/)-?\d+(?=/|$)")
_VERSION = re.compile(r"^/flex/services/rest/(latest|v3|v4)(?=/)")


class UnsupportedCalls:
    """How often each unsupported call was made, whatever ids its path has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, method: str, path: str) -> None:
        call = method, _ID.sub("{id}", _VERSION.sub("", path))
        with self._lock:
            if call in self._counts or len(self._counts) < MAX_CALLS:
                self._counts[call] += 1

    def listed(self) -> list[dict[str, str | int]]:
        """Return each call as JSON, in the order of the first calls."""
        with self._lock:
            return [
                {"method": method, "path": path, "count": count}
                for (method, path), count in self._counts.items()
            ]
