"""What the test process and the sender say to each other; standard library only."""

from __future__ import annotations
