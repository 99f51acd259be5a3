"""Writes the results in JUnit XML to a journal."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import hashlib
from itertools import chain
from pathlib import Path
import re
import secrets
import time

from pytest_zephyr.config import map_file
from pytest_zephyr.config import resolve
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.resolve import Given
from pytest_zephyr.config.settings import Capture
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import ReportError
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.file_store import clean_name
from pytest_zephyr.journal.file_store import DIRECTORY
from pytest_zephyr.journal.file_store import FileStore
from pytest_zephyr.journal.format import Header
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.journal.writer import SUFFIX
from pytest_zephyr.junit.parse import Ending
from pytest_zephyr.junit.parse import MAX_LINE
from pytest_zephyr.junit.parse import read
from pytest_zephyr.junit.parse import TestElement
from pytest_zephyr.results import records
from pytest_zephyr.results.case_ids import ALT
from pytest_zephyr.results.case_ids import CaseIds
from pytest_zephyr.results.case_map import CaseMap
from pytest_zephyr.results.case_map import nodeid_of
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.results.evidence import LeftOut
from pytest_zephyr.results.notes import fit
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.system import System
from pytest_zephyr.text import fitting
from pytest_zephyr.text import shorten


#: Characters of a failure in the journal.
_MAX_TEXT = 20_000


@dataclass
class Importer:
    """Writes the results of XML files to journals.

    Attachments must be below the directory of the file that names them, or below one of
    *directories*. *problems* are ids of test cases that are none.
    """

    settings: Settings
    given: Given
    id_pattern: re.Pattern[str] | None
    directories: Sequence[Path]
    tests: int = 0
    unmapped: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        given, settings = self.given, self.settings
        names = ("id_prefix", "capture", "attach_max_size", "attach_max_total", "map")
        self._options = {name: resolve.value(name, given) for name in names}
        self._ids = CaseIds(self._options["id_prefix"])
        self._capture: Capture = self._options["capture"]
        sizes = self._options["attach_max_size"], self._options["attach_max_total"]
        self._max_output = 0 if self._capture == "none" else sizes[0]
        self._store = FileStore(settings.journal / DIRECTORY, *sizes)
        known = known_secrets(given.environ, settings.credential, proxy=settings.proxy)
        self._scrub = Scrubber(known)
        self._map = map_file.load(given) or CaseMap()

    @property
    def remarks(self) -> list[str]:
        """What to say about rows of the mapping file."""
        return self._map.remarks() if self.tests else []

    def write(self, files: Sequence[Path], header: Header) -> Path:
        """Return the journal with the results of *files*; write it if there is none yet.

        Raises ReportError.
        """
        directory, digest = self.settings.journal, self._digest(files, header)
        for path in directory.glob(f"*-{digest}{SUFFIX}"):
            return path
        tests = (test for path in files for test in read(path, self._max_output))
        first = next(tests, None)
        if first is None:
            names = ", ".join(map(str, files))
            raise ReportError(f"no test case in {names}. Were any tests run?")
        started = first.at - first.microseconds // 1000
        day = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(started // 1000))
        header = replace(header, run=f"{day}-{digest}", started=started)
        temporary = directory / f"{secrets.token_hex(8)}.tmp"
        writer = JournalWriter.create(temporary, header, self._scrub)
        try:
            self._append(chain([first], tests), writer)
            if writer.broken is not None:
                raise ReportError(f"{directory} cannot be written: {writer.broken}.")
        except BaseException:
            writer.discard()
            raise
        writer.close()
        return temporary.replace(directory / f"{header.run}{SUFFIX}")

    def _digest(self, files: Iterable[Path], header: Header) -> str:
        """Return a digest of *files* and of what else decides the results."""
        contents = []
        for path in filter(None, [*files, self._options["map"]]):
            if not path.is_file():
                raise ReportError(f"there is no file {path}.")
            hashed = hashlib.sha256()
            with path.open("rb") as file:
                while part := file.read(2**20):
                    hashed.update(part)
            contents.append(hashed.hexdigest())
        options = sorted(header.options.items()), header.key, header.dry_run
        text = repr((sorted(contents), options, self._options, self.id_pattern))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]

    def _append(self, tests: Iterable[TestElement], writer: JournalWriter) -> None:
        ended, seen = 0, set()
        counts: dict[str, int] = {}
        for test in tests:
            nodeid = test.full_name
            # Of most names only a hash is stored: there may be very many.
            if hash(nodeid) in seen:
                counts[nodeid] = counts.get(nodeid, 1) + 1
                nodeid = records.number_nodeid(nodeid, counts[nodeid])
            seen.add(hash(nodeid))
            ended = max(ended, test.at)
            attempts = test.attempts()
            if attempts == [[]]:
                passed = records.Passed(nodeid, test.microseconds, test.at)
                lines = [journal_format.line_of(passed)]
            else:
                reports = _reports(test, nodeid, attempts)
                lines = list(map(journal_format.report_line, reports))
            for value in self._evidence(test, attempts[-1]):
                entry = EvidenceEntry(nodeid, value, len(attempts) - 1)
                lines.append(journal_format.evidence_line(entry))
            item = journal_format.item_text(self._item(test, nodeid))
            writer.append_texts([item, *map(System.encode, lines)])
            if writer.broken is not None:
                break
        writer.append({"kind": "end", "at": ended})

    def _item(self, test: TestElement, nodeid: str) -> records.Item:
        self.tests += 1
        item = records.Item(nodeid)
        try:
            item.cases = tuple(dict.fromkeys(self._cases(test)))
            item.unmarked = not item.cases
        except ValueError as error:
            self.problems.append(f"{test.where}: {error} ({test.full_name}).")
        self.unmapped += item.unmarked
        if item.unmarked and self.settings.unmapped == "create":
            name = fitting(test.name or nodeid)
            item.new = records.NewCase(test.classname, name, test.full_name)
        return item

    def _cases(self, test: TestElement) -> Sequence[records.CaseRef]:
        """Return the test cases of *test*. Raises ValueError for an invalid id."""
        if cases := self._ids.read(",".join(map(str, test.ids))):
            return cases
        names = f"{test.classname}.{test.name}", nodeid_of(test.classname, test.name)
        if mapped := self._map.cases_of(test.full_name, names):
            return mapped
        for name in (test.name, test.classname) if self.id_pattern else ():
            for match in re.finditer(self.id_pattern or "", name):
                alt = match.groupdict().get("alt")
                text = f"{ALT}{alt}" if alt else match[min(match.re.groups, 1)]
                cases += self._ids.read(text or "")
            if cases:
                break
        return cases

    def _evidence(
        self, test: TestElement, last: Sequence[Ending]
    ) -> Iterator[EvidenceValue]:
        """Yield the attachments of the last attempt and, if wanted, its output."""
        output = last[-1].output if last and last[-1].attempt else test.output
        named = [output.attachments, *(each.text.attachments for each in last)]
        places = [test.path.parent, *self.directories]
        for name in dict.fromkeys(chain(*named)):
            label = self._scrub(re.split(r"[\\/]", name)[-1])
            if path := find_file(name, places):
                yield self._store.take(path, label)
            else:
                where = ", ".join(map(str, places))
                reason = f"no file {shorten(name, 200)} below {where} (--attachments)"
                yield LeftOut(clean_name(label), 0, self._scrub(reason))
        failed = any(each.outcome != "skipped" for each in last)
        wanted = {"none": False, "failed": failed, "all": True}[self._capture]
        if wanted and output.length > self._max_output:
            reason = "larger than zephyr_attach_max_size"
            yield LeftOut("output.txt", output.length, reason, by_limit=True)
        elif wanted and output.length:
            content = self._scrub(str(output)).encode("utf-8", "replace")
            yield self._store.take(content, "output.txt")


def _reports(
    test: TestElement, nodeid: str, attempts: Sequence[Sequence[Ending]]
) -> Iterator[records.Report]:
    """Yield what pytest would report of such *attempts*."""
    report = records.Report(nodeid, "call", "passed", at=test.at)
    for number, endings in enumerate(attempts):
        report = replace(report, attempt=number)
        for ending in endings:
            text = str(ending.text) or ending.message
            if ending.outcome == "skipped":
                reason = " ".join((ending.message or text).split())[:MAX_LINE]
                is_xfail = ending.type.lower().endswith("xfail")
                yield replace(report, outcome="skipped", xfail=is_xfail, reason=reason)
                continue
            title = ending.message or ending.type or text or ending.outcome
            yield replace(
                report,
                when="setup" if ending.outcome == "error" else "call",
                outcome="failed" if endings is attempts[-1] else "rerun",
                crash=title.partition("\n")[0][:MAX_LINE],
                text=fit(text, _MAX_TEXT),
            )
    if not attempts[-1]:
        yield report
    yield replace(report, when="teardown", duration=test.microseconds)


def find_file(name: str, directories: Iterable[Path]) -> Path | None:
    """Return the file that *name* means below one of *directories*, `None` without one.

    A path of another machine begins elsewhere, so its last two parts are enough. The XML
    may be from strangers: nothing that is hidden, or that ``..`` or a link leads to
    outside of the directory, is attached.
    """
    parts = [part for part in re.split(r"[\\/]+", name) if part][-20:]
    ends = ["/".join(parts[start:]) for start in range(max(1, len(parts) - 1))]
    for directory in directories:
        for end in (name, *ends):
            try:
                path = (directory / end).resolve(strict=True)
                below = path.relative_to(directory.resolve()).parts
                if path.is_file() and not any(part[0] == "." for part in below):
                    return path
            except (OSError, ValueError, RuntimeError):
                continue
    return None
