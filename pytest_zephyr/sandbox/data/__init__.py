"""The data of the sandbox and the rules of the server for it; it does not use Flask."""

from __future__ import annotations
