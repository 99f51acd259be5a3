"""The REST API of Zephyr Enterprise; the only folder that imports requests."""

from __future__ import annotations
