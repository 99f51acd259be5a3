"""Which test cases the collected tests prove, and their lines in the journal."""

from __future__ import annotations
