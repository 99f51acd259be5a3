"""Where the values of options come from: flags, environment, ini files, the CI service."""

from __future__ import annotations
