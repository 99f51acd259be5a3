"""Switches: how strict the sandbox is."""

from __future__ import annotations

import pytest
import requests

from pytest_zephyr.sandbox import Sandbox


def test_switches_are_set_from_a_script(sandbox: Sandbox) -> None:
    """All are 0 at first; switches that are not sent keep their values."""
    url = f"{sandbox.url}/sandbox/switches"

    before = requests.get(url, timeout=30).json()
    after = requests.post(url, json={"free_cycle_dates": 1}, timeout=30).json()

    assert before == {"batch_limit": 0, "free_cycle_dates": 0}
    assert after == {"batch_limit": 0, "free_cycle_dates": 1}
    assert sandbox.store.get_switch("free_cycle_dates") == 1


@pytest.mark.parametrize(
    "body", [{"colour": 1}, {"batch_limit": "many"}, {"batch_limit": -1}, []], ids=str
)
def test_wrong_switch_is_refused(sandbox: Sandbox, body: object) -> None:
    """The answer is 400, and nothing changes."""
    url = f"{sandbox.url}/sandbox/switches"
    answer = requests.post(url, json=body, timeout=30)

    assert answer.status_code == 400
    assert requests.get(url, timeout=30).json() == {
        "batch_limit": 0,
        "free_cycle_dates": 0,
    }


def test_switches_are_set_on_the_page(sandbox: Sandbox) -> None:
    """The page for faults also has a form for switches."""
    form = {"batch_limit": "500", "free_cycle_dates": "0"}
    url = f"{sandbox.url}/sandbox/switches"

    page = requests.post(url, data=form, timeout=30)

    assert page.url == f"{sandbox.url}/sandbox/"
    assert 'name="batch_limit" type="number" min="0" value="500"' in page.text
    assert sandbox.store.get_switch("batch_limit") == 500
    wrong = requests.post(url, data={"batch_limit": ""}, timeout=30)
    assert (wrong.status_code, "batch_limit cannot be null" in wrong.text) == (
        400,
        True,
    )
