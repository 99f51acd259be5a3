"""The zephyr marker: which test cases a test proves, and its name in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
import functools
import re
from typing import Any
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr.config.settings import Inherit
from pytest_zephyr.plugin.guard import blame
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.case_ids import CaseIds
from pytest_zephyr.results.case_ids import scale_number
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import number_nodeid
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import one_line
from pytest_zephyr.text import shorten


if TYPE_CHECKING:
    from pytest_zephyr.results.case_map import CaseMap


_SHORTEST_SECRET = 4
_LONG_SECRET = 8
_COLLECTIONS = (list, tuple, set, frozenset)

#: Names of parameters whose values must not be shown.
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|(?:api|access|private)_?key",
    re.IGNORECASE,
)

#: The problem of a marker without a test case.
_NO_CASE = "the zephyr marker names no test case; give it an id, as in @pytest.mark.zephyr(101)"

#: Arguments of the marker that take one text or several: where they are collected, and
#: what each text must be.
_TEXTS = {
    "alt": ("cases", "an Alt ID"),
    "defects": ("defects", "the key of a defect"),
    "requirements": ("requirements", "the Alt ID of a requirement"),
}


@dataclass(slots=True)
class MarkerData:
    """What the markers of an item say, and what is wrong with them.

    *unmarked* says that no marker names a test case or asks to ignore the item.
    *requirements* are linked to the test case that is created for it.
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
    """Reads markers by the rules of the settings."""

    def __init__(
        self,
        id_prefix: str,
        inherit: Inherit,
        *,
        creating: bool = False,
        scrub: Scrubber | None = None,
        case_map: CaseMap | None = None,
    ) -> None:
        self.creating = creating
        self.case_map = case_map
        self._scrub = scrub or Scrubber()
        self._ids = CaseIds(id_prefix)
        self._inherit = inherit
        self._secrets: dict[str, set[str]] = {}

    def of(self, item: pytest.Item) -> MarkerData:
        """Return what the markers of *item* say now."""
        data = self._read(item)
        if len(data.cases) > 1:
            data.cases = list(dict.fromkeys(data.cases))
        item.stash[_LAST_READ] = _fingerprint(item)
        if data.problems or _PROBLEMS in item.stash:
            item.stash[_PROBLEMS] = data.problems
        return data

    def problems_of(self, item: pytest.Item) -> list[str]:
        """Return what was wrong with the markers of *item* when they were last read."""
        if _LAST_READ not in item.stash:
            self.of(item)
        return item.stash[_PROBLEMS] if _PROBLEMS in item.stash else []  # noqa: SIM401

    def changed(self, item: pytest.Item) -> bool:
        """Return whether *item* has other markers than when they were last read."""
        last = item.stash.get(_LAST_READ, None)
        return last is not None and last != _fingerprint(item)

    def note_secrets(self, item: Any) -> None:
        """Note the secret parameters of *item*, which a failure of its function may show."""
        texts = {
            text
            for name, value in item.callspec.params.items()
            if _is_secret(name)
            for text in _texts_of(value)
            # Shorter ones are a part of ordinary words.
            if len(text) >= _SHORTEST_SECRET
        }
        if texts:
            self._secrets.setdefault(function_id(item), set()).update(texts)

    def hide_secrets(self, item: pytest.Item, text: str) -> str:
        """Return *text* without values of parameters whose names look secret."""
        if not self._secrets or function_id(item) not in self._secrets:
            return text
        return _pattern_of(frozenset(self._secrets[function_id(item)])).sub(
            HIDDEN, text
        )

    def short(self, value: object) -> str:
        """Return *value* as a message shows it, without credentials."""
        try:
            text = self._scrub(one_line(repr(value)))
        except ERRORS:
            text = f"<{type(value).__name__}>"
        return shorten(text, 80)

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
        if self._ask_hook(item, data):
            return data
        if not data.cases and not data.problems and self.case_map is not None:
            nodeids = _plain_id(item, item.name), item.nodeid
            data.cases += self.case_map.cases_of(_name_of(item, self), nodeids)
        if not data.cases and not data.problems:
            data.unmarked = self.creating or not levels
            if not data.unmarked:
                data.problems.append(_NO_CASE)
        return data

    def _ask_hook(self, item: pytest.Item, data: MarkerData) -> bool:
        """Return whether a hook names the test cases instead of the markers."""
        if not item.config.hook.pytest_zephyr_cases.get_hookimpls():
            return False
        hook = item.ihook.pytest_zephyr_cases
        hooked = MarkerData()
        try:
            answer = hook(item=item)
            if answer is None:
                return False
            if not isinstance(answer, pytest.MarkDecorator):
                cases = answer if isinstance(answer, int | str) else list(answer)
                answer = pytest.mark.zephyr(cases)
            self._add(answer.mark, item, hooked)
        except ERRORS as error:
            data.problems.append(blame(hook, error))
            return False
        data.cases = hooked.cases
        data.problems = [f"pytest_zephyr_cases: {text}" for text in hooked.problems]
        return True

    def _add(self, mark: pytest.Mark, item: pytest.Item, data: MarkerData) -> None:
        """Add to *data* what *mark* says; the closest mark, which comes first, wins."""
        before = len(data.cases) + len(data.problems)
        for value in mark.args:
            self._add_ids(value, data)
        for name, value in mark.kwargs.items():
            if name in _TEXTS:
                attribute, expected = _TEXTS[name]
                for text in _flat(value):
                    if isinstance(text, str) and text.strip():
                        getattr(data, attribute).append(text.strip())
                    else:
                        data.problems.append(f"{self.short(text)} is not {expected}")
            elif name == "by_id":
                self._add_by_id(value, item, data)
            elif name == "comment":
                if isinstance(value, str) and value.strip():
                    data.comment = data.comment or value.strip()
                else:
                    data.problems.append(f"comment={self.short(value)} is not a text")
            elif name == "fields":
                self._add_fields(value, data)
            else:
                data.problems.append(f"the zephyr marker takes no argument {name!r}")
        if not mark.kwargs and len(data.cases) + len(data.problems) == before:
            data.problems.append(_NO_CASE)

    def _add_ids(self, values: object, data: MarkerData) -> None:
        for value in _flat(values) if isinstance(values, _COLLECTIONS) else (values,):
            case = self._ids.number(value)
            if case is None:
                data.problems.append(self._not_an_id(value))
            else:
                data.cases.append(case)

    def _add_fields(self, value: object, data: MarkerData) -> None:
        if not isinstance(value, Mapping):
            data.problems.append(f"fields={self.short(value)} is not a mapping")
            return
        for name, content in value.items():
            if isinstance(name, str) and isinstance(content, str | int | float):
                data.fields.setdefault(name, content)
            else:
                data.problems.append(
                    f"{self.short(name)}: {self.short(content)} is not a field with a"
                    f" value"
                )

    def _add_by_id(self, value: object, item: pytest.Item, data: MarkerData) -> None:
        if not isinstance(value, Mapping):
            data.problems.append(f"by_id={self.short(value)} is not a mapping")
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
        text = f"{self.short(value)} is not a test case id"
        if not isinstance(value, str):
            return text
        if number := scale_number(value):
            return (
                f"{text} but a key of Zephyr Scale; in Zephyr Enterprise it is a number,"
                f" as zephyr({number}), or an Alt ID, as zephyr(alt=…)"
            )
        return (
            f"{text}: use the number, as zephyr(123) or zephyr('TC-123'), or"
            f" zephyr(alt=…) for an Alt ID; zephyr_id_prefix allows other prefixes"
        )


