"""Write results to executions in batches, and read back what is uncertain."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batching import batches
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.executions import ExecutionWrite
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.ledger import Receipt
from pytest_zephyr.journal.ledger import Sending
from pytest_zephyr.push import diff
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import DiffRules
from pytest_zephyr.push.diff import Refusal


#: How often a batch is sent before what is still not confirmed counts as failed.
_ATTEMPTS = 3

#: Refusals in a row after which the server may be refusing everything; finding one bad
#: row in a batch of 500 takes nine.
_DOUBTFUL = 30

#: Results that are then sent alone, spread over all that wait, to find out.
_SAMPLE = 10


class ResultWriter:
    """Writes results in batches, and halves a batch that the server refuses."""

    def __init__(
        self,
        client: Client,
        delivery: Delivery,
        memory: Memory,
        progress: Callable[[int, int], None],
        rules: DiffRules,
    ) -> None:
        assert delivery.snapshot is not None
        self._client = client
        self._delivery = delivery
        self._memory = memory
        self._progress = progress
        self._tester = delivery.snapshot.user.id
        self._target = delivery.snapshot.known_target
        self._rules = rules
        self._has_bulk = True
        self._total = delivery.pending
        self._writes: Sequence[Change] = ()
        self._delivered: set[int] = set()
        # Refused, or left to another job.
        self._dropped: set[int] = set()
        self._renewed: set[int] = set()
        self._refusals = 0
        self._is_hopeless = False

    def run(self, changes: Changes) -> list[Change]:
        """Write *changes* and return those that the server has now."""
        self._confirmed(changes.found_on_server)
        self._writes = changes.writes
        tags_only = [each for each in changes.overruled if each.text is not None]
        for batch in batches([*changes.writes, *tags_only]):
            self._send(batch)
        sent = (*changes.found_on_server, *changes.writes)
        return [each for each in sent if each.execution.id in self._delivered]

    def _send(self, batch: Sequence[Change]) -> None:
        """Send *batch*, read back what is not confirmed, and send it again if needed."""
        error: ZephyrRefused | ZephyrWriteUncertain | None = None
        for _ in range(_ATTEMPTS):
            batch, error = self._open(batch), None
            if not batch or self._is_hopeless:
                return
            try:
                missing = self._write(batch)
            except (ZephyrRefused, ZephyrWriteUncertain) as failed:
                missing, error = self._open(batch), failed
            # A server error may come after a part of the work was done.
            if not isinstance(error, ZephyrRefused) or error.status >= 500:
                batch = self._settle(missing)
            if not batch:
                return
            if isinstance(error, ZephyrRefused):
                # After progress, the row that was refused may be among the done ones.
                if error.status >= 500 and len(batch) < len(missing):
                    self._send(batch)
                else:
                    self._divide(batch, error)
                return
            if error is None:
                reason = "the server's answer left it out, and it is not there"
                self._refuse(
                    [each for each in batch if each.execution.id not in self._renewed],
                    reason,
                )
                self._renewed.clear()
            elif error.may_land_within:
                # A slow server may still be writing: sent again, it would be there twice.
                self._client.pause(error.may_land_within)
                batch = self._settle(batch)
        if error is not None and batch:
            raise error
        self._refuse(self._open(batch), "somebody else keeps changing its execution")

    def _open(self, batch: Sequence[Change]) -> Sequence[Change]:
        return [
            each
            for each in batch
            if each.execution.id not in self._delivered
            and each.execution.id not in self._dropped
        ]

    def _divide(self, batch: Sequence[Change], refused: ZephyrRefused) -> None:
        """Halve a refused batch until the refused rows are alone."""
        batch = self._open(batch)
        self._refusals += 1
        if len(batch) == 1:
            self._refuse(batch, str(refused))
        if self._refusals == _DOUBTFUL:
            self._sample(refused)
        if len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])

    def _sample(self, refused: ZephyrRefused) -> None:
        """Give up unless the server takes one of a few results, each sent alone.

        The bad rows may be neighbours, with good ones further on.
        """
        waiting = self._open(self._writes)
        last = len(waiting) - 1
        for number in range(_SAMPLE):
            self._send(waiting[number * last // (_SAMPLE - 1) :][:1])
            if not self._refusals:
                return
        waiting = self._open(waiting)
        if waiting:
            self._is_hopeless = True
            self._delivery.error = ZephyrError(
                f"{refused} The last {self._refusals} tries were all refused, so"
                f" {len(waiting)} results were not sent."
            )

    def _write(self, batch: Sequence[Change]) -> Sequence[Change]:
        """Write *batch* and return those changes that the answer does not confirm."""
        stamps = {change.execution.id: change.execution.stamp for change in batch}
        self._memory.note(Sending(stamps))
        no_bulk: ZephyrNotFound | None = None
        if self._has_bulk:
            try:
                rows = list(map(_write_of, batch))
                return self._confirm(batch, self._client.execute(rows, self._tester))
            except ZephyrNotFound as error:
                self._has_bulk, no_bulk = False, error
        missing: list[Change] = []
        try:
            self._write_without_bulk(batch, missing)
        except ZephyrNotFound:
            if no_bulk is None:
                raise
            # The older calls find nothing either, so it is not the call that is missing.
            self._has_bulk = True
            raise no_bulk from None
        except ZephyrBadAnswer:
            # What was written before the refusal must not be written again.
            self._settle(missing)
            raise
        return missing

    def _write_without_bulk(
        self, batch: Sequence[Change], missing: list[Change]
    ) -> None:
        """Write with the calls of older servers: notes one by one, the rest by status.

        Adds to *missing* what the answers do not confirm.
        """
        by_status: dict[str, list[Change]] = {}
        for change in batch:
            if change.text is None:
                by_status.setdefault(change.status, []).append(change)
        for status_id, group in by_status.items():
            ids = [change.execution.id for change in group]
            answered = self._client.execute_status(ids, status_id, self._tester)
            missing += self._confirm(group, answered)
        for change in batch:
            if change.text is not None:
                self._client.execute_one(_write_of(change), self._tester)
                self._confirmed([change])

    def _confirm(
        self, batch: Sequence[Change], answered: Sequence[Execution] | None
    ) -> Sequence[Change]:
        """Note what *answered* confirms and return the rest."""
        rows = {each.id: each for each in answered or ()}
        confirmed: list[Change] = []
        missing: list[Change] = []
        for change in batch:
            row = rows.get(change.execution.id)
            # A row without a status confirms the write, but not which status it wrote.
            is_confirmed = (
                row is not None
                and row.status in {"", change.status}
                and not diff.keeps_foreign(change, row)
            )
            (confirmed if is_confirmed else missing).append(change)
        self._confirmed(confirmed)
        return missing

    def _settle(self, uncertain: Sequence[Change]) -> Sequence[Change]:
        """Read the phase again and return the changes that were not written.

        Where somebody else has written meanwhile, the result is compared once more.
        """
        uncertain = self._open(uncertain)
        if not uncertain:
            return uncertain
        assert self._target.phase is not None
        release = self._target.release
        rows = self._client.executions(
            self._target.phase.id, release.id if release else None
        )
        now = {each.id: each for each in rows}
        written: list[Change] = []
        missing: list[Change] = []
        for change in uncertain:
            before = change.execution
            current = replace(change, execution=now.get(before.id, before))
            if diff.was_written(current, before.stamp):
                written.append(current)
            elif current.execution.stamp == before.stamp:
                missing.append(current)
            else:
                missing.append(self._decide_again(current))
                self._renewed.add(before.id)
        self._confirmed(written)
        self._overrule(
            [each for each in missing if each.overruled and each.text is None]
        )
        return self._open(missing)

    def _decide_again(self, change: Change) -> Change:
        """Return *change* as it is on the execution that it has now."""
        now = change.execution
        written = now.status == change.status and diff.keeps_foreign(change, now)
        decided = diff.decide(change.result, now, self._rules, written=written)
        if decided is None:
            # A later attempt has reported meanwhile.
            return Change(change.result, now, None, "", now.status)
        if (
            decided.overruled
            or change.overruled
            or None in (change.notes, decided.notes)
        ):
            return decided
        # Its notes may list steps.
        return replace(decided, notes=change.notes)

    def _confirmed(self, confirmed: Sequence[Change]) -> None:
        if not confirmed:
            return
        delivered = [each for each in confirmed if not each.overruled]
        self._memory.note(*map(_receipt_of, delivered))
        self._delivered.update(each.execution.id for each in delivered)
        self._refusals = 0
        self._delivery.reported += delivered
        self._overrule([each for each in confirmed if each.overruled])
        self._progress(self._total - self._delivery.pending, self._total)

    def _overrule(self, overruled: Sequence[Change]) -> None:
        """Note that another job decides, if that turned out only now."""
        self._dropped.update(each.execution.id for each in overruled)
        known = {each.execution.id for each in self._delivery.overruled}
        self._delivery.overruled += [
            each for each in overruled if each.execution.id not in known
        ]

    def _refuse(self, refused: Sequence[Change], reason: str) -> None:
        ids = {each.execution.id for each in refused}
        self._dropped |= ids
        self._delivery.overruled = [
            each for each in self._delivery.overruled if each.execution.id not in ids
        ]
        self._delivery.refused += [Refusal(each.result, reason) for each in refused]


def _write_of(change: Change) -> ExecutionWrite:
    return ExecutionWrite(
        execution=change.execution.id,
        status=change.status,
        milliseconds=(
            (change.execution.milliseconds or 0)
            if change.overruled
            else change.result.milliseconds
        ),
        executed_on=change.at,
        notes=change.text,
    )


def _receipt_of(change: Change) -> Receipt:
    result = change.result
    return Receipt(result.case, change.execution.id, change.status, result.digest)
