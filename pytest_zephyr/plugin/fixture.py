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
from pytest_zephyr.plugin.recorder import RECORDER
from pytest_zephyr.plugin.step_block import Nesting
from pytest_zephyr.plugin.step_block import StepBlock
from pytest_zephyr.plugin.warning import PytestZephyrWarning
from pytest_zephyr.results import evidence
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.evidence import Saying
from pytest_zephyr.results.evidence import Step


#: Characters of a step's error that a journal keeps.
_MAX_ERROR = 500

_STEP_NUMBERS = pytest.StashKey[Iterator[int]]()


class Zephyr:
    """What a test can put on its result; does nothing while reporting is off."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._recorder = item.config.stash.get(RECORDER, None)
        # Counted for the test as a whole: hooks have records of their own.
        self._step_numbers = item.stash.setdefault(_STEP_NUMBERS, itertools.count(1))
        self._nesting = Nesting()

    def __repr__(self) -> str:
        return f"<Zephyr of {self._item.nodeid}>"

    def comment(self, text: str) -> None:
        """Put *text* into the notes of the execution."""
        self._say(evidence.Comment(_text("comment", "a text", text)))

    def attach(
        self,
        source: str | os.PathLike[str] | bytes,
        name: str | None = None,
        type: str | None = None,
    ) -> None:
        """Attach the file at a path, which is copied at once, or the content in bytes.

        *name* and content *type* are guessed from the path or from the content.
        """
        name = "" if name is None else _name("attach", name)
        kind = "" if type is None else _text("attach", "a content type", type)
        if kind and not evidence.is_content_type(kind):
            wanted = "a content type such as 'text/plain'"
            raise ValueError(_wrong("attach", wanted, type))
        if isinstance(source, bytes | bytearray | memoryview):
            self._keep(bytes(source), name, kind)
            return
        if not isinstance(source, str | os.PathLike):
            raise TypeError(_wrong("attach", "a path or bytes", source))
        path = Path(source)
        if not _is_file(path):
            msg = f"zephyr.attach: there is no file {_shown(os.fspath(source))}"
            raise FileNotFoundError(msg)
        self._keep(path, name or path.name, kind)

    def attach_text(self, text: str, name: str = "text.txt") -> None:
        """Attach *text* as a file."""
        if not isinstance(text, str):
            raise TypeError(_wrong("attach_text", "a text", text))
        name = _name("attach_text", name)
        kind = "" if Path(name).suffix else "text/plain"
        if self._recorder is not None:
            text = self._recorder.clean(text)
        self._keep(text.encode("utf-8", "replace"), name, kind)

    def defect(self, key: str) -> None:
        """Name a defect by its key, such as ``BUG-7``."""
        self._say(evidence.Defect(_text("defect", "a key", key)))

    def field(self, name: str, value: FieldValue) -> None:
        """Give a field of the result a value: text, number or truth value."""
        name = _text("field", "a name", name)
        if not isinstance(value, str | int | float):
            raise TypeError(_wrong("field", "a text, number or truth value", value))
        self._say(evidence.Field(name, value))

    def step(self, label: str | int) -> StepBlock:
        """Return a step: a context manager, and a decorator of functions of any kind.

        *label* is a text, or the number of the test case's own step.
        """
        if isinstance(label, bool) or not isinstance(label, int):
            label = _text("step", "a text or the number of a step", label)
        elif label < 1:
            raise ValueError(_wrong("step", "a number from 1", label))
        return StepBlock(
            self._nesting, lambda depth: self._begin(label, depth), self._end
        )

    def _say(self, what: Saying) -> None:
        if self._recorder is not None:
            with self._harmless():
                self._recorder.say(self._item, what)

    def _keep(self, content: bytes | Path, name: str, kind: str) -> None:
        if self._recorder is not None:
            with self._harmless():
                self._recorder.keep(self._item, content, name, kind)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - ours must not fail their test
            text = f"{self._item.nodeid}: internal error, please report it: {error!r}"
            self._item.warn(PytestZephyrWarning(text))

    def _begin(self, label: str | int, depth: int) -> Step:
        step = Step(next(self._step_numbers), label, depth, at=now_ms())
        self._say(step)
        return step

    def _end(self, step: Step, error: BaseException | None) -> None:
        if self._recorder is None:
            return
        with self._harmless():
            comment = "" if error is None else self._recorder.clean(_first_line(error))
            comment = comment[:_MAX_ERROR]
            ended = replace(step, outcome=_outcome(error), comment=comment, at=now_ms())
            self._recorder.say(self._item, ended)


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


@pytest.fixture
def zephyr(request: pytest.FixtureRequest) -> Zephyr:
    """Put comments, attachments, steps, defects and fields on the result in Zephyr."""
    return Zephyr(request.node)


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "passed"
    if isinstance(error, pytest.skip.Exception):
        return "skipped"
    # An interrupt says nothing about the step.
    is_verdict = isinstance(error, Exception | pytest.fail.Exception)
    return "failed" if is_verdict else "interrupted"


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].strip(" :")


def _text(call: str, wanted: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(_wrong(call, wanted, value))
    if not value.strip():
        raise ValueError(_wrong(call, wanted, value))
    return value.strip()


def _name(call: str, value: object) -> str:
    name = _text(call, "a name", value)
    if not evidence.is_file_name(name):
        raise ValueError(_wrong(call, "a name of one line", value))
    return name


def _wrong(call: str, wanted: str, value: object) -> str:
    return f"zephyr.{call}: {wanted} is wanted, not {_shown(value)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A text that was meant as content is too long for a path.
        return False
