"""Attachments: sent after the results, each file once to each execution it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from urllib.parse import quote
from urllib.parse import unquote

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.attachments import AttachWrite
from pytest_zephyr.client.batching import upload_batches
from pytest_zephyr.client.entities import Attachment
from pytest_zephyr.client.entities import Uploaded
from pytest_zephyr.client.multipart import Part
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrWriteUncertain
from pytest_zephyr.journal.file_store import find_copy
from pytest_zephyr.journal.file_store import read_copy
from pytest_zephyr.journal.ledger import Attached
from pytest_zephyr.journal.ledger import Attaching
from pytest_zephyr.journal.ledger import AttachmentKey
from pytest_zephyr.journal.ledger import Memory
from pytest_zephyr.journal.ledger import Naming
from pytest_zephyr.push.delivery import EvidenceDelivery
from pytest_zephyr.push.delivery import RefusedFile
from pytest_zephyr.push.files_to_send import FileToSend


#: How often files whose fate is unclear are looked for and sent again.
_SETTLE = 3

#: Refusals in a row after which a server is believed to refuse everything.
_HOPELESS = 20


def send(
    files: Sequence[FileToSend],
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
    sender = _Sender(client, memory, evidence, fresh)
    for batch in upload_batches(fresh, lambda each: each.file.size):
        sender.look(batch)
        sender.send(batch)
        progress(len(fresh) - evidence.files_kept, len(fresh), "attachments")


#: What executions have, by name and size.
_Held = dict[tuple[str, int | None], list[Attachment]]


class _Sender:
    """Sends files in batches; what stays unclear is settled by looking."""

    def __init__(
        self,
        client: Client,
        memory: Memory,
        evidence: EvidenceDelivery,
        files: Sequence[FileToSend],
    ) -> None:
        self._client = client
        self._memory = memory
        self._evidence = evidence
        self._names: dict[AttachmentKey, Naming] = dict(memory.attaching)
        # What may be there without a receipt.
        self._unclear: set[AttachmentKey] = set(memory.attaching)
        self._settled: set[AttachmentKey] = set()
        self._refusals = 0
        self._digests: dict[str, str] = {"": ""}
        self._name(files)

    def look(self, files: Sequence[FileToSend]) -> None:
        """See what executions have before *files* are sent to them.

        An equal file is there already, whoever attached it.
        """
        for execution, group in _by_execution(files).items():
            if all(self._is_first(each) for each in group):
                continue
            try:
                held = self._held(execution)
            except ZephyrNotFound:
                # Where nothing can be listed, nothing can be told apart.
                continue
            there = [each for each in group if self._is_there(each, held)]
            self._done(there)
            self._evidence.files -= len(there)
            self._evidence.files_before += len(there)

    def _is_first(self, each: FileToSend) -> bool:
        """Return whether its execution has nothing that could be taken for this file."""
        return each.had == 0 and each.key not in self._unclear

    def _is_there(self, each: FileToSend, held: _Held) -> bool:
        """Return whether an execution has a file, by name, size and content.

        Where contents cannot be read, a file that may have come is there if there are
        more of its name and size than before.
        """
        naming = self._names[each.key]
        name = unquote(naming.name)
        found = [*held.get((name, each.file.size), ()), *held.get((name, None), ())]
        digests = {self._digest(other) for other in found}
        if each.key not in self._unclear:
            self._names[each.key] = replace(naming, before=len(found))
        elif "" in digests and len(found) > naming.before:
            return True
        return each.file.digest in digests

    def _digest(self, attachment: Attachment) -> str:
        """Return the digest of what the server has, empty if it cannot be read."""
        if attachment.file not in self._digests:
            self._digests[attachment.file] = ""
            with suppress(ZephyrRefused):
                digest = self._client.attachment_digest(attachment)
                self._digests[attachment.file] = digest
        return self._digests[attachment.file]

    def _held(self, execution: int) -> _Held:
        held: _Held = {}
        for each in self._client.attachments(execution):
            # Whether the server keeps names encoded is not known.
            held.setdefault((unquote(each.name), each.size), []).append(each)
        return held

    def open(self, files: Sequence[FileToSend]) -> Sequence[FileToSend]:
        """Return those of *files* that are neither attached nor refused."""
        return [each for each in files if each.key not in self._settled]

    def _name(self, files: Sequence[FileToSend]) -> None:
        """Give each file a name that no other file of its execution has."""
        taken = {(key.execution, each.name) for key, each in self._names.items()}
        for each in files:
            if each.key in self._names:
                continue
            name = each.file.name
            if (each.execution, name) in taken:
                path = PurePath(name)
                name = f"{path.stem}-{each.file.digest[:8]}{path.suffix}"
            taken.add((each.execution, name))
            self._names[each.key] = Naming(name)

    def send(self, batch: Sequence[FileToSend]) -> None:
        """Send *batch*; what is not confirmed is looked for, and sent again if needed."""
        error: ZephyrWriteUncertain | None = None
        for _ in range(_SETTLE):
            batch, error = self.open(batch), None
            try:
                batch = self._try(batch)
            except ZephyrUnauthorized:
                raise
            except ZephyrWriteUncertain as uncertain:
                error = uncertain
            except ZephyrRefused as refused:
                batch = self._settle(batch)
                if batch:
                    self._divide(batch, refused)
                return
            batch = self._settle(batch)
            if self._may_come(batch) and error is not None and error.may_land_within:
                # A slow server may be at it still; sent again it would be there twice.
                self._client.pause(error.may_land_within)
                batch = self._settle(batch)
            if not batch:
                return
        if error is not None:
            raise error
        self._refuse(batch, "the server's answer left it out, and it is not there")

    def _try(self, batch: Sequence[FileToSend]) -> Sequence[FileToSend]:
        """Upload and attach *batch*; return what the answers leave out."""
        read = [
            (each, content)
            for each in batch
            if (content := self._reader(each)) is not None
        ]
        if not read:
            return ()
        parts = {
            f"releaseTestSchedule{number}": Part(
                self._names[each.key].name, each.file.type, each.file.size, content
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

    def _attach(
        self, there: Sequence[tuple[FileToSend, Uploaded]]
    ) -> set[AttachmentKey]:
        """Attach uploaded files; return those that the answer does not leave out."""
        names = {each.key: self._names[each.key] for each, _ in there}
        self._memory.note_attaching(Attaching(names))
        self._unclear.update(names)
        answered = self._client.attach(
            [
                AttachWrite(
                    execution=each.execution,
                    name=_name_for(names[each.key].name, upload),
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
            for key, naming in names.items()
            if (key.execution, unquote(naming.name)) in found
        }

    def _reader(self, each: FileToSend) -> Callable[[], Iterable[bytes]] | None:
        """Return what yields the content of a file, `None` if it is refused."""
        if each.text is not None:
            text = each.text
            return lambda: [text().encode()]
        copy = find_copy(each.file, self._memory.places)
        if copy is None:
            reason = "its copy beside the journal is gone or was changed"
            self._refuse([each], reason, final=True)
            return None
        return partial(read_copy, copy, each.file.size)

    def _may_come(self, files: Sequence[FileToSend]) -> bool:
        return any(each.key in self._unclear for each in files)

    def _settle(self, batch: Sequence[FileToSend]) -> Sequence[FileToSend]:
        """Return what of *batch* is neither there nor refused."""
        batch = self.open(batch)
        self._done(self._look_for(batch))
        return self.open(batch)

    def _look_for(self, files: Sequence[FileToSend]) -> list[FileToSend]:
        """Return those of *files* that their executions have, by name and size.

        Only where something was to be attached it is worth a look.
        """
        found = []
        uncertain = [each for each in files if each.key in self._unclear]
        for execution, group in _by_execution(uncertain).items():
            held = self._held(execution)
            found += [each for each in group if self._is_there(each, held)]
        return found

    def _divide(self, batch: Sequence[FileToSend], refused: ZephyrRefused) -> None:
        """Halve a refused batch until what the server refuses stands alone."""
        self._refusals += 1
        if len(batch) == 1 or self._refusals > _HOPELESS:
            self._refuse(batch, str(refused))
            return
        middle = len(batch) // 2
        self.send(batch[:middle])
        self.send(batch[middle:])

    def _done(self, files: Sequence[FileToSend]) -> None:
        if not files:
            return
        self._memory.note_attached(Attached(tuple(each.key for each in files)))
        self._settled.update(each.key for each in files)
        self._refusals = 0
        self._evidence.files += len(files)
        self._evidence.files_kept -= len(files)

    def _refuse(
        self, files: Sequence[FileToSend], reason: str, *, final: bool = False
    ) -> None:
        self._settled.update(each.key for each in files)
        self._evidence.files_kept -= len(files)
        self._evidence.refused += [
            RefusedFile(each.file.name, each.nodeid, reason, final) for each in files
        ]


def _by_execution(files: Iterable[FileToSend]) -> dict[int, list[FileToSend]]:
    groups: dict[int, list[FileToSend]] = {}
    for each in files:
        groups.setdefault(each.execution, []).append(each)
    return groups


def _name_for(name: str, upload: Uploaded) -> str:
    """Return the encoded name that the server gave back, unless it is another."""
    return upload.name if unquote(upload.name) == name else quote(name, safe="")
