"""Send the journals of one run, at the end of a session or by the command."""

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

    *writers* write the receipts. With *keep_flags* each journal has the settings of its
    header, overridden by the flags of the call; otherwise the journals that are sent have
    *settings*. With *force* newer results are replaced. *facts* were read before.
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
    """What became of a run: which *results* count, and the *settings* of the push."""

    delivery: Delivery
    run: Run
    results: MergedResults
    settings: Settings


def deliver(
    run: Run, request: DeliveryRequest, again: Callable[[], Run] | None = None
) -> Delivered:
    """Push *run* and note in its journals what was delivered.

    *again* finds the run once more. If another session of it has ended meanwhile, neither
    push knew of the other's results, so they are merged and pushed again.
    """
    results = run.read()
    writers = () if request.settings.dry_run else request.writers
    run.use_server(str(request.settings.url), writers)
    earlier, snapshot = Delivery(), request.facts.snapshot
    with (
        served(request.settings, results.nodes) as settings,
        connect(settings, request.deadline, request.facts.clock_offset) as client,
    ):
        while True:
            others = run.all if request.keep_flags else run.others
            delivery = push(
                results.nodes,
                client,
                settings,
                run.memory(request.writers),
                request.progress,
                snapshot=snapshot,
                settings_by_journal=own_settings(
                    settings, others, keep_flags=request.keep_flags
                ),
                results=results,
                senders={each.header.run for each in run.journals},
                force=request.force,
            )
            delivery.add_earlier(earlier)
            new_run = again() if again is not None and not delivery.error else run
            if set(new_run.others) <= set(run.others):
                break
            run, results, snapshot, earlier = new_run, new_run.read(), None, delivery
    if delivery.complete and not run.cut and not run.damaged:
        run.note_delivered(request.writers)
    return Delivered(delivery, run, results, settings)
