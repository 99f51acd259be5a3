"""Step results: what tests say of steps, brought onto the steps that their cases have."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import html
import re

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.attachments import StepWrite
from pytest_zephyr.client.batching import batches
from pytest_zephyr.client.entities import CaseStep
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.ledger import Stepped
from pytest_zephyr.push.delivery import EvidenceDelivery
from pytest_zephyr.push.delivery import RefusedFile
from pytest_zephyr.push.diff import Change
from pytest_zephyr.push.diff import Changes
from pytest_zephyr.push.files_to_send import NOTES
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.notes import escape
from pytest_zephyr.results.notes import lists_all_steps
from pytest_zephyr.results.notes import steps_of
from pytest_zephyr.results.notes import write_notes
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.status import FAIL
from pytest_zephyr.results.status import PASS
from pytest_zephyr.text import short_digest


#: Refusals in a row after which a server is believed to refuse everything.
_HOPELESS = 20

_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Matched:
    """Steps of tests on a test case: its own by number, and those it does not have."""

    own: dict[int, Step]
    foreign: tuple[Step, ...]


def match(nodes: Iterable[NodeResult], case_steps: Iterable[CaseStep]) -> Matched:
    """Match the steps of *nodes* by number or by text; the worst of several decides.

    White space, case and the markup that Zephyr's editor adds make no difference.
    """
    numbers: dict[str | int, int] = {}
    for each in case_steps:
        for name in (
            each.number,
            folded(each.text),
            folded(_without_markup(each.text)),
        ):
            numbers.setdefault(name, each.number)
    own: dict[int, Step] = {}
    foreign = []
    for step in steps_of(nodes):
        label = step.label if isinstance(step.label, int) else folded(step.label)
        number = numbers.get(label)
        if number is None:
            foreign.append(step)
        elif number not in own or _weight(step) > _weight(own[number]):
            own[number] = step
    return Matched(dict(sorted(own.items())), tuple(foreign))


def folded(text: str) -> str:
    """Return *text* without differences of white space and case."""
    return " ".join(text.split()).casefold()


def _without_markup(text: str) -> str:
    return html.unescape(_TAG.sub(" ", text))


def _weight(step: Step) -> int:
    return {"failed": 2, "passed": 1}.get(step.outcome, 0)


def writes(execution: int, steps: dict[int, Step]) -> list[StepWrite]:
    """Return what to write; a step that was not executed stays as it is."""
    statuses = {"passed": PASS, "failed": FAIL}
    return [
        StepWrite(
            execution=execution,
            step=number,
            status=statuses[step.outcome],
            executed_on=step.at,
            comment=escape(step.comment),
        )
        for number, step in steps.items()
        if step.outcome in statuses
    ]


class StepResults:
    """The steps of one push: read once for each test case, written after the results.

    *notes_incomplete* are the executions whose notes do not list what they should of the steps
    that Zephyr does not have.
    """

    def __init__(
        self, client: Client, memory: Memory, evidence: EvidenceDelivery, phase: int
    ) -> None:
        self._client = client
        self._memory = memory
        self._evidence = evidence
        self._phase = phase
        self._known: dict[int, list[CaseStep]] = {}
        self._refused: set[int] = set()
        self._forbidden: ZephyrUnauthorized | None = None
        self._refusals = 0
        self._unsettled: dict[int, str] = {}
        self.notes_incomplete: set[int] = set()

    def note_foreign(
        self, changes: Changes, context_of: Callable[[CaseResult], Context]
    ) -> Changes:
        """Return *changes* with notes that list the steps Zephyr does not have.

        The results come first: this takes at most a quarter of the time that is left,
        and a server that does not answer is none of its business.
        """
        with_steps = list(filter(_has_steps, changes.writes))
        if not with_steps:
            return changes
        try:
            with self._client.within(self._client.deadline.left() / 4):
                for change in with_steps:
                    self._read(change)
        except ZephyrUnreachable:
            # What is not read now is when the step results are written.
            pass
        return replace(
            changes,
            writes=tuple(
                self._noted(change, context_of(change.result))
                for change in changes.writes
            ),
        )

    def _noted(self, change: Change, context: Context) -> Change:
        foreign = self._match(change).foreign
        if not foreign:
            return change
        result = change.result
        notes = write_notes(result.nodes, result.outcome, context, foreign)
        return replace(change, notes=notes)

    def _match(self, change: Change) -> Matched:
        """Match what is known; without having read them, no step is foreign."""
        known = self._known.get(change.execution.id)
        if known is None:
            return Matched({}, ())
        return match(change.result.nodes, known)

    def _read(self, change: Change) -> None:
        """Learn the steps of a test case. Raises ZephyrUnreachable."""
        version, execution = change.execution.version, change.execution.id
        if execution in self._known or execution in self._refused:
            return
        try:
            if self._forbidden is not None:
                raise self._forbidden
            steps = [] if version is None else self._client.case_steps(version)
            self._known[execution] = steps
        except ZephyrRefused as refused:
            if refused.status == 401:
                raise
            if isinstance(refused, ZephyrUnauthorized):
                # Nobody who may not read one may read another.
                self._forbidden = refused
            self._refuse(change, "steps", f"not read: {refused}")

    def _is_told(self, change: Change) -> bool:
        """Return whether the notes on the server tell of the steps that it has not."""
        if change.execution.id not in self._known:
            return False
        if not self._match(change).foreign:
            return True
        return lists_all_steps(
            change.execution.comment if change.notes is None else change.notes
        )

    def write(self, standing: Iterable[Change]) -> None:
        """Write the step results of results that stand on the server.

        Raises ZephyrError if the rest cannot be written now.
        """
        pending = {
            change.execution.id: change
            for change in standing
            if _has_steps(change)
            and self._memory.stepped.get(change.execution.id) != _digest(change)
        }
        self._evidence.steps_kept += len(pending)
        rows: list[StepWrite] = []
        for execution, change in pending.items():
            self._read(change)
            rows += writes(execution, self._match(change).own)
            if not self._is_told(change):
                self.notes_incomplete.add(execution)
        sent = 0
        for batch in batches(rows):
            self._send(batch, pending)
            sent += len(batch)
            # A case of which something is still to come is not done.
            self._done(pending, {row.execution for row in rows[sent:]})
        self._done(pending, set())

    def _done(self, pending: dict[int, Change], coming: set[int]) -> None:
        """Keep receipts for what is written, unless something of it was refused."""
        done = [execution for execution in pending if execution not in coming]
        changes = {execution: pending.pop(execution) for execution in done}
        self._evidence.steps_kept -= len(done)
        digests = {
            execution: _digest(change)
            for execution, change in changes.items()
            if execution not in self._refused
        }
        self._unsettled.update(
            {
                each: digests.pop(each)
                for each in self.notes_incomplete
                if each in digests
            }
        )
        if digests:
            self._memory.note_stepped(Stepped(digests))

    def settle(self) -> None:
        """Keep the receipts that had to wait until attachments told the rest."""
        told = all(each.name != NOTES for each in self._evidence.refused)
        if self._unsettled and told:
            self._memory.note_stepped(Stepped(self._unsettled))

    def _send(self, rows: Sequence[StepWrite], pending: dict[int, Change]) -> None:
        try:
            try:
                answered = self._client.save_steps(self._phase, rows)
            except ZephyrWriteUncertain:
                # Writing the same results twice leaves them as they are.
                answered = self._client.save_steps(self._phase, rows)
        except ZephyrRefused as refused:
            if refused.status == 401:
                raise
            self._refusals += 1
            whole = isinstance(refused, ZephyrUnauthorized | ZephyrNotFound)
            if whole or len(rows) == 1 or self._refusals > _HOPELESS:
                for row in rows:
                    change = pending[row.execution]
                    self._refuse(change, f"step {row.step}", str(refused))
                return
            middle = len(rows) // 2
            self._send(rows[:middle], pending)
            self._send(rows[middle:], pending)
        else:
            self._refusals = 0
            for row in rows:
                status = (
                    row.status
                    if answered is None
                    else answered.get((row.execution, row.step))
                )
                if status == row.status:
                    self._evidence.steps += 1
                    continue
                reason = (
                    "the server's answer left it out"
                    if status is None
                    else f"the server answered that its status is {status}"
                )
                self._refuse(pending[row.execution], f"step {row.step}", reason)

    def _refuse(self, change: Change, name: str, reason: str) -> None:
        self._refused.add(change.execution.id)
        nodeid = change.result.nodes[0].nodeid
        self._evidence.refused.append(RefusedFile(name, nodeid, reason))


def _digest(change: Change) -> str:
    """Identify what tests said of steps, so that what is delivered is recognised."""
    said = [(node.outcome, node.evidence.steps) for node in change.result.nodes]
    return short_digest(repr(said), 16)


def _has_steps(change: Change) -> bool:
    return any(node.evidence.steps for node in change.result.nodes)
