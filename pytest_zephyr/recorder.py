"""What writes down what tests say, in each process that runs tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr import said
from pytest_zephyr.said import Said
from pytest_zephyr.said import Saying


if TYPE_CHECKING:
    from pytest_zephyr.files import FileStore
    from pytest_zephyr.journal_writer import JournalWriter


@dataclass(frozen=True)
class Recorder:
    """Writes what the tests of one process say; there is one while reporting is on."""

    writer: JournalWriter
    store: FileStore
    worker: str = ""

    def say(self, item: pytest.Item, what: Saying) -> None:
        attempt = getattr(item, "execution_count", 1) - 1
        self.writer.append(
            said.said_line(Said(item.nodeid, what, attempt, self.worker))
        )

    def clean(self, text: str) -> str:
        """Return *text* without the credentials that we know of."""
        return self.writer.scrub(text)

    def keep(
        self, item: pytest.Item, content: bytes | Path, name: str, kind: str
    ) -> None:
        """Copy an attachment beside the journal; if that fails, say that it is missing."""
        from pytest_zephyr import files

        # Before it is cut: half a credential is none to look for.
        name = self.clean(name)
        size = 0
        try:
            if isinstance(content, bytes):
                size, beginning = len(content), content[:16]
                digest = self.store.take_bytes(content)
            else:
                size = content.stat().st_size
                with content.open("rb") as file:
                    beginning = file.read(16)
                    file.seek(0)
                    digest, size = self.store.take_file(file)
        except (files.TooLarge, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            name = files.clean_name(name or "attachment")
            self.say(item, said.LeftOut(name, size, reason))
            return
        kind = kind or files.guess_type(name, beginning)
        name = files.clean_name(name or files.guess_name(kind))
        self.say(item, said.File(name, kind, digest, size))


RECORDER = pytest.StashKey[Recorder]()
