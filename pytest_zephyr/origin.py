"""What this process was when the entry point was imported, before any test or conftest."""

from __future__ import annotations

import _thread
import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import datetime
import io
import json
import os
import pathlib
import subprocess
import sys
import threading
import time


#: The variable by which a run that reports is known to what its tests start: the id of
#: its process.
RUN = "_ZEPHYR_RUN"

#: What the wall clock is ahead of the monotonic one, which starts anywhere, in
#: nanoseconds, and when this was imported, in seconds.
WALL_OFFSET = time.time_ns() - time.monotonic_ns()
BEGAN = time.monotonic()

EXECUTABLE = sys.executable

ENVIRON = dict(os.environ)

#: Where modules are looked for, and where this package was found.
_found: list[object] = [*sys.path]
PATH = tuple(each for each in _found if isinstance(each, str))
HOME = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - it is quick

#: What is in modules and classes that tests replace parts of, and do not always put back.
_NAMES = {
    each: dict(vars(each))
    for each in (
        *(builtins, datetime, io, json, os, pathlib, subprocess, time),
        *(_thread, threading),
        *(json.decoder, json.encoder, json.JSONEncoder, json.JSONDecoder),
        *(pathlib.Path, subprocess.Popen),
    )
}


@contextmanager
def as_it_was() -> Iterator[None]:
    """Have these modules be what they were before any test, while the block lasts."""
    replaced = [
        (owner, name, vars(owner)[name])
        for owner, names in _NAMES.items()
        for name, value in names.items()
        if name in vars(owner) and vars(owner)[name] is not value
    ]
    try:
        for owner, name, _value in replaced:
            with suppress(AttributeError, TypeError):
                setattr(owner, name, _NAMES[owner][name])
        yield
    finally:
        for owner, name, value in replaced:
            with suppress(AttributeError, TypeError):
                setattr(owner, name, value)


FLAGS = tuple(
    flag
    for flag, is_set in (
        ("-E", sys.flags.ignore_environment),
        ("-s", sys.flags.no_user_site),
    )
    if is_set
)
