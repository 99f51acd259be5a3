"""Any arguments of the zephyr marker become plain data or problems."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.plugin.collection.marks import MarkerData
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.secret import Scrubber
from tests.unit.make import deterministic


class Hostile:
    """An object that cannot be shown or compared."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        return 7


class MultilineRepr:
    def __repr__(self) -> str:
        return "a\nb\x1b[31m"


def read(*args: object, param_id: str | None = None, **kwargs: Any) -> MarkerData:
    """Return what a marker with these arguments says.

    *param_id* is the id of the item's parameters, `None` if it has none.
    """
    mark = pytest.Mark("zephyr", args, kwargs, _ispytest=True)
    callspec = None if param_id is None else SimpleNamespace(id=param_id, marks=())
    hook = SimpleNamespace(get_hookimpls=list)
    item: Any = SimpleNamespace(
        stash=pytest.Stash(),
        config=SimpleNamespace(hook=SimpleNamespace(pytest_zephyr_cases=hook)),
        own_markers=[mark],
        parent=None,
        callspec=callspec,
    )
    id_prefix = BY_NAME["id_prefix"].default or ""
    marks = Marks(id_prefix, "closest", Scrubber(), None, creates_cases=False)
    return marks.of(item)


RECURSIVE: list[object] = [101]
RECURSIVE.append(RECURSIVE)

VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.sampled_from("TC-0123456789 \u00b2\u0661"), max_size=24)
    | st.binary(max_size=5)
    | st.builds(Hostile)
    | st.builds(MultilineRepr)
    | st.just(RECURSIVE)
    | st.just(len),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@deterministic
@given(
    st.lists(VALUE, max_size=3),
    st.dictionaries(st.sampled_from(["alt", "by_id", "other"]), VALUE, max_size=2),
    st.none() | st.text(max_size=3),
)
@example([RECURSIVE], {}, None)
@example([Hostile()], {"alt": Hostile(), "by_id": Hostile()}, "a")
@example([], {"by_id": {"a": [Hostile(), "TC-7"]}}, "a")
@example(["9" * 5000], {}, None)
def test_any_argument_gives_cases_or_problems(
    args: list[object], kwargs: dict[str, Any], param_id: str | None
) -> None:
    """A problem is one line, and a test case is a valid id or a text that is not empty."""
    data = read(*args, param_id=param_id, **kwargs)

    for case in data.cases:
        assert type(case) in {int, str}
        assert case
        assert isinstance(case, str) or 0 < case < 2**63
    for problem in data.problems:
        assert problem.isprintable()
        assert len(problem) < 300
    assert data.cases or data.problems


def test_a_list_that_contains_itself_is_read():
    assert read(RECURSIVE).cases == [101]


def test_a_repr_of_several_lines_is_shown_on_one_line():
    assert read(MultilineRepr()).problems == [r"a\nb\x1b[31m is not a test case id"]
