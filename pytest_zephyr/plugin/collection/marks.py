"""The zephyr marker: which test cases a test verifies."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr.config.settings import Inherit
from pytest_zephyr.plugin.collection.names import COLLECTIONS
from pytest_zephyr.plugin.collection.names import ItemNames
from pytest_zephyr.plugin.collection.names import plain_id
from pytest_zephyr.plugin.guard import describe_hook_error
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.case_ids import CaseIdParser
from pytest_zephyr.results.case_ids import is_scale_key
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.secret import Scrubber


if TYPE_CHECKING:
    from pytest_zephyr.results.case_map import CaseMap


#: The problem of a marker without a test case.
_NO_CASE = "the zephyr marker names no test case; give it an id, as in @pytest.mark.zephyr(101)"

#: Arguments of the marker that take one text or several: the attribute of `MarkerData`
#: that collects them, and what each text must be.
_TEXT_ARGUMENTS = {
    "alt": ("cases", "an Alt ID"),
    "defects": ("defects", "the key of a defect"),
    "requirements": ("requirements", "the Alt ID of a requirement"),
}


@dataclass(slots=True)
class MarkerData:
    """What the markers of an item say, and what is wrong with them.

    The test cases may come from the hook or the mapping file instead. *unmarked* says
    that nothing names a test case for the item. It is false if a marker ignores the
    item, if the hook answered that it has none, and if there are *problems*.
    *requirements* are linked to the test case that is created for the item.
    """

    cases: list[CaseRef] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    comment: str = ""
    defects: list[str] = field(default_factory=list)
    fields: dict[str, FieldValue] = field(default_factory=dict)
    requirements: list[str] = field(default_factory=list)
    unmarked: bool = False


#: A fingerprint of the markers of an item when they were last read, and their problems,
#: if there were any: most items have none, and there are many items.
_LAST_READ = pytest.StashKey[int]()
_PROBLEMS = pytest.StashKey[list[str]]()


class Marks:
    """Reads markers by the rules of the settings, and asks the hook and the map.

    *creates_cases* says that a test case is created for each unmarked test.
    """

    def __init__(
        self,
        id_prefix: str,
        inherit: Inherit,
        scrub: Scrubber,
        case_map: CaseMap | None,
        *,
        creates_cases: bool,
    ) -> None:
        self.creates_cases = creates_cases
        self.case_map = case_map
        self.names = ItemNames(scrub)
        self._ids = CaseIdParser(id_prefix)
        self._inherit = inherit

    def of(self, item: pytest.Item) -> MarkerData:
        """Return what the markers of *item*, the hook and the mapping file say now."""
        data = self._read(item)
        if len(data.cases) > 1:
            data.cases = list(dict.fromkeys(data.cases))
        item.stash[_LAST_READ] = _fingerprint(item)
        if data.problems or _PROBLEMS in item.stash:
            item.stash[_PROBLEMS] = data.problems
        return data

    def problems_of(self, item: pytest.Item) -> list[str]:
        """Return the problems that *item* had when its markers were last read."""
        if _LAST_READ not in item.stash:
            self.of(item)
        return item.stash[_PROBLEMS] if _PROBLEMS in item.stash else []  # noqa: SIM401

    def changed(self, item: pytest.Item) -> bool:
        """Return whether *item* has other markers than when they were last read.

        False if they never were.
        """
        last = item.stash.get(_LAST_READ, None)
        return last is not None and last != _fingerprint(item)

    def _read(self, item: pytest.Item) -> MarkerData:
        data = MarkerData()
        levels = _levels(item)
        if levels is None:
            return data
        for level in levels:
            for mark in level:
                self._add(mark, item, data)
            # A marker without a test case leaves the cases to the next level.
            if self._inherit == "closest" and (data.cases or data.problems):
                break
        if with_hook := self._ask_hook(item, data):
            return with_hook
        if not data.cases and not data.problems and self.case_map is not None:
            nodeids = plain_id(item, item.name), item.nodeid
            data.cases += self.case_map.cases_of(self.names.of(item), nodeids)
        if not data.cases and not data.problems:
            data.unmarked = self.creates_cases or not levels
            if not data.unmarked:
                data.problems.append(_NO_CASE)
        return data

    def _ask_hook(self, item: pytest.Item, data: MarkerData) -> MarkerData | None:
        """Return *data* with what a hook says, and no other test cases and problems.

        Returns `None` if there is no hook, or if it has returned `None` or failed; a
        failure is added to the problems of *data*.
        """
        if not item.config.hook.pytest_zephyr_cases.get_hookimpls():
            return None
        hook = item.ihook.pytest_zephyr_cases
        with_hook = replace(data, cases=[], problems=[])
        try:
            answer = hook(item=item)
            if answer is None:
                return None
            if isinstance(answer, pytest.MarkDecorator):
                self._add(answer.mark, item, with_hook)
            elif isinstance(answer, int | str):
                self._add_ids(answer, with_hook)
            else:
                self._add_ids(list(answer), with_hook)
        except ERRORS as error:
            data.problems.append(describe_hook_error(hook, error))
            return None
        problems = [f"pytest_zephyr_cases: {text}" for text in with_hook.problems]
        return replace(with_hook, problems=problems)

    def _add(self, mark: pytest.Mark, item: pytest.Item, data: MarkerData) -> None:
        """Add to *data* what *mark* says.

        Of several comments, or values of a field, the first one stays: the closest.
        """
        before = len(data.cases) + len(data.problems)
        for value in mark.args:
            self._add_ids(value, data)
        for name, value in mark.kwargs.items():
            if name in _TEXT_ARGUMENTS:
                attribute, expected = _TEXT_ARGUMENTS[name]
                for text in _flat(value):
                    if isinstance(text, str) and text.strip():
                        getattr(data, attribute).append(text.strip())
                    else:
                        data.problems.append(
                            f"{self.names.short(text)} is not {expected}"
                        )
            elif name == "by_id":
                self._add_by_id(value, item, data)
            elif name == "comment":
                if isinstance(value, str) and value.strip():
                    data.comment = data.comment or value.strip()
                else:
                    data.problems.append(
                        f"comment={self.names.short(value)} is not a text"
                    )
            elif name == "fields":
                self._add_fields(value, data)
            else:
                data.problems.append(f"the zephyr marker takes no argument {name!r}")
        if not mark.kwargs and len(data.cases) + len(data.problems) == before:
            data.problems.append(_NO_CASE)

    def _add_ids(self, values: object, data: MarkerData) -> None:
        for value in _flat(values):
            case = self._ids.parse_id(value)
            if case is None:
                data.problems.append(self._not_an_id(value))
            else:
                data.cases.append(case)

    def _add_fields(self, value: object, data: MarkerData) -> None:
        if not isinstance(value, Mapping):
            data.problems.append(f"fields={self.names.short(value)} is not a mapping")
            return
        for name, content in value.items():
            if isinstance(name, str) and isinstance(content, str | int | float):
                data.fields.setdefault(name, content)
            else:
                pair = f"{self.names.short(name)}: {self.names.short(content)}"
                data.problems.append(f"{pair} is not a field with a value")

    def _add_by_id(self, value: object, item: pytest.Item, data: MarkerData) -> None:
        if not isinstance(value, Mapping):
            data.problems.append(f"by_id={self.names.short(value)} is not a mapping")
            return
        callspec = getattr(item, "callspec", None)
        if callspec is None:
            data.problems.append("by_id is given, but the test has no parameters")
            return
        param_id = str(callspec.id)
        for key, cases in value.items():
            # pytest escapes what is not ASCII.
            if isinstance(key, str) and param_id in {key, _escape(key)}:
                self._add_ids(cases, data)
                return
        data.problems.append(f"by_id names no test case for {param_id!r}")

    def _not_an_id(self, value: object) -> str:
        text = f"{self.names.short(value)} is not a test case id"
        if not isinstance(value, str):
            return text
        if is_scale_key(value):
            return (
                f"{text} but a key of Zephyr Scale; in Zephyr Enterprise it is a number"
                f" in the ID column, as zephyr(101), or an Alt ID, as zephyr(alt=…)"
            )
        return (
            f"{text}: use the number, as zephyr(123) or zephyr('TC-123'), or"
            f" zephyr(alt=…) for an Alt ID; zephyr_id_prefix allows other prefixes"
        )


def _levels(item: pytest.Item) -> list[list[pytest.Mark]] | None:
    """Return the zephyr marks of *item* by level, the closest first.

    `None` if a marker says to ignore the item.

    Levels are: parameter, function, each class from the most derived to its bases,
    module, package.
    """
    levels: list[list[pytest.Mark]] = []
    node: Any = item
    while node is not None:
        marks: list[pytest.Mark] = []
        for mark in node.own_markers:
            if mark.name == "zephyr":
                marks.append(mark)
            elif mark.name == "zephyr_ignore":
                return None
        if not marks:
            pass
        elif isinstance(node, pytest.Class):
            levels += _by_class(node, marks)
        elif node is item and (callspec := getattr(item, "callspec", None)):
            of_params = set(map(id, callspec.marks))
            # The marks of the parameters, then those of the function.
            by_owner: tuple[list[pytest.Mark], list[pytest.Mark]] = [], []
            for mark in marks:
                by_owner[id(mark) not in of_params].append(mark)
            levels += by_owner
        else:
            levels.append(marks)
        node = node.parent
    return levels


def _by_class(node: pytest.Class, marks: list[pytest.Mark]) -> list[list[pytest.Mark]]:
    """Split the marks of a class from those of its bases; pytest keeps them together."""
    classes = node.obj.__mro__
    # A mark that no class declares was added while collecting, for this class.
    owners: dict[int, int] = {}
    for number, cls in enumerate(classes):
        declared = cls.__dict__.get("pytestmark", [])
        for mark in declared if isinstance(declared, list) else [declared]:
            owners.setdefault(id(getattr(mark, "mark", mark)), number)
    levels: list[list[pytest.Mark]] = [[] for _ in classes]
    for mark in marks:
        levels[owners.get(id(mark), 0)].append(mark)
    return levels


def _escape(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def _fingerprint(item: pytest.Item) -> int:
    """Return a number that changes when *item*, or a parent, gets or loses a marker."""
    numbers: list[int] = []
    node: Any = item
    while node is not None:
        if node.own_markers:
            numbers += map(id, node.own_markers)
            numbers.append(0)
        node = node.parent
    return hash(tuple(numbers))


def _flat(values: object, depth: int = 10) -> Iterator[object]:
    """Yield the values in nested collections, or a single value.

    Collections nested deeper than *depth* are yielded as they are: a list may contain
    itself.
    """
    if isinstance(values, COLLECTIONS) and depth:
        for value in values:
            yield from _flat(value, depth - 1)
    else:
        yield values
