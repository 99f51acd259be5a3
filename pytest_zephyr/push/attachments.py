"""Collect the files of results, and attach each once to each execution it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
import hashlib
from itertools import groupby
from pathlib import PurePath
from urllib.parse import quote
from urllib.parse import unquote

from pytest_zephyr import errors
from pytest_zephyr.client import entities
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.batch_writer import BatchWriter
from pytest_zephyr.client.batch_writer import upload_batches
from pytest_zephyr.client.executions import AttachmentWrite
from pytest_zephyr.client.multipart import Part
from pytest_zephyr.journal import ledger
from pytest_zephyr.journal.file_store import find_copy
from pytest_zephyr.journal.file_store import read_copy
from pytest_zephyr.push import delivery
from pytest_zephyr.push.diff import Change
from pytest_zephyr.results.evidence import File
from pytest_zephyr.results.notes import full_text
from pytest_zephyr.text import format_size


#: The name of the file with the full text of notes that were cut.
NOTES_FILE = "notes.txt"

#: The only final reason for a refusal: no other push can deliver the file either.
_NO_COPY = "its copy beside the journal is gone or was changed"


@dataclass(frozen=True)
class FileToSend:
    """A file to attach to an execution.

    *nodeid* is that of its test. *existing_files* is how many attachments the execution
    had when it was read, `None` if that is unknown. *text* returns the content if the
    journal has no copy of the file.
    """

    execution: int
    file: File
    nodeid: str
    existing_files: int | None = None
    text: Callable[[], str] | None = None

    @property
    def key(self) -> ledger.AttachmentKey:
        return ledger.AttachmentKey(self.execution, self.file.name, self.file.digest)


def files_to_send(
    changes: Iterable[Change],
    notes_incomplete: Collection[int] = (),
) -> list[FileToSend]:
    """Return the files of results, and files with the full text of notes that were cut.

    The notes of executions in *notes_incomplete* may leave out steps, so their full text is
    attached in any case.
    """
    files: dict[ledger.AttachmentKey, FileToSend] = {}
    for change in changes:
        result, execution = change.result, change.execution
        rows = [
            FileToSend(execution.id, file, node.nodeid, execution.attachments)
            for node in result.nodes
            for file in node.evidence.files
        ]
        is_incomplete = execution.id in notes_incomplete
        # A result without notes has none that were cut, but it may have steps.
        if is_incomplete or result.notes is not None:
            rows += _full_notes(change, always=is_incomplete)
        for row in rows:
            files.setdefault(row.key, row)
    return list(files.values())


def _full_notes(change: Change, *, always: bool) -> list[FileToSend]:
    """Return a list with a file that has the full text of the notes of *change*.

    The list is empty if that text is, or if the notes were not cut and *always* is false.
    """
    result, execution = change.result, change.execution

    def text() -> str:
        options = result.notes_options
        return full_text(result.nodes, result.outcome, options, always=always) or ""

    content = text().encode()
    if not content:
        return []
    digest = hashlib.sha256(content).hexdigest()
    file = File(NOTES_FILE, "text/plain", digest, len(content))
    nodeid = result.nodes[0].nodeid
    # There may be many such texts, so none is kept: it is built again when it is sent.
    return [FileToSend(execution.id, file, nodeid, execution.attachments, text)]


def left_out(changes: Iterable[Change]) -> list[delivery.UndeliveredEvidence]:
    """Return the evidence of *changes* that the journal does not have, sorted."""
    undelivered = {
        delivery.UndeliveredEvidence(
            value.name,
            node.nodeid,
            f"{format_size(value.size)}, {value.reason}"
            if value.size
            else value.reason,
            by_limit=value.by_limit,
        )
        for change in changes
        for node in change.result.nodes
        for value in node.evidence.left_out
    }
    return sorted(undelivered, key=lambda each: (each.nodeid, each.name, each.reason))


class AttachmentWriter(BatchWriter[FileToSend]):
    """Attaches those of *files* that have no receipt; *evidence* counts all of them."""

    # A refusal does not say which files were attached before it.
    reads_back_refusals = True

    def __init__(
        self,
        client: Client,
        memory: ledger.Memory,
        evidence: delivery.EvidenceDelivery,
        files: Sequence[FileToSend],
        progress: Callable[..., None],
    ) -> None:
        super().__init__(client)
        self._memory = memory
        self._evidence = evidence
        self._progress = progress
        self._files = [each for each in files if each.key not in memory.attached]
        evidence.files_before += len(files) - len(self._files)
        evidence.files_pending = len(self._files)
        # Files that this or an earlier push may have attached, even without a receipt.
        self._attaching: set[ledger.AttachmentKey] = set(memory.attaching)
        self._digests: dict[str, str] = {"": ""}
        self._names: dict[ledger.AttachmentKey, ledger.Naming] = dict(memory.attaching)
        taken = {(key.execution, each.name) for key, each in self._names.items()}
        for row in self._files:
            if row.key in self._names:
                continue
            name = row.file.name
            if (row.execution, name) in taken:
                # Another file of this execution has the same name.
                path = PurePath(name)
                name = f"{path.stem}-{row.file.digest[:8]}{path.suffix}"
            taken.add((row.execution, name))
            self._names[row.key] = ledger.Naming(name)

    def run(self) -> None:
        """Send the files. Raises ZephyrError if the rest cannot be sent now."""
        self.send_all(self._files)

    def split(self, rows: Sequence[FileToSend]) -> Iterator[Sequence[FileToSend]]:
        """Yield the files of each upload, once those already attached are noted."""
        for batch in upload_batches(rows, lambda row: row.file.size):
            self._skip_attached(batch)
            yield batch
            done = len(rows) - self._evidence.files_pending
            self._progress(done, len(rows), "attachments")

    def _skip_attached(self, files: Sequence[FileToSend]) -> None:
        """Note those of *files* that are already attached."""
        for _, group in groupby(files, lambda row: row.execution):
            rows = list(group)
            # If the execution certainly has no attachments, the server is not asked.
            if any(
                row.existing_files != 0 or row.key in self._attaching for row in rows
            ):
                # If the server cannot list attachments, every file is sent.
                with suppress(errors.ZephyrNotFound):
                    self._evidence.files_before += self._note_attached(rows)

    def key(self, row: FileToSend) -> ledger.AttachmentKey:
        return row.key

    def write(self, rows: Sequence[FileToSend]) -> None:
        rows_by_field: dict[str, FileToSend] = {}
        parts: dict[str, Part] = {}
        for number, row in enumerate(rows):
            reader = self._reader(row)
            if reader is not None:
                field, file = f"releaseTestSchedule{number}", row.file
                rows_by_field[field] = row
                parts[field] = Part(
                    self._names[row.key].name, file.type, file.size, reader
                )
        if not parts:
            return
        try:
            uploaded = self._client.upload(parts)
        except errors.ZephyrWriteUnanswered as error:
            # An upload that arrives late attaches nothing, so there is no need to wait.
            raise errors.ZephyrWriteUnanswered(str(error)) from None
        uploads = {
            row: uploaded[field]
            for field, row in rows_by_field.items()
            if field in uploaded
        }
        if uploads:
            self._attach(uploads)

    def _reader(self, row: FileToSend) -> Callable[[], Iterable[bytes]] | None:
        """Return a function that returns the content of a file.

        Refuses the file and returns `None` if there is no copy.
        """
        if text := row.text:
            return lambda: [text().encode()]
        copy = find_copy(row.file, self._memory.journals)
        if copy is None:
            self.refuse([row], _NO_COPY)
            return None
        return partial(read_copy, copy, row.file.size)

    def _attach(self, uploads: Mapping[FileToSend, entities.UploadedFile]) -> None:
        """Attach uploaded files and note those that the answer confirms.

        An answer that does not name executions confirms all.
        """
        names = {row.key: self._names[row.key] for row in uploads}
        self._memory.note(ledger.Attaching(names))
        self._attaching.update(names)
        answered = self._client.attach(
            [
                AttachmentWrite(
                    execution=row.execution,
                    name=_name_for(names[row.key].name, upload),
                    path=upload.path,
                    content_type=row.file.type,
                    size=row.file.size,
                )
                for row, upload in uploads.items()
            ]
        )
        attached = list(uploads)
        if answered is not None:
            confirmed = {(each.execution, unquote(each.name)) for each in answered}
            attached = [
                row
                for row in uploads
                if (row.execution, unquote(names[row.key].name)) in confirmed
            ]
        self._evidence.files += self._finish_attached(attached)

    def read_back(self, rows: Sequence[FileToSend]) -> Sequence[FileToSend]:
        attaching = [row for row in rows if row.key in self._attaching]
        self._evidence.files += self._note_attached(attaching)
        return rows

    def _note_attached(self, files: Sequence[FileToSend]) -> int:
        """Note those of *files* that the executions have; return how many these are."""
        attached = []
        for execution, group in groupby(files, lambda row: row.execution):
            listed = self._client.attachments(execution)
            attached += [row for row in group if self._is_attached(row, listed)]
        return self._finish_attached(attached)

    def _is_attached(
        self, row: FileToSend, listed: Sequence[entities.Attachment]
    ) -> bool:
        """Return whether an execution has a file, by name, size and content.

        Where contents cannot be read, a file that a write may have attached counts as
        attached if there are more of its name and size than before. Its `Naming` notes
        how many there were.
        """
        naming = self._names[row.key]
        # Some servers may return names percent-encoded, as they were sent.
        name = unquote(naming.name)
        alike = [
            other
            for other in listed
            if unquote(other.name) == name and other.size in {row.file.size, None}
        ]
        digests = set(map(self._digest, alike))
        if row.key not in self._attaching:
            self._names[row.key] = replace(naming, before=len(alike))
        elif "" in digests and len(alike) > naming.before:
            return True
        return row.file.digest in digests

    def _digest(self, attachment: entities.Attachment) -> str:
        """Return the digest of an attachment, empty if it cannot be read."""
        content_id = attachment.content_id
        if content_id not in self._digests:
            self._digests[content_id] = ""
            with suppress(errors.ZephyrBadAnswer):
                self._digests[content_id] = self._client.attachment_digest(content_id)
        return self._digests[content_id]

    def _finish_attached(self, files: Sequence[FileToSend]) -> int:
        """Note that *files* are attached, and return their number."""
        if files:
            self._memory.note(ledger.Attached(tuple(row.key for row in files)))
            self.finished.update(map(self.key, files))
            self._evidence.files_pending -= len(files)
        return len(files)

    def note_refused(self, rows: Sequence[FileToSend], reason: str) -> None:
        self._evidence.files_pending -= len(rows)
        self._evidence.refused += [
            delivery.UndeliveredEvidence(
                each.file.name, each.nodeid, reason, final=reason == _NO_COPY
            )
            for each in rows
        ]


def _name_for(name: str, upload: entities.UploadedFile) -> str:
    """Return *name* percent-encoded, or as the answer to its *upload* encodes it."""
    return upload.name if unquote(upload.name) == name else quote(name, safe="")
