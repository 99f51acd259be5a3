"""The zephyr marker: which test cases a test proves, and what the journal calls it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import functools
import re
from typing import Any

import pytest

from pytest_zephyr.config.settings import Inherit
from pytest_zephyr.plugin.guard import blame
from pytest_zephyr.plugin.guard import ERRORS
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import nth
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.text import one_line


_SHORTEST_SECRET = 4
_LONG_SECRET = 8
_LARGEST = 2**63 - 1

#: What Zephyr Scale calls its test cases.
_SCALE_KEY = re.compile(r"[A-Z][A-Z0-9_]+-T(\d{1,18})", re.ASCII | re.IGNORECASE)

#: The names of our markers.
_OURS = ("zephyr", "zephyr_ignore")

#: Names of parameters whose values stay out of what people read.
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|(?:api|access|private)_?key",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mapped:
    """The test cases of an item, what else its markers say, and what is wrong there.

    *unmarked* says that no marker names a test case or asks to ignore the item.
    *requirements* are those that a test case made for it will be linked to.
    """

    cases: tuple[CaseRef, ...] = ()
    problems: tuple[str, ...] = ()
    comment: str = ""
    defects: tuple[str, ...] = ()
    fields: tuple[tuple[str, FieldValue], ...] = ()
    unmarked: bool = False
    requirements: tuple[str, ...] = ()


@dataclass
class _Extras:
    """What markers put on a result; of one thing said twice the closest counts.

    *short* shows a value in a message.
    """

    short: Callable[[object], str]
    comment: str = ""
    defects: dict[str, None] = field(default_factory=dict)
    fields: dict[str, FieldValue] = field(default_factory=dict)
    requirements: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, value: object) -> str:
        """Take the argument *name* of a marker; return what is wrong with it."""
        if name == "comment":
            if not isinstance(value, str) or not value.strip():
                return f"comment={self.short(value)} is not a text"
            self.comment = self.comment or value.strip()
        elif name == "defects":
            for key in _flat(value):
                if not isinstance(key, str) or not key.strip():
                    return f"{self.short(key)} is not the key of a defect"
                self.defects[key.strip()] = None
        elif name == "requirements":
            for alt in _flat(value):
                if not isinstance(alt, str) or not alt.strip():
                    return f"{self.short(alt)} is not the Alt ID of a requirement"
                self.requirements[alt.strip()] = None
        elif not isinstance(value, Mapping):
            return f"fields={self.short(value)} is not a mapping"
        else:
            for key, each in value.items():
                if not isinstance(key, str) or not isinstance(each, str | int | float):
                    return f"{self.short(key)}: {self.short(each)} is not a field with a value"
                self.fields.setdefault(key, each)
        return ""


#: What stands for the markers of an item when they were last read, and what is wrong
#: with them, if anything is.
_SEEN = pytest.StashKey[int]()
_PROBLEMS = pytest.StashKey[tuple[str, ...]]()


class Marks:
    """Reads markers by the rules of the settings."""

    def __init__(
        self,
        id_prefix: str,
        inherit: Inherit,
        *,
        creating: bool = False,
        scrub: Scrubber | None = None,
    ) -> None:
        self.creating = creating
        self._scrub = scrub or Scrubber()
        self._id = re.compile(
            rf"(?:{id_prefix})(?P<zephyr_id>\d+)", re.ASCII | re.IGNORECASE
        )
        self._bare = re.compile(r"\d+", re.ASCII)
        self._inherit = inherit
        self._secrets: dict[str, set[str]] = {}

    def of(self, item: pytest.Item) -> Mapped:
        """Return what the markers of *item* say now."""
        found = self._read(item)
        item.stash[_SEEN] = _fingerprint(item)
        if found.problems or _PROBLEMS in item.stash:
            item.stash[_PROBLEMS] = found.problems
        return found

    def problems_of(self, item: pytest.Item) -> tuple[str, ...]:
        """Return what was wrong with the markers of *item* when they were last read."""
        if _SEEN not in item.stash:
            return self.of(item).problems
        return item.stash.get(_PROBLEMS, ())

    def news(self, item: pytest.Item) -> list[str] | None:
        """Return the problems of markers that *item* got since they were last read.

        `None` if it got none.
        """
        if item.stash.get(_SEEN, 0) in {0, _fingerprint(item)}:
            return None
        before = item.stash.get(_PROBLEMS, ())
        return [each for each in self.of(item).problems if each not in before]

    def note_secrets(self, item: pytest.Item) -> None:
        """Note the values of *item* that a failure of its function may show."""
        if values := set(_secret_values(item)):
            self._secrets.setdefault(function_id(item), set()).update(values)

    def has_secrets(self, item: pytest.Item) -> bool:
        return bool(self._secrets) and function_id(item) in self._secrets

    def hide_secrets(self, item: pytest.Item, text: str) -> str:
        """Return *text* without values of parameters whose names look secret."""
        if not self.has_secrets(item):
            return text
        return _hiding(frozenset(self._secrets[function_id(item)])).sub(HIDDEN, text)

    def short(self, value: object) -> str:
        """Return *value* as a message shows it; what is cut holds no credential."""
        try:
            text = self._scrub(one_line(repr(value)))
        except ERRORS:
            text = f"<{type(value).__name__}>"
        return text if len(text) <= 80 else f"{text[:77]}..."

    def _read(self, item: pytest.Item) -> Mapped:
        levels = _levels(item)
        if levels is None:
            return Mapped()
        cases: dict[CaseRef, None] = {}
        problems: list[str] = []
        extras = _Extras(self.short)
        for level in levels:
            for mark in level:
                found, wrong = self._cases(mark, _param_id(item), extras)
                cases.update(dict.fromkeys(found))
                problems += wrong
            # A marker that only adds to the result leaves the cases to the next level.
            if self._inherit == "closest" and (cases or problems):
                break
        hooked = self._ask(item, problems)
        if hooked is not None:
            cases = dict.fromkeys(hooked)
        elif levels and not cases and not problems and not self.creating:
            # Where a test case is made for the test, its marker need not name one.
            problems.append("the zephyr marker names no test case")
        return Mapped(
            cases=tuple(cases),
            problems=tuple(problems),
            comment=extras.comment,
            defects=tuple(extras.defects),
            fields=tuple(extras.fields.items()),
            unmarked=not cases and not problems and hooked is None,
            requirements=tuple(extras.requirements),
        )

    def _ask(self, item: pytest.Item, problems: list[str]) -> list[CaseRef] | None:
        """Return the cases that a hook names, `None` to keep those of the markers."""
        if not item.config.hook.pytest_zephyr_cases.get_hookimpls():
            return None
        hook = item.ihook.pytest_zephyr_cases
        try:
            answer = hook(item=item)
            if answer is None:
                return None
            if not isinstance(answer, pytest.MarkDecorator):
                listed = answer if isinstance(answer, int | str) else list(answer)
                answer = pytest.mark.zephyr(listed)
            found, wrong = self._cases(
                answer.mark, _param_id(item), _Extras(self.short)
            )
        except ERRORS as error:
            problems.append(blame(hook, error))
            return None
        problems[:] = [f"pytest_zephyr_cases: {each}" for each in wrong]
        return found

    def _cases(
        self, mark: pytest.Mark, param_id: str | None, extras: _Extras
    ) -> tuple[list[CaseRef], list[str]]:
        cases: list[CaseRef] = []
        problems: list[str] = []
        for value in _flat(mark.args):
            found = self._case_id(value)
            if found is None:
                problems.append(self._not_an_id(value))
            else:
                cases.append(found)
        for key, value in mark.kwargs.items():
            if key == "alt":
                self._add_alts(value, cases, problems)
            elif key == "by_id":
                self._add_by_id(value, param_id, cases, problems)
            elif key in {"comment", "defects", "fields", "requirements"}:
                problems += filter(None, [extras.add(key, value)])
            else:
                problems.append(f"the zephyr marker takes no argument {key!r}")
        if not cases and not problems and not mark.kwargs:
            problems.append("the zephyr marker names no test case")
        return cases, problems

    def _add_alts(
        self, value: object, cases: list[CaseRef], problems: list[str]
    ) -> None:
        for alt in _flat((value,)):
            if isinstance(alt, str) and alt.strip():
                cases.append(alt.strip())
            else:
                problems.append(f"{self.short(alt)} is not an Alt ID")

    def _add_by_id(
        self,
        value: object,
        param_id: str | None,
        cases: list[CaseRef],
        problems: list[str],
    ) -> None:
        if not isinstance(value, Mapping):
            problems.append(f"by_id={self.short(value)} is not a mapping")
        elif param_id is None:
            problems.append("by_id is given, but the test has no parameters")
        elif (key := _key_of(param_id, value)) is None:
            problems.append(f"by_id names no test case for {param_id!r}")
        else:
            for each in _flat((value[key],)):
                found = self._case_id(each)
                if found is None:
                    problems.append(self._not_an_id(each))
                else:
                    cases.append(found)

    def _not_an_id(self, value: object) -> str:
        text = f"{self.short(value)} is not a test case id"
        if not isinstance(value, str):
            return text
        if key := _SCALE_KEY.fullmatch(value.strip()):
            return (
                f"{text} but a key of Zephyr Scale; in Zephyr Enterprise it is a number,"
                f" as zephyr({key[1]}), or an Alt ID, as zephyr(alt=…)"
            )
        return (
            f"{text}: use the number, as zephyr(123) or zephyr('TC-123'), or"
            f" zephyr(alt=…) for an Alt ID; zephyr_id_prefix allows other prefixes"
        )

    def _case_id(self, value: object) -> int | None:
        """Read a visible test case id from a number or a text such as ``TC-101``."""
        if isinstance(value, bool):
            return None
        if isinstance(value, str):
            text = value.strip()
            match = self._id.fullmatch(text)
            digits = match["zephyr_id"] if match else text
            if not self._bare.fullmatch(digits) or len(digits) > 19:
                return None
            value = int(digits)
        if isinstance(value, int) and 0 < value <= _LARGEST:
            return int(value)
        return None


def _levels(item: pytest.Item) -> list[list[pytest.Mark]] | None:
    """Return the zephyr marks of *item* level by level, the closest first.

    Levels are: parameter, function, each class from the most derived to its bases,
    module, package; those without a mark are left out. `None` if it is to be ignored.
    """
    found: list[list[pytest.Mark]] = []
    node: Any = item
    while node is not None:
        ours = node.own_markers and [
            each for each in node.own_markers if each.name in _OURS
        ]
        marks = [each for each in ours if each.name == "zephyr"]
        if len(marks) < len(ours):
            return None
        if marks and isinstance(node, pytest.Class):
            found += _by_class(node, marks)
        elif marks and node is item and (callspec := getattr(item, "callspec", None)):
            found += _by_origin(marks, callspec.marks)
        elif marks:
            found.append(marks)
        node = node.parent
    return found


def _by_origin(
    marks: list[pytest.Mark], of_params: Iterable[pytest.Mark]
) -> Iterator[list[pytest.Mark]]:
    """Split the *marks* of a test into those of its parameters and its own."""
    known = set(map(id, of_params))
    yield from filter(
        None,
        [
            [mark for mark in marks if id(mark) in known],
            [mark for mark in marks if id(mark) not in known],
        ],
    )


def _by_class(
    node: pytest.Class, marks: list[pytest.Mark]
) -> Iterator[list[pytest.Mark]]:
    """Split the marks of a class from those of its bases; pytest keeps them together."""
    owned: list[list[pytest.Mark]] = []
    rest = list(marks)
    for cls in node.obj.__mro__:
        declared = cls.__dict__.get("pytestmark", [])
        declared = declared if isinstance(declared, list) else [declared]
        plain = [getattr(mark, "mark", mark) for mark in declared]
        owned.append([mark for mark in rest if any(mark is each for each in plain)])
        rest = [mark for mark in rest if not any(mark is each for each in plain)]
    # What is left was added while collecting, which is meant for this class.
    owned[0] += rest
    yield from filter(None, owned)


def _key_of(param_id: str, by_id: Mapping[object, object]) -> object | None:
    """Return the key of *by_id* for a parametrize id, as people or as pytest write it.

    pytest escapes what is not ASCII.
    """
    if param_id in by_id:
        return param_id
    for key in by_id:
        if isinstance(key, str) and _escaped(key) == param_id:
            return key
    return None


def _escaped(text: str) -> str:
    return text.encode("unicode_escape", "surrogatepass").decode("ascii")


def _fingerprint(item: pytest.Item) -> int:
    """Return a number that is another one, not 0, when *item* has other markers."""
    found = 1
    node: Any = item
    while node is not None:
        if node.own_markers:
            found = hash((found, *map(id, node.own_markers)))
        node = node.parent
    return found


#: What the journal calls an item if not by its node id; one may be there several times.
_KEY = pytest.StashKey[str]()
_NEXT_KEYS = pytest.StashKey[list[str]]()


def name_items(items: Iterable[pytest.Item], marks: Marks) -> Iterator[str]:
    """Give items the names that the journal has for them, and yield these.

    Custom collectors may make items with one node id, and a list may hold one item twice;
    they are told apart. A parameter whose name looks secret is hidden.
    """
    counts: dict[str, int] = {}
    seen: set[int] = set()
    for item in items:
        name = item.nodeid
        params = getattr(getattr(item, "callspec", None), "params", ())
        if any(map(_SECRET.search, params)):
            marks.note_secrets(item)
            name = _without_secrets(item, marks)
        count = counts[name] = counts.get(name, 0) + 1
        key = nth(name, count)
        if id(item) in seen:
            item.stash.setdefault(_NEXT_KEYS, [key_of(item)]).append(key)
        elif key != item.nodeid:
            item.stash[_KEY] = key
        seen.add(id(item))
        yield key


def key_of(item: pytest.Item) -> str:
    """Return what the journal calls *item*: its node id, unless that will not do."""
    return item.stash.get(_KEY, item.nodeid)


def begin_item(item: pytest.Item) -> str:
    """Return what the journal calls *item*, which is about to run, perhaps once more."""
    if keys := item.stash.get(_NEXT_KEYS, None):
        item.stash[_KEY] = keys.pop(0)
    return key_of(item)


def _without_secrets(item: Any, marks: Marks) -> str:
    callspec = item.callspec
    shown = ", ".join(
        f"{name}={HIDDEN if _SECRET.search(name) else marks.short(value)}"
        for name, value in callspec.params.items()
    )
    # Which value it is, whatever tests are selected; the first needs no number.
    numbers = [callspec.indices.get(name, 0) + 1 for name in callspec.params]
    number = f" #{'.'.join(map(str, numbers))}" if max(numbers) > 1 else ""
    return f"{function_id(item)}[{shown}]{number}"


def function_id(item: pytest.Item) -> str:
    """Return the node id of the function of *item*, without parameters.

    Not from the node id of the item, which plugins rewrite and put things behind.
    """
    parent = item.parent.nodeid if item.parent is not None else ""
    name = getattr(item, "originalname", None) or item.name
    return "::".join(filter(None, [parent, name]))


def _param_id(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else str(callspec.id)


def _flat(values: object, depth: int = 10) -> Iterator[object]:
    """Yield what is in *values*, lists and tuples opened; a list may hold itself."""
    if isinstance(values, list | tuple | set | frozenset) and depth:
        for value in values:
            yield from _flat(value, depth - 1)
    else:
        yield values


def _secret_values(item: pytest.Item) -> Iterator[str]:
    """Yield the values of parameters whose names look secret, as a failure shows them.

    Those of a few signs stay: they are in every text.
    """
    params = getattr(getattr(item, "callspec", None), "params", {})
    for name, value in params.items():
        if _SECRET.search(name):
            for text in _texts_of(value):
                if len(text) >= _SHORTEST_SECRET:
                    yield text


def _texts_of(value: object, depth: int = 5) -> Iterator[str]:
    """Yield the texts by which *value*, or what it is made of, may be shown."""
    if value is None or isinstance(value, bool) or not depth:
        return
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _texts_of(each, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _texts_of(each, depth - 1)
    else:
        if isinstance(value, bytes):
            yield value.decode("latin-1")
        elif isinstance(value, str):
            yield value
        try:
            shown = repr(value)
        except ERRORS:
            return
        # What is quoted is looked for without its quotes.
        yield shown.removeprefix("b")[1:-1] if isinstance(value, str | bytes) else shown


@functools.lru_cache(maxsize=16)
def _hiding(values: frozenset[str]) -> re.Pattern[str]:
    """Return what finds *values*, the longest first; short ones only as whole words."""
    longest_first = sorted(values, key=lambda each: (-len(each), each))
    return re.compile(
        "|".join(
            re.escape(each)
            if len(each) >= _LONG_SECRET
            else rf"(?<!\w){re.escape(each)}(?!\w)"
            for each in longest_first
        )
    )
