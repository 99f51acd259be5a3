"""Collect the files to attach to executions."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
import hashlib

from pytest_zephyr.journal.ledger import AttachmentKey
from pytest_zephyr.push.delivery import RefusedFile
from pytest_zephyr.push.diff import Change
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.notes import Context
from pytest_zephyr.results.notes import full_text
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.text import format_size


#: The name of the file with the whole of notes that were cut.
NOTES = "notes.txt"


@dataclass(frozen=True)
class FileToSend:
    """A file to attach to an execution; *text* returns its content if there is no copy.

    *had* is how many attachments the execution had when it was read, `None` if unknown.
    """

    execution: int
    file: File
    nodeid: str
    text: Callable[[], str] | None = None
    existing_files: int | None = None

    @property
    def key(self) -> AttachmentKey:
        return AttachmentKey(self.execution, self.file.name, self.file.digest)


def files_to_send(
    changes: Iterable[Change],
    context_of: Callable[[CaseResult], Context],
    notes_incomplete: Collection[int] = (),
) -> list[FileToSend]:
    """Return the files of results, and the whole of notes that were cut.

    The notes of executions in *notes_incomplete* do not list all that they should.
    """
    files: dict[AttachmentKey, FileToSend] = {}
    for change in changes:
        context = context_of(change.result)
        whole = change.execution.id in notes_incomplete
        for each in _of_change(change, context, whole=whole):
            files.setdefault(each.key, each)
    return list(files.values())


def _of_change(
    change: Change, context: Context, *, whole: bool
) -> Iterator[FileToSend]:
    execution, existing_files = change.execution.id, change.execution.attachments
    result = change.result
    for node in result.nodes:
        for file in node.evidence.files:
            yield FileToSend(
                execution, file, node.nodeid, existing_files=existing_files
            )

    def text() -> str:
        return full_text(result.nodes, result.outcome, context, always=whole) or ""

    content = text().encode()
    if content:
        digest = hashlib.sha256(content).hexdigest()
        file = File(NOTES, "text/plain", digest, len(content))
        yield FileToSend(execution, file, result.nodes[0].nodeid, text, existing_files)


def left_out(changes: Iterable[Change]) -> list[RefusedFile]:
    """Return the files that were excluded while the tests ran."""
    files = {
        RefusedFile(
            file.name,
            node.nodeid,
            f"{format_size(file.size)}, {file.reason}" if file.size else file.reason,
            by_limit=file.by_limit,
        )
        for change in changes
        for node in change.result.nodes
        for file in node.evidence.left_out
    }
    return sorted(files, key=lambda each: (each.nodeid, each.name, each.reason))
