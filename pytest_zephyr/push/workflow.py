"""Bringing results to Zephyr: read what the server has, diff, apply, keep receipts."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import Interrupted
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.push import attachments
from pytest_zephyr.push import diff
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.diff import DiffRules
from pytest_zephyr.push.executions import Apply
from pytest_zephyr.push.files_to_send import left_out
from pytest_zephyr.push.files_to_send import wanted
from pytest_zephyr.push.missing import MissingCreator
from pytest_zephyr.push.own_settings import OwnSettings
from pytest_zephyr.push.steps import StepResults
from pytest_zephyr.results import status
from pytest_zephyr.results import tags
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.plan import build_plan
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.plan import Plan
from pytest_zephyr.results.plan import Rules
from pytest_zephyr.results.records import NewCase
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.target.created import CreatedCases
from pytest_zephyr.target.snapshot import read_snapshot
from pytest_zephyr.target.snapshot import Snapshot


def push(
    nodes: Sequence[NodeResult],
    client: Client,
    settings: Settings,
    memory: Memory,
    progress: Callable[..., None] = lambda *_progress: None,
    *,
    results: MergedResults | None = None,
    senders: AbstractSet[str] | None = None,
    force: bool = False,
    seen: Snapshot | None = None,
    own: Mapping[str, Settings] | None = None,
) -> Delivery:
    """Deliver *nodes* and return what became of them.

    *results* say what counts of *nodes*: of those that are sent late, the server's stays
    where its date is newer. Only results of *senders* are sent, others are read along.
    With *force* ours is written whatever stands there.
    *seen* is what is known of the server already. *own* are the settings of journals that
    have others. Journals are named by the run in them. With ``zephyr_dry_run`` everything
    is read and nothing is written.

    Neither a ZephyrError nor Ctrl-C leaves: it is the `error` of what is returned.
    What was written before it stays written and has its receipts.
    """
    delivery = Delivery()
    # Until the server has said what it can take, every result with a status waits.
    settings_of = OwnSettings(settings, own or {})
    settings = settings_of.widest
    planner = _Planner(settings_of, senders)
    plan = planner.plan(nodes, status.STOCK)
    new, folders = _expect(plan, delivery, settings_of)
    if not delivery.kept:
        return delivery
    try:
        _let_come(client, settings, memory)
        seen = _look(client, settings, seen)
        delivery.user, delivery.target = seen.user, seen.target
        creator = MissingCreator(client, settings_of, seen, folders)

        def terms() -> DiffRules:
            now = now_ms() + client.ahead
            ended = results.ended if results else {}
            partial = results.partial if results else ()
            return DiffRules(ended, partial, now, force, settings.notes_limit)

        def compute() -> Changes:
            """Compare what should be with what is, as far as both are known by now."""
            created_cases = creator.creations.created_cases
            mapped = diff.by_visible_id(
                (_with_new_case(node, created_cases) for node in nodes), seen.executions
            )
            return diff.compute(
                planner.plan(mapped, seen.statuses).results,
                seen.executions,
                f"phase {seen.place.path}",
                memory.receipts,
                memory.uncertain,
                terms(),
            )

        changes = compute()
        if settings.may_create("execution") and (changes.missing or new):
            creator.look(changes.missing, new)
            if not settings.dry_run:
                _make(creator, delivery, seen)
                changes = compute()
            changes = creator.settle(changes, final=not settings.dry_run)
        _count(delivery, changes)
        if not settings.dry_run:
            _carry_out(
                changes, client, settings_of, memory, delivery, progress, terms()
            )
        if not settings.may_create("execution"):
            # What has no place is looked up last: it can only be named.
            creator.look(changes.missing)
            settled = creator.settle(changes, final=True)
            _name_missing(delivery, changes, settled)
            changes = settled
        if settings.dry_run:
            delivery.planned = changes
            delivery.creations = creator.creations
            delivery.kept += len(creator.creations.created_cases.missing)
    except ZephyrError as error:
        delivery.error = error
    except KeyboardInterrupt:
        delivery.error = Interrupted("interrupted while sending.")
    return delivery


def _expect(
    plan: Plan, delivery: Delivery, settings_of: OwnSettings
) -> tuple[dict[NewCase, dict[str, FieldValue]], dict[NewCase, str]]:
    """Count what is to be delivered.

    Returns the test cases to be made with their custom fields, and with their folders.
    """
    delivery.kept = sum(
        result.status is not None or bool(result.problem) for result in plan.results
    )
    delivery.left = len(plan.results) - delivery.kept
    new: dict[NewCase, dict[str, FieldValue]] = {}
    folders: dict[NewCase, str] = {}
    choices: dict[int, dict[Outcome, status.Choice]] = {}
    for node in plan.unmapped:
        own = settings_of.of(node)
        if id(own) not in choices:
            choices[id(own)] = _choices(own, status.STOCK)
        if own.unmapped in {"warn", "error"} and node.unmarked:
            delivery.unmapped.append(node.title)
            delivery.unmapped_is_error = (
                delivery.unmapped_is_error or own.unmapped == "error"
            )
        sent = choices[id(own)][node.outcome].status is not None
        if own.unmapped == "create" and node.new is not None and sent:
            new.setdefault(node.new, {}).update(node.evidence.fields)
            folders.setdefault(node.new, own.folder)
    delivery.kept += len(new)
    return new, folders


def _make(creator: MissingCreator, delivery: Delivery, seen: Snapshot) -> None:
    """Make what is missing; what was made is told even if not all of it was."""
    try:
        creator.make()
    finally:
        delivery.target = seen.target
        delivery.made = creator.made
        delivery.remarks = list(creator.creations.created_cases.remarks)


def _let_come(client: Client, settings: Settings, memory: Memory) -> None:
    """Wait for a write that a push began which was killed: the server may be at it still.

    What came after we had looked would be there twice.
    """
    passed = (now_ms() - memory.open_since) / 1000
    if 0 <= passed < settings.timeout and not settings.dry_run:
        client.pause(settings.timeout - passed)


def _look(client: Client, settings: Settings, seen: Snapshot | None) -> Snapshot:
    """Read what the server has, but for what was read a moment ago."""
    if seen is None:
        return read_snapshot(client, settings)
    if not seen.fresh:
        if seen.target is not None and seen.target.phase is None:
            # Somebody may have made it meanwhile.
            seen.target = None
        seen.read_target(client, settings)
        seen.read_executions(client)
    return seen


class _Planner:
    """Plans what *senders* are to send; results of other journals are for these."""

    def __init__(
        self, settings_of: OwnSettings, senders: AbstractSet[str] | None
    ) -> None:
        self._settings_of = settings_of
        self._senders = senders
        self._asked: object = None
        self._plan = Plan((), ())

    def plan(self, nodes: Sequence[NodeResult], known: Sequence[status.Status]) -> Plan:
        """Return what should stand on the test cases of a server with *known* statuses.

        If nothing has changed since the last call that is the same plan.
        """

        def rules(each: Settings) -> Rules:
            return Rules(_choices(each, known), _context(each))

        main = rules(self._settings_of.main)
        own = {name: rules(each) for name, each in self._settings_of.by_journal.items()}
        asked = (list(nodes), main, own)
        if asked != self._asked:
            self._asked = asked
            self._plan = self._build(nodes, main, own)
        return self._plan

    def _build(
        self, nodes: Sequence[NodeResult], main: Rules, own: Mapping[str, Rules]
    ) -> Plan:
        plan = build_plan(nodes, main, own)
        senders = self._senders
        if senders is None:
            return plan
        return Plan(
            tuple(each for each in plan.results if each.journals & senders),
            tuple(each for each in plan.unmapped if each.origin.journal in senders),
        )


def _choices(
    settings: Settings, known: Sequence[status.Status]
) -> dict[Outcome, status.Choice]:
    source = settings.sources.get("status_map", "default")
    return status.choices(settings.status_map, source, known)


def _carry_out(
    changes: Changes,
    client: Client,
    settings_of: OwnSettings,
    memory: Memory,
    delivery: Delivery,
    progress: Callable[..., None],
    terms: DiffRules,
) -> None:
    """Write the results first, then the evidence of those that stand."""
    phase = delivery.target.phase if delivery.target else None
    if phase is None:
        return
    evidence = delivery.evidence
    contexts: dict[str, Context] = {}

    def context_of(result: CaseResult) -> Context:
        """Return how the journal that decides wants its notes."""
        journal = result.decided_by
        if journal not in contexts:
            settings = settings_of.by_journal.get(journal, settings_of.main)
            contexts[journal] = _context(settings)
        return contexts[journal]

    steps = StepResults(client, memory, evidence, phase.id)
    changes = steps.note_foreign(changes, context_of)
    apply = Apply(client, delivery, memory, progress, terms)
    apply.run(changes)
    standing = [*apply.standing(changes), *changes.standing]
    evidence.left_out += left_out(standing)
    steps.write(standing)
    files = wanted(standing, context_of, steps.notes_incomplete)
    attachments.send(files, client, memory, evidence, progress)
    steps.settle()


def _context(settings: Settings) -> Context:
    limit = settings.notes_limit
    return Context(settings.comment, limit - min(tags.ROOM, limit // 2))


def _with_new_case(node: NodeResult, created_cases: CreatedCases) -> NodeResult:
    """Return *node* with the test case that was made or found for it."""
    if node.new is None:
        return node
    if node.new in created_cases.placements:
        return replace(node, cases=(created_cases.placements[node.new].case,))
    if node.new in created_cases.refused:
        # It has no number; its name is what a message can call it.
        return replace(node, cases=(node.new.name,))
    return node


def _count(delivery: Delivery, changes: Changes) -> None:
    delivery.already = len(changes.done)
    delivery.left = len(changes.left) + len(changes.older) + len(changes.overruled)
    delivery.older = list(changes.older)
    delivery.overruled = list(changes.overruled)
    delivery.doubled = changes.doubled
    delivery.refused = list(changes.refused)
    delivery.kept = (
        len(changes.writes) + len(changes.found_on_server) + len(changes.missing)
    )


def _name_missing(delivery: Delivery, changes: Changes, settled: Changes) -> None:
    """Count what had no place as refused, or as left if nobody minds."""
    known = {each.result.case for each in delivery.refused}
    named = [each for each in settled.refused if each.result.case not in known]
    delivery.refused += named
    newly = len(settled.left) - len(changes.left)
    delivery.kept -= len(named) + newly
    delivery.left += newly
