"""What is on disk: the journal of a run, its attachments, and what was delivered of it."""

from __future__ import annotations
