"""Bringing results to Zephyr: read what the server has, diff, apply, keep receipts."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace

from pytest_zephyr import attachments
from pytest_zephyr import changes as diff
from pytest_zephyr import status
from pytest_zephyr.changes import Change
from pytest_zephyr.changes import Changes
from pytest_zephyr.changes import Refusal
from pytest_zephyr.client import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.delivery import Delivery
from pytest_zephyr.delivery import Memory
from pytest_zephyr.entities import BATCH
from pytest_zephyr.entities import Execution
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnclear
from pytest_zephyr.execution_calls import Write
from pytest_zephyr.notes import Context
from pytest_zephyr.outcome import NewCase
from pytest_zephyr.outcome import NodeResult
from pytest_zephyr.outcome import Outcome
from pytest_zephyr.plan import build_plan
from pytest_zephyr.provider import Provider
from pytest_zephyr.provision import Shelved
from pytest_zephyr.receipts import Receipt
from pytest_zephyr.receipts import Sending
from pytest_zephyr.said import FieldValue
from pytest_zephyr.settings import Settings
from pytest_zephyr.steps import StepResults
from pytest_zephyr.survey import Survey
from pytest_zephyr.survey import survey
from pytest_zephyr.transport import Transport


#: How often a batch whose answers stay unclear is read back and sent again.
_SETTLE = 3

#: Refusals in a row after which a server is believed to refuse everything; one bad
#: row in a batch of 500 costs nine.
_HOPELESS = 30


@contextmanager
def connect(settings: Settings, deadline: Deadline | None = None) -> Iterator[Client]:
    """Open a client for the server in *settings*, with all its time or a *deadline*."""
    assert settings.url is not None
    assert settings.credential is not None
    deadline = deadline or Deadline(settings.deadline)
    with Transport(settings.url, settings.credential, settings, deadline) as transport:
        yield Client(transport)


def push(
    nodes: Sequence[NodeResult],
    client: Client,
    settings: Settings,
    memory: Memory,
    progress: Callable[..., None] = lambda *_progress: None,
    *,
    newer_wins: bool = False,
    seen: Survey | None = None,
) -> Delivery:
    """Deliver *nodes* and return what became of them.

    With *newer_wins* the server's result stays where it is newer than ours. *seen* is
    what is known of the server already. With ``zephyr_dry_run`` everything is read and
    nothing is written.

    Neither a ZephyrError nor Ctrl-C leaves: it is the `error` of what is returned.
    What was written before it stays written and has its receipts.
    """
    delivery = Delivery()
    # Until the server has said what it can take, every result with a status waits.
    choices = _choices(settings, status.STOCK)
    plan = build_plan(nodes, choices, _context(settings))
    delivery.kept = sum(
        result.status is not None or bool(result.problem) for result in plan.results
    )
    delivery.left = len(plan.results) - delivery.kept
    new = _new_cases(plan.unmapped, settings, choices)
    delivery.kept += len(new)
    if settings.unmapped in {"warn", "error"}:
        delivery.unmapped = [node.title for node in plan.unmapped if node.unmarked]
    delivery.minds_unmapped = settings.unmapped == "error"
    if not delivery.kept:
        return delivery
    try:
        seen = _look(client, settings, seen)
        delivery.user, delivery.target = seen.user, seen.target
        provider = Provider(client, settings, seen)

        def compute() -> Changes:
            """Compare what should be with what is, as far as both are known by now."""
            return _changes(nodes, provider, seen, settings, memory, newer_wins)

        changes = compute()
        if settings.may_create("execution") and (changes.missing or new):
            provider.look(changes.missing, new)
            if not settings.dry_run:
                _make(provider, delivery, seen)
                changes = compute()
            changes = provider.settle(changes, final=not settings.dry_run)
        _count(delivery, changes)
        if not settings.dry_run:
            _carry_out(changes, client, settings, memory, delivery, progress)
        if not settings.may_create("execution"):
            # What has no place is looked up last: it can only be named.
            provider.look(changes.missing)
            changes = provider.settle(changes, final=True)
            _name_missing(delivery, changes)
        if settings.dry_run:
            delivery.planned = changes
            delivery.provision = provider.provision
            delivery.kept += len(provider.provision.shelved.missing)
    except ZephyrError as error:
        delivery.error = error
    except KeyboardInterrupt:
        delivery.error = ZephyrError("interrupted while sending.")
    return delivery


def _make(provider: Provider, delivery: Delivery, seen: Survey) -> None:
    """Make what is missing; what was made is told even if not all of it was."""
    try:
        provider.make()
    finally:
        delivery.target = seen.target
        delivery.made = provider.made
        delivery.remarks = list(provider.provision.shelved.remarks)


def _look(client: Client, settings: Settings, seen: Survey | None) -> Survey:
    """Read what the server has, but for what was read a moment ago."""
    if seen is None:
        return survey(client, settings)
    seen.read_target(client, settings)
    if not seen.fresh:
        seen.read_executions(client)
    return seen


def _changes(
    nodes: Sequence[NodeResult],
    provider: Provider,
    seen: Survey,
    settings: Settings,
    memory: Memory,
    newer_wins: bool,
) -> Changes:
    mapped = [_with_new_case(node, provider.provision.shelved) for node in nodes]
    plan = build_plan(
        diff.by_visible_id(mapped, seen.executions),
        _choices(settings, seen.statuses),
        _context(settings),
    )
    return diff.compute(
        plan.results,
        seen.executions,
        f"phase {seen.place.path}",
        memory.receipts,
        memory.unclear,
        newer_wins=newer_wins,
    )


def _choices(
    settings: Settings, known: Sequence[status.Status]
) -> dict[Outcome, status.Choice]:
    source = settings.sources.get("status_map", "default")
    return status.choices(settings.status_map, source, known)


def _carry_out(
    changes: Changes,
    client: Client,
    settings: Settings,
    memory: Memory,
    delivery: Delivery,
    progress: Callable[..., None],
) -> None:
    """Write the results first, then the evidence of those that stand."""
    phase = delivery.target.phase if delivery.target else None
    if phase is None:
        return
    context, evidence = _context(settings), delivery.evidence
    steps = StepResults(client, memory, evidence, phase.id)
    changes = steps.note_foreign(changes, context)
    apply = _Apply(client, delivery, memory, progress)
    apply.run(changes)
    standing = [*apply.standing(changes), *changes.standing]
    evidence.left_out += attachments.left_out(standing)
    files = attachments.wanted(standing, context)
    steps.write(standing)
    attachments.send(files, client, memory, evidence, progress)


def _context(settings: Settings) -> Context:
    return Context(settings.comment, settings.notes_limit)


def _new_cases(
    unmapped: Iterable[NodeResult],
    settings: Settings,
    choices: Mapping[Outcome, status.Choice],
) -> dict[NewCase, dict[str, FieldValue]]:
    """Return the test cases to be made for tests that have a result to send.

    Each with the custom fields that its tests named.
    """
    new: dict[NewCase, dict[str, FieldValue]] = {}
    for node in unmapped:
        sent = choices[node.outcome].status is not None
        if settings.unmapped == "create" and node.new is not None and sent:
            new.setdefault(node.new, {}).update(node.evidence.fields)
    return new


def _with_new_case(node: NodeResult, shelved: Shelved) -> NodeResult:
    """Return *node* with the test case that was made or found for it."""
    if node.new is None:
        return node
    if node.new in shelved.placements:
        return replace(node, cases=(shelved.placements[node.new].case,))
    if node.new in shelved.refused:
        # It has no number; its name is what a message can call it.
        return replace(node, cases=(node.new.name,))
    return node


def _count(delivery: Delivery, changes: Changes) -> None:
    delivery.already = len(changes.done)
    delivery.left = len(changes.left) + len(changes.older)
    delivery.older = list(changes.older)
    delivery.refused = list(changes.refused)
    delivery.kept = len(changes.writes) + len(changes.landed) + len(changes.missing)


def _name_missing(delivery: Delivery, settled: Changes) -> None:
    """Count what had no place as refused, or as left if nobody minds."""
    known = {each.result.case for each in delivery.refused}
    named = [each for each in settled.refused if each.result.case not in known]
    delivery.refused += named
    left = len(settled.left) + len(settled.older)
    delivery.kept -= len(named) + left - delivery.left
    delivery.left = left


class _Apply:
    """Carries out changes in batches, and settles what stays unclear by reading."""

    def __init__(
        self,
        client: Client,
        delivery: Delivery,
        memory: Memory,
        progress: Callable[[int, int], None],
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
        self._refusals = 0

    def run(self, changes: Changes) -> None:
        self._total = self._delivery.kept
        self._confirmed(changes.landed)
        for start in range(0, len(changes.writes), BATCH):
            self._send(changes.writes[start : start + BATCH])

    def standing(self, changes: Changes) -> list[Change]:
        """Return those of *changes* that stand on the server now."""
        found = (*changes.landed, *changes.writes)
        return [each for each in found if each.execution.id in self._done]

    def _send(self, batch: Sequence[Change]) -> None:
        """Send *batch*; what is not confirmed is read back, and sent again if needed."""
        error: ZephyrError | None = None
        for _ in range(_SETTLE):
            batch = self._open(batch)
            error = None
            try:
                missing = self._write(batch)
            except ZephyrUnauthorized:
                raise
            except ZephyrUnclear as unclear:
                missing, error = batch, unclear
            except ZephyrRefused as refused:
                # A server error may have come after a part of the work was done.
                if refused.status < 500:
                    self._divide(batch, refused)
                    return
                missing, error = self._open(batch), refused
            batch = self._settle(missing) if missing else ()
            if batch and isinstance(error, ZephyrUnclear) and error.patience:
                # A slow server may be at it still; sent again it would be there twice.
                self._client.pause(error.patience)
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
                self._refuse(
                    batch, "the server's answer left it out, and it is not there"
                )
                return
        assert error is not None
        raise error

    def _read(self) -> Iterator[Execution]:
        assert self._target.phase is not None, "there is a change, so it has a place"
        release = self._target.release
        return self._client.executions(
            self._target.phase.id, release.id if release else None
        )

    def _open(self, batch: Sequence[Change]) -> Sequence[Change]:
        return [each for each in batch if each.execution.id not in self._done]

    def _divide(self, batch: Sequence[Change], refused: ZephyrRefused) -> None:
        """Halve a refused batch until what the server refuses stands alone."""
        batch = self._open(batch)
        self._refusals += 1
        if len(batch) == 1 or self._refusals > _HOPELESS:
            self._refuse(batch, str(refused))
            return
        middle = len(batch) // 2
        self._send(batch[:middle])
        self._send(batch[middle:])

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
            except ZephyrNotFound:
                self._has_bulk = False
        return self._write_without_bulk(batch)

    def _write_without_bulk(self, batch: Sequence[Change]) -> Sequence[Change]:
        """Write with the older calls: many of one status at once, notes one by one."""
        missing: list[Change] = []
        by_status: dict[str, list[Change]] = {}
        for change in batch:
            if change.notes is None:
                by_status.setdefault(_status_of(change), []).append(change)
        for status_id, group in by_status.items():
            ids = [change.execution.id for change in group]
            answered = self._client.execute_status(ids, status_id, self._tester)
            missing += self._confirm(group, answered)
        for change in batch:
            if change.notes is not None:
                self._client.execute_one(_write_of(change), self._tester)
                self._confirmed([change])
        return missing

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
            if row is not None and row.status in {"", _status_of(change)}:
                confirmed.append(change)
            else:
                missing.append(change)
        self._confirmed(confirmed)
        return missing

    def _settle(self, unclear: Sequence[Change]) -> Sequence[Change]:
        """Read the phase again and return the changes that were not written."""
        unclear = self._open(unclear)
        now = {each.id: each for each in self._read()}
        landed: list[Change] = []
        open_changes: list[Change] = []
        for change in unclear:
            before = change.execution
            current = replace(change, execution=now.get(before.id, before))
            is_there = diff.has_landed(current, before.stamp)
            (landed if is_there else open_changes).append(current)
        self._confirmed(landed)
        return open_changes

    def _confirmed(self, confirmed: Sequence[Change]) -> None:
        if not confirmed:
            return
        self._memory.note_receipts(list(map(_receipt_of, confirmed)))
        self._done.update(change.execution.id for change in confirmed)
        self._refusals = 0
        self._delivery.delivered += len(confirmed)
        self._delivery.kept -= len(confirmed)
        self._progress(self._total - self._delivery.kept, self._total)

    def _refuse(self, refused: Sequence[Change], reason: str) -> None:
        self._delivery.kept -= len(refused)
        self._delivery.refused += [Refusal(each.result, reason) for each in refused]


def _status_of(change: Change) -> str:
    assert change.result.status is not None
    return change.result.status.id


def _write_of(change: Change) -> Write:
    return Write(
        execution=change.execution.id,
        status=_status_of(change),
        milliseconds=change.result.milliseconds,
        executed_on=change.result.at,
        notes=change.notes,
    )


def _receipt_of(change: Change) -> Receipt:
    result = change.result
    return Receipt(result.case, change.execution.id, _status_of(change), result.digest)
