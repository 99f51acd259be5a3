"""The REST operations, one module for each part of the API."""

from __future__ import annotations
