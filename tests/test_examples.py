"""Every example runs as its README says, and the server holds what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_zephyr.sandbox import Store


EXAMPLES = Path(__file__).parent.parent / "examples"

#: What the embedded server holds after each example: case or Alt ID to status.
EXPECTED = {
    "markers": dict.fromkeys(range(201, 209), "1"),
    "quickstart": {101: "1", 102: "1", 103: "1", 105: None, "AUTH-7": "4"},
}


def test_every_example_is_listed():
    found = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}

    assert found == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example_runs(pytester, name):
    pytester.copy_example(name)
    result = pytester.runpytest_subprocess("--zephyr", "--zephyr-url=sandbox")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["look at phase *: run pytest-zephyr sandbox --db *"])
    assert held(pytester.path / ".zephyr" / "sandbox.db") == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example_has_a_readme(name):
    assert (EXAMPLES / name / "README.md").read_text(encoding="utf-8").startswith("# ")


def held(database: Path) -> dict[int | str, str | None]:
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
    return {each.alt or each.testcase_id: each.status for each in executions}
