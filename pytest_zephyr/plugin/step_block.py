"""Steps in the code of tests: a context manager that also decorates functions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Generator
from contextlib import aclosing
from contextvars import ContextVar
import functools
import inspect
from typing import Any
from typing import cast
from typing import TypeVar

from pytest_zephyr.results.evidence import Step


Function = TypeVar("Function", bound=Callable[..., Any])


class Nesting:
    """How many steps of one `Zephyr` are open in the current thread or async task."""

    @property
    def depth(self) -> int:
        owner, depth = _depth.get()
        return depth if owner is self else 0

    @depth.setter
    def depth(self, depth: int) -> None:
        _depth.set((self, depth))


# The `Nesting` of the open steps, and how many of them are open.
_depth: ContextVar[tuple[Nesting | None, int]] = ContextVar(
    "zephyr_step_depth", default=(None, 0)
)


class StepBlock:
    """One step of a test, or one for each call of a function that it decorates."""

    def __init__(
        self,
        nesting: Nesting,
        begin: Callable[[int], Step],
        end: Callable[[Step, BaseException | None], None],
    ) -> None:
        self._nesting = nesting
        self._begin = begin
        self._end = end
        self._open: list[Step] = []

    def __enter__(self) -> None:
        self._open.append(self._begin(self._nesting.depth))
        self._nesting.depth = self._open[-1].depth + 1

    def __exit__(self, _kind: object, error: BaseException | None, _: object) -> None:
        step = self._open.pop()
        # Not reset with a token: a fixture may end in another context than it began in.
        self._nesting.depth = step.depth
        self._end(step, error)

    def __call__(self, function: Function) -> Function:
        """Wrap *function* so that each call is a step, which ends when the call does.

        For a coroutine or generator function, the step begins and ends with its body.
        What cannot be called is returned unchanged.
        """
        # Any: a plain function, a coroutine function or a generator function.
        call: Any = function

        def step() -> StepBlock:
            return StepBlock(self._nesting, self._begin, self._end)

        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with step():
                async with aclosing(call(*args, **kwargs)) as values:
                    async for value in values:
                        yield value

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with step():
                return await call(*args, **kwargs)

        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with step():
                return (yield from call(*args, **kwargs))

        def plain(*args: Any, **kwargs: Any) -> Any:
            with step():
                return call(*args, **kwargs)

        wrapper: Callable[..., Any]
        if inspect.isasyncgenfunction(function):
            wrapper = async_generator
        elif inspect.iscoroutinefunction(function):
            wrapper = coroutine
        elif inspect.isgeneratorfunction(function):
            wrapper = generator
        elif callable(call):
            wrapper = plain
        else:
            return function
        return cast(Function, functools.wraps(function)(wrapper))
