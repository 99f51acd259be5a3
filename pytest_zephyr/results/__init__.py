"""Results as plain values: from records of tests to plan, notes and report files."""

from __future__ import annotations
