"""The zephyr fixture: a test's own comments, attachments and steps, written at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
import itertools
import os
from pathlib import Path
from typing import Literal

import pytest

from pytest_zephyr.clock import now_ms
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.recorder import Recorder
from pytest_zephyr.plugin.step_block import Nesting
from pytest_zephyr.plugin.step_block import StepBlock
from pytest_zephyr.results import evidence
from pytest_zephyr.results.evidence import Step


#: Characters of a step's error that a journal keeps.
_MAX_ERROR = 500

#: Characters of a value that could not be attached.
_MAX_VALUE = 80

#: The number of a test case's step is smaller.
_MAX_STEP = 2**31

_STEP_NUMBERS = pytest.StashKey[Iterator[int]]()


class Zephyr:
    """What a test can put on its result; does nothing while reporting is off.

    No call fails a test or warns. Any value is accepted, and shown with `str`; an empty
    one is ignored. The summary names what could not be used.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._recorder = item.config.stash.get(RECORDER, Recorder())
        # In the stash: the record that hooks get counts on.
        self._step_numbers = item.stash.setdefault(_STEP_NUMBERS, itertools.count(1))
        self._nesting = Nesting()

    def __repr__(self) -> str:
        return f"<Zephyr of {self._item.nodeid}>"

    def comment(self, text: object) -> None:
        """Put *text* into the notes of the execution."""
        with self._recording("comment") as recorder:
            if content := _text_of(text):
                recorder.write(self._item, evidence.Comment(content))

    def attach(
        self,
        source: str | os.PathLike[str] | bytes,
        name: str | None = None,
        type: str | None = None,
    ) -> None:
        """Attach the file at the path *source*, copied at once, or the bytes *source*.

        *name* and content *type* are guessed from the path or from the content.
        """
        with self._recording("attach") as recorder:
            label = "" if name is None else _line_of(name)
            kind = "" if type is None else _text_of(type)
            kind = kind if evidence.is_content_type(kind) else ""
            if isinstance(source, bytes | bytearray | memoryview):
                recorder.attach(self._item, bytes(source), label, kind)
            elif isinstance(source, str | os.PathLike):
                path = Path(source)
                label = label or path.name
                if _is_file(path):
                    recorder.attach(self._item, path, label, kind)
                else:
                    reason = f"there is no file {_shorten(repr(str(source)))}"
                    recorder.leave_out(self._item, label, reason)
            else:
                # For code without a type checker.
                reason = f"expected a path or bytes, got {_shorten(_line_of(source))}"  # type: ignore[unreachable]
                recorder.leave_out(self._item, label, reason)

    def attach_text(self, text: object, name: str = "text.txt") -> None:
        """Attach *text* as a file."""
        with self._recording("attach_text") as recorder:
            label = _line_of(name) or "text.txt"
            kind = "" if Path(label).suffix else "text/plain"
            if content := recorder.scrub(_text_of(text)):
                data = content.encode("utf-8", "replace")
                recorder.attach(self._item, data, label, kind)

    def defect(self, key: object) -> None:
        """Name a defect by its key, such as ``BUG-7``."""
        with self._recording("defect") as recorder:
            if label := _line_of(key):
                recorder.write(self._item, evidence.Defect(label))

    def field(self, name: object, value: object) -> None:
        """Give a field of the result a value."""
        with self._recording("field") as recorder:
            label, text = _line_of(name), _text_of(value)
            content = value if isinstance(value, int | float) else text
            if label and content != "":
                recorder.write(self._item, evidence.Field(label, content))

    def step(self, label: object) -> StepBlock:
        """Return a step: a context manager, and a decorator of functions of any kind.

        *label* is a text, or the number of a step of the test case.
        """
        name: str | int = "step"
        with self._recording("step"):
            if isinstance(label, int) and not isinstance(label, bool) and label > 0:
                # `str` raises for a number of thousands of digits.
                name = label if str(label) and label < _MAX_STEP else str(label)
            else:
                name = _line_of(label) or name
        return StepBlock(
            self._nesting, lambda depth: self._begin(name, depth), self._end
        )

    @contextmanager
    def _recording(self, call: str) -> Iterator[Recorder]:
        """Yield the recorder, and keep errors of the block from failing the test."""
        try:
            try:
                yield self._recorder
            except ERRORS as error:
                reason = f"zephyr.{call}: {type(error).__name__}"
                self._recorder.leave_out(self._item, call, reason)
        except ERRORS as error:
            self._recorder.bugs.append(f"zephyr.{call}: {type(error).__name__}")

    def _begin(self, label: str | int, depth: int) -> Step:
        step = Step(next(self._step_numbers), label, depth, at=now_ms())
        with self._recording("step") as recorder:
            recorder.write(self._item, step)
        return step

    def _end(self, step: Step, error: BaseException | None) -> None:
        with self._recording("step") as recorder:
            outcome, comment = "passed", ""
            if error is not None:
                outcome = _outcome(error)
                hidden = recorder.hide(self._item, _first_line(error))
                comment = recorder.scrub(hidden)[:_MAX_ERROR]
            ended = replace(step, outcome=outcome, comment=comment, at=now_ms())
            recorder.write(self._item, ended)


class ZephyrRecord(Zephyr):
    """One report of a test, before it is written to the journal.

    *when* is setup, call or teardown, *outcome* is pytest's. A hook may add comments,
    attachments and so on, and may change *text*, the failure as pytest shows it.
    """

    when: Literal["setup", "call", "teardown"]
    outcome: Literal["passed", "failed", "skipped"]

    def __init__(self, item: pytest.Item, report: pytest.TestReport) -> None:
        super().__init__(item)
        self.nodeid = report.nodeid
        self.when = report.when
        self.outcome = report.outcome
        self.text = report.longreprtext

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"


def _outcome(error: BaseException) -> str:
    if isinstance(error, pytest.skip.Exception):
        return "skipped"
    # An interrupt says nothing about the step.
    is_failure = isinstance(error, Exception | pytest.fail.Exception)
    return "failed" if is_failure else "interrupted"


def _first_line(error: BaseException) -> str:
    try:
        text = str(error)
    except ERRORS:
        text = ""
    return f"{type(error).__name__}: {text}".partition("\n")[0].strip(" :")


def _text_of(value: object) -> str:
    return str(value).strip()


def _line_of(value: object) -> str:
    return " ".join(str(value).split())


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A text that was meant as content is too long for a path, or holds a NUL.
        return False
