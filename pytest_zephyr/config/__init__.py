"""Reads the values of options: from flags, environment, journals, ini files, CI service."""

from __future__ import annotations
