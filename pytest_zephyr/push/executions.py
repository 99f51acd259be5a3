"""Write results to executions in batches, and read back what is uncertain."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.executions import ExecutionWrite
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.ledger import Receipt
from pytest_zephyr.journal.ledger import Sending
from pytest_zephyr.push import diff
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import DiffRules
from pytest_zephyr.push.diff import Refusal


class ResultWriter(BatchWriter[Change]):
    """Writes the results of a push and notes their receipts."""

    def __init__(
        self,
        client: Client,
        delivery: Delivery,
        memory: Memory,
        progress: Callable[[int, int], None],
        rules: DiffRules,
    ) -> None:
        super().__init__(client)
        assert delivery.snapshot is not None
        self._delivery = delivery
        self._memory = memory
        self._progress = progress
        self._snapshot = delivery.snapshot
        self._tester = delivery.snapshot.user.id
        self._rules = rules
        self._has_bulk = True
        self._total = delivery.pending
        self._delivered: set[int] = set()

    def run(self, changes: Changes) -> list[Change]:
        """Write *changes* and return those that the server has now."""
        self._confirmed(changes.found_on_server)
        tags_only = [each for each in changes.overruled if each.text is not None]
        self.send_all([*changes.writes, *tags_only])
        sent = (*changes.found_on_server, *changes.writes)
        return [each for each in sent if each.execution.id in self._delivered]

    def key(self, row: Change) -> int:
        return row.execution.id

    def give_up(self, rows: Sequence[Change], refused: ZephyrRefused) -> None:
        waiting = sum(not each.overruled for each in rows)
        self._delivery.error = ZephyrError(
            f"{refused} The last {self._refusals} tries were all refused, so"
            f" {waiting} results were not sent."
        )

    def write(self, rows: Sequence[Change]) -> Sequence[Change]:
        stamps = {change.execution.id: change.execution.stamp for change in rows}
        self._memory.note(Sending(stamps))
        no_bulk: ZephyrNotFound | None = None
        if self._has_bulk:
            try:
                answered = self._client.execute(
                    list(map(_write_of, rows)), self._tester
                )
                return self._confirm(rows, answered)
            except ZephyrNotFound as error:
                self._has_bulk, no_bulk = False, error
        missing: list[Change] = []
        try:
            self._write_without_bulk(rows, missing)
        except ZephyrNotFound:
            if no_bulk is None:
                raise
            # The older calls find nothing either, so it is not the call that is missing.
            self._has_bulk = True
            raise no_bulk from None
        except ZephyrBadAnswer:
            # What was written before the refusal must not be written again.
            self.missing(missing)
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
        rows = {row.id: row for row in answered or ()}
        self._confirmed(
            [
                change
                for change in batch
                if (row := rows.get(change.execution.id)) is not None
                # A row without a status confirms the write, but not which status.
                and row.status in {"", change.status}
                and not diff.keeps_foreign(change, row)
            ]
        )
        return self.open(batch)

    def read_back(self, rows: Sequence[Change]) -> Sequence[Change]:
        """Read the phase again and return the changes that were not written.

        Where somebody else has written meanwhile, the result is compared once more.
        """
        self._snapshot.read_executions(self._client)
        now = {each.id: each for each in self._snapshot.executions}
        written: list[Change] = []
        missing: list[Change] = []
        for change in rows:
            before = change.execution
            current = replace(change, execution=now.get(before.id, before))
            if diff.was_written(current, before.stamp):
                written.append(current)
            elif current.execution.stamp == before.stamp:
                missing.append(current)
            else:
                missing.append(self._decide_again(current))
                self.changed.add(before.id)
        self._confirmed(written)
        self._overrule(
            [each for each in missing if each.overruled and each.text is None]
        )
        return self.open(missing)

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
        ids = set(map(self.key, delivered))
        self._delivered |= ids
        self.finished |= ids
        self._delivery.reported += delivered
        self._overrule([each for each in confirmed if each.overruled])
        self._progress(self._total - self._delivery.pending, self._total)

    def _overrule(self, overruled: Sequence[Change]) -> None:
        """Note that another job decides, if that turned out only now."""
        if not overruled:
            return
        self.finished.update(map(self.key, overruled))
        known = {each.execution.id for each in self._delivery.overruled}
        self._delivery.overruled += [
            each for each in overruled if each.execution.id not in known
        ]

    def refuse(self, rows: Sequence[Change], reason: str) -> None:
        ids = set(map(self.key, rows))
        self.finished |= ids
        self._delivery.overruled = [
            each for each in self._delivery.overruled if each.execution.id not in ids
        ]
        self._delivery.refused += [Refusal(each.result, reason) for each in rows]


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
