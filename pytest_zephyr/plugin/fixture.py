"""What tests and the hook `pytest_zephyr_record` use to add evidence to a journal."""

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


#: The most characters that a journal keeps of a step's error.
_MAX_ERROR = 500

#: The numbers of steps of a test case are below this; other labels are taken as texts.
_STEP_LIMIT = 2**31

#: Numbers the steps of an item in the order in which they begin.
_STEP_NUMBERS = pytest.StashKey[Iterator[int]]()


class Zephyr:
    """The value of the fixture ``zephyr``, with which a test adds to its result.

    It does nothing while reporting is off. No method raises or warns, whatever its
    arguments are: texts may be values of any type, which `str` converts, an empty text
    is ignored, and the summary names what could not be used, such as a missing file.
    What a test adds is written to the journal at once, so it is kept if the test is
    killed::

        @pytest.mark.zephyr(101)
        def test_checkout(zephyr: Zephyr, tmp_path):
            with zephyr.step("Open the cart"):
                ...
            zephyr.attach(tmp_path / "receipt.pdf")

    If a test is repeated, only what its last attempt added counts.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._recorder = item.config.stash.get(RECORDER, Recorder())
        # In the stash, so that the `ZephyrRecord` of a hook continues the numbers.
        self._step_numbers = item.stash.setdefault(_STEP_NUMBERS, itertools.count(1))
        self._nesting = Nesting()

    def __repr__(self) -> str:
        return f"<Zephyr of {self._item.nodeid}>"

    def comment(self, text: object) -> None:
        """Put *text* into the notes of the execution.

        *text* may have several lines. The comments of a test are listed in order,
        repeated ones once. They are written whatever ``--zephyr-comment`` says::

            zephyr.comment("paid with a test card")
        """
        with self._recording("comment") as recorder:
            if content := _text_of(text):
                recorder.write(self._item, evidence.Comment(content))

    def attach(
        self,
        source: str | os.PathLike[str] | bytes,
        name: str | None = None,
        type: str | None = None,
    ) -> None:
        """Attach a file to the execution.

        *source* is the content as `bytes`, or the path of a file as `str` or
        `os.PathLike`; the file is copied at once and may be removed afterwards. *name*
        is the name of the attachment in Zephyr, by default that of the file, or
        ``attachment`` with a suffix for `bytes`. *type* is a media type such as
        ``image/png``; it is guessed from the name or the content if it is not given or
        not valid::

            zephyr.attach("logs/server.log")
            zephyr.attach(page.screenshot(), name="page.png")
            zephyr.attach(data, name="answer", type="application/json")

        A file over ``--zephyr-attach-max-size``, or with which all attachments would be
        over ``zephyr_attach_max_total``, is left out and named in the summary. So is a
        file that does not exist or cannot be read; it also counts as undelivered for
        ``--zephyr-on-error=fail``. The content is sent as it is: unlike texts, it is not
        searched for secrets.
        """
        with self._recording("attach") as recorder:
            label = "" if name is None else _joined(name)
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
                    reason = f"there is no file {str(source)!r}"
                    recorder.leave_out(self._item, label, reason)
            else:
                # For code without a type checker.
                reason = f"expected a path or bytes, got {_joined(source)}"  # type: ignore[unreachable]
                recorder.leave_out(self._item, label, reason)

    def attach_text(self, text: object, name: str = "text.txt") -> None:
        """Attach *text* as a file with this *name*, in UTF-8.

        Known credentials in it are hidden::

            zephyr.attach_text(response.text, name="answer.json")
        """
        with self._recording("attach_text") as recorder:
            label = _joined(name) or "text.txt"
            kind = "" if Path(label).suffix else "text/plain"
            if content := recorder.scrub(_text_of(text)):
                data = content.encode("utf-8", "replace")
                recorder.attach(self._item, data, label, kind)

    def defect(self, key: object) -> None:
        """Name a defect in the notes, by its *key* in the defect tracker.

        *key* is a text; no link to the tracker is made::

            zephyr.defect("SHOP-7")
        """
        with self._recording("defect") as recorder:
            if label := _joined(key):
                recorder.write(self._item, evidence.Defect(label))

    def field(self, name: object, value: object) -> None:
        """Put a *name* and its *value* into the notes, as a line ``name: value``.

        The last value of a name counts. The journal keeps `int`, `float` and `bool` as
        they are, and any other value as a text::

            zephyr.field("browser", "firefox")
            zephyr.field("items", 3)
        """
        with self._recording("field") as recorder:
            label, text = _joined(name), _text_of(value)
            content = value if isinstance(value, int | float) else text
            if label and content != "":
                recorder.write(self._item, evidence.Field(label, content))

    def step(self, label: object) -> StepBlock:
        """Return a step: a context manager, and a decorator of functions of any kind.

        *label* is a text, or the number of a step of the test case, from 1. The result is
        written to the step of the test case with this number or this text; a step that
        the test case does not have is listed in the notes. A step has passed if its block
        ends without an exception. Otherwise it has failed, or was skipped by
        `pytest.skip`, or interrupted, and the exception is not caught. Steps may contain
        others::

            with zephyr.step("Open the cart"):
                with zephyr.step(2):
                    ...


            @zephyr.step("Pay")
            def pay(): ...
        """
        name: str | int = "step"
        with self._recording("step"):
            if isinstance(label, int) and not isinstance(label, bool) and label > 0:
                # `str` raises for a number of thousands of digits: `name` stays "step".
                name = label if label < _STEP_LIMIT else str(label)
            else:
                name = _joined(label) or name
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

    The hook ``pytest_zephyr_record`` gets one for setup, each subtest, call and
    teardown of a test. The record has the methods of `Zephyr`. The hook may change the
    *text* of a failure; *nodeid*, *when* and *outcome* are only for reading::

        def pytest_zephyr_record(item, record: ZephyrRecord):
            if record.failed and record.when == "call":
                record.text = record.text.replace("10.0.0.7", "the server")
                record.comment("failed in the call")
    """

    #: The part of the test that the report is about; ``call`` for a subtest.
    when: Literal["setup", "call", "teardown"]
    #: The outcome as pytest reports it; an expected failure is ``skipped``.
    outcome: Literal["passed", "failed", "skipped"]
    #: The failure, or the reason of a skip, as pytest shows it; empty if it passed.
    text: str

    def __init__(self, item: pytest.Item, report: pytest.TestReport) -> None:
        super().__init__(item)
        self.nodeid = report.nodeid
        self.when = report.when
        self.outcome = report.outcome
        longrepr = report.longrepr
        # That of a skip is a path, a line and the reason.
        self.text = longrepr[2] if isinstance(longrepr, tuple) else report.longreprtext

    @property
    def failed(self) -> bool:
        """Whether the outcome is ``failed``."""
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


def _joined(value: object) -> str:
    return " ".join(str(value).split())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # For example, a text that was meant as content is too long or holds a NUL.
        return False
