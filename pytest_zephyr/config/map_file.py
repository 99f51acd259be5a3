"""Read a mapping file: CSV or JSON with patterns for tests, and their test cases."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import csv
import io
import json
from pathlib import Path

from pytest_zephyr.config import resolve
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.settings import Source
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.case_ids import CaseIdParser
from pytest_zephyr.results.case_map import CaseMap
from pytest_zephyr.results.case_map import MapRow
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.text import one_line
from pytest_zephyr.text import shorten


#: First cells of a heading, in lower case, without spaces and underscores. A first line
#: ``sep=;`` tells Excel the separator.
_HEADINGS = ("test", "tests", "pattern", "nodeid", "name", "testname", "sep=")

#: Characters that may separate cells; Excel writes semicolons in many countries.
_DELIMITERS = ",;\t"

#: How many problems a message lists.
_MAX_PROBLEMS = 20

#: The number of a line, its pattern and its test cases.
_Entry = tuple[int, object, Sequence[object]]


class _Pairs(list[tuple[str, object]]):
    """The keys and values of a JSON object, repeated keys too."""


def load(option_sources: OptionSources) -> CaseMap | None:
    """Return the map that the options name, `None` if they name none.

    Raises SettingsError.
    """
    path, _text, source = resolve.read(BY_NAME["map"], option_sources)
    if path is None:
        return None
    return read_map(
        path, source, CaseIdParser(resolve.value("id_prefix", option_sources))
    )


def read_map(path: Path, source: Source, ids: CaseIdParser) -> CaseMap:
    """Return the map in the file at *path*. Raises SettingsError with its problems.

    *source* says where the name of the file came from.
    """
    where = f"{path} ({source})"
    try:
        if not path.is_file():
            raise SettingsError(f"there is no file {where}.")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{where} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = "the text is not UTF-8. In Excel, save it as 'CSV UTF-8'."
        raise SettingsError(f"{where}, line {line}: {problem}") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if path.suffix.lower() == ".json":
        rows, problems = _read_rows(_json_entries(text), ids)
    else:
        # Of the delimiters in the first line, that with the fewest problems is taken.
        lines = (line for line in text.split("\n") if line.strip() and line[0] != "#")
        first = next(lines, "")
        delimiters = sorted(filter(first.__contains__, _DELIMITERS), key=first.index)
        readings = (_csv_entries(text, each) for each in delimiters or ",")
        results = (_read_rows(each, ids) for each in readings)
        rows, problems = min(results, key=lambda result: len(result[1]))
    if problems:
        listed = [f"{where}, {one_line(each)}." for each in problems[:_MAX_PROBLEMS]]
        if (more := len(problems) - _MAX_PROBLEMS) > 0:
            listed.append(f"and {more} more in {path}.")
        raise SettingsError("\n".join(listed))
    return CaseMap(rows, path.name)


def _read_rows(
    entries: Iterable[_Entry], ids: CaseIdParser
) -> tuple[list[MapRow], list[str]]:
    """Return the rows of *entries*, and the problems in them."""
    rows, problems = [], []
    try:
        for line, pattern, values in entries:
            try:
                rows.append(_row(line, pattern, values, ids))
            except ValueError as error:
                problems.append(f"line {line}: {error}")
    except (ValueError, RecursionError) as error:
        problems.append(str(error))
    return rows, problems


def _row(
    line: int, pattern: object, values: Sequence[object], ids: CaseIdParser
) -> MapRow:
    name = pattern.strip() if isinstance(pattern, str) else ""
    if not name or not name.isprintable():
        raise ValueError(f"{_short(pattern)} is not the name of a test")
    if not values:
        raise ValueError("there is no test case next to the name of the test")
    cases: list[CaseRef] = []
    for value in values:
        if isinstance(value, str):
            cases += ids.parse(value)
        elif (case := ids.parse_id(value)) is not None:
            cases.append(case)
        elif value is not None:
            raise ValueError(f"{_short(value)} is not a test case")
    return MapRow(line, name, tuple(dict.fromkeys(cases)))


def _csv_entries(text: str, delimiter: str) -> Iterator[_Entry]:
    reader = csv.reader(
        io.StringIO(text), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    line = 0
    try:
        for row in reader:
            start, line = line + 1, reader.line_num
            first, *cells = (cell.strip() for cell in row or [""])
            heading = first.lower().replace(" ", "").replace("_", "")
            is_skipped = first[:1] == "#" or heading in _HEADINGS
            if not is_skipped and any([first, *cells]):
                yield start, first, cells
    except csv.Error as error:
        raise ValueError(f"line {line + 1}: {error}") from None


def _json_entries(text: str) -> Iterator[_Entry]:
    """Yield the entries of ``{pattern: cases}``, or of a list of rows.

    A row is a list or an object, and its first value is a pattern. The line number of an
    entry is that of its pattern, which is searched in *text* after the pattern of the entry
    before.
    """
    document = json.loads(text, object_pairs_hook=_Pairs)
    if not isinstance(document, list):
        raise ValueError(f"expected {{pattern: test cases}}, got {_short(document)}")
    line, position = 1, 0
    for entry in document:
        values = entry if isinstance(entry, list | tuple) and entry else [entry]
        if isinstance(entry, _Pairs) and entry:
            values = [value for _key, value in entry]
        pattern, *cases = values
        for quoted in (json.dumps(pattern, ensure_ascii=False), json.dumps(pattern)):
            if (start := text.find(quoted, position)) >= 0:
                line += text.count("\n", position, start)
                position = start + len(quoted)
                break
        if len(cases) == 1 and type(cases[0]) is list:
            cases = cases[0] or [None]
        yield line, pattern, cases


def _short(value: object) -> str:
    return shorten(repr(value), 60)
