"""Commands that people can paste: with the program's path and the flags they need."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import os
from pathlib import Path
import shlex
import shutil
import subprocess
import sys

from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.settings import Settings


PROGRAM = "pytest-zephyr"


def command(*words: object, settings: Settings | None = None) -> str:
    """Return the command line that calls `pytest-zephyr` with *words*.

    What *settings* had from flags and would not have again is repeated, and the ini file
    if it was named: whoever pastes the command would have to type them again. A proxy's
    password is not.
    """
    listed = [*_program(), *map(_word, words)]
    if settings is not None:
        listed += _flags(settings, listed)
    return subprocess.list2cmdline(listed) if os.name == "nt" else shlex.join(listed)


def send_later(journals: Iterable[Path], settings: Settings) -> str:
    """Return the second line of a message about results that are kept."""
    return (
        f"        send them later with: {command('push', *journals, settings=settings)}"
    )


def kept(journals: Sequence[Path], settings: Settings, whose: str = "") -> list[str]:
    """Say that *journals* keep results, and how to send them; *whose* counts them."""
    names = ", ".join(map(str, journals))
    return [
        f"zephyr: {whose}results kept in {names}",
        send_later(journals, settings),
    ]


def shown(path: Path) -> Path:
    """Return *path* as people write it: from the working directory, if it is below."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def _word(word: object) -> str:
    if isinstance(word, Path) and str(word).startswith("-"):
        # It would be read as a flag.
        return f"{os.curdir}{os.sep}{word}"
    return str(word)


def _program() -> list[str]:
    """Return the name of the program if it is the one on PATH, else the way to it."""
    found = shutil.which(PROGRAM)
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return [PROGRAM]
    return [sys.executable, "-m", "pytest_zephyr"]


def _flags(settings: Settings, listed: Sequence[str]) -> list[str]:
    flags = []
    if settings.config_file is not None:
        flags += ["-c", str(settings.config_file)]
    for option in OPTIONS:
        text = settings.said.get(option.name, "")
        source = settings.sources.get(option.name, "")
        typed = source == option.flag_name or source.endswith(", -o")
        # A journal keeps those that decide the result.
        wanted = option.connects or (option.journaled and settings.pushing)
        new = option.flag and option.flag_name not in listed
        if wanted and typed and new and "@" not in text:
            flags += [option.flag_name, text]
    return flags
