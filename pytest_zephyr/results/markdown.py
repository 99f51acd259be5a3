"""Text as Markdown, for reports and for the summary of a CI job."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import re

from pytest_zephyr.results.lines import Line
from pytest_zephyr.text import one_line


_SPECIAL = re.compile(r"([\\`*_\[\]<|#~&$])")


def escape(text: str) -> str:
    """Return *text* on one line, without anything that Markdown interprets."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def code(text: str) -> str:
    """Return *text* on one line as code, which may stand in a table."""
    text = one_line(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    padding = " " if "`" in text else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _command(text: str) -> str:
    """Return a line that ends with a command after a colon."""
    before, colon, after = text.partition(": ")
    return f"{escape(before)}: {code(after)}" if colon else escape(text)


def summary(lines: Iterable[Line]) -> Iterator[str]:
    """Yield the lines of a summary as Markdown: paragraphs, and a list of problems."""
    in_list = False
    for line in lines:
        text = escape(line.text)
        if line.url:
            before, _, after = line.text.partition(line.url)
            text = f"{escape(before)}<{line.url}>{escape(after)}"
        more = "".join(f"  \n  {_command(each)}" for each in line.more)
        if in_list and not line.is_problem:
            yield "\n"
        in_list = line.is_problem
        yield f"- {text}{more}\n" if in_list else f"{text}{more}\n\n"
