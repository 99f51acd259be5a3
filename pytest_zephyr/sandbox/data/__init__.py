"""What the sandbox keeps, and the rules of the server about it; nothing of HTTP."""

from __future__ import annotations
