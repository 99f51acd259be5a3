"""Every example but `ci` runs, and its results are in the embedded server."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

import pytest

from pytest_zephyr.sandbox import Store


EXAMPLES = Path(__file__).parent.parent / "examples"

#: The expected status of each test case, by example: `None` if it was not executed. A
#: test case is named by its Alt ID, or by its id if it has none.
EXPECTED_STATUSES: dict[str, dict[int | str, str | None]] = {
    "api": {301: "1", 302: "1", 303: "4"},
    "drift": {801: "1", 802: "1"},
    "gherkin": {701: "1", 702: "1", "CART-2": "1", 703: "1", 704: "1"},
    "junit": {701: "1", "CART-1": "1", 702: "1", 703: "2", 704: None},
    "map": {601: "1", 602: "1", 603: "1", 604: "1", "CART-1": "1"},
    "markers": dict.fromkeys(range(201, 209), "1"),
    "playwright": {501: "1", 502: "2"},
    "quickstart": {101: "1", 102: "1", 103: "1", 105: None, "AUTH-7": "4"},
    "selenium": {401: "1", 402: "1", 403: "2"},
}

#: The names of the files that an example attaches, by test case.
EXPECTED_FILES: dict[str, dict[int | str, list[str]]] = {
    "api": {
        301: ["post_orders.txt", "get_orders_1.txt"],
        302: ["get_orders_999.txt"],
        303: ["post_orders.txt"],
    },
    "junit": {703: ["total.txt"]},
    "playwright": {502: ["test-failed-1.png", "trace.zip"]},
    "selenium": {403: ["screen.png", "page.html"]},
}

#: Examples that run pytest with a test that fails on purpose.
FAILING = {"playwright", "selenium"}

#: Arguments of pytest-zephyr, for examples that do not run pytest.
COMMANDS = {
    "junit": r"import results/shop.xml --zephyr-id-pattern TC-\d+ --push --zephyr-url sandbox"
}


def test_every_example_is_listed():
    examples = {path.name for path in EXAMPLES.iterdir() if path.is_dir()} - {"ci"}

    assert examples == set(EXPECTED_STATUSES)


@pytest.mark.parametrize("name", sorted(EXPECTED_STATUSES))
def test_example_runs(pytester, monkeypatch, name):
    # Enable the plugins that the fixture pytester disables.
    monkeypatch.delenv("PYTEST_ADDOPTS")
    pytester.copy_example(name)
    if name in COMMANDS:
        words = COMMANDS[name].split(" ")
        result = pytester.run(sys.executable, "-m", "pytest_zephyr", *words)
    else:
        result = pytester.runpytest_subprocess("--zephyr", "--zephyr-url=sandbox")
        link = "View results: http://127.0.0.1:*/phase/*"
        start = "  start its server with: * sandbox --db *"
        result.stdout.fnmatch_lines([link, start], consecutive=True)

    assert result.ret == (1 if name in FAILING else 0)
    executions = read_executions(pytester.path / ".zephyr" / "sandbox.db")
    assert {
        case: each.status for case, each in executions.items()
    } == EXPECTED_STATUSES[name]
    assert {
        case: [file for file, _, _ in each.attachments]
        for case, each in executions.items()
        if each.attachments
    } == EXPECTED_FILES.get(name, {})


@pytest.mark.parametrize("name", sorted(EXPECTED_STATUSES))
def test_example_has_a_readme(name):
    assert (EXAMPLES / name / "README.md").read_text(encoding="utf-8").startswith("# ")


def read_executions(database: Path) -> dict[int | str, Any]:
    """Return the executions in a *database* of the sandbox by Alt ID, or else by id."""
    store = Store(database)
    try:
        executions = [
            execution
            for project in store.projects()
            for release in store.releases(project.id)
            for cycle in store.cycles(release.id)
            for phase in store.phases(cycle.id)
            for execution in store.executions(phase.id)
        ]
    finally:
        store.close()
    return {each.alt or each.testcase_id: each for each in executions}
