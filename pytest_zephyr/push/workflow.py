"""Push results to Zephyr: read what the server has, compare, and write what differs."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from pytest_zephyr import errors
from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import now_ms
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.push import attachments
from pytest_zephyr.push import diff
from pytest_zephyr.push.delivery import Delivery
from pytest_zephyr.push.executions import ResultWriter
from pytest_zephyr.push.missing import MissingCreator
from pytest_zephyr.push.planning import Planner
from pytest_zephyr.push.steps import StepResultWriter
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.target.create_cases import NewCaseTests
from pytest_zephyr.target.snapshot import read_snapshot
from pytest_zephyr.target.snapshot import Snapshot


def push(
    merged: MergedResults,
    client: Client,
    settings: Settings,
    memory: Memory,
    progress: Callable[..., None],
    *,
    sessions_to_send: AbstractSet[str],
    settings_by_session: Mapping[str, Settings],
    force: bool = False,
    snapshot: Snapshot | None = None,
) -> Delivery:
    """Push the results in *merged* and return what became of them.

    Only results of the sessions in *sessions_to_send* are pushed; the others only help to
    decide which result of a test case counts. *settings_by_session* maps the names of
    sessions to their settings; *settings* are for the others. With *force*, newer results
    and those of other jobs are replaced, too. *snapshot* is what was already read from
    the server. With ``zephyr_dry_run`` everything is read and nothing is written.

    A ZephyrError or Ctrl-C is not raised: the returned delivery has it as its `error`.
    The receipts of what was written before are kept.
    """
    planner = Planner(settings, settings_by_session, sessions_to_send)
    settings = planner.widest_settings
    # The statuses of the server are not known yet, so the stock statuses are used.
    delivery = _expected_delivery(planner, merged.nodes)
    if not delivery.pending:
        return delivery
    try:
        if not settings.dry_run:
            _wait_for_unanswered_write(client, settings, memory)
        snapshot = delivery.snapshot = read_snapshot(client, settings, snapshot)
        planner.use_statuses(snapshot.statuses)
        creator = MissingCreator(client, planner, snapshot, delivery.creations)
        may_create = settings.may_create("execution")
        rules = diff.DiffRules(
            merged.ended,
            merged.incomplete,
            now_ms() + client.clock_offset,
            force,
            settings.notes_limit,
        )

        def compare() -> None:
            nodes = map(creator.with_new_case, merged.nodes)
            visible = diff.by_visible_id(nodes, snapshot.executions)
            delivery.results = planner.plan(visible).results
            delivery.changes = diff.compute(
                delivery.results,
                snapshot.executions,
                f"phase {snapshot.known_target.path}",
                memory.receipts,
                memory.unanswered,
                rules,
            )

        compare()
        if may_create and (delivery.changes.missing or delivery.new_cases):
            creator.find(delivery.changes.missing, delivery.new_cases)
            if not settings.dry_run:
                creator.create()
            compare()
            delivery.new_cases = {
                case: tests
                for case, tests in delivery.new_cases.items()
                if case in delivery.creations.not_created
            }
            creator.explain_missing(delivery.changes, final=not settings.dry_run)
        if not settings.dry_run:
            _carry_out(delivery, snapshot, client, memory, progress, rules)
        if not may_create:
            # This only finds reasons for messages, so it comes last.
            creator.find(delivery.changes.missing, {})
            creator.explain_missing(delivery.changes, final=True)
        delivery.previewed = settings.dry_run
    except errors.ZephyrError as error:
        delivery.error = error
    except KeyboardInterrupt:
        delivery.error = errors.Interrupted("interrupted while sending.")
    return delivery


def _expected_delivery(planner: Planner, nodes: Sequence[NodeResult]) -> Delivery:
    """Return what is to be pushed, before anything is read from the server."""
    plan = planner.plan(nodes)
    delivery = Delivery(
        results=plan.results, invalid=planner.with_invalid_marker(nodes)
    )
    changes = delivery.changes
    for result in plan.results:
        (changes.skipped if result.is_skipped else changes.not_compared).append(result)
    for node in plan.nodes_without_case:
        settings = planner.settings_of(node)
        if settings.unmapped in {"warn", "error"} and node.unmarked:
            delivery.unmapped.append(node.title)
            delivery.unmapped_is_error |= settings.unmapped == "error"
        choice = planner.rules_of(node).choices[node.outcome]
        creates_case = settings.unmapped == "create" and not choice.is_skipped
        if creates_case and node.new is not None:
            tests = delivery.new_cases.setdefault(
                node.new, NewCaseTests(settings.folder)
            )
            tests.nodes.append(node)
        elif node.unmarked:
            delivery.without_case.append(node)
    return delivery


def _wait_for_unanswered_write(
    client: Client, settings: Settings, memory: Memory
) -> None:
    """Wait while the server may still carry out a write that got no answer.

    If it did so after the executions were read, the same would be written twice.
    """
    elapsed = (now_ms() - memory.open_since) / 1000
    if 0 <= elapsed < settings.timeout:
        client.pause(settings.timeout - elapsed)


def _carry_out(
    delivery: Delivery,
    snapshot: Snapshot,
    client: Client,
    memory: Memory,
    progress: Callable[..., None],
    rules: diff.DiffRules,
) -> None:
    """Write the results, then the evidence of the results that the server has."""
    phase = snapshot.known_target.phase
    if phase is None:
        return
    changes, evidence = delivery.changes, delivery.evidence
    steps = StepResultWriter(client, memory, evidence, phase.id)
    steps.add_to_notes(changes.writes)
    writer = ResultWriter(client, snapshot, changes, rules, memory, progress)
    writer.run()
    delivery.error = writer.error
    confirmed = [*changes.reported, *changes.reported_before]
    evidence.left_out += attachments.left_out(confirmed)
    steps.write_all(confirmed)
    files = attachments.files_to_send(confirmed, steps.notes_incomplete)
    attachments.AttachmentWriter(client, memory, evidence, files, progress).run()
    steps.note_attached()
