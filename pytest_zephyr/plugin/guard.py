"""Keeps exceptions of the plugin and of hooks that it calls from ending a session."""

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


#: Exceptions of the plugin, and of hooks that it calls, which must not end the session.
#: The last four do not derive from `Exception`. A function that a test has replaced may
#: raise them: a guard against sockets calls `pytest.fail`, a stub of a program
#: `sys.exit`.
# fmt: off
ERRORS = (
    Exception, SystemExit, GeneratorExit, pytest.fail.Exception, pytest.skip.Exception,
)
# fmt: on

Hook = TypeVar("Hook", bound=Callable[..., object])


class Bugs(list[str]):
    """Internal errors that the summary has not shown yet."""

    def note(self, where: str, error: BaseException) -> None:
        """Add an *error* that was raised in *where*, such as a hook."""
        self.append(f"{where}: {error!r}")

    def lines(self) -> list[Line]:
        """Return a line for each different bug; it says how often that was noted."""
        counts = Counter(self).items()
        texts = [
            f"internal error in {bug} ({plural(count, 'time')}), please report it."
            for bug, count in counts
        ]
        return problems(texts, code="bug")


def guarded(hook: Hook) -> Hook:
    """Wrap a *hook* so that no exception of `ERRORS` but a usage error leaves it.

    The exception is noted in the *bugs* of the plugin object, and the hook returns `None`.
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


def describe_hook_error(hook: pluggy.HookCaller, error: BaseException) -> str:
    """Return a message about *error*, which an implementation of *hook* raised.

    It names the plugin of that implementation, if the traceback shows which it was.
    """
    names = {
        getattr(inspect.unwrap(impl.function), "__code__", None): impl.plugin_name
        for impl in hook.get_hookimpls()
    }
    codes = (frame.f_code for frame, _line in traceback.walk_tb(error.__traceback__))
    plugin = next((names[code] for code in codes if code in names), "a plugin")
    return f"{hook.name} of {plugin}: {type(error).__name__}: {error}"
