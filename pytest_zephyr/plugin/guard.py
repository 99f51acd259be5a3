"""Keeps exceptions of our own, and of hooks, from ending the run."""

from __future__ import annotations

from collections.abc import Callable
import functools
import inspect
import traceback
from typing import Concatenate
from typing import ParamSpec
from typing import Protocol
from typing import TypeVar

import pluggy
import pytest


#: What our code, or a hook, may raise without ending the run. The outcomes of pytest are
#: no `Exception`, and a function that a test has replaced may raise them: a guard against
#: sockets calls `pytest.fail`, a stub of a program `sys.exit`.
# fmt: off
ERRORS = (
    Exception, SystemExit, GeneratorExit, pytest.fail.Exception, pytest.skip.Exception,
)
# fmt: on

Params = ParamSpec("Params")
Self = TypeVar("Self", bound="Guarded")


class Guarded(Protocol):
    """An object whose hooks are guarded; `note_bug` gets every failure."""

    def note_bug(self, hook: str, error: BaseException) -> None: ...


def guarded(
    hook: Callable[Concatenate[Self, Params], None],
) -> Callable[Concatenate[Self, Params], None]:
    """Wrap a hook so that nothing but a usage error leaves it."""

    @functools.wraps(hook)
    def call(self: Self, /, *args: Params.args, **kwargs: Params.kwargs) -> None:
        try:
            hook(self, *args, **kwargs)
        except pytest.UsageError:
            raise
        except ERRORS as error:
            self.note_bug(hook.__name__, error)

    return call


def blame(hook: pluggy.HookCaller, error: BaseException) -> str:
    """Return a message that names the plugin whose *hook* raised *error*."""
    names = {
        getattr(inspect.unwrap(impl.function), "__code__", None): impl.plugin_name
        for impl in hook.get_hookimpls()
    }
    codes = (frame.f_code for frame, _line in traceback.walk_tb(error.__traceback__))
    plugin = next((names[code] for code in codes if code in names), "a plugin")
    return f"{hook.name} of {plugin}: {type(error).__name__}: {error}"
