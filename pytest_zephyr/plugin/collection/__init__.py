"""The test cases of collected tests, and the lines about these in the journal."""

from __future__ import annotations
