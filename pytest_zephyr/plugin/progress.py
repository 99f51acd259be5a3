"""The progress of a push, shown on a terminal once it takes longer than a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from pytest_zephyr.clock import monotonic
from pytest_zephyr.plugin.guard import ERRORS


#: Seconds before anything is shown.
PATIENCE = 1.0


@final
class Progress:
    """Shows a line in place with *show*; shows nothing if that is `None`."""

    def __init__(self, show: Callable[[str], object] | None) -> None:
        self._show = show
        self._began = monotonic()
        self._shown = False
        self._last = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._shown:
            self._write("")

    @property
    def reached(self) -> str:
        """How much was sent, as a sentence; empty if that is unknown."""
        return f" {self._last} were sent before." if self._last else ""

    def update(self, done: int, total: int, what: str) -> None:
        self._last = f"{done} of {total} {what}"
        if monotonic() - self._began >= PATIENCE:
            self._shown = True
            self._write(f"zephyr: {self._last}")

    def _write(self, line: str) -> None:
        """Show *line*; an error of the terminal must not stop the push."""
        try:
            if self._show is not None:
                self._show(line)
        except ERRORS:
            self._show = None
