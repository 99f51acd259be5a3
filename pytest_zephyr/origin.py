"""State of this process and functions of the system, saved before a test changes them."""

from __future__ import annotations

import _thread
import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import datetime
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import threading
import time


#: The environment variable with the id of the process whose session reports; processes
#: that its tests start inherit it.
SESSION_VARIABLE = "_ZEPHYR_SESSION"

#: The difference between wall clock and monotonic clock, and the monotonic time when this
#: module was imported, in seconds.
WALL_OFFSET = time.time() - time.monotonic()
IMPORTED_AT = time.monotonic()

#: How to start this Python again: the program, -E and -s if they are set, and its
#: environment.
EXECUTABLE = sys.executable
FLAGS = tuple(
    flag
    for flag, is_set in (
        ("-E", sys.flags.ignore_environment),
        ("-s", sys.flags.no_user_site),
    )
    if is_set
)
ENVIRON = dict(os.environ)

_sys_path: list[object] = [*sys.path]

#: The search path for modules, and the directory that holds this package.
MODULE_PATH = tuple(entry for entry in _sys_path if isinstance(entry, str))
PACKAGE_PARENT = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - faster than pathlib


class System:
    """Saved functions.

    They are in a class because pyfakefs and freezegun replace functions in modules.
    """

    open, close, read, write = os.open, os.close, os.read, os.write
    seek, truncate, stat, fstat = os.lseek, os.ftruncate, os.stat, os.fstat
    mkdir, rename, utime = os.mkdir, os.replace, os.utime
    process_id, monotonic = os.getpid, time.monotonic
    sha256 = hashlib.sha256
    encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


#: The contents of modules and classes that tests patch and do not always restore.
_ORIGINALS = {
    owner: dict(vars(owner))
    for owner in (
        *(builtins, datetime, io, json, os, pathlib, subprocess, time),
        *(_thread, threading),
        *(json.decoder, json.encoder, json.JSONEncoder, json.JSONDecoder),
        *(pathlib.Path, subprocess.Popen),
    )
}


@contextmanager
def originals_restored() -> Iterator[None]:
    """Undo patches of what is in `_ORIGINALS` for the duration of the block."""
    replaced = [
        (owner, name, vars(owner)[name])
        for owner, names in _ORIGINALS.items()
        for name, value in names.items()
        if name in vars(owner) and vars(owner)[name] is not value
    ]
    try:
        for owner, name, _value in replaced:
            with suppress(AttributeError, TypeError):
                setattr(owner, name, _ORIGINALS[owner][name])
        yield
    finally:
        for owner, name, value in replaced:
            with suppress(AttributeError, TypeError):
                setattr(owner, name, value)
