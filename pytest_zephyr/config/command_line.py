"""Commands that people can paste: with the program's path and the flags they need."""

from __future__ import annotations

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

    Flags of *settings* that say how to reach the server are repeated: whoever pastes
    the command would have to type them again. A proxy's password is not.
    """
    listed = [*_program(), *map(str, words)]
    if settings is not None:
        listed += _connection_flags(settings)
    return subprocess.list2cmdline(listed) if os.name == "nt" else shlex.join(listed)


def _program() -> list[str]:
    """Return the name of the program if it is the one on PATH, else the way to it."""
    found = shutil.which(PROGRAM)
    if found is not None and Path(found).parent == Path(sys.executable).parent:
        return [PROGRAM]
    return [sys.executable, "-m", "pytest_zephyr"]


def _connection_flags(settings: Settings) -> list[str]:
    flags = []
    for option in OPTIONS:
        text = settings.said.get(option.name, "")
        typed = settings.sources.get(option.name) == option.flag_name
        if option.connects and typed and "@" not in text:
            flags += [option.flag_name, text]
    return flags
