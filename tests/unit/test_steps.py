"""Steps of tests are matched with the steps of their test case."""

from __future__ import annotations

import pytest

from pytest_zephyr.client.entities import CaseStep
from pytest_zephyr.client.executions import StepWrite
from pytest_zephyr.push.steps import match
from pytest_zephyr.push.steps import step_writes
from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import Step
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from tests.unit.make import node


CASE = [
    CaseStep(1, "<p>Open the&nbsp;<b>page</b></p>"),
    CaseStep(2, "Log in"),
    CaseStep(4, "log  IN"),
]


def node_with(*steps: Step, outcome: Outcome = Outcome.PASSED) -> NodeResult:
    return node(outcome, evidence=Evidence(steps=steps))


@pytest.mark.parametrize(
    ("label", "number"),
    [
        pytest.param(2, 2, id="number"),
        pytest.param(4, 4, id="number after a gap"),
        pytest.param(3, None, id="number that is not there"),
        pytest.param("Open the page", 1, id="markup"),
        pytest.param("  OPEN\nthe  page ", 1, id="white space and case"),
        pytest.param("log in", 2, id="first of two"),
        pytest.param("log out", None, id="another text"),
        pytest.param("2", None, id="a digit is a text"),
    ],
)
def test_a_step_is_matched_by_number_or_text(label, number):
    step = Step(1, label, outcome="passed")
    matched = match([node_with(step)], CASE)

    assert matched.by_number == ({number: step} if number else {})
    assert matched.others == (() if number else (step,))


def test_the_worst_of_several_equal_steps_decides():
    """A test with parameters, or a loop, repeats a step."""
    outcomes = ("passed", "failed", "passed")
    steps = [Step(number, 2, outcome=each) for number, each in enumerate(outcomes)]

    assert match([node_with(each) for each in steps], CASE).by_number == {2: steps[1]}
    assert match([node_with(*steps)], CASE).by_number == {2: steps[1]}


def test_a_crash_fails_only_the_step_that_it_interrupted():
    done, open_step = Step(1, 1, outcome="passed"), Step(2, 2)
    crashed = match(
        [node_with(done, open_step, outcome=Outcome.CRASHED)], CASE
    ).by_number
    stopped = match([node_with(done, open_step, outcome=Outcome.UNRUN)], CASE).by_number

    assert [step.outcome for step in crashed.values()] == ["passed", "failed"]
    assert [step.outcome for step in stopped.values()] == ["passed", ""]


def test_only_steps_that_passed_or_failed_are_written():
    steps = {
        1: Step(1, 1, outcome="passed", at=5),
        2: Step(2, 2, outcome="failed", comment="1 < 2", at=6),
        3: Step(3, 3, outcome="skipped"),
        4: Step(4, 4, outcome="interrupted"),
        5: Step(5, 5),
    }

    assert step_writes(9, steps) == [
        StepWrite(9, 1, "1", 5),
        StepWrite(9, 2, "2", 6, "1 &lt; 2"),
    ]


@pytest.mark.parametrize(
    ("written", "in_zephyr"),
    [
        ("a < b", "a < b"),
        ("a < b", "<p>a &lt; b</p>"),
        ("press <Enter>", "press &lt;Enter&gt;"),
        ("press <Enter>", "press <Enter>"),
        ("STRASSE", "stra\u00dfe"),
        ("a b", "a\u00a0b"),
    ],
)
def test_markup_case_and_spaces_make_no_difference(written, in_zephyr):
    step = Step(1, written, outcome="passed")

    assert match([node_with(step)], [CaseStep(1, in_zephyr)]).by_number == {1: step}
