"""Records, outcomes, evidence and plans as plain values."""

from __future__ import annotations
