"""Keeps exceptions of our own, and of hooks, from ending the run; warns about the latter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import functools
import inspect
import traceback
from typing import Any
from typing import cast
from typing import TypeVar

import pluggy
import pytest

from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import problems
from pytest_zephyr.text import plural


#: What our code, or a hook, may raise without ending the run. The outcomes of pytest are
#: no `Exception`, and a function that a test has replaced may raise them: a guard against
#: sockets calls `pytest.fail`, a stub of a program `sys.exit`.
# fmt: off
ERRORS = (
    Exception, SystemExit, GeneratorExit, pytest.fail.Exception, pytest.skip.Exception,
)
# fmt: on

Hook = TypeVar("Hook", bound=Callable[..., object])


class Bugs(list[str]):
    """Failures of our own that the summary has yet to show."""

    def note(self, hook: str, error: BaseException) -> None:
        self.append(f"{hook}: {error!r}")

    def lines(self) -> list[Line]:
        """Return a line for each bug, which says how often it was noted."""
        counts = Counter(self).items()
        texts = [
            f"internal error in {bug} ({plural(count, 'time')}), please report it."
            for bug, count in counts
        ]
        return problems(texts, code="bug")


def guarded(hook: Hook) -> Hook:
    """Wrap a hook so that nothing but a usage error leaves it.

    All else is noted in the *bugs* of its plugin object.
    """

    @functools.wraps(hook)
    def call(self: Any, *args: object, **kwargs: object) -> object:
        try:
            return hook(self, *args, **kwargs)
        except pytest.UsageError:
            raise
        except ERRORS as error:
            self.bugs.note(hook.__name__, error)
            return None

    return cast(Hook, call)


def blame(hook: pluggy.HookCaller, error: BaseException) -> str:
    """Return a message that names the plugin whose *hook* raised *error*."""
    names = {
        getattr(inspect.unwrap(impl.function), "__code__", None): impl.plugin_name
        for impl in hook.get_hookimpls()
    }
    codes = (frame.f_code for frame, _line in traceback.walk_tb(error.__traceback__))
    plugin = next((names[code] for code in codes if code in names), "a plugin")
    return f"{hook.name} of {plugin}: {type(error).__name__}: {error}"
