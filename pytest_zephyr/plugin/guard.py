"""What keeps an exception of ours away from the run that it happens in."""

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


#: What may leave code of ours, or of a hook, without ending the run. The outcomes of
#: pytest are no `Exception`, and a test may have put them anywhere: a guard against
#: sockets calls `pytest.fail`, a stub of a program `sys.exit`.
ERRORS = (
    *(Exception, SystemExit, GeneratorExit),
    *(pytest.fail.Exception, pytest.skip.Exception),
)

Params = ParamSpec("Params")
Self = TypeVar("Self", bound="Guarded")


class Guarded(Protocol):
    """An object whose hooks are guarded; it is told about every failure."""

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
    """Say whose implementation of *hook* raised *error*, and what it says."""
    names = {
        getattr(inspect.unwrap(each.function), "__code__", None): each.plugin_name
        for each in hook.get_hookimpls()
    }
    frames = [frame for frame, _line in traceback.walk_tb(error.__traceback__)]
    found = (names[each.f_code] for each in frames if each.f_code in names)
    plugin = next(found, "a plugin")
    return f"{hook.name} of {plugin}: {type(error).__name__}: {error}"
