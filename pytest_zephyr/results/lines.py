"""The lines of a summary, and how a terminal, GitHub Actions and Markdown show them.

For GitHub Actions see "Workflow commands for GitHub Actions" in its documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
import re
from typing import Literal

from pytest_zephyr.errors import Code
from pytest_zephyr.text import first_few
from pytest_zephyr.text import one_line


Level = Literal["info", "success", "warning", "error"]

#: The code of the lines about a dry run, which are no problems.
DRY_RUN: Literal["dry-run"] = "dry-run"

#: The most lines of one kind that a summary shows.
_MAX_LINES = 20

#: How many annotations of each level GitHub shows for one step.
_MAX_ANNOTATIONS = 10

#: Matches the space between the colon that ends a piece of advice and the command line
#: after it.
_BEFORE_COMMAND = re.compile(r"(?<=:) (?=pytest-zephyr |.* -m pytest_zephyr )")

_SPECIAL_IN_MARKDOWN = re.compile(r"([\\`*_\[\]<|#~&$])")


@dataclass(frozen=True)
class Line:
    """A line of a summary; *more* are lines that belong to it, such as a command.

    *code* names the kind of problem for scripts. That of other lines is `DRY_RUN` or
    empty. *url* is an address in the text, if there is one to link.
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
        """Return this line with *clean* applied to *text* and *more*."""
        return replace(self, text=clean(self.text), more=tuple(map(clean, self.more)))

    @property
    def terminal_lines(self) -> list[str]:
        """The lines that a terminal shows."""
        prefix, indent = ("zephyr: ", " " * 8) if self.is_problem else ("", "  ")
        return [f"{prefix}{self.text}", *(f"{indent}{each}" for each in self.more)]


def problem(
    lines: Sequence[str], level: Level = "error", code: Code = "problem"
) -> Line:
    """Return one problem; its message has one or more *lines*."""
    first, *more = lines
    return Line(first, level, tuple(map(str.strip, more)), code=code)


def problems(
    lines: Sequence[str], level: Level = "error", code: Code = "problem"
) -> list[Line]:
    """Return a problem for each of *lines*."""
    return [problem([line], level, code) for line in lines]


def uncollected_lines(nodeids: Sequence[str]) -> list[Line]:
    """Return a problem about what could not be collected, no line if *nodeids* is empty."""
    if not nodeids:
        return []
    text = (
        f"the tests in {first_few(nodeids)} could not be collected; their test cases are"
        f" not changed"
    )
    return problems([text], "warning")


def unreadable_lines(lines: Mapping[Path, Sequence[int]]) -> list[Line]:
    """Return a problem for each file; *lines* has the numbers of unreadable lines."""
    return problems(
        [
            f"{path}, line {first_few(map(str, numbers))} cannot be read. Test cases that"
            " the line may be about are reported only if they failed."
            for path, numbers in lines.items()
        ]
    )


def cut_short_lines(journals: Iterable[Path]) -> list[Line]:
    """Return a problem for each journal that a full disk or a test has cut short."""
    return problems(
        [
            f"the disk was full when {path} was written, or a test removed it:"
            " outcomes are missing in it. Check its test cases, then remove it."
            for path in journals
        ]
    )


def first_lines(lines: Sequence[Line]) -> list[Line]:
    """Return the first of *lines*; if there are more, a last line says how many."""
    more = len(lines) - _MAX_LINES
    if more <= 0:
        return list(lines)
    last = Line(f"and {more} more")
    if lines[0].is_problem:
        last = replace(last, level="warning", code="more")
    return [*lines[:_MAX_LINES], last]


def github_annotations(lines: Iterable[Line], environ: Mapping[str, str]) -> list[str]:
    """Return the annotations of a job on GitHub for the problems in *lines*, errors first.

    There are as many of each level as GitHub shows. The list is empty if *environ* is
    not that of a job on GitHub.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return []
    by_level: dict[str, list[str]] = {"error": [], "warning": []}
    for line in filter(lambda line: line.is_problem, lines):
        text = "\n".join((line.text, *line.more))
        text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        level = "error" if line.level == "error" else "warning"
        by_level[level].append(f"::{level} title=pytest-zephyr::{text}")
    return [text for texts in by_level.values() for text in texts[:_MAX_ANNOTATIONS]]


def as_markdown(lines: Iterable[Line]) -> Iterator[str]:
    """Yield *lines* as Markdown: paragraphs, and a list of problems."""
    in_list = False
    for line in lines:
        text = "  \n  ".join(map(_with_command, (line.text, *line.more)))
        if line.url:
            text = text.replace(markdown_text(line.url), f"<{line.url}>", 1)
        if in_list and not line.is_problem:
            yield "\n"
        in_list = line.is_problem
        yield f"- {text}\n" if in_list else f"{text}\n\n"


def _with_command(text: str) -> str:
    """Return *text* as Markdown, with the command line at its end as code."""
    before, *command = _BEFORE_COMMAND.split(text, maxsplit=1)
    return markdown_text(before) + "".join(
        f" {markdown_code(each)}" for each in command
    )


def markdown_text(text: str) -> str:
    """Return *text* on one line, with the special characters of Markdown escaped."""
    return _SPECIAL_IN_MARKDOWN.sub(r"\\\1", one_line(text))


def markdown_code(text: str) -> str:
    """Return *text* on one line as code, also for a cell of a table."""
    text = one_line(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}"
