"""Send the journals of one run, at the end of a session or by the command."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.format import AllDelivered
from pytest_zephyr.journal.format import line_of
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.journal.runs import RunContents
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.embedded import served
from pytest_zephyr.push.planning import own_settings
from pytest_zephyr.push.workflow import push
from pytest_zephyr.target.snapshot import Snapshot


@dataclass(frozen=True)
class Delivered:
    """What became of a run, with what its journals said and the *settings* of the push."""

    delivery: Delivery
    run: Run
    contents: RunContents
    settings: Settings


def deliver(
    run: Run,
    settings: Settings,
    deadline: Deadline,
    writers: Sequence[JournalWriter],
    *,
    keep_flags: bool,
    force: bool = False,
    snapshot: Snapshot | None = None,
    progress: Callable[..., None] = lambda *_done: None,
    find_run: Callable[[], Run] | None = None,
) -> Delivered:
    """Push *run* and note in its journals, with *writers*, what was delivered.

    With *keep_flags* each journal has the settings of its header, overridden by the flags
    of the call; otherwise the journals that are sent have *settings*. With *force* newer
    results are replaced. *snapshot* was read before. *find_run* reads the run again. If
    another session of it has ended meanwhile, neither push knew of the other's results, so
    they are merged and pushed again.
    """
    server, contents, earlier = str(settings.url), run.read(), Delivery()
    offset, user = (snapshot.clock_offset, snapshot.user.name) if snapshot else (0, "")
    with (
        served(settings, contents.results.nodes) as settings,
        Client(settings, deadline, clock_offset=offset, user=user) as client,
    ):
        while True:
            others = run.all if keep_flags else run.others
            delivery = push(
                contents.results.nodes,
                client,
                settings,
                contents.memory(server, () if settings.dry_run else writers),
                progress,
                snapshot=snapshot,
                settings_by_journal=own_settings(
                    settings, others, keep_flags=keep_flags
                ),
                results=contents.results,
                senders={each.header.run for each in run.journals},
                force=force,
            )
            delivery.add_earlier(earlier)
            new_run = find_run() if find_run is not None and not delivery.error else run
            if set(new_run.others) <= set(run.others):
                break
            run, contents, snapshot, earlier = new_run, new_run.read(), None, delivery
    if delivery.complete and not run.cut and not contents.damaged:
        for writer in writers:
            writer.append(line_of(AllDelivered()))
    return Delivered(delivery, run, contents, settings)
