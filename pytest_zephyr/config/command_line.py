"""Command lines to paste: with the path of the program and the flags they need."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import shlex
import shutil
import subprocess
import sys

from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.text import have
from pytest_zephyr.text import plural


PROGRAM = "pytest-zephyr"


def command(*words: object, settings: Settings | None = None) -> str:
    """Return the command line that calls `pytest-zephyr` with *words*.

    Adds the flags in *settings* that the command would not know otherwise, and the ini
    file if it was named. A flag with the password of a proxy is not added.
    """
    on_path = shutil.which(PROGRAM)
    listed = [sys.executable, "-m", "pytest_zephyr"]
    if on_path is not None and Path(on_path).parent == Path(sys.executable).parent:
        listed = [PROGRAM]
    for word in words:
        # A path like -x would be read as a flag.
        is_flag_like = isinstance(word, Path) and str(word).startswith("-")
        listed.append(f"{os.curdir}{os.sep}{word}" if is_flag_like else str(word))
    if settings is not None:
        listed += _flags(settings, listed)
    return subprocess.list2cmdline(listed) if os.name == "nt" else shlex.join(listed)


def unsent_lines(
    journals: Sequence[Path], settings: Settings, what: str = "results"
) -> list[str]:
    """Say that *journals* have *what* was not sent, and how to send it later."""
    again = command("push", *journals, settings=settings)
    return [
        f"{what} kept in {', '.join(map(str, journals))}",
        f"send them later with: {again}",
    ]


def without_case_line(unmarked: int, invalid: int) -> str:
    """Say how many tests have no marker or an invalid one; empty if there are none."""
    parts = []
    if unmarked:
        parts.append(f"{plural(unmarked, 'test')} {have(unmarked)} no test case")
    if invalid:
        number = str(invalid) if unmarked else plural(invalid, "test")
        parts.append(f"{number} {have(invalid)} an invalid marker")
    if not parts:
        return ""
    them = "it" if unmarked + invalid == 1 else "them"
    return f"{', '.join(parts)} ({command('drift')} shows {them})"


def display_path(path: Path) -> Path:
    """Return *path* for a message: relative to the working directory if it is below."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def _flags(settings: Settings, listed: Sequence[str]) -> list[str]:
    flags = []
    if settings.config_file is not None:
        flags += ["-c", str(settings.config_file)]
    for option in OPTIONS:
        text, source = settings.raw[option.name], settings.sources[option.name]
        typed = source == option.flag_name or source.startswith("-o ")
        # The journal has the options that decide the result.
        needed = option.connects or (option.journaled and settings.pushing)
        new = option.flag and option.flag_name not in listed
        if needed and typed and new and "@" not in text:
            flags += [option.flag_name, text]
    return flags
