"""The files of a session: its journal, with what pushes noted, and its attachments."""

from __future__ import annotations
