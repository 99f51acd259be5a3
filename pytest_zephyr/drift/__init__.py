"""How tests and the test cases of a phase or folder differ."""

from __future__ import annotations
