"""Command lines that users can paste, and messages that contain one."""

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

    With *settings*, it names their *config_file*, and repeats options that were typed as
    flags or with ``-o``: those that say how to reach the server, and with the settings of a
    push also those that decide the results. The address of a proxy is left out if a
    credential is in it.
    """
    on_path = shutil.which(PROGRAM)
    argv = [sys.executable, "-m", "pytest_zephyr"]
    if on_path is not None and Path(on_path).parent == Path(sys.executable).parent:
        argv = [PROGRAM]
    for word in words:
        # A path like -x would be read as a flag.
        is_flag_like = isinstance(word, Path) and str(word).startswith("-")
        argv.append(f"{os.curdir}{os.sep}{word}" if is_flag_like else str(word))
    if settings is not None:
        argv += _flags(settings, argv)
    return subprocess.list2cmdline(argv) if os.name == "nt" else shlex.join(argv)


def unsent_lines(
    journals: Sequence[Path], settings: Settings, content: str = "results"
) -> list[str]:
    """Return lines that say which *journals* keep the *content*, and how to send it."""
    push_command = command("push", *journals, settings=settings)
    return [
        f"{content} kept in {', '.join(map(str, journals))}",
        f"send them later with: {push_command}",
    ]


def without_case_line(unmarked: int, invalid: int) -> str:
    """Return a line about tests without a test case, or with an invalid marker.

    *unmarked* and *invalid* are their numbers. The line is empty if both are 0.
    """
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


def _flags(settings: Settings, argv: Sequence[str]) -> list[str]:
    """Return the flags, and their values, to add to the command *argv*."""
    flags = []
    if settings.config_file is not None:
        flags += ["-c", str(settings.config_file)]
    for option in OPTIONS:
        text, source = settings.texts[option.name], settings.sources[option.name]
        is_typed = source.kind in {"flag", "override"}
        # Journals store the journaled options of pytest, but no flags of a push.
        is_needed = option.connects or (option.journaled and settings.pushing)
        can_be_added = option.has_flag and option.flag_name not in argv
        is_secret = option.name == "proxy" and "@" in text
        if is_needed and is_typed and can_be_added and not is_secret:
            # Two words, or one if the value alone would be read as a flag.
            pair = [option.flag_name, text]
            flags += ["=".join(pair)] if text.startswith("-") else pair
    return flags
