"""Steps in the code of tests: a context manager, and a decorator of any function."""

from __future__ import annotations

from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Generator
from contextlib import aclosing
from contextvars import ContextVar
import functools
import inspect
from types import TracebackType
from typing import Any
from typing import cast
from typing import TypeVar

from pytest_zephyr.results.evidence import Step


Function = TypeVar("Function", bound=Callable[..., Any])


class Nesting:
    """The steps of one test; what another one left open makes them no deeper."""

    @property
    def depth(self) -> int:
        whose, depth = _depth.get()
        return depth if whose is self else 0

    @depth.setter
    def depth(self, depth: int) -> None:
        _depth.set((self, depth))


_depth: ContextVar[tuple[Nesting | None, int]] = ContextVar(
    "zephyr_step_depth", default=(None, 0)
)


class StepBlock:
    """One step of a test, or of every call of a function that it decorates."""

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        step = self._open.pop()
        # Not reset by a token: a fixture may be ended in another context.
        self._nesting.depth = step.depth
        self._end(step, error)

    def _again(self) -> StepBlock:
        return StepBlock(self._nesting, self._begin, self._end)

    def __call__(self, function: Function) -> Function:
        wrap = next((wrap for is_kind, wrap in _WRAPPERS if is_kind(function)), None)
        if wrap is None:
            return function
        return cast(Function, functools.wraps(function)(wrap(function, self._again)))


def _async_generator(function: Any, again: Callable[[], StepBlock]) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with again():
            async with aclosing(function(*args, **kwargs)) as values:
                async for value in values:
                    yield value

    return wrapper


def _coroutine(function: Any, again: Callable[[], StepBlock]) -> Any:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with again():
            return await function(*args, **kwargs)

    return wrapper


def _generator(function: Any, again: Callable[[], StepBlock]) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with again():
            return (yield from function(*args, **kwargs))

    return wrapper


def _plain(function: Any, again: Callable[[], StepBlock]) -> Any:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with again():
            return function(*args, **kwargs)

    return wrapper


#: How a function is wrapped so that a step lasts as long as what it does.
_WRAPPERS: tuple[tuple[Callable[[object], bool], Callable[..., Any]], ...] = (
    (inspect.isasyncgenfunction, _async_generator),
    (inspect.iscoroutinefunction, _coroutine),
    (inspect.isgeneratorfunction, _generator),
    (callable, _plain),
)
