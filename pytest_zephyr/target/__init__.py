"""Where results go: project, release, cycle, phase and test cases, found or created."""

from __future__ import annotations
