"""Push results to Zephyr: read what the server has, compare, write, keep receipts."""

from __future__ import annotations
