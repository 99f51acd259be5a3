"""The messages between the test process and the sender; standard library only."""

from __future__ import annotations
