"""Functions of the system as they were before any test put others in their place."""

from __future__ import annotations

import hashlib
import json
import os


class System:
    """They are attributes of a class, where neither pyfakefs nor a mock looks for them."""

    open, close, read, write = os.open, os.close, os.read, os.write
    seek, truncate, stat, fstat = os.lseek, os.ftruncate, os.stat, os.fstat
    mkdir, rename, utime = os.mkdir, os.replace, os.utime
    process_id = os.getpid
    sha256 = hashlib.sha256
    encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