def _levels(item: pytest.Item) -> list[list[pytest.Mark]] | None:
    """Return the zephyr marks of *item* by level, the closest first; `None` to ignore it.

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
    return text.encode("unicode_escape", "surrogatepass").decode("ascii")


def _fingerprint(item: pytest.Item) -> int:
    """Return a number that changes when *item* gets or loses a marker."""
    numbers: list[int] = []
    node: Any = item
    while node is not None:
        if node.own_markers:
            numbers += map(id, node.own_markers)
            numbers.append(0)
        node = node.parent
    return hash(tuple(numbers))


#: The journal's name for an item if it is not the node id, and the names for the next
#: times that it runs.
_KEY = pytest.StashKey[str]()
_NEXT_KEYS = pytest.StashKey[list[str]]()


def name_items(items: Iterable[pytest.Item], marks: Marks) -> Iterator[str]:
    """Give items the names that the journal has for them, and yield these.

    Items with the same node id, and an item that is listed twice, get different names.
    A parameter whose name looks secret is hidden.
    """
    counts: dict[str, int] = {}
    named: set[int] = set()
    for item in items:
        name = _name_of(item, marks)
        count = counts[name] = counts.get(name, 0) + 1
        key = number_nodeid(name, count)
        if id(item) in named:
            item.stash.setdefault(_NEXT_KEYS, [key_of(item)]).append(key)
        elif key != item.nodeid:
            item.stash[_KEY] = key
        named.add(id(item))
        yield key


def key_of(item: pytest.Item) -> str:
    """Return the journal's name for *item*, usually its node id."""
    # Asked first: a stash that lacks a key raises, which is slow.
    return item.stash[_KEY] if _KEY in item.stash else item.nodeid  # noqa: SIM401


