"""Carrying out changes in batches, and settling by reading what stays unclear."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batching import batches
from pytest_zephyr.client.entities import Execution
from pytest_zephyr.client.executions import Write
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
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


#: How often a batch whose answers stay unclear is read back and sent again.
_SETTLE = 3


#: Refusals in a row after which a server may be one that refuses everything; one bad
#: row in a batch of 500 costs nine.
_DOUBTFUL = 30

#: Single results, from everywhere in what is left, that decide whether it is.
_SAMPLE = 10


class Apply:
    """Carries out changes in batches, and settles what stays unclear by reading."""

    def __init__(
        self,
        client: Client,
        delivery: Delivery,
        memory: Memory,
        progress: Callable[[int, int], None],
        terms: DiffRules,
    ) -> None:
        assert delivery.user is not None
        assert delivery.target is not None
        self._client = client
        self._delivery = delivery
        self._memory = memory
        self._progress = progress
        self._tester = delivery.user.id
        self._target = delivery.target
        self._has_bulk = True
        self._total = 0
        self._done: set[int] = set()
        self._writes: Sequence[Change] = ()
        self._over: set[int] = set()
        self._renewed: set[int] = set()
        self._refusals = 0
        self._is_hopeless = False
        self._terms = terms

    def run(self, changes: Changes) -> None:
        self._total = self._delivery.kept
        self._confirmed(changes.found_on_server)
        self._writes = changes.writes
        tags_only = [each for each in changes.overruled if each.text is not None]
        for batch in batches([*changes.writes, *tags_only]):
            self._send(batch)

    def standing(self, changes: Changes) -> list[Change]:
        """Return those of *changes* that stand on the server now."""
        found = (*changes.found_on_server, *changes.writes)
        return [each for each in found if each.execution.id in self._done]

    def _send(self, batch: Sequence[Change]) -> None:
        """Send *batch*; what is not confirmed is read back, and sent again if needed."""
        error: ZephyrError | None = None
        for _ in range(_SETTLE):
            batch = self._open(batch)
            if not batch or self._is_hopeless:
                return
            error = None
            try:
                missing = self._write(batch)
            except ZephyrUnauthorized:
                raise
            except ZephyrWriteUncertain as uncertain:
                missing, error = batch, uncertain
            except ZephyrRefused as refused:
                # A server error may have come after a part of the work was done.
                if refused.status < 500:
                    self._divide(batch, refused)
                    return
                missing, error = self._open(batch), refused
            batch = self._settle(missing) if missing else ()
            if (
                batch
                and isinstance(error, ZephyrWriteUncertain)
                and error.may_land_within
            ):
                # A slow server may be at it still; sent again it would be there twice.
                self._client.pause(error.may_land_within)
                batch = self._settle(batch)
            if not batch:
                return
            if isinstance(error, ZephyrRefused):
                # The row that the server spoke of may be among those that are done.
                if len(batch) < len(missing):
                    self._send(batch)
                else:
                    self._divide(batch, error)
                return
            if error is None:
                over = [
                    each for each in batch if each.execution.id not in self._renewed
                ]
                self._refuse(
                    over, "the server's answer left it out, and it is not there"
                )
                self._renewed.clear()
        if error is not None:
            raise error
        self._refuse(self._open(batch), "somebody else writes there again and again")

    def _read(self) -> Iterator[Execution]:
        assert self._target.phase is not None, "there is a change, so it has a place"
        release = self._target.release
        return self._client.executions(
            self._target.phase.id, release.id if release else None
        )

    def _open(self, batch: Sequence[Change]) -> Sequence[Change]:
        over = self._done | self._over
        return [each for each in batch if each.execution.id not in over]

    def _divide(self, batch: Sequence[Change], refused: ZephyrRefused) -> None:
        """Halve a refused batch until what the server refuses stands alone."""
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
        """Give up unless the server takes one of some results, each sent alone.

        Many bad rows may be neighbours, while good ones wait further on.
        """
        waiting = self._open(self._writes)
        last = len(waiting) - 1
        for place in range(_SAMPLE):
            self._send(waiting[place * last // (_SAMPLE - 1) :][:1])
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
        self._memory.note_sending(Sending(stamps))
        if self._has_bulk:
            try:
                return self._confirm(
                    batch,
                    self._client.execute(list(map(_write_of, batch)), self._tester),
                )
            except ZephyrNotFound as missing:
                self._has_bulk = False
                return self._write_without_bulk(batch, missing)
        return self._write_without_bulk(batch)

    def _write_without_bulk(
        self, batch: Sequence[Change], first: ZephyrNotFound | None = None
    ) -> Sequence[Change]:
        """Write with the older calls: many of one status at once, notes one by one.

        If they find nothing either, what is not there is not the newer call, and what
        the server said *first* is the reason.
        """
        missing: list[Change] = []
        try:
            self._write_old(batch, missing)
        except ZephyrNotFound:
            if first is None:
                raise
            self._has_bulk = True
            raise first from None
        except ZephyrRefused:
            # What was written before is not to be written again.
            if missing:
                self._settle(missing)
            raise
        return missing

    def _write_old(self, batch: Sequence[Change], missing: list[Change]) -> None:
        """Write *batch*, and add to *missing* what the answers do not confirm."""
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
        """Keep receipts for what the answer shows; return the rest."""
        now = {each.id: each for each in answered or ()}
        confirmed = []
        missing = []
        for change in batch:
            row = now.get(change.execution.id)
            # A row without a status says that it was written, not as what.
            if row is None or diff.keeps_foreign(change, row):
                missing.append(change)
            elif row.status in {"", change.status}:
                confirmed.append(change)
            else:
                missing.append(change)
        self._confirmed(confirmed)
        return missing

    def _settle(self, uncertain: Sequence[Change]) -> Sequence[Change]:
        """Read the phase again and return the changes that were not written.

        What somebody else wrote meanwhile is compared with the result once more.
        """
        uncertain = self._open(uncertain)
        now = {each.id: each for each in self._read()}
        found_on_server: list[Change] = []
        open_changes: list[Change] = []
        for change in uncertain:
            before = change.execution
            current = replace(change, execution=now.get(before.id, before))
            if diff.was_written(current, before.stamp):
                found_on_server.append(current)
            elif current.execution.stamp == before.stamp:
                open_changes.append(current)
            else:
                open_changes.append(self._decide_again(current))
                self._renewed.add(before.id)
        self._confirmed(found_on_server)
        over = [each for each in open_changes if each.overruled and each.text is None]
        self._overrule(over)
        return self._open(open_changes)

    def _decide_again(self, change: Change) -> Change:
        """Return *change* as it is on the execution that it now has."""
        now = change.execution
        written = now.status == change.status and diff.keeps_foreign(change, now)
        decided = diff.decide(change.result, now, self._terms, written=written)
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
        self._memory.note_receipts(list(map(_receipt_of, delivered)))
        self._done.update(change.execution.id for change in delivered)
        self._refusals = 0
        self._delivery.delivered += len(delivered)
        self._delivery.kept -= len(delivered)
        self._overrule([each for each in confirmed if each.overruled])
        self._progress(self._total - self._delivery.kept, self._total)

    def _overrule(self, overruled: Sequence[Change]) -> None:
        """Count what is left because of another job, if that turned out only now."""
        self._over.update(each.execution.id for each in overruled)
        known = {each.execution.id for each in self._delivery.overruled}
        late = [each for each in overruled if each.execution.id not in known]
        self._delivery.overruled += late
        self._delivery.kept -= len(late)
        self._delivery.left += len(late)

    def _refuse(self, refused: Sequence[Change], reason: str) -> None:
        self._over.update(each.execution.id for each in refused)
        known = {each.execution.id for each in self._delivery.overruled}
        left = sum(each.execution.id in known for each in refused)
        self._delivery.left -= left
        self._delivery.kept -= len(refused) - left
        self._delivery.refused += [Refusal(each.result, reason) for each in refused]


def _write_of(change: Change) -> Write:
    return Write(
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
