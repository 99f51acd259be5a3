"""The lines of a summary, which a terminal and a CI service show in their own ways."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import Literal

from pytest_zephyr.errors import Code


Level = Literal["info", "success", "warning", "error"]

_PREFIX = "zephyr: "

#: The code of what a dry run would do.
DRY_RUN: Literal["dry-run"] = "dry-run"


@dataclass(frozen=True)
class Line:
    """A line of a summary; *more* are lines that belong to it, such as a command.

    The *code* of a problem is a stable name of it for scripts. *url* is an address in the
    text.
    """

    text: str
    level: Level = "info"
    more: tuple[str, ...] = ()
    code: Literal[Code, "", "dry-run"] = ""
    url: str = ""

    @property
    def is_problem(self) -> bool:
        return self.code not in {"", DRY_RUN}

    def cleaned(self, clean: Callable[[str], str]) -> Line:
        """Return this line with all texts as *clean* returns them."""
        return replace(self, text=clean(self.text), more=tuple(map(clean, self.more)))

    @property
    def shown(self) -> list[str]:
        """The lines on a terminal."""
        prefix, indent = (_PREFIX, " " * 8) if self.is_problem else ("", "  ")
        return [f"{prefix}{self.text}", *(f"{indent}{each}" for each in self.more)]


def problem(
    lines: Sequence[str], level: Level = "error", code: Code = "problem"
) -> Line:
    """Return one problem that messages describe in several *lines*."""
    first, *more = lines
    return Line(
        first.removeprefix(_PREFIX), level, tuple(map(str.strip, more)), code=code
    )


def problems(
    lines: Sequence[str], level: Level = "error", code: Code = "problem"
) -> list[Line]:
    """Return a problem for each of *lines*."""
    return [problem([line], level, code) for line in lines]
