"""How far a push is, shown on a terminal once it takes longer than a second."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_zephyr.clock import monotonic
from pytest_zephyr.plugin.guard import ERRORS


if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds before anything is shown.
PATIENCE = 1.0


class Progress:
    """Shows a line in place with *show*; shows nothing if that is `None`."""

    def __init__(self, show: Callable[[str], object] | None) -> None:
        self._show = show
        self._began = monotonic()
        self._shown = False
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._write("")

    @property
    def reached(self) -> str:
        """How far it came, as a sentence; empty if nothing was said of it."""
        return f" {self._last} were sent before." if self._last else ""

    def update(self, done: int, total: int, what: str = "results") -> None:
        self._last = f"{done} of {total} {what}"
        if self._show is None or monotonic() - self._began < PATIENCE:
            return
        self._shown = True
        self._write(f"zephyr: {self._last}")

    def _write(self, line: str) -> None:
        """Show *line*; what cannot be shown costs no result."""
        try:
            if self._show is not None:
                self._show(line)
        except ERRORS:
            self._show = None
