"""The program that sends the results of a session to Zephyr, in a separate process."""

from __future__ import annotations
