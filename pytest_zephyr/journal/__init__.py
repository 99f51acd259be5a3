"""The files of a run: its journal, its attachments, and what a push noted."""

from __future__ import annotations
