"""What this process was when the entry point was imported, before any test or conftest."""

from __future__ import annotations

import os
from pathlib import Path
import sys

import pytest_zephyr

# What it holds of the clocks is to be from before, too.
from pytest_zephyr import clock as clock


#: The variable by which a run that reports is known to what its tests start: the id of
#: its process.
RUN = "_ZEPHYR_RUN"

EXECUTABLE = sys.executable

ENVIRON = dict(os.environ)

#: Where modules are looked for, and where this package was found.
PATH = tuple(sys.path)
HOME = str(Path(str(pytest_zephyr.__file__)).parent.parent)

FLAGS = tuple(
    flag
    for flag, is_set in (
        ("-E", sys.flags.ignore_environment),
        ("-s", sys.flags.no_user_site),
    )
    if is_set
)
