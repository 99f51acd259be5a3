"""Writes the notes of an execution."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import html
import re
from typing import Literal

from pytest_zephyr.results import tags
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.records import Report
from pytest_zephyr.text import format_size


CommentMode = Literal["never", "failed", "always"]


@dataclass(frozen=True)
class NotesOptions:
    """When notes are written (``zephyr_comment``), and how many characters they may have."""

    comment: CommentMode
    limit: int


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)
_OUTCOMES = "|".join(outcome.value for outcome in Outcome)
#: Matches the first line of notes that this package wrote.
_OWN_FIRST_LINE = re.compile(
    rf"(?:{_OUTCOMES})(?:: \d+ of \d+ tests| .+ \(\d+\.\d\d s\)"
    rf"(?: after \d+ attempts)?(?: - .*)?)(?:\n|$)"
)

#: How many characters are kept for failures if other lines fill the notes, but at most
#: half of the notes.
_MIN_FAILURES_LENGTH = 200

#: The notes of a result of another job if its own notes were overwritten.
OTHER_JOB_NOTES = "another job of this run found this; its notes were overwritten"

#: Deeper steps are shown at this depth.
_MAX_STEP_DEPTH = 20

#: The end of the mark of a cut, and the mark, with a place for the number of characters
#: that were left out.
_CUT_END = "characters left out …]\n"
_CUT = f"\n[… {{}} {_CUT_END}"


def write_notes(
    nodes: Sequence[NodeResult],
    outcome: Outcome,
    options: NotesOptions,
    steps: Sequence[Step] = (),
) -> str | None:
    """Return the notes of the test case of *nodes*, `None` for no notes.

    Each test has a line; if there are several, a first line counts those with
    *outcome*. Then come the evidence and the *steps* that Zephyr does not have. If the
    options ask for notes, the failures, the CI job and the commit follow. The text is
    escaped because the server shows notes as HTML. CI job and commit get a quarter of
    the limit at most; if the text is still too long, the failures are shortened first.
    """
    texts = _compose(nodes, outcome, options, steps)
    if texts is None:
        return None
    head, failures, foot = map(escape, texts)
    # Each part is cut on its own, so that no cut removes the mark of another.
    foot = fit(foot, options.limit // 4)
    room = options.limit - len(foot)
    failures = fit(
        failures, max(room - len(head), min(_MIN_FAILURES_LENGTH, room // 2))
    )
    return fit(head, room - len(failures)) + failures + foot


def full_text(
    nodes: Sequence[NodeResult],
    outcome: Outcome,
    options: NotesOptions,
    *,
    always: bool = False,
) -> str | None:
    """Return the full text of notes that would be cut, with all steps of the tests.

    It is not escaped. Returns `None` if the notes fit into the limit, or if there are
    none. With *always* it is always returned, and empty if there is nothing to tell.
    """
    text = "".join(_compose(nodes, outcome, options, ()) or ())
    if len(escape(text)) <= options.limit and not always:
        return None
    steps = steps_of(_worst_first(nodes))
    return _printable("".join(_compose(nodes, outcome, options, steps) or ()))


def steps_of(nodes: Iterable[NodeResult]) -> list[Step]:
    """Return the steps of *nodes*; a step that a crash interrupted has failed."""
    return [
        step
        if step.outcome or node.outcome is not Outcome.CRASHED
        else replace(step, outcome="failed", comment="the process died in this step")
        for node in nodes
        for step in node.evidence.steps
    ]


def lists_all_steps(notes: str) -> bool:
    """Return whether *notes* list steps and were not cut."""
    return "\nsteps:\n" in notes and _CUT_END not in notes


def one_line_notes(nodes: Sequence[NodeResult], outcome: Outcome) -> str:
    """Return one line to replace the notes of another result with."""
    if len(nodes) == 1:
        return escape(_node_line(nodes[0]))
    return _count_line(nodes, outcome)


def is_ours(notes: str) -> bool:
    """Return whether *notes* look like those that this package wrote."""
    bare = tags.strip(notes)
    return _OWN_FIRST_LINE.match(bare) is not None or (
        bare != notes and bare == OTHER_JOB_NOTES
    )


def _count_line(nodes: Sequence[NodeResult], outcome: Outcome) -> str:
    count = sum(node.outcome is outcome for node in nodes)
    return f"{outcome.value}: {count} of {len(nodes)} tests"


def _needs_notes(
    nodes: Sequence[NodeResult], outcome: Outcome, comment: CommentMode
) -> bool:
    if comment != "failed":
        return comment == "always"
    return (
        outcome.is_failure
        or outcome in {Outcome.XFAILED, Outcome.XPASSED}
        or any(node.attempts > 1 or node.outcome.is_failure for node in nodes)
    )


def _compose(
    nodes: Sequence[NodeResult],
    outcome: Outcome,
    options: NotesOptions,
    steps: Sequence[Step],
) -> tuple[str, str, str] | None:
    """Return the head, the failures and the foot; `None` for no notes."""
    is_full = _needs_notes(nodes, outcome, options.comment)
    nodes = _worst_first(nodes)
    evidence_lines = [*_evidence_lines(nodes), *_step_lines(steps)]
    if not is_full and not evidence_lines:
        return None
    head = [_node_line(node) for node in nodes] + evidence_lines
    if len(nodes) > 1:
        head.insert(0, _count_line(nodes, outcome))
    if not is_full:
        return "\n".join(head), "", ""
    failures = ""
    for node in nodes:
        for failure in node.failures:
            failures += f"\n\n{_failure_text(node, failure)}"
        if node.earlier_failure:
            failures += (
                f"\n\nfirst attempt: {_failure_text(node, node.earlier_failure)}"
            )
    return "\n".join(head), failures, _foot(nodes)


def _evidence_lines(nodes: Sequence[NodeResult]) -> list[str]:
    """Return a line for all defects, and one for each comment, field and `LeftOut`."""
    lines = []
    for node in nodes:
        evidence = node.evidence
        if not evidence:
            continue
        of_test = f" ({node.title})" if len(nodes) > 1 else ""
        lines += [f"comment{of_test}: {text}" for text in evidence.comments]
        lines += [f"{name}{of_test}: {value}" for name, value in evidence.fields]
        for each in evidence.left_out:
            size = f" ({format_size(each.size)})" if each.size else ""
            lines.append(f"left out{of_test}: {each.name}{size}, {each.reason}")
    defects = dict.fromkeys(key for node in nodes for key in node.evidence.defects)
    if defects:
        lines.insert(0, f"defects: {', '.join(defects)}")
    return lines


def _step_lines(steps: Sequence[Step]) -> list[str]:
    lines = ["steps:"] if steps else []
    for step in steps:
        label = step.label if isinstance(step.label, str) else f"step {step.label}"
        comment = f" - {step.comment}" if step.comment else ""
        outcome = step.outcome or "not finished"
        indent = "  " * (min(step.depth, _MAX_STEP_DEPTH) + 1)
        lines.append(f"{indent}{outcome} {label}{comment}")
    return lines


def _foot(nodes: Sequence[NodeResult]) -> str:
    pages = dict.fromkeys(node.origin.page for node in nodes if node.origin.page)
    commits = dict.fromkeys(node.origin.commit for node in nodes if node.origin.commit)
    lines = [f"\nCI job: {page}" for page in pages]
    lines += [f"\ncommit: {commit}" for commit in commits]
    return "".join(["\n", *lines]) if lines else ""


def _worst_first(nodes: Sequence[NodeResult]) -> list[NodeResult]:
    return sorted(nodes, key=lambda node: (-node.outcome.rank, node.nodeid, node.at))


def _node_line(node: NodeResult) -> str:
    attempts = f" after {node.attempts} attempts" if node.attempts > 1 else ""
    reason = f" - {node.reason}" if node.reason else ""
    seconds = f"{node.duration / 1_000_000:.2f} s"
    return f"{node.outcome.value} {node.title} ({seconds}){attempts}{reason}"


def _failure_text(node: NodeResult, failure: Report) -> str:
    when = "crash" if failure.when == "???" else failure.when
    title = failure.short_text or f"{when} of {node.title}"
    if failure.subtest:
        title = f"{failure.subtest}: {title}"
    return f"{title}\n{failure.text}" if failure.text else title


def escape(text: str) -> str:
    """Escape the markup of HTML, remove colours, and replace unprintable characters."""
    return html.escape(_printable(text), quote=False)


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", _COLOUR.sub("", text))


def fit(text: str, limit: int) -> str:
    """Shorten *text* to *limit* characters by a cut in its middle, not inside an escape."""
    if len(text) <= limit:
        return text
    note = _CUT.format(len(text))
    room = max(limit - len(note), 0)
    head, tail = text[: room - room // 3], text[len(text) - room // 3 :]
    # A part of an escape such as &lt; would be shown as it is.
    head = re.sub(r"&[^&;]{0,3}\Z", "", head)
    tail = re.sub(r"\A[^&;]{0,3};", "", tail)
    left_out = len(text) - len(head) - len(tail)
    return (head + _CUT.format(left_out) + tail)[:limit]
