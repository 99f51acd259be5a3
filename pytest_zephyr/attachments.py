"""Attachments: sent after the results, each file once to each execution it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import PurePath
from urllib.parse import quote
from urllib.parse import unquote

from pytest_zephyr.changes import Change
from pytest_zephyr.client import Client
from pytest_zephyr.delivery import EvidenceDelivery
from pytest_zephyr.delivery import Memory
from pytest_zephyr.delivery import RefusedFile
from pytest_zephyr.entities import Uploaded
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnclear
from pytest_zephyr.evidence_calls import AttachWrite
from pytest_zephyr.files import find_file
from pytest_zephyr.files import shown_size
from pytest_zephyr.notes import Context
from pytest_zephyr.notes import full_text
from pytest_zephyr.receipts import Attached
from pytest_zephyr.receipts import Attaching
from pytest_zephyr.receipts import AttachmentKey
from pytest_zephyr.said import File
from pytest_zephyr.transport import Part


#: Bytes and files of one request; more bytes only for a file that has more.
REQUEST = 1024 * 1024
FILES = 100

#: The name of notes that had to be cut.
NOTES = "notes.txt"

#: How often files whose fate is unclear are looked for and sent again.
_SETTLE = 3

#: Refusals in a row after which a server is believed to refuse everything.
_HOPELESS = 20


@dataclass(frozen=True)
class Wanted:
    """A file that an execution is to have; *text* makes it if it is on no disk."""

    execution: int
    file: File
    nodeid: str
    text: Callable[[], str] | None = None

    @property
    def key(self) -> AttachmentKey:
        return AttachmentKey(self.execution, self.file.name, self.file.digest)


def wanted(changes: Iterable[Change], context: Context) -> list[Wanted]:
    """Return the files that results have, and the whole of notes that were cut."""
    found: dict[AttachmentKey, Wanted] = {}
    for change in changes:
        for each in _of_change(change, context):
            found.setdefault(each.key, each)
    return list(found.values())


def _of_change(change: Change, context: Context) -> Iterator[Wanted]:
    execution, result = change.execution.id, change.result
    for node in result.nodes:
        for file in node.evidence.files:
            yield Wanted(execution, file, node.nodeid)

    def text() -> str:
        return full_text(result.nodes, result.outcome, context) or ""

    whole = text().encode()
    if whole:
        digest = hashlib.sha256(whole).hexdigest()
        file = File(NOTES, "text/plain", digest, len(whole))
        yield Wanted(execution, file, result.nodes[0].nodeid, text)


def left_out(changes: Iterable[Change]) -> list[RefusedFile]:
    """Return the files that were not taken when the tests wanted to attach them."""
    found = {
        RefusedFile(file.name, node.nodeid, f"{shown_size(file.size)}, {file.reason}")
        for change in changes
        for node in change.result.nodes
        for file in node.evidence.left_out
    }
    return sorted(found, key=lambda each: (each.nodeid, each.name))


def send(
    files: Sequence[Wanted],
    client: Client,
    memory: Memory,
    evidence: EvidenceDelivery,
    progress: Callable[..., None],
) -> None:
    """Send what of *files* has no receipt, and count in *evidence* what became of it.

    Raises ZephyrError if the rest cannot be sent now.
    """
    fresh = [each for each in files if each.key not in memory.attached]
    evidence.files_before += len(files) - len(fresh)
    evidence.files_kept += len(fresh)
    sender = _Sender(client, memory, evidence)
    sender.settle_earlier(fresh)
    for batch in batches(sender.open(fresh)):
        sender.send(batch)
        progress(len(fresh) - evidence.files_kept, len(fresh), "attachments")


class _Sender:
    """Sends files in batches; what stays unclear is settled by looking."""

    def __init__(
        self, client: Client, memory: Memory, evidence: EvidenceDelivery
    ) -> None:
        self._client = client
        self._memory = memory
        self._evidence = evidence
        self._names: dict[AttachmentKey, str] = dict(memory.attaching)
        # What may be there without a receipt.
        self._unclear: set[AttachmentKey] = set(memory.attaching)
        self._settled: set[AttachmentKey] = set()
        self._refusals = 0

    def settle_earlier(self, files: Sequence[Wanted]) -> None:
        """Find out which of *files* an earlier push attached without a receipt."""
        self._name(files)
        self._settle(files)

    def open(self, files: Sequence[Wanted]) -> Sequence[Wanted]:
        """Return those of *files* that are neither attached nor refused."""
        return [each for each in files if each.key not in self._settled]

    def _name(self, files: Sequence[Wanted]) -> None:
        """Give each file a name that no other file of its execution has."""
        taken = {(key.execution, name) for key, name in self._names.items()}
        for each in files:
            if each.key in self._names:
                continue
            name = each.file.name
            if (each.execution, name) in taken:
                path = PurePath(name)
                name = f"{path.stem}-{each.file.digest[:8]}{path.suffix}"
            taken.add((each.execution, name))
            self._names[each.key] = name

    def send(self, batch: Sequence[Wanted]) -> None:
        error: ZephyrError | None = None
        for _ in range(_SETTLE):
            error = None
            try:
                batch = self._try(batch)
            except ZephyrUnauthorized:
                raise
            except ZephyrUnclear as unclear:
                error = unclear
            except ZephyrRefused as refused:
                batch = self._settle(batch)
                if batch:
                    self._divide(batch, refused)
                return
            if batch:
                batch = self._settle(batch)
            if not batch:
                return
        if error is not None:
            raise error
        self._refuse(batch, "the server's answer left it out, and it is not there")

    def _try(self, batch: Sequence[Wanted]) -> Sequence[Wanted]:
        """Upload and attach *batch*; return what the answers leave out."""
        read = [
            (each, content)
            for each in batch
            if (content := self._read(each)) is not None
        ]
        if not read:
            return ()
        parts = {
            f"releaseTestSchedule{number}": Part(
                self._names[each.key], each.file.type, content
            )
            for number, (each, content) in enumerate(read)
        }
        uploaded = self._client.upload(parts)
        there = [
            (each, uploaded[part])
            for part, (each, _) in zip(parts, read, strict=True)
            if part in uploaded
        ]
        attached = self._attach(there) if there else set()
        self._done([each for each, _ in read if each.key in attached])
        return [each for each, _ in read if each.key not in attached]

    def _attach(self, there: Sequence[tuple[Wanted, Uploaded]]) -> set[AttachmentKey]:
        """Attach uploaded files; return those that the answer does not leave out."""
        names = {each.key: self._names[each.key] for each, _ in there}
        self._memory.note_attaching(Attaching(names))
        self._unclear.update(names)
        answered = self._client.attach(
            [
                AttachWrite(
                    execution=each.execution,
                    name=_name_for(names[each.key], upload),
                    path=upload.path,
                    type=each.file.type,
                    size=each.file.size,
                )
                for each, upload in there
            ]
        )
        if answered is None:
            return set(names)
        found = {(each.item, unquote(each.name)) for each in answered}
        return {
            key
            for key, name in names.items()
            if (key.execution, unquote(name)) in found
        }

    def _read(self, each: Wanted) -> bytes | None:
        if each.text is not None:
            return each.text().encode()
        path = find_file(each.file, self._memory.places)
        try:
            content = path.read_bytes() if path else None
        except OSError:
            content = None
        if content is None:
            self._refuse([each], "its copy is not beside the journal any more")
        return content

    def _settle(self, batch: Sequence[Wanted]) -> Sequence[Wanted]:
        """Return what of *batch* is neither there nor refused."""
        batch = self.open(batch)
        self._done(self._look_for(batch))
        return self.open(batch)

    def _look_for(self, files: Sequence[Wanted]) -> list[Wanted]:
        """Return those of *files* that their executions have, by name and size.

        Only where something was to be attached it is worth a look.
        """
        found = []
        by_execution: dict[int, list[Wanted]] = {}
        for each in files:
            if each.key in self._unclear:
                by_execution.setdefault(each.execution, []).append(each)
        for execution, wanted_there in by_execution.items():
            listed = self._client.attachments(execution)
            # Whether the server keeps names encoded is not known (API 4.13).
            held = {(unquote(each.name), each.size) for each in listed}
            found += [
                each
                for each in wanted_there
                if (unquote(self._names[each.key]), each.file.size) in held
            ]
        return found

    def _divide(self, batch: Sequence[Wanted], refused: ZephyrRefused) -> None:
        """Halve a refused batch until what the server refuses stands alone."""
        self._refusals += 1
        if len(batch) == 1 or self._refusals > _HOPELESS:
            self._refuse(batch, str(refused))
            return
        middle = len(batch) // 2
        self.send(batch[:middle])
        self.send(batch[middle:])

    def _done(self, files: Sequence[Wanted]) -> None:
        if not files:
            return
        self._memory.note_attached(Attached(tuple(each.key for each in files)))
        self._settled.update(each.key for each in files)
        self._refusals = 0
        self._evidence.files += len(files)
        self._evidence.files_kept -= len(files)

    def _refuse(self, files: Sequence[Wanted], reason: str) -> None:
        self._settled.update(each.key for each in files)
        self._evidence.files_kept -= len(files)
        self._evidence.refused += [
            RefusedFile(each.file.name, each.nodeid, reason) for each in files
        ]


def batches(files: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """Split *files* into what goes into one request."""
    batch: list[Wanted] = []
    size = 0
    for each in files:
        if batch and (size + each.file.size > REQUEST or len(batch) == FILES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.file.size
    if batch:
        yield batch


def _name_for(name: str, upload: Uploaded) -> str:
    """Return the encoded name that the server gave back, unless it is another."""
    return upload.name if unquote(upload.name) == name else quote(name, safe="")
