"""Write results to executions in batches, and read back what no answer confirms."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from pytest_zephyr import errors
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.client.entities import ExecutionState
from pytest_zephyr.client.executions import ExecutionWrite
from pytest_zephyr.journal import ledger
from pytest_zephyr.push import diff
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import plural


class ResultWriter(BatchWriter[diff.Change]):
    """Writes the results of a push, notes their receipts, and updates *changes*.

    *error* says why the rest was not sent, if the server seems to refuse everything.
    """

    def __init__(
        self,
        client: Client,
        snapshot: Snapshot,
        changes: diff.Changes,
        rules: diff.DiffRules,
        memory: ledger.Memory,
        progress: Callable[[int, int], None],
    ) -> None:
        super().__init__(client)
        self._snapshot = snapshot
        self._changes = changes
        self._rules = rules
        self._memory = memory
        self._progress = progress
        self._tester = snapshot.user.id
        self._overruled = {each.execution.id: each for each in changes.overruled}
        self._not_sent: list[diff.Change] = []
        self._has_bulk = True
        self.error: errors.ZephyrError | None = None

    def run(self) -> None:
        changes = self._changes
        self._note_receipts(changes.reported)
        overruled_writes = [
            each for each in changes.overruled if each.tagged_notes is not None
        ]
        try:
            self.send_all([*changes.writes, *overruled_writes])
        finally:
            changes.writes = [*self.unfinished(changes.writes), *self._not_sent]
            changes.overruled = list(self._overruled.values())

    def key(self, row: diff.Change) -> int:
        return row.execution.id

    def note_given_up(
        self, rows: Sequence[diff.Change], refused: errors.ZephyrRefused
    ) -> None:
        self._not_sent = [each for each in rows if not each.overruled_by]
        self.error = errors.ZephyrError(
            f"{refused} The last {self._refusals} tries were all refused, which"
            f" left {plural(len(self._not_sent), 'result')} unsent."
        )

    def write(self, rows: Sequence[diff.Change]) -> None:
        stamps = {change.execution.id: change.execution.stamp for change in rows}
        self._memory.note(ledger.Sending(stamps))
        if not self._has_bulk:
            self._write_without_bulk(rows)
            return
        try:
            writes = list(map(_write_of, rows))
            self._check_answer(rows, self._client.execute(writes, self._tester))
        except errors.ZephyrNotFound as not_found:
            self._has_bulk = False
            try:
                self._write_without_bulk(rows)
            except errors.ZephyrNotFound:
                # The older calls find nothing either, so the bulk call is not missing.
                self._has_bulk = True
                raise not_found from None

    def _write_without_bulk(self, batch: Sequence[diff.Change]) -> None:
        """Write with older calls: changes of notes one by one, the others by status."""
        sent: list[diff.Change] = []
        by_status_id: dict[str, list[diff.Change]] = {}
        for change in batch:
            if change.tagged_notes is None:
                by_status_id.setdefault(change.status_id, []).append(change)
        try:
            for status_id, group in by_status_id.items():
                ids = list(map(self.key, group))
                answered = self._client.execute_status(ids, status_id, self._tester)
                sent += group
                self._check_answer(group, answered)
            for change in batch:
                if change.tagged_notes is not None:
                    self._client.execute_one(_write_of(change), self._tester)
                    self._note_written([change])
        except errors.ZephyrBadAnswer:
            # What was written before the refusal must not be written again.
            self.read_unfinished(sent)
            raise

    def _check_answer(
        self, batch: Sequence[diff.Change], answered: Sequence[ExecutionState] | None
    ) -> None:
        """Note which changes of *batch* the rows in *answered* confirm."""
        rows = {row.id: row for row in answered or ()}
        self._note_written(
            [
                change
                for change in batch
                if (row := rows.get(change.execution.id)) is not None
                # A row without a status also confirms the write.
                and row.status_id in ("", change.status_id)
                and not diff.keeps_foreign_notes(change, row.notes)
            ]
        )

    def read_back(self, rows: Sequence[diff.Change]) -> Sequence[diff.Change]:
        """Read the phase again and return the changes that were not written.

        The result of an execution that somebody else has changed is compared again.
        """
        self._snapshot.read_executions(self._client)
        current_by_id = {each.id: each for each in self._snapshot.executions}
        confirmed: list[diff.Change] = []
        unwritten: list[diff.Change] = []
        for change in rows:
            before = change.execution
            current = replace(change, execution=current_by_id.get(before.id, before))
            if diff.was_written(current, before.stamp):
                confirmed.append(current)
            elif current.execution.stamp == before.stamp:
                unwritten.append(current)
            else:
                self.changed.add(before.id)
                decided = self._decide_again(current)
                is_settled = decided.overruled_by and decided.tagged_notes is None
                (confirmed if is_settled else unwritten).append(decided)
        self._note_written(confirmed)
        return unwritten

    def _decide_again(self, change: diff.Change) -> diff.Change:
        """Compare the result of *change* with its execution as it was just read."""
        current = change.execution
        # Our write may have replaced the status of another job, but kept its notes.
        written = current.status_id == change.status_id and diff.keeps_foreign_notes(
            change, current.notes
        )
        decided = diff.decide(change.result, current, self._rules, written=written)
        if decided is None:
            # A later attempt has reported meanwhile.
            return diff.Change(change.result, current, overruled_by=current.status_id)
        if (
            decided.overruled_by
            or change.overruled_by
            or None in (change.notes, decided.notes)
        ):
            return decided
        # The notes of *change* may list steps, which those of *decided* do not.
        return replace(decided, notes=change.notes)

    def _note_written(self, confirmed: Sequence[diff.Change]) -> None:
        """Note that the server has the *confirmed* changes, or what overrules them."""
        if not confirmed:
            return
        reported = [each for each in confirmed if not each.overruled_by]
        self._note_receipts(reported)
        self.finished.update(map(self.key, confirmed))
        self._changes.reported += reported
        self._forget_overruled(reported)
        self._overruled.update(
            (each.execution.id, each) for each in confirmed if each.overruled_by
        )
        self._progress(len(self.finished), len(self._rows))

    def _note_receipts(self, reported: Sequence[diff.Change]) -> None:
        if reported:
            self._memory.note(*map(_receipt_of, reported))

    def note_refused(self, rows: Sequence[diff.Change], reason: str) -> None:
        self._forget_overruled(rows)
        self._changes.refused += [diff.Refusal(each.result, reason) for each in rows]

    def _forget_overruled(self, changes: Sequence[diff.Change]) -> None:
        for change in changes:
            self._overruled.pop(change.execution.id, None)


def _write_of(change: diff.Change) -> ExecutionWrite:
    return ExecutionWrite(
        execution=change.execution.id,
        status_id=change.status_id,
        milliseconds=(
            (change.execution.milliseconds or 0)
            if change.overruled_by
            else change.result.milliseconds
        ),
        executed_on=change.at,
        notes=change.tagged_notes,
    )


def _receipt_of(change: diff.Change) -> ledger.Receipt:
    result = change.result
    return ledger.Receipt(
        result.case, change.execution.id, change.status_id, result.digest
    )
