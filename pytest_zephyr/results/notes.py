"""What we write in the notes of an execution."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
import re
from typing import Literal

from pytest_zephyr.results import tags
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.records import Failure
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.text import format_size


Comment = Literal["never", "failed", "always"]


@dataclass(frozen=True)
class Context:
    """How notes are written: when (``zephyr_comment``), and how long they may be."""

    comment: Comment = "failed"
    limit: int = 4000


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)
_OUTCOMES = "|".join(outcome.value for outcome in Outcome)
_OURS = re.compile(
    rf"(?:{_OUTCOMES})(?:: \d+ of \d+ tests| .+ \(\d+\.\d\d s\)"
    rf"(?: after \d+ attempts)?(?: - .*)?)(?:\n|$)"
)

#: Characters that failures get even where the lines of the tests fill the notes.
_LEAST = 200

#: What notes say that were written over, where the result of another job stands again.
ELSEWHERE = "another job of this run found this; the notes of that are written over"

#: Steps below this are shown at this depth.
_DEEPEST = 20

_CUT_SIGN = "characters left out …]\n"
_CUT = f"\n[… {{}} {_CUT_SIGN}"


def write_notes(
    nodes: Sequence[NodeResult],
    outcome: Outcome,
    context: Context,
    steps: Sequence[Step] = (),
) -> str | None:
    """Return the notes for one test case that *nodes* prove, `None` for no notes.

    One line says how it went, then each test has one line. What the tests said
    follows, with the *steps* that Zephyr does not have; then the failures, and where
    it ran. The text is escaped, since the server shows notes as HTML (API 5, 14).
    What is too long is cut from the failures first.
    """
    texts = _compose(nodes, outcome, context, steps)
    if texts is None:
        return None
    head, failures, foot = map(escape, texts)
    # Each is cut by itself: a cut through what was cut before says nothing.
    foot = fit(foot, context.limit // 4)
    room = context.limit - len(foot)
    failures = fit(failures, max(room - len(head), min(_LEAST, room // 2)))
    return fit(head, room - len(failures)) + failures + foot


def full_text(
    nodes: Sequence[NodeResult],
    outcome: Outcome,
    context: Context,
    *,
    always: bool = False,
) -> str | None:
    """Return the whole of notes that had to be cut, with all steps of the tests.

    `None` if they were not cut, unless it is *always* wanted.
    """
    texts = _compose(nodes, outcome, context, ())
    if not always and (texts is None or _fits("".join(texts), context.limit)):
        return None
    steps = steps_of(_worst_first(nodes))
    return _printable("".join(_compose(nodes, outcome, context, steps) or ()))


def _fits(text: str, limit: int) -> bool:
    # No escape has more than five signs.
    return len(text) * 5 <= limit or len(escape(text)) <= limit


def steps_of(nodes: Iterable[NodeResult]) -> list[Step]:
    """Return the steps of *nodes*; one that a crash left unfinished failed."""
    return [_ended(step, node) for node in nodes for step in node.evidence.steps]


def _ended(step: Step, node: NodeResult) -> Step:
    if step.outcome or node.outcome is not Outcome.CRASHED:
        return step
    return replace(step, outcome="failed", comment="the process died in this step")


def lists_all_steps(notes: str) -> bool:
    """Return whether *notes* list steps, and all of them."""
    return "\nsteps:\n" in notes and _CUT_SIGN not in notes


def summary(nodes: Sequence[NodeResult], outcome: Outcome) -> str:
    """Return one line that may replace notes which an earlier run wrote."""
    if len(nodes) == 1:
        return escape(_node_line(nodes[0]))
    return f"{outcome.value}: {_count(nodes, outcome)}"


def is_ours(comment: str) -> bool:
    """Return whether *comment* looks like notes that this package wrote."""
    bare = tags.strip(comment)
    return _OURS.match(bare) is not None or (bare != comment and bare == ELSEWHERE)


def _count(nodes: Sequence[NodeResult], outcome: Outcome) -> str:
    count = sum(node.outcome is outcome for node in nodes)
    return f"{count} of {len(nodes)} tests"


def _wanted(nodes: Sequence[NodeResult], outcome: Outcome, comment: Comment) -> bool:
    if comment == "never":
        return False
    if comment == "always":
        return True
    return (
        outcome.is_failure
        or outcome in {Outcome.XFAILED, Outcome.XPASSED}
        or any(node.attempts > 1 or node.outcome.is_failure for node in nodes)
    )


def _compose(
    nodes: Sequence[NodeResult],
    outcome: Outcome,
    context: Context,
    steps: Sequence[Step],
) -> tuple[str, str, str] | None:
    """Return the head, the failures and the foot; `None` if there are to be no notes."""
    wanted = _wanted(nodes, outcome, context.comment)
    if not wanted and not steps and not any(node.evidence for node in nodes):
        return None
    nodes = _worst_first(nodes)
    said = [*_evidence_lines(nodes), *_steps(steps)]
    if not wanted and not said:
        return None
    head = []
    if len(nodes) > 1:
        head.append(f"{outcome.value}: {_count(nodes, outcome)}")
    head += [_node_line(node) for node in nodes]
    head += said
    if not wanted:
        return "\n".join(head), "", ""
    failures = []
    for node in nodes:
        failures += [["", _failure_text(node, failure)] for failure in node.failures]
        if node.earlier:
            text = f"first attempt: {_failure_text(node, node.earlier)}"
            failures.append(["", text])
    lines = [line for failure in failures for line in failure]
    foot = _foot(nodes)
    return (
        "\n".join(head),
        "".join(f"\n{line}" for line in lines),
        "".join(f"\n{line}" for line in foot),
    )


def _evidence_lines(nodes: Sequence[NodeResult]) -> list[str]:
    """Return a line for each thing that the tests said; the same is said once."""
    lines = []
    for node in nodes:
        evidence = node.evidence
        if not evidence:
            continue
        whose = f" ({node.title})" if len(nodes) > 1 else ""
        lines += [f"comment{whose}: {text}" for text in evidence.comments]
        lines += [f"{name}{whose}: {value}" for name, value in evidence.fields]
        lines += [
            f"left out{whose}: {file.name}{_size(file)}, {file.reason}"
            for file in evidence.left_out
        ]
    defects = dict.fromkeys(key for node in nodes for key in node.evidence.defects)
    if defects:
        lines.insert(0, f"defects: {', '.join(defects)}")
    return lines


def _size(file: LeftOut) -> str:
    return f" ({format_size(file.size)})" if file.size else ""


def _steps(steps: Sequence[Step]) -> list[str]:
    """Return a line for each of the *steps*, as deep as they were."""
    if not steps:
        return []
    lines = ["steps:"]
    for step in steps:
        label = step.label if isinstance(step.label, str) else f"step {step.label}"
        comment = f" - {step.comment}" if step.comment else ""
        outcome = step.outcome or "not finished"
        indent = "  " * (min(step.depth, _DEEPEST) + 1)
        lines.append(f"{indent}{outcome} {label}{comment}")
    return lines


def _foot(nodes: Sequence[NodeResult]) -> list[str]:
    pages = dict.fromkeys(node.origin.page for node in nodes if node.origin.page)
    commits = dict.fromkeys(node.origin.commit for node in nodes if node.origin.commit)
    lines = [f"CI job: {page}" for page in pages]
    lines += [f"commit: {commit}" for commit in commits]
    return ["", *lines] if lines else []


def _worst_first(nodes: Sequence[NodeResult]) -> list[NodeResult]:
    return sorted(nodes, key=lambda node: (-node.outcome.rank, node.nodeid, node.at))


def _node_line(node: NodeResult) -> str:
    parts = [f"{node.outcome.value} {node.title} ({_seconds(node.duration)})"]
    if node.attempts > 1:
        parts.append(f"after {node.attempts} attempts")
    if node.reason:
        parts.append(f"- {node.reason}")
    return " ".join(parts)


def _failure_text(node: NodeResult, failure: Failure) -> str:
    when = "crash" if failure.when == "???" else failure.when
    title = failure.crash or f"{when} of {node.title}"
    if failure.subtest:
        title = f"{failure.subtest}: {title}"
    return f"{title}\n{failure.text}" if failure.text else title


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1_000_000:.2f} s"


def escape(text: str) -> str:
    """Escape what HTML would read as markup, and drop what XML cannot carry."""
    text = _printable(text)
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)
    return text


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", _COLOUR.sub("", text))


def fit(text: str, limit: int) -> str:
    """Cut *text* from its middle to at most *limit* characters, never inside an escape."""
    if len(text) <= limit:
        return text
    note = _CUT.format(len(text))
    room = max(limit - len(note), 0)
    head, tail = text[: room - room // 3], text[len(text) - room // 3 :]
    # An escape such as &lt; that was cut in two would show as rubbish.
    start = head.rfind("&", max(0, len(head) - 4))
    if start >= 0 and ";" not in head[start:]:
        head = head[:start]
    end = tail.find(";", 0, 4)
    if end >= 0 and "&" not in tail[:end]:
        tail = tail[end + 1 :]
    left_out = len(text) - len(head) - len(tail)
    return (head + _CUT.format(left_out) + tail)[:limit]
