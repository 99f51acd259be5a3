"""The zephyr fixture: what a test says about itself, written down as it is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
import itertools
import os
from pathlib import Path

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

#: A step of a test case has a smaller number.
_MAX_STEP = 2**31

_STEP_NUMBERS = pytest.StashKey[Iterator[int]]()


class Zephyr:
    """What a test can put on its result; does nothing while reporting is off.

    No call fails a test or warns. Any value is taken, and shown with `str`; an empty
    one is ignored. What cannot be taken is named in the summary.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._recorder = item.config.stash.get(RECORDER, Recorder())
        # MergedResults for the test as a whole: hooks have records of their own.
        self._step_numbers = item.stash.setdefault(_STEP_NUMBERS, itertools.count(1))
        self._nesting = Nesting()

    def __repr__(self) -> str:
        return f"<Zephyr of {self._item.nodeid}>"

    def comment(self, text: object) -> None:
        """Put *text* into the notes of the execution."""
        with self._recording("comment") as recorder:
            if shown := _show(text):
                recorder.say(self._item, evidence.Comment(shown))

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
            label = "" if name is None else _show_line(name)
            kind = "" if type is None else _show(type)
            kind = kind if evidence.is_content_type(kind) else ""
            if isinstance(source, bytes | bytearray | memoryview):
                recorder.keep(self._item, bytes(source), label, kind)
            elif isinstance(source, str | os.PathLike):
                path = Path(source)
                label = label or path.name
                if _is_file(path):
                    recorder.keep(self._item, path, label, kind)
                else:
                    missing = f"there is no file {_cut(repr(str(source)))}"
                    recorder.leave_out(self._item, label, missing)
            else:
                # Whoever has no type checker.
                got = f"a path or bytes is wanted, not {_cut(_show_line(source))}"  # type: ignore[unreachable]
                recorder.leave_out(self._item, label, got)

    def attach_text(self, text: object, name: str = "text.txt") -> None:
        """Attach *text* as a file."""
        with self._recording("attach_text") as recorder:
            label = _show_line(name) or "text.txt"
            kind = "" if Path(label).suffix else "text/plain"
            shown = recorder.clean(_show(text))
            if shown:
                content = shown.encode("utf-8", "replace")
                recorder.keep(self._item, content, label, kind)

    def defect(self, key: object) -> None:
        """Name a defect by its key, such as ``BUG-7``."""
        with self._recording("defect") as recorder:
            if shown := _show_line(key):
                recorder.say(self._item, evidence.Defect(shown))

    def field(self, name: object, value: object) -> None:
        """Give a field of the result a value."""
        with self._recording("field") as recorder:
            label = _show_line(name)
            shown = _show(value)
            plain = value if isinstance(value, int | float) else shown
            if label and plain != "":
                recorder.say(self._item, evidence.Field(label, plain))

    def step(self, label: object) -> StepBlock:
        """Return a step: a context manager, and a decorator of functions of any kind.

        *label* is a text, or the number of the test case's own step.
        """
        named: str | int = "step"
        with self._recording("step"):
            if isinstance(label, int) and not isinstance(label, bool) and label > 0:
                # So large that it has no text, it is no number of a step.
                named = label if str(label) and label < _MAX_STEP else str(label)
            else:
                named = _show_line(label) or named
        return StepBlock(
            self._nesting, lambda depth: self._begin(named, depth), self._end
        )

    @contextmanager
    def _recording(self, call: str) -> Iterator[Recorder]:
        """Yield what writes down; nothing leaves the block that would fail a test."""
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
            recorder.say(self._item, step)
        return step

    def _end(self, step: Step, error: BaseException | None) -> None:
        with self._recording("step") as recorder:
            comment = ""
            if error is not None:
                shown = recorder.hide(self._item, _first_line(error))
                comment = recorder.clean(shown)[:_MAX_ERROR]
            ended = replace(step, outcome=_outcome(error), comment=comment, at=now_ms())
            recorder.say(self._item, ended)


class ZephyrRecord(Zephyr):
    """One report of a test, before it is written down.

    *when* is setup, call or teardown, *outcome* what pytest says. A hook may add
    evidence as a test does, and may change *text*, the failure as pytest shows it.
    """

    def __init__(self, item: pytest.Item, report: pytest.TestReport) -> None:
        super().__init__(item)
        self.nodeid = report.nodeid
        self.when = str(report.when)
        self.outcome: str = report.outcome
        self.text = report.longreprtext

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "passed"
    if isinstance(error, pytest.skip.Exception):
        return "skipped"
    # An interrupt says nothing about the step.
    is_verdict = isinstance(error, Exception | pytest.fail.Exception)
    return "failed" if is_verdict else "interrupted"


def _first_line(error: BaseException) -> str:
    try:
        text = str(error)
    except ERRORS:
        text = ""
    return f"{type(error).__name__}: {text}".partition("\n")[0].strip(" :")


def _show(value: object) -> str:
    return str(value).strip()


def _show_line(value: object) -> str:
    return " ".join(_show(value).split())


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # A text that was meant as content is too long for a path, or holds a NUL.
        return False
