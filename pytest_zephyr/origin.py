"""The state of this process before the first conftest was loaded."""

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


#: The variable with the process id of the run that reports, for processes that its tests
#: start.
RUN = "_ZEPHYR_RUN"

#: The difference between wall clock and monotonic clock, and the monotonic time of this
#: import, in seconds.
WALL_OFFSET = time.time() - time.monotonic()
BEGAN = time.monotonic()

EXECUTABLE = sys.executable

ENVIRON = dict(os.environ)

#: The search path for modules, and the directory of this package.
_found: list[object] = [*sys.path]
PATH = tuple(each for each in _found if isinstance(each, str))
HOME = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - faster than pathlib

#: The contents of modules and classes that tests patch and do not always restore.
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
    """Restore the original contents of these modules for the duration of the block."""
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
