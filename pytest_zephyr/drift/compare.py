"""Compares tests with test cases."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Literal

from pytest_zephyr.client.entities import Placement
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Item


Kind = Literal["untested", "gone", "unmapped", "invalid", "unknown", "elsewhere"]

#: What each kind of difference is; *place* is a phase or folder.
TITLES: Mapping[Kind, str] = {
    "untested": "test cases of this {place} without a test",
    "gone": "test cases marked as automated whose test is gone",
    "unmapped": "tests without a test case",
    "invalid": "tests with an invalid marker",
    "unknown": "test cases that Zephyr does not know",
    "elsewhere": "test cases with a test that are not in this {place}",
}


@dataclass(frozen=True)
class Difference:
    """A test case with its *tests*, or only one of both; *text* is for people."""

    case: CaseRef | None = None
    text: str = ""
    tests: tuple[str, ...] = ()


@dataclass
class Drift:
    """How tests and the test cases of a place differ, by kind."""

    differences: dict[Kind, list[Difference]] = field(
        default_factory=lambda: {kind: [] for kind in TITLES}
    )
    cases: int = 0
    tests: int = 0

    def __bool__(self) -> bool:
        return any(self.differences.values())

    def add(
        self, kind: Kind, case: CaseRef | None, text: str, tests: Iterable[str] = ()
    ) -> None:
        self.differences[kind].append(Difference(case, text, tuple(tests)))


def compare(
    items: Iterable[Item], planned: Mapping[int, Placement]
) -> tuple[Drift, dict[CaseRef, list[str]]]:
    """Compare tests with *planned* test cases, by visible id.

    Returns the test cases that are not planned as well, with their tests.
    """
    # Tests may be in several journals, and change their markers.
    by_name = {item.nodeid: item for item in items}
    drift = Drift(cases=len(planned), tests=len(by_name))
    tests: dict[CaseRef, list[str]] = {}
    scripts = {each.script for each in planned.values()}
    created = set()
    for name, item in by_name.items():
        for case in item.cases:
            tests.setdefault(case, []).append(name)
        if item.new is not None and item.new.script in scripts:
            created.add(item.new.script)
        elif item.invalid:
            drift.add("invalid", None, "", [name])
        elif item.unmarked:
            drift.add("unmapped", None, "", [name])
    for case, each in planned.items():
        if not (case in tests or each.alt in tests or each.script in created):
            script = f" ({each.script})" if each.automated and each.script else ""
            kind: Kind = "gone" if each.automated else "untested"
            drift.add(kind, case, each.name + script)
    known = {*planned, *(each.alt for each in planned.values())}
    return drift, {case: names for case, names in tests.items() if case not in known}
