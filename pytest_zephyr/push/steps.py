"""Step results: match the steps of tests to those of test cases, and write them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
import html
import re

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.attachments import StepWrite
from pytest_zephyr.client.batching import batches
from pytest_zephyr.client.entities import CaseStep
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrNotFound
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


#: Refusals in a row after which the server is taken to refuse everything.
_HOPELESS = 20

_TAG = re.compile(r"<[^<>]*>")


#: The status of a step by its outcome; other steps were not executed.
_STATUSES = {"passed": PASS, "failed": FAIL}


@dataclass(frozen=True)
class Matched:
    """Steps of tests: by number those that the test case has, and the *foreign* others."""

    own: dict[int, Step]
    foreign: tuple[Step, ...]


def match(nodes: Iterable[NodeResult], case_steps: Iterable[CaseStep]) -> Matched:
    """Match the steps of *nodes* by number or by text; the worst of several decides.

    White space, case and the markup that Zephyr's editor adds make no difference.
    """
    numbers: dict[str | int, int] = {}
    for each in case_steps:
        without_markup = html.unescape(_TAG.sub(" ", each.text))
        for name in (each.number, folded(each.text), folded(without_markup)):
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


def _weight(step: Step) -> int:
    return {"failed": 2, "passed": 1}.get(step.outcome, 0)


def writes(execution: int, steps: dict[int, Step]) -> list[StepWrite]:
    """Return the rows to write; a step that was not executed stays unchanged."""
    return [
        StepWrite(
            execution=execution,
            step=number,
            status=_STATUSES[step.outcome],
            executed_on=step.at,
            comment=escape(step.comment),
        )
        for number, step in steps.items()
        if step.outcome in _STATUSES
    ]


class StepResults:
    """The steps of one push: read once for each test case, written after the results.

    *notes_incomplete* are the executions whose notes do not list all steps that Zephyr
    does not have.
    """

    def __init__(
        self, client: Client, memory: Memory, evidence: EvidenceDelivery, phase: int
    ) -> None:
        self._client = client
        self._memory = memory
        self._evidence = evidence
        self._phase = phase
        self._case_steps: dict[int, list[CaseStep]] = {}
        self._refused: set[int] = set()
        self._forbidden: ZephyrUnauthorized | None = None
        self._refusals = 0
        self._unsettled: dict[int, str] = {}
        self.notes_incomplete: set[int] = set()

    def add_to_notes(
        self, changes: Changes, context_of: Callable[[CaseResult], Context]
    ) -> Changes:
        """Return *changes* with notes that list the steps Zephyr does not have.

        Results are more important, so reading the steps takes at most a quarter of the
        time that is left.
        """
        with_steps = list(filter(_has_steps, changes.writes))
        if not with_steps:
            return changes
        # What is not read now is read before the step results are written.
        with (
            suppress(ZephyrUnreachable),
            self._client.within(self._client.deadline.remaining() / 4),
        ):
            for change in with_steps:
                self._read(change)

        def noted(change: Change) -> Change:
            foreign, result = self._match(change).foreign, change.result
            if not foreign:
                return change
            context = context_of(result)
            notes = write_notes(result.nodes, result.outcome, context, foreign)
            return replace(change, notes=notes)

        return replace(changes, writes=list(map(noted, changes.writes)))

    def _match(self, change: Change) -> Matched:
        """Match the steps of a test case, none if they were not read."""
        case_steps = self._case_steps.get(change.execution.id)
        if case_steps is None:
            return Matched({}, ())
        return match(change.result.nodes, case_steps)

    def _read(self, change: Change) -> None:
        """Read the steps of a test case unless they are known. Raises ZephyrUnreachable."""
        version, execution = change.execution.version, change.execution.id
        if execution in self._case_steps or execution in self._refused:
            return
        try:
            if self._forbidden is not None:
                raise self._forbidden
            steps = [] if version is None else self._client.case_steps(version)
            self._case_steps[execution] = steps
        except ZephyrBadAnswer as refused:
            if refused.status == 401:
                raise
            if isinstance(refused, ZephyrUnauthorized):
                # Without permission for one case there is none for the others.
                self._forbidden = refused
            self._refuse(change, "steps", f"not read: {refused}")

    def _lists_foreign(self, change: Change) -> bool:
        """Return whether the notes list all steps that Zephyr does not have."""
        if change.execution.id not in self._case_steps:
            return False
        notes = change.execution.comment if change.notes is None else change.notes
        return not self._match(change).foreign or lists_all_steps(notes)

    def write(self, confirmed: Iterable[Change]) -> None:
        """Write the step results of results that the server has.

        Raises ZephyrError if the rest cannot be written now.
        """
        pending = {
            change.execution.id: change
            for change in confirmed
            if _has_steps(change)
            and self._memory.stepped.get(change.execution.id) != _digest(change)
        }
        self._evidence.steps_pending += len(pending)
        rows: list[StepWrite] = []
        for execution, change in pending.items():
            self._read(change)
            rows += writes(execution, self._match(change).own)
            if not self._lists_foreign(change):
                self.notes_incomplete.add(execution)
        sent = 0
        for batch in batches(rows):
            self._send(batch, pending)
            sent += len(batch)
            # A test case is done when all of its rows were sent.
            self._done(pending, {row.execution for row in rows[sent:]})
        self._done(pending, set())

    def _done(self, pending: dict[int, Change], coming: set[int]) -> None:
        """Note what is written, unless a part of it was refused."""
        digests = {}
        for execution in [each for each in pending if each not in coming]:
            digest = _digest(pending.pop(execution))
            self._evidence.steps_pending -= 1
            if execution in self._refused:
                continue
            if execution in self.notes_incomplete:
                self._unsettled[execution] = digest
            else:
                digests[execution] = digest
        if digests:
            self._memory.note(Stepped(digests))

    def settle(self) -> None:
        """Note what had to wait until the notes were attached as a file."""
        attached = all(each.name != NOTES for each in self._evidence.refused)
        if self._unsettled and attached:
            self._memory.note(Stepped(self._unsettled))

    def _send(self, rows: Sequence[StepWrite], pending: dict[int, Change]) -> None:
        try:
            try:
                answered = self._client.save_steps(self._phase, rows)
            except ZephyrWriteUncertain:
                # Writing the same results twice changes nothing.
                answered = self._client.save_steps(self._phase, rows)
        except ZephyrBadAnswer as refused:
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
            return
        self._refusals = 0
        for row in rows:
            status: str | None = row.status
            if answered is not None:
                status = answered.get((row.execution, row.step))
            if status == row.status:
                self._evidence.steps += 1
                continue
            reason = f"the server answered that its status is {status}"
            if status is None:
                reason = "the server's answer left it out"
            self._refuse(pending[row.execution], f"step {row.step}", reason)

    def _refuse(self, change: Change, name: str, reason: str) -> None:
        self._refused.add(change.execution.id)
        nodeid = change.result.nodes[0].nodeid
        self._evidence.refused.append(RefusedFile(name, nodeid, reason))


def _digest(change: Change) -> str:
    """Identify the steps of a result, to recognise them when they were delivered."""
    steps = [(node.outcome, node.evidence.steps) for node in change.result.nodes]
    return short_digest(repr(steps), 16)


def _has_steps(change: Change) -> bool:
    return any(node.evidence.steps for node in change.result.nodes)
