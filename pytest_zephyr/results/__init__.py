"""What tests did, as plain values: records, outcomes, evidence, and what should stand in Zephyr."""

from __future__ import annotations
