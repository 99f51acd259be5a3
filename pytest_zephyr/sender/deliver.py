"""Sending the journals of one run, at the end of a session or by the command."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push.connection import connect
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.embedded import served
from pytest_zephyr.push.own_settings import own_settings
from pytest_zephyr.push.preflight import ServerFacts
from pytest_zephyr.push.workflow import push
from pytest_zephyr.results.jobs import MergedResults


def _ignore(done: int, total: int, what: str = "results") -> None:
    """Show no progress."""


@dataclass(frozen=True)
class DeliveryRequest:
    """How the results of a run are to be sent.

    *writers* take the receipts. With *keep_flags* each journal goes by its own header but
    for the flags of the call, else the *settings* are those of what is sent. With *force*
    newer results are written over. *facts* were found before.
    """

    settings: Settings
    deadline: Deadline
    writers: Sequence[JournalWriter]
    keep_flags: bool
    force: bool = False
    facts: ServerFacts = field(default_factory=ServerFacts)
    progress: Callable[..., None] = _ignore


@dataclass(frozen=True)
class Delivered:
    """What became of a run: which *results* count, and the *settings* they went by."""

    delivery: Delivery
    run: Run
    results: MergedResults
    settings: Settings


def deliver(
    run: Run, order: DeliveryRequest, again: Callable[[], Run] | None = None
) -> Delivered:
    """Push *run* and note in its journals what was delivered.

    *again* finds the run once more: a session of it that ended meanwhile did not see
    what was written now, nor was its result seen.
    """
    results = run.read()
    writers = () if order.settings.dry_run else order.writers
    run.turn_to(str(order.settings.url), writers)
    earlier, seen = Delivery(), order.facts.seen
    with (
        served(order.settings, results.nodes) as settings,
        connect(settings, order.deadline, order.facts.ahead) as client,
    ):
        while True:
            own = run.all if order.keep_flags else run.others
            delivery = push(
                results.nodes,
                client,
                settings,
                run.memory(order.writers),
                order.progress,
                seen=seen,
                own=own_settings(settings, own, keep_flags=order.keep_flags),
                results=results,
                senders={each.header.run for each in run.journals},
                force=order.force,
            )
            delivery.add_earlier(earlier)
            found = again() if again is not None and not delivery.error else run
            if set(found.others) <= set(run.others):
                break
            run, results, seen, earlier = found, found.read(), None, delivery
    if delivery.complete and not run.cut and not run.spoilt:
        run.note_delivered(order.writers)
    return Delivered(delivery, run, results, settings)
