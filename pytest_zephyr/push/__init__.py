"""Bringing results to Zephyr: read what the server has, diff, apply, note what was delivered."""

from __future__ import annotations
