"""Functions of the standard library, saved before a test can replace them."""

from __future__ import annotations

import hashlib
import json
import os


class System:
    """The saved functions. They are in a class, since pyfakefs replaces those in modules."""

    open, close, read, write = os.open, os.close, os.read, os.write
    seek, truncate, stat, fstat = os.lseek, os.ftruncate, os.stat, os.fstat
    mkdir, rename, utime = os.mkdir, os.replace, os.utime
    process_id = os.getpid
    sha256 = hashlib.sha256
    encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
