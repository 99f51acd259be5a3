"""Functions of the system, as they were before a test could replace them."""

from __future__ import annotations

import hashlib
import json
import os


class System:
    """The functions, in a class: pyfakefs and mocks replace only those in modules."""

    open, close, read, write = os.open, os.close, os.read, os.write
    seek, truncate, stat, fstat = os.lseek, os.ftruncate, os.stat, os.fstat
    mkdir, rename, utime = os.mkdir, os.replace, os.utime
    process_id = os.getpid
    sha256 = hashlib.sha256
    encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
