"""Matches tests with the rows of a mapping file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from itertools import chain

from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.text import first_few


@dataclass(frozen=True, slots=True)
class MapRow:
    """A row of a mapping file, at *line*: a pattern for tests, and their test cases.

    The pattern is the name of a test, in which ``*`` stands for any text. Other characters
    stand for themselves, also the brackets of parameters. A row without *cases* is still
    to be filled in.
    """

    line: int
    pattern: str
    cases: tuple[CaseRef, ...]


class CaseMap:
    """Finds the test cases of tests by their names, and notes which rows were used.

    A row with the exact name takes precedence over patterns with ``*``; of several such
    patterns the first row counts. Rows with the same pattern count as one, with the
    test cases of all. The number of rows hardly affects the time of a look-up.
    """

    def __init__(self, rows: Iterable[MapRow] = (), source: str = "the map") -> None:
        self._source = source
        self._unfilled: list[MapRow] = []
        self._repeated: list[MapRow] = []
        merged: dict[str, MapRow] = {}
        for row in rows:
            first = merged.get(row.pattern, row)
            cases = tuple(dict.fromkeys((*first.cases, *row.cases)))
            if not row.cases:
                self._unfilled.append(row)
            elif first is not row and cases == first.cases:
                self._repeated.append(row)
            else:
                merged[row.pattern] = replace(first, cases=cases)
        self._rows = list(merged.values())
        self._used: set[int] = set()
        self._ambiguous: dict[str, list[int]] = {}
        self._exact: dict[str, list[int]] = {}
        globs = []
        for number, row in enumerate(self._rows):
            names = {row.pattern, _escape_params(row.pattern)}
            for name in names.union(map(junit_name, names)):
                self._exact.setdefault(name, []).append(number)
                if len(parts := name.split("*")) > 1:
                    globs.append((parts, number, set(chain(*map(_trigrams, parts)))))
        # Index each glob (a pattern with *) by its rarest trigram; a glob without one
        # is tried with every name.
        self._globs: dict[str, list[tuple[list[str], int]]] = {}
        counts = Counter(chain(*(trigrams for _parts, _number, trigrams in globs)))
        for parts, number, trigrams in globs:
            rarest = min(trigrams, key=lambda each: (counts[each], each), default="")
            self._globs.setdefault(rarest, []).append((parts, number))

    def cases_of(self, test: str, names: Iterable[str]) -> tuple[CaseRef, ...]:
        """Return the test cases of a test with these *names*, empty if no row matches.

        *test* is its name in messages.
        """
        names = dict.fromkeys(names)
        exact: list[int] = []
        globs: set[int] = set()
        for name in [*names, *map(junit_name, names)]:
            exact += self._exact.get(name, ())
            for trigram in ("", *_trigrams(name)) if self._globs else ():
                for parts, number in self._globs.get(trigram, ()):
                    if number not in globs and _matches(parts, name):
                        globs.add(number)
        numbers = list(dict.fromkeys([*exact, *sorted(globs)]))
        self._used.update(numbers)
        if len(numbers) > 1:
            self._ambiguous[test] = numbers
        return self._rows[numbers[0]].cases if numbers else ()

    def remarks(
        self, is_selected: Callable[[MapRow], bool] = lambda _row: True
    ) -> list[str]:
        """Return lines about rows without an effect, and tests that match several rows.

        Rows for which *is_selected* is false are not reported if they match no test,
        because their tests were not selected.
        """
        unused = (
            row for number, row in enumerate(self._rows) if number not in self._used
        )
        problems = {
            "match no test, or only tests with a marker": filter(is_selected, unused),
            "repeat an earlier one": self._repeated,
            "name no test case yet": self._unfilled,
        }
        lines = [
            f"rows of {self._source} {problem}: {few}"
            for problem, rows in problems.items()
            if (few := first_few(f"line {row.line} {row.pattern!r}" for row in rows))
        ]
        if self._ambiguous:
            tests = [
                f"{name} (lines {first_few(str(self._rows[each].line) for each in numbers)})"
                for name, numbers in self._ambiguous.items()
            ]
            lines.append(
                f"tests match several rows of {self._source}; an exact name counts,"
                f" else the first row: {first_few(tests)}"
            )
        return lines


def _matches(parts: Sequence[str], name: str) -> bool:
    """Return whether a glob matches *name*; *parts* are the texts between its ``*``."""
    first, *middle, last = parts
    if not name.startswith(first) or not name.endswith(last):
        return False
    start, end = len(first), len(name) - len(last)
    for part in middle:
        start = name.find(part, start, end)
        if start < 0:
            return False
        start += len(part)
    return start <= end


def _trigrams(text: str) -> set[str]:
    """Return all sequences of three characters in *text*."""
    return {text[start : start + 3] for start in range(len(text) - 2)}


def _escape_params(pattern: str) -> str:
    """Return *pattern* with its parameters escaped as pytest does in a node id."""
    name, bracket, params = pattern.partition("[")
    if params.isascii():
        return pattern
    return name + bracket + params.encode("unicode_escape").decode("ascii")


def junit_name(nodeid: str) -> str:
    """Return ``classname.name`` of a node id, as pytest writes it into JUnit XML."""
    address, bracket, params = nodeid.partition("[")
    file, *names = address.split("::")
    module = file.removesuffix(".py").replace("/", ".")
    return ".".join([module, *names]) + bracket + params
