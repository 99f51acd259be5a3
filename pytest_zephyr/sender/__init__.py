"""The program that talks to Zephyr for a session of pytest, in a process of its own."""

from __future__ import annotations
