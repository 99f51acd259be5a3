"""Write the results in JUnit XML to a journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
import re
import secrets
import time

from pytest_zephyr.config import map_file
from pytest_zephyr.config import resolve
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import JunitError
from pytest_zephyr.journal import format as journal_format
from pytest_zephyr.journal.file_store import clean_name
from pytest_zephyr.journal.file_store import digest_parts
from pytest_zephyr.journal.file_store import FILES_DIRECTORY
from pytest_zephyr.journal.file_store import FileStore
from pytest_zephyr.journal.file_store import read_parts
from pytest_zephyr.journal.writer import JOURNAL_SUFFIX
from pytest_zephyr.journal.writer import JournalWriter
from pytest_zephyr.junit.parse import Ending
from pytest_zephyr.junit.parse import MAX_LINE
from pytest_zephyr.junit.parse import read
from pytest_zephyr.junit.parse import TestElement
from pytest_zephyr.results import evidence
from pytest_zephyr.results import records
from pytest_zephyr.results.case_ids import CaseIdParser
from pytest_zephyr.results.case_map import CaseMap
from pytest_zephyr.results.notes import fit
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import short_digest
from pytest_zephyr.text import shorten
from pytest_zephyr.text import shorten_name


#: The most characters that the journal gets of the text of one failure or skip.
_MAX_TEXT = 20_000


class Importer:
    """Writes the results of XML files to journals.

    *test_count* is how many tests and failed suites were written, *unmapped_count* how
    many of them name no test case, not even an invalid id. *problems* are messages
    about invalid ids of test cases, and about failed suites that name no test case.
    """

    def __init__(
        self,
        settings: Settings,
        option_sources: resolve.OptionSources,
        id_pattern: re.Pattern[str] | None,
    ) -> None:
        self.test_count = 0
        self.unmapped_count = 0
        self.problems: list[str] = []
        self.case_map = map_file.load(option_sources) or CaseMap()
        self._settings, self._pattern = settings, id_pattern
        names = ("id_prefix", "capture", "attach_max_size", "attach_max_total", "map")
        self._options = {name: resolve.value(name, option_sources) for name in names}
        prefix, self._capture, max_size, max_total, _map = self._options.values()
        self._ids = CaseIdParser(prefix)
        self._max_output = 0 if self._capture == "none" else max_size
        self._store = FileStore(settings.journal / FILES_DIRECTORY, max_size, max_total)
        self._scrub = Scrubber(
            known_secrets(
                option_sources.environ, settings.credential, proxy=settings.proxy
            )
        )

    def write(self, files: Sequence[Path], header: journal_format.Header) -> Path:
        """Write the results of *files* to a journal; return its path.

        If an import of the same files and options has written a journal, it returns
        the path of that. Raises JunitError.
        """
        directory, digest = self._settings.journal, self._digest(files, header)
        for path in directory.glob(f"*-{digest}{JOURNAL_SUFFIX}"):
            return path
        tests = (test for path in files for test in read(path, self._max_output))
        first = next(tests, None)
        if first is None:
            names = ", ".join(map(str, files))
            raise JunitError(f"no tests in {names}. Were any run?")
        started = first.ended - first.microseconds // 1000
        started_text = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(started // 1000))
        header = replace(header, session=f"{started_text}-{digest}", started=started)
        temporary = directory / f"{secrets.token_hex(8)}.tmp"
        writer = JournalWriter.create(temporary, header, self._scrub)
        try:
            self._append(chain([first], tests), writer)
            if writer.broken is not None:
                raise JunitError(f"{directory} cannot be written: {writer.broken}.")
        except BaseException:
            writer.discard()
            raise
        writer.close()
        return temporary.replace(directory / f"{header.session}{JOURNAL_SUFFIX}")

    def _digest(self, files: Sequence[Path], header: journal_format.Header) -> str:
        """Return a digest of *files* and of the options that decide the results.

        Raises JunitError.
        """
        contents = []
        for path in filter(None, [*files, self._options["map"]]):
            if not path.is_file():
                raise JunitError(f"there is no file {path}.")
            with path.open("rb") as file:
                contents.append(digest_parts(read_parts(file)))
        options = sorted(header.options.items()), header.dry_run
        text = repr((sorted(contents), options, self._options, self._pattern))
        return short_digest(text, 12)

    def _append(self, tests: Iterable[TestElement], writer: JournalWriter) -> None:
        ended = 0
        # How many tests had each name so far. The keys are hashes, because there may be
        # many long names.
        counts = Counter[int]()
        for test in tests:
            name_hash = hash(test.full_name)
            counts[name_hash] += 1
            nodeid = records.number_nodeid(test.full_name, counts[name_hash])
            ended = max(ended, test.ended)
            attempts = test.attempts()
            evidence_entries = [
                evidence.EvidenceEntry(nodeid, value, len(attempts) - 1)
                for value in self._evidence(test, attempts[-1])
            ]
            writer.append(
                self._item(test, nodeid),
                *_records(test, nodeid, attempts),
                *evidence_entries,
            )
            if writer.broken is not None:
                break
        writer.append(records.End(ended))

    def _item(self, test: TestElement, nodeid: str) -> records.Item:
        self.test_count += 1
        item = records.Item(nodeid)
        try:
            item.cases = tuple(dict.fromkeys(self._cases(test)))
            item.unmarked = not item.cases
        except ValueError as error:
            self.problems.append(f"{test.where}: {error} ({test.full_name}).")
        self.unmapped_count += item.unmarked
        if item.unmarked and test.is_suite:
            self.problems.append(
                f"{test.where}: the suite {test.full_name} failed outside of its tests, and"
                f" names no test case: {test.endings[0].title}. Map its name to a test"
                f" case in the file of --zephyr-map."
            )
        elif item.unmarked and self._settings.unmapped == "create":
            name = shorten_name(test.name or nodeid)
            item.new = records.NewCase(test.classname, name, test.full_name)
        return item

    def _cases(self, test: TestElement) -> Sequence[records.CaseRef]:
        """Return the test cases of *test*. Raises ValueError for an invalid id."""
        if cases := self._ids.parse(str(test.ids)):
            return cases
        # The second differs from the first if class and name are equal, or one is empty.
        names = test.full_name, f"{test.classname}.{test.name}"
        if mapped := self.case_map.cases_of(test.full_name, names):
            return mapped
        if self._pattern is not None:
            for name in (test.name, test.classname):
                matches = self._pattern.finditer(name)
                texts = (match[min(match.re.groups, 1)] or "" for match in matches)
                if cases := self._ids.parse(",".join(texts)):
                    break
        return cases

    def _evidence(
        self, test: TestElement, last: Sequence[Ending]
    ) -> Iterator[evidence.EvidenceValue]:
        """Yield the attachments of a test and its output, as far as options allow.

        *last* are the endings of its last attempt, whose output counts.
        """
        output = last[-1].output if last and last[-1].attempt else test.output
        attachments = [output.attachments, *(each.text.attachments for each in last)]
        for name in dict.fromkeys(chain(*attachments)):
            label = self._scrub(re.split(r"[\\/]", name)[-1])
            if path := find_file(name, test.path.parent):
                yield self._store.take(path, label)
            else:
                # Scrub before truncating: half a secret would no longer match.
                shown = shorten(self._scrub(name), 200)
                reason = f"no file {shown} below {test.path.parent}"
                yield evidence.LeftOut(clean_name(label), 0, self._scrub(reason))
        failed = any(each.outcome != "skipped" for each in last)
        sends_output = self._capture == "all" or (failed and self._capture == "failed")
        if sends_output and output.length > self._max_output:
            reason = "larger than zephyr_attach_max_size"
            yield evidence.LeftOut("output.txt", output.length, reason, by_limit=True)
        elif sends_output and output.length:
            content = self._scrub(str(output)).encode("utf-8", "replace")
            yield self._store.take(content, "output.txt")


def _records(
    test: TestElement, nodeid: str, attempts: Sequence[Sequence[Ending]]
) -> Iterator[records.Record]:
    """Yield the records that a run of pytest would write for such *attempts*."""
    if attempts == [[]]:
        yield records.Passed(nodeid, test.microseconds, test.ended)
        return
    report = records.Report(nodeid, "call", "passed", at=test.ended)
    for number, endings in enumerate(attempts):
        report = replace(report, attempt=number)
        outcome = "failed" if number == len(attempts) - 1 else "rerun"
        for ending in endings:
            yield _with_ending(report, ending, outcome)
    if not attempts[-1]:
        yield report
    yield replace(report, when="teardown", duration=test.microseconds)


def _with_ending(
    report: records.Report, ending: Ending, outcome: str
) -> records.Report:
    """Return *report* with the *ending* of an attempt.

    It gets the *outcome*, unless the ending is a skip.
    """
    text = str(ending.text) or ending.message
    if "\n" in ending.message and ending.message not in text:
        text = f"{ending.message}\n{text}"
    report = replace(
        report,
        when="setup" if ending.outcome == "error" else "call",
        outcome=outcome,
        short_text=ending.title,
        text=fit(text, _MAX_TEXT),
    )
    if ending.outcome != "skipped":
        return report
    reason = " ".join((ending.message or text).split())[:MAX_LINE]
    is_xfail = ending.type.lower().endswith("xfail")
    return replace(report, outcome="skipped", reason=reason, xfail=is_xfail)


def find_file(name: str, directory: Path) -> Path | None:
    """Return the file in *directory* that has the path *name*, `None` without one.

    On another machine the path may begin elsewhere, so it is also tried without its first
    parts, down to the last two. The XML may come from strangers, so hidden files and files
    outside of *directory* are not found, not even through ``..`` or a link.
    """
    parts = [part for part in re.split(r"[\\/]+", name) if part][-20:]
    tails = ("/".join(parts[start:]) for start in range(max(1, len(parts) - 1)))
    for tail in (name, *tails):
        with suppress(OSError, ValueError, RuntimeError):
            path = (directory / tail).resolve(strict=True)
            below = path.relative_to(directory.resolve()).parts
            if path.is_file() and not any(part[0] == "." for part in below):
                return path
    return None
