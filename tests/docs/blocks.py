"""Find the documents of the project and the code blocks in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import re
import shlex
import textwrap


ROOT = Path(__file__).parents[2]

SITE = ROOT / "docs"

PAGES = sorted(
    path for path in SITE.rglob("*.md") if path.relative_to(SITE).parts[0] != "_build"
)

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *PAGES, *sorted(ROOT.glob("examples/*/*.md"))]

_BLOCK_PATTERN = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<info>[^`\n]*)\n(?P<body>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_BLOCK_OPTION = re.compile(r":(\w+): *(.*)\n")

#: Words of a shell that end the arguments of a command.
_SEPARATORS = {"&&", "||", "|", ";", "&", "do", "then", "{", "}", ">", ">>", "2>&1"}


@dataclass(frozen=True)
class Block:
    """A code block that starts at *line* of *document*; *caption* names its file."""

    document: Path
    line: int
    language: str
    text: str
    caption: str = ""

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks_of(document: Path) -> Iterator[Block]:
    """Yield the code blocks of *document*."""
    source = document.read_text("utf-8")
    for found in _BLOCK_PATTERN.finditer(source):
        directive, _, argument = found["info"].strip().partition(" ")
        text = textwrap.dedent(found["body"])
        options = {}
        if directive.startswith("{"):
            if directive not in {"{code-block}", "{code}"}:
                continue
            while match := _BLOCK_OPTION.match(text):
                options[match[1]] = match[2].strip()
                text = text[match.end() :]
            language = argument.strip()
        else:
            language = directive
        line = source.count("\n", 0, found.start()) + 1
        caption = options.get("caption", "")
        yield Block(document, line, language, text.strip("\n") + "\n", caption)


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def commands_of(block: Block) -> Iterator[list[str]]:
    """Yield the commands of *block*, each as its words.

    In a ``console`` block, commands follow the prompt ``$``; other lines are output.
    """
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        yield from split_commands(line)


def split_commands(line: str) -> Iterator[list[str]]:
    """Yield the commands on a *line* of a shell, each as its words."""
    words: list[str] = []
    for word in [*shlex.split(line, comments=True), ";"]:
        name = word.rstrip(";")
        if word not in _SEPARATORS and name == word:
            words.append(word)
            continue
        if name != word and name:
            words.append(name)
        if words:
            yield words
        words = []
