"""What we write in the notes of an execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import re

from pytest_zephyr.outcome import Failure
from pytest_zephyr.outcome import NodeResult
from pytest_zephyr.outcome import Outcome
from pytest_zephyr.settings import Comment


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

_CUT = "\n[… {} characters left out …]\n"


def write_notes(
    nodes: Sequence[NodeResult], outcome: Outcome, context: Context
) -> str | None:
    """Return the notes for one test case that *nodes* prove, `None` for no notes.

    One line says how it went, then each test has one line, then the failures follow.
    The text is escaped, since the server shows notes as HTML (API 5, 14).
    """
    if not _wanted(nodes, outcome, context.comment):
        return None
    return fit(escape(_compose(nodes, outcome)), context.limit)


def summary(nodes: Sequence[NodeResult], outcome: Outcome) -> str:
    """Return one line that may replace notes which an earlier run wrote."""
    if len(nodes) == 1:
        return escape(_node_line(nodes[0]))
    return f"{outcome.value}: {_count(nodes, outcome)}"


def is_ours(comment: str) -> bool:
    """Return whether *comment* looks like notes that this package wrote."""
    return _OURS.match(comment) is not None


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


def _compose(nodes: Sequence[NodeResult], outcome: Outcome) -> str:
    lines = []
    if len(nodes) > 1:
        lines.append(f"{outcome.value}: {_count(nodes, outcome)}")
    lines += [_node_line(node) for node in _worst_first(nodes)]
    for node in _worst_first(nodes):
        for failure in node.failures:
            lines += ["", _failure_text(node, failure)]
        if node.earlier:
            lines += ["", f"first attempt: {_failure_text(node, node.earlier)}"]
    return "\n".join(lines)


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
    title = failure.crash or f"{failure.when} of {node.title}"
    if failure.subtest:
        title = f"{failure.subtest}: {title}"
    return f"{title}\n{failure.text}" if failure.text else title


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1_000_000:.2f} s"


def escape(text: str) -> str:
    """Escape what HTML would read as markup, and drop what XML cannot carry."""
    text = _UNPRINTABLE.sub("\ufffd", _COLOUR.sub("", text))
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(plain, escaped)
    return text


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