def begin_item(item: pytest.Item) -> str:
    """Return the journal's name for *item*, which is about to run, perhaps once more."""
    if _NEXT_KEYS in item.stash and (keys := item.stash[_NEXT_KEYS]):
        item.stash[_KEY] = keys.pop(0)
    return key_of(item)


def _name_of(item: pytest.Item, marks: Marks) -> str:
    """Return the node id of *item*, with secret parameters hidden."""
    params = getattr(getattr(item, "callspec", None), "params", ())
    if not any(map(_is_secret, params)):
        return item.nodeid
    marks.note_secrets(item)
    return _without_secrets(item, marks)


def _without_secrets(item: Any, marks: Marks) -> str:
    callspec = item.callspec
    params = ", ".join(
        f"{name}={HIDDEN if _is_secret(name) else marks.short(value)}"
        for name, value in callspec.params.items()
    )
    # Number the values, whatever tests are selected; the first needs no number.
    numbers = [callspec.indices.get(name, 0) + 1 for name in callspec.params]
    number = f" #{'.'.join(map(str, numbers))}" if max(numbers) > 1 else ""
    return f"{function_id(item)}[{params}]{number}"


@functools.lru_cache(maxsize=256)
def _is_secret(name: str) -> bool:
    """Return whether the values of a parameter with this *name* must not be shown."""
    return _SECRET.search(name) is not None


def function_id(item: pytest.Item) -> str:
    """Return the node id of the function of *item*, without parameters."""
    return _plain_id(item, getattr(item, "originalname", None) or item.name)


def _plain_id(item: pytest.Item, name: str) -> str:
    """Return the node id of *item* with this name, whatever plugins append to it."""
    parent = item.parent.nodeid if item.parent is not None else ""
    return "::".join(filter(None, [parent, name]))


def _flat(values: object, depth: int = 10) -> Iterator[object]:
    """Yield what is in *values*, lists and tuples opened; a list may contain itself."""
    if isinstance(values, _COLLECTIONS) and depth:
        for value in values:
            yield from _flat(value, depth - 1)
    else:
        yield values


def _texts_of(value: object, depth: int = 5) -> Iterator[str]:
    """Yield the texts by which a failure may show *value*, or what it contains."""
    if value is None or isinstance(value, bool) or not depth:
        return
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, _COLLECTIONS):
        for content in value:
            yield from _texts_of(content, depth - 1)
        return
    if isinstance(value, str | bytes):
        yield value if isinstance(value, str) else value.decode("latin-1")
        yield repr(value).removeprefix("b")[1:-1]
        return
    with suppress(*ERRORS):
        yield repr(value)


@functools.lru_cache(maxsize=16)
def _pattern_of(secrets: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern for *secrets*, the longest first; short ones as whole words."""
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile(
        "|".join(
            re.escape(secret)
            if len(secret) >= _LONG_SECRET
            else rf"(?<!\w){re.escape(secret)}(?!\w)"
            for secret in longest_first
        )
    )
