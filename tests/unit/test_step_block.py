"""Steps as blocks, and as decorators of all kinds of functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import contextmanager
import threading
from typing import Any

import pytest

from pytest_zephyr.plugin.step_block import Nesting
from pytest_zephyr.plugin.step_block import StepBlock
from pytest_zephyr.results.evidence import Step


class StepLog:
    """Records when steps begin and end."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.nesting = Nesting()

    def step(self, label: str) -> StepBlock:
        def begin(depth: int) -> Step:
            self.events.append(f"{'  ' * depth}{label}")
            return Step(len(self.events), label, depth)

        def end(step: Step, error: BaseException | None) -> None:
            why = f" {type(error).__name__}" if error else ""
            self.events.append(f"{'  ' * step.depth}/{step.label}{why}")

        return StepBlock(self.nesting, begin, end)


@pytest.fixture
def log() -> StepLog:
    return StepLog()


def test_steps_are_nested(log):
    with log.step("a"):
        with log.step("b"):
            pass
        with log.step("c"):
            pass
    with log.step("d"):
        pass

    assert log.events == ["a", "  b", "  /b", "  c", "  /c", "/a", "d", "/d"]


def test_a_step_that_one_test_left_open_does_not_indent_those_of_another(log):
    log.step("left").__enter__()
    other = StepLog()
    with other.step("a"), other.step("b"):
        pass

    assert other.events == ["a", "  b", "  /b", "/a"]


def test_a_value_that_is_no_function_is_returned_unchanged(log):
    assert log.step("a")(5) == 5


def test_an_exception_ends_its_steps_and_goes_on(log):
    with pytest.raises(KeyError), log.step("a"), log.step("b"):
        raise KeyError("x")
    with log.step("c"):
        pass

    assert log.events == ["a", "  b", "  /b KeyError", "/a KeyError", "c", "/c"]


def run_plain(log: StepLog) -> object:
    @log.step("a")
    def function(x: int) -> int:
        log.events.append("inside")
        return x

    assert function.__name__ == "function"
    return function(1)


def run_coroutine(log: StepLog) -> object:
    @log.step("a")
    async def function(x: int) -> int:
        await asyncio.sleep(0)
        log.events.append("inside")
        return x

    return asyncio.run(function(1))


def run_generator(log: StepLog) -> object:
    @log.step("a")
    def function(x: int) -> Any:
        log.events.append("inside")
        yield x

    (found,) = function(1)
    return found


def run_async_generator(log: StepLog) -> object:
    @log.step("a")
    async def function(x: int) -> Any:
        log.events.append("inside")
        yield x

    async def collect() -> list[int]:
        return [each async for each in function(1)]

    return asyncio.run(collect())[0]


def run_context_manager(log: StepLog) -> object:
    @contextmanager
    @log.step("a")
    def function(x: int) -> Any:
        yield x

    with function(1) as found:
        log.events.append("inside")
    return found


@pytest.mark.parametrize(
    "run",
    [run_plain, run_coroutine, run_generator, run_async_generator, run_context_manager],
)
def test_a_decorated_function_is_a_step_while_it_runs(
    log: StepLog, run: Callable[[StepLog], object]
) -> None:
    assert run(log) == 1
    assert run(log) == 1
    assert log.events == ["a", "inside", "/a"] * 2


def test_a_decorated_function_may_call_itself(log: StepLog) -> None:
    @log.step("a")
    def count(n: int) -> None:
        if n:
            count(n - 1)

    count(1)

    assert log.events == ["a", "  a", "  /a", "/a"]


def test_tasks_and_threads_do_not_nest_into_each_other(log):
    async def task(label: str) -> None:
        with log.step(label):
            await asyncio.sleep(0)
            with log.step(f"in {label}"):
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(task("a"), task("b"))

    asyncio.run(both())
    with log.step("c"):
        thread = threading.Thread(target=run_plain, args=(log,))
        thread.start()
        thread.join()

    assert [each for each in log.events if not each.strip().startswith("/")] == [
        "a", "b", "  in a", "  in b", "c", "a", "inside"
    ]  # fmt: skip
