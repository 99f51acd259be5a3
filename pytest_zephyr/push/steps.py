"""Match the steps of tests to the steps of test cases, and write their results."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
import html
import re

from pytest_zephyr import errors
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.client.entities import CaseStep
from pytest_zephyr.client.executions import StepWrite
from pytest_zephyr.journal import ledger
from pytest_zephyr.push import delivery
from pytest_zephyr.push.attachments import NOTES_FILE
from pytest_zephyr.push.diff import Change
from pytest_zephyr.results import notes
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.status import FAIL
from pytest_zephyr.results.status import PASS
from pytest_zephyr.text import short_digest


_MARKUP = re.compile(r"<[^<>]*>")


#: The ids of statuses by the outcome of a step; steps with other outcomes are not sent.
_STATUS_IDS = {"passed": PASS, "failed": FAIL}


@dataclass(frozen=True)
class MatchedSteps:
    """Steps of tests: those that match a step of the test case, and the *others*.

    *by_number* maps the number of a step of the test case to the step that matches it.
    """

    by_number: dict[int, Step]
    others: tuple[Step, ...]


def match(nodes: Iterable[NodeResult], case_steps: Iterable[CaseStep]) -> MatchedSteps:
    """Match the steps of *nodes* to *case_steps*, by number or by text.

    White space, upper and lower case and the markup of Zephyr's editor do not matter.
    If several steps match the same step of the test case, the worst counts.
    """
    numbers: dict[str | int, int] = {}
    for case_step in case_steps:
        without_markup = html.unescape(_MARKUP.sub(" ", case_step.text))
        texts = normalized(case_step.text), normalized(without_markup)
        for label in (case_step.number, *texts):
            numbers.setdefault(label, case_step.number)
    by_number: dict[int, Step] = {}
    others = []
    for step in notes.steps_of(nodes):
        label = step.label if isinstance(step.label, int) else normalized(step.label)
        number = numbers.get(label)
        if number is None:
            others.append(step)
        elif number not in by_number or _severity(step) > _severity(by_number[number]):
            by_number[number] = step
    return MatchedSteps(dict(sorted(by_number.items())), tuple(others))


def normalized(text: str) -> str:
    """Return *text* in lower case, with single spaces between words."""
    return " ".join(text.split()).casefold()


def _severity(step: Step) -> int:
    return {"failed": 2, "passed": 1}.get(step.outcome, 0)


def step_writes(execution: int, steps: dict[int, Step]) -> list[StepWrite]:
    """Return the rows for *steps*, which have their numbers as keys.

    Steps that neither passed nor failed have no row.
    """
    return [
        StepWrite(
            execution=execution,
            step=number,
            status_id=_STATUS_IDS[step.outcome],
            executed_on=step.at,
            comment=notes.escape(step.comment),
        )
        for number, step in steps.items()
        if step.outcome in _STATUS_IDS
    ]


class StepResultWriter(BatchWriter[StepWrite]):
    """Writes the step results of one push, after the results.

    The steps of each test case are read once. *notes_incomplete* are executions whose
    notes may leave out steps that the test case does not have, perhaps because those of
    the test case could not be read.
    """

    def __init__(
        self,
        client: Client,
        memory: ledger.Memory,
        evidence: delivery.EvidenceDelivery,
        phase: int,
    ) -> None:
        super().__init__(client)
        self._memory = memory
        self._evidence = evidence
        self._phase = phase
        self._matched: dict[int, MatchedSteps] = {}
        self._refused: set[int] = set()
        self._forbidden: errors.ZephyrUnauthorized | None = None
        self._pending: dict[int, Change] = {}
        # Digests of steps whose receipt waits until the full notes are attached.
        self._done_once_attached: dict[int, str] = {}
        self.notes_incomplete: set[int] = set()

    def add_to_notes(self, changes: Iterable[Change]) -> None:
        """Add to the notes of *changes* the steps that their test cases do not have.

        Results are more important than steps, so reading the steps of test cases takes
        at most a quarter of the time that is left.
        """
        with_steps = list(filter(_has_steps, changes))
        if not with_steps:
            return
        # Steps that are not read now are read before the step results are written.
        with (
            suppress(errors.ZephyrUnreachable),
            self._client.within(self._client.deadline.remaining() / 4),
        ):
            for change in with_steps:
                self._read(change)
        for change in with_steps:
            matched, result = self._matched.get(change.execution.id), change.result
            if matched is not None and matched.others:
                change.notes = notes.write_notes(
                    result.nodes, result.outcome, result.notes_options, matched.others
                )

    def _read(self, change: Change) -> None:
        """Read the steps of a test case once, and match the steps of its tests to them.

        Raises ZephyrUnreachable, or ZephyrBadAnswer if the login is refused.
        """
        version, execution = change.execution.version, change.execution.id
        if execution in self._matched or execution in self._refused:
            return
        try:
            if self._forbidden is not None:
                raise self._forbidden
            steps = [] if version is None else self._client.case_steps(version)
            self._matched[execution] = match(change.result.nodes, steps)
        except errors.ZephyrBadAnswer as refused:
            if refused.http_status == 401:
                raise
            if isinstance(refused, errors.ZephyrUnauthorized):
                # A user who may not read one test case may not read the others either.
                self._forbidden = refused
            self._refuse(change, "steps", f"not read: {refused}")

    def write_all(self, confirmed: Iterable[Change]) -> None:
        """Write the step results of the *confirmed* changes.

        Raises ZephyrError if the rest cannot be written now.
        """
        self._pending = {
            change.execution.id: change
            for change in confirmed
            if _has_steps(change)
            and self._memory.stepped.get(change.execution.id) != _digest(change)
        }
        self._evidence.steps_pending += len(self._pending)
        rows: list[StepWrite] = []
        for execution, change in self._pending.items():
            self._read(change)
            matched = self._matched.get(execution)
            if matched is not None:
                rows += step_writes(execution, matched.by_number)
            text = change.execution.notes if change.notes is None else change.notes
            if matched is None or (matched.others and not notes.lists_all_steps(text)):
                self.notes_incomplete.add(execution)
        try:
            self.send_all(rows)
        finally:
            self._note_done()

    def _note_done(self) -> None:
        """Write a receipt for executions whose steps are all written and not refused.

        For those with incomplete notes, `note_attached` writes it.
        """
        unsent = {row.execution for row in self.unfinished(self._rows)}
        done = self._pending.keys() - unsent
        self._evidence.steps_pending -= len(done)
        digests = {each: _digest(self._pending[each]) for each in done - self._refused}
        self._done_once_attached = {
            execution: digests.pop(execution)
            for execution in self.notes_incomplete & digests.keys()
        }
        if digests:
            self._memory.note(ledger.Stepped(digests))

    def note_attached(self) -> None:
        """Write a receipt for the steps of executions with incomplete notes.

        None is written if a file with full notes was refused.
        """
        refused = any(each.name == NOTES_FILE for each in self._evidence.refused)
        if self._done_once_attached and not refused:
            self._memory.note(ledger.Stepped(self._done_once_attached))

    def key(self, row: StepWrite) -> tuple[int, int]:
        return row.execution, row.step

    def write(self, rows: Sequence[StepWrite]) -> None:
        """Write *rows*, and refuse those that the server's answer does not confirm.

        If the answer cannot be compared with *rows*, all of them count as written.
        """
        try:
            answered = self._client.save_steps(self._phase, rows)
        except (errors.ZephyrUnauthorized, errors.ZephyrNotFound) as refused:
            if refused.http_status == 401:
                raise
            # The server accepts no step results, or none from this user.
            self.refuse(rows, str(refused))
            return
        self.finished.update(map(self.key, rows))
        for row in rows:
            status_id = (
                answered.get(self.key(row)) if answered is not None else row.status_id
            )
            if status_id == row.status_id:
                self._evidence.steps += 1
            elif status_id is None:
                self.refuse([row], "the server's answer left it out")
            else:
                reason = f"the server answered that its status is {status_id}"
                self.refuse([row], reason)

    def read_back(self, rows: Sequence[StepWrite]) -> Sequence[StepWrite]:
        """Return *rows*: writing the same results twice changes nothing."""
        return rows

    def note_refused(self, rows: Sequence[StepWrite], reason: str) -> None:
        for row in rows:
            self._refuse(self._pending[row.execution], f"step {row.step}", reason)

    def _refuse(self, change: Change, name: str, reason: str) -> None:
        self._refused.add(change.execution.id)
        nodeid = change.result.nodes[0].nodeid
        step = delivery.UndeliveredEvidence(name, nodeid, reason, is_step=True)
        self._evidence.refused.append(step)


def _digest(change: Change) -> str:
    """Return a digest of the steps of a result, to recognise steps delivered before."""
    steps = [(node.outcome, node.evidence.steps) for node in change.result.nodes]
    return short_digest(repr(steps), 16)


def _has_steps(change: Change) -> bool:
    return any(node.evidence.steps for node in change.result.nodes)
