"""Zephyr's execution statuses, and the map from outcomes to them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.results.records import Outcome
from pytest_zephyr.text import closest


#: The ids of statuses that every server has at first (see `STOCK`).
PASS = "1"
FAIL = "2"
BLOCKED = "4"

_SEVERITIES = {FAIL: 3, BLOCKED: 2, PASS: 0}

#: The status, in a status map, of an outcome that is not sent.
NO_STATUS = "-"

#: The default status of each outcome: `NO_STATUS`, or an id of `STOCK`. It is not a
#: name, because servers rename statuses.
DEFAULT_MAP: Mapping[Outcome, str] = {
    Outcome.PASSED: PASS,
    Outcome.FAILED: FAIL,
    Outcome.ERROR: FAIL,
    Outcome.CRASHED: FAIL,
    Outcome.XFAILED: BLOCKED,
    Outcome.XPASSED: PASS,
    Outcome.SKIPPED: NO_STATUS,
    Outcome.UNRUN: NO_STATUS,
}


@dataclass(frozen=True)
class Status:
    """A status of the server; its id is a text, as in the API."""

    id: str
    name: str
    active: bool = True


def severity(status_id: str) -> int:
    """Return the rank of a status: Fail is highest, then Blocked, others, and Pass."""
    return _SEVERITIES.get(status_id, 1)


#: The statuses of a new server.
STOCK = (
    Status(PASS, "Pass"),
    Status(FAIL, "Fail"),
    Status("3", "WIP"),
    Status(BLOCKED, "Blocked"),
)


@dataclass(frozen=True)
class Choice:
    """The status that the status map gives an outcome, or why it gives none.

    *status* is `None` if the outcome is not sent, or if there is a *problem*.
    *problem* says why the outcome has no valid status; it is empty if there is no problem.
    *inactive* says that the problem is an inactive status, *suggestion* is the name that
    was probably meant, empty if none is close.
    """

    status: Status | None = None
    problem: str = ""
    inactive: bool = False
    suggestion: str = ""

    @property
    def is_skipped(self) -> bool:
        """Whether the outcome is not sent, as the status map says."""
        return self.status is None and not self.problem


def choices(
    status_map: Mapping[str, str], source: str, statuses: Sequence[Status]
) -> dict[Outcome, Choice]:
    """Return the choice for each outcome on a server that has *statuses*.

    *status_map* is the user's own map from outcome to status name, id or ``-``, and
    *source* says where it came from, as in ``from ZEPHYR_STATUS_MAP``. A missing or
    inactive status is a problem only of the outcomes that map to it.
    """
    return {
        outcome: _choose(
            status_map.get(outcome.value, default),
            outcome,
            source if outcome.value in status_map else "the default",
            statuses,
        )
        for outcome, default in DEFAULT_MAP.items()
    }


def _choose(
    text: str, outcome: Outcome, source: str, statuses: Sequence[Status]
) -> Choice:
    if text == NO_STATUS:
        return Choice()
    status = _find(text, statuses)
    known = ", ".join(f"{each.name} ({each.id})" for each in statuses if each.active)
    if status is None:
        close = closest(text, (each.name for each in statuses if each.active)) or ""
        hint = f" Did you mean {close}?" if close else ""
        return Choice(
            problem=f"{text!r} for {outcome.value} ({source}) is not a status of this"
            f" server.{hint} It has: {known}.",
            suggestion=close,
        )
    if not status.active:
        return Choice(
            problem=f"{status.name!r} for {outcome.value} ({source}) is inactive on this"
            f" server. Map {outcome.value} to another status with zephyr_status_map:"
            f" {known}.",
            inactive=True,
        )
    return Choice(status)


def _find(text: str, statuses: Sequence[Status]) -> Status | None:
    """Find a status by id, else by its exact name, else by its name in any case."""
    folded = text.casefold()
    return min(
        [
            each
            for each in statuses
            if text == each.id or folded == each.name.casefold()
        ],
        # Of two statuses with one name, the active one is taken.
        key=lambda each: (text != each.id, text != each.name, not each.active),
        default=None,
    )
