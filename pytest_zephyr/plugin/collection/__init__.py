"""Which test cases the collected tests verify, and their lines in the journal."""

from __future__ import annotations
