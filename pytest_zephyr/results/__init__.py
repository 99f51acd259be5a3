"""Results as plain values, from the records of tests to the plan, notes and reports."""

from __future__ import annotations
