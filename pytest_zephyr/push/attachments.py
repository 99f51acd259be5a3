"""Send attachments, each file once to each execution it belongs to."""

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
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
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


#: How often a batch is sent before what is still not confirmed counts as failed.
_ATTEMPTS = 3

#: Refusals in a row after which the server is taken to refuse everything.
_HOPELESS = 20

#: The attachments of an execution, by name and size.
_Listing = dict[tuple[str, int | None], list[Attachment]]


def send(
    files: Sequence[FileToSend],
    client: Client,
    memory: Memory,
    evidence: EvidenceDelivery,
    progress: Callable[..., None],
) -> None:
    """Send those of *files* that have no receipt, and count them in *evidence*.

    Raises ZephyrError if the rest cannot be sent now.
    """
    new = [each for each in files if each.key not in memory.attached]
    evidence.files_before += len(files) - len(new)
    evidence.files_pending = len(new)
    sender = _FileSender(client, memory, evidence, new)
    for batch in upload_batches(new, lambda each: each.file.size):
        sender.skip_attached(batch)
        sender.send(batch)
        progress(len(new) - evidence.files_pending, len(new), "attachments")


class _FileSender:
    """Sends files in batches, and lists attachments to find out what is uncertain."""

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
        # Files that may be attached without a receipt.
        self._uncertain: set[AttachmentKey] = set(memory.attaching)
        self._finished: set[AttachmentKey] = set()
        self._refusals = 0
        self._digests: dict[str, str] = {"": ""}
        self._choose_names(files)

    def _choose_names(self, files: Sequence[FileToSend]) -> None:
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

    def skip_attached(self, files: Sequence[FileToSend]) -> None:
        """Skip those of *files* that are attached already, whoever attached them."""
        for execution, group in _by_execution(files).items():
            # Without attachments or uncertain files there is nothing to list.
            if all(
                each.existing_files == 0 and each.key not in self._uncertain
                for each in group
            ):
                continue
            # On a server that cannot list them, every file is sent.
            with suppress(ZephyrNotFound):
                attached = self._attached_of(execution, group)
                self._note_attached(attached)
                self._evidence.files_before += len(attached)

    def send(self, batch: Sequence[FileToSend]) -> None:
        """Send *batch*, look for what is not confirmed, and send it again if needed."""
        error: ZephyrWriteUncertain | None = None
        for _ in range(_ATTEMPTS):
            batch, error = self._open(batch), None
            try:
                batch = self._write(batch)
            except ZephyrWriteUncertain as uncertain:
                error = uncertain
            except ZephyrRefused as refused:
                batch = self._settle(batch)
                if batch:
                    self._divide(batch, refused)
                return
            batch = self._settle(batch)
            if (
                error is not None
                and error.may_land_within
                and any(each.key in self._uncertain for each in batch)
            ):
                # A slow server may still be writing: sent again, it would be there twice.
                self._client.pause(error.may_land_within)
                batch = self._settle(batch)
            if not batch:
                return
        if error is not None:
            raise error
        self._refuse(batch, "the server's answer left it out, and it is not there")

    def _divide(self, batch: Sequence[FileToSend], refused: ZephyrRefused) -> None:
        """Halve a refused batch until the refused files are alone."""
        self._refusals += 1
        if len(batch) == 1 or self._refusals > _HOPELESS:
            self._refuse(batch, str(refused))
            return
        middle = len(batch) // 2
        self.send(batch[:middle])
        self.send(batch[middle:])

    def _open(self, files: Sequence[FileToSend]) -> Sequence[FileToSend]:
        return [each for each in files if each.key not in self._finished]

    def _write(self, batch: Sequence[FileToSend]) -> Sequence[FileToSend]:
        """Upload and attach *batch*; return what the answers leave out."""
        readers = {each: reader for each in batch if (reader := self._reader(each))}
        if not readers:
            return ()
        parts = {f"releaseTestSchedule{n}": each for n, each in enumerate(readers)}
        uploaded = self._client.upload(
            {
                part: Part(
                    self._names[each.key].name,
                    each.file.type,
                    each.file.size,
                    readers[each],
                )
                for part, each in parts.items()
            }
        )
        there = [
            (each, uploaded[part]) for part, each in parts.items() if part in uploaded
        ]
        attached = self._attach(there) if there else set()
        self._done([each for each in readers if each.key in attached])
        return [each for each in readers if each.key not in attached]

    def _reader(self, each: FileToSend) -> Callable[[], Iterable[bytes]] | None:
        """Return what yields the content of a file, `None` if there is none to send."""
        if each.text is not None:
            text = each.text
            return lambda: [text().encode()]
        copy = find_copy(each.file, self._memory.places)
        if copy is None:
            reason = "its copy beside the journal is gone or was changed"
            self._refuse([each], reason, final=True)
            return None
        return partial(read_copy, copy, each.file.size)

    def _attach(
        self, there: Sequence[tuple[FileToSend, Uploaded]]
    ) -> set[AttachmentKey]:
        """Attach uploaded files and return those that the answer confirms."""
        names = {each.key: self._names[each.key] for each, _ in there}
        self._memory.note(Attaching(names))
        self._uncertain.update(names)
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
        confirmed = {(each.item, unquote(each.name)) for each in answered}
        return {
            key
            for key, naming in names.items()
            if (key.execution, unquote(naming.name)) in confirmed
        }

    def _settle(self, batch: Sequence[FileToSend]) -> Sequence[FileToSend]:
        """Return what of *batch* is neither attached nor refused."""
        batch = self._open(batch)
        uncertain = [each for each in batch if each.key in self._uncertain]
        attached: list[FileToSend] = []
        for execution, group in _by_execution(uncertain).items():
            attached += self._attached_of(execution, group)
        self._done(attached)
        return self._open(batch)

    def _attached_of(
        self, execution: int, files: Sequence[FileToSend]
    ) -> list[FileToSend]:
        """Return those of *files* that *execution* has."""
        listing: _Listing = {}
        for each in self._client.attachments(execution):
            # Some servers may return names as they were encoded.
            listing.setdefault((unquote(each.name), each.size), []).append(each)
        return [each for each in files if self._is_attached(each, listing)]

    def _is_attached(self, each: FileToSend, listing: _Listing) -> bool:
        """Return whether an execution has a file, by name, size and content.

        Where contents cannot be read, an uncertain file counts as attached if there are
        more of its name and size than before.
        """
        naming = self._names[each.key]
        name = unquote(naming.name)
        alike = [
            *listing.get((name, each.file.size), ()),
            *listing.get((name, None), ()),
        ]
        digests = {self._digest(other) for other in alike}
        if each.key not in self._uncertain:
            self._names[each.key] = replace(naming, before=len(alike))
        elif "" in digests and len(alike) > naming.before:
            return True
        return each.file.digest in digests

    def _digest(self, attachment: Attachment) -> str:
        """Return the digest of what the server has, empty if it cannot be read."""
        file = attachment.file
        if file not in self._digests:
            self._digests[file] = ""
            with suppress(ZephyrBadAnswer):
                self._digests[file] = self._client.attachment_digest(attachment)
        return self._digests[file]

    def _done(self, files: Sequence[FileToSend]) -> None:
        self._note_attached(files)
        self._evidence.files += len(files)

    def _note_attached(self, files: Sequence[FileToSend]) -> None:
        if files:
            self._memory.note(Attached(tuple(each.key for each in files)))
            self._refusals = 0
            self._finish(files)

    def _refuse(
        self, files: Sequence[FileToSend], reason: str, *, final: bool = False
    ) -> None:
        self._finish(files)
        self._evidence.refused += [
            RefusedFile(each.file.name, each.nodeid, reason, final) for each in files
        ]

    def _finish(self, files: Sequence[FileToSend]) -> None:
        self._finished.update(each.key for each in files)
        self._evidence.files_pending -= len(files)


def _by_execution(files: Iterable[FileToSend]) -> dict[int, list[FileToSend]]:
    groups: dict[int, list[FileToSend]] = {}
    for each in files:
        groups.setdefault(each.execution, []).append(each)
    return groups


def _name_for(name: str, upload: Uploaded) -> str:
    """Return the encoded name that the server gave back, if it is the name we sent."""
    return upload.name if unquote(upload.name) == name else quote(name, safe="")
