"""Turns JUnit XML of any tool into a journal."""

from __future__ import annotations
