"""Switches: how strict the sandbox is where the real server's rules are not known."""

from __future__ import annotations

from sqlalchemy.orm import Session

from pytest_zephyr.sandbox.data.model import Switch


BATCH_LIMIT = "batch_limit"
FREE_CYCLE_DATES = "free_cycle_dates"

#: What each switch does, for people. The value of each is 0 at first.
SWITCHES = {
    BATCH_LIMIT: "the most rows that one call may have; 0 is no limit",
    FREE_CYCLE_DATES: "1 lets the dates of a cycle lie outside of its release",
}


def get_switch(session: Session, name: str) -> int:
    row = session.get(Switch, name)
    return row.value if row else 0


def set_switch(session: Session, name: str, value: int) -> None:
    session.merge(Switch(name=name, value=value))
