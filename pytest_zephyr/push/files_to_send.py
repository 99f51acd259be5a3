"""The files that executions are to have."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
import hashlib

from pytest_zephyr.journal.ledger import AttachmentKey
from pytest_zephyr.push.delivery import RefusedFile
from pytest_zephyr.push.diff import Change
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.notes import full_text
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.text import format_size


#: The name of notes that had to be cut.
NOTES = "notes.txt"


@dataclass(frozen=True)
class FileToSend:
    """A file that an execution is to have; *text* makes it if it is on no disk.

    *had* is how many attachments the execution had when it was read, `None` if
    unknown.
    """

    execution: int
    file: File
    nodeid: str
    text: Callable[[], str] | None = None
    had: int | None = None

    @property
    def key(self) -> AttachmentKey:
        return AttachmentKey(self.execution, self.file.name, self.file.digest)


def files_to_send(
    changes: Iterable[Change],
    context_of: Callable[[CaseResult], Context],
    notes_incomplete: Collection[int] = (),
) -> list[FileToSend]:
    """Return the files that results have, and the whole of notes that were cut.

    The notes of executions in *notes_incomplete* do not tell all that they should.
    """
    found: dict[AttachmentKey, FileToSend] = {}
    for change in changes:
        execution = change.execution
        context = context_of(change.result)
        for each in _of_change(change, context, whole=execution.id in notes_incomplete):
            found.setdefault(each.key, replace(each, had=execution.attachments))
    return list(found.values())


def _of_change(
    change: Change, context: Context, *, whole: bool
) -> Iterator[FileToSend]:
    execution, result = change.execution.id, change.result
    for node in result.nodes:
        for file in node.evidence.files:
            yield FileToSend(execution, file, node.nodeid)

    def text() -> str:
        return full_text(result.nodes, result.outcome, context, always=whole) or ""

    content = text().encode()
    if content:
        digest = hashlib.sha256(content).hexdigest()
        file = File(NOTES, "text/plain", digest, len(content))
        yield FileToSend(execution, file, result.nodes[0].nodeid, text)


def _why(file: LeftOut) -> str:
    return f"{format_size(file.size)}, {file.reason}" if file.size else file.reason


def left_out(changes: Iterable[Change]) -> list[RefusedFile]:
    """Return the files that were not taken when the tests wanted to attach them."""
    found = {
        RefusedFile(file.name, node.nodeid, _why(file), by_limit=file.by_limit)
        for change in changes
        for node in change.result.nodes
        for file in node.evidence.left_out
    }
    return sorted(found, key=lambda each: (each.nodeid, each.name, each.reason))
