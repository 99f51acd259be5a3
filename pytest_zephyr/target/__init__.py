"""The target of results: project, release, cycle, phase and test cases."""

from __future__ import annotations
