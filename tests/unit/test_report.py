"""Report files, annotations and summaries, also with texts that need escapes."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pytest_zephyr.push.summary import replacements
from pytest_zephyr.results.jobs import MergedResults
from pytest_zephyr.results.lines import as_markdown
from pytest_zephyr.results.lines import github_annotations
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import markdown_code
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.results.report import render
from pytest_zephyr.results.report import row_of
from pytest_zephyr.results.report import RunReport
from pytest_zephyr.results.status import Status
from tests.unit.make import result


SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "report.schema.json").read_text("utf-8")
)

GITHUB = {"GITHUB_ACTIONS": "true"}

NODE = NodeResult("test_a.py::test_x[a|`b`\ud800]", Outcome.FAILED, (101,))


def render_report(suffix: str, *lines: Line) -> str:
    """Return a report of two equal runs, each with one refused test case."""
    failed = result(101, status=Status("2", "Fail"), nodes=(NODE,))
    rows = [row_of(failed, "refused", "no | such * case")]
    run = RunReport(
        run="r",
        journals=[],
        server=None,
        target="Payments > <b>1.0</b>",
        dry_run=False,
        lines=lines,
        cases=lambda: rows,
        without_case=[NODE],
    )
    return "".join(render(suffix, [run, run]))


def test_json_of_any_text_follows_the_schema():
    document = json.loads(
        render_report(".json", Line("a\n%", "error", ("b",), "not-sent"))
    )

    jsonschema.validate(document, SCHEMA)
    (run, _again) = document["runs"]
    assert run["counts"]["refused"] == run["counts"]["test_cases"] == 1
    assert run["test_cases"][0]["tests"][0]["nodeid"] == NODE.nodeid
    assert run["problems"] == [
        {"code": "not-sent", "level": "error", "text": "a\n%", "more": ["b"]}
    ]


def test_json_has_each_test_case_on_a_line_of_its_own():
    assert render_report(".json").count('\n{"id": 101, ') == 2


def test_a_test_case_with_any_text_is_one_row_of_markdown():
    text = render_report(".MD", Line("all *well*"))

    assert "## Payments > \\<b>1.0\\</b>\n" in text
    assert "all \\*well\\*\n" in text
    (row, _again) = [line for line in text.splitlines() if line.startswith("| 101 ")]
    cells = row.replace("\\|", "").split(" | ")
    assert len(cells) == 6
    assert "refused: no \\| such \\* case" in row


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain_name", "`plain_name`"),
        ("a`b", "`` a`b ``"),
        ("a|b", r"`a\|b`"),
        ("a\nb\x1b", r"`a\nb\x1b`"),
    ],
)
def test_any_text_is_shown_as_code_on_one_line_of_markdown(text, code):
    assert markdown_code(text) == code


def test_annotations_are_one_line_each_errors_first():
    """Only problems become annotations."""
    lines = [
        Line("20 test cases", "success"),
        Line("odd 100%\n::error::x", "warning", code="remark"),
        Line("no answer", "error", ("send it: pytest-zephyr push",), "error"),
    ]

    assert github_annotations(lines, GITHUB) == [
        "::error title=pytest-zephyr::no answer%0Asend it: pytest-zephyr push",
        "::warning title=pytest-zephyr::odd 100%25%0A::error::x",
    ]


def test_markdown_lists_problems_with_their_command():
    lines = [
        Line("1 test case: 1 refused", "error"),
        Line(
            "<x> is unknown",
            "error",
            ("fix it: first", "send it: pytest-zephyr push `b`"),
            "refused",
        ),
        Line("View results: https://z.example/a_b  (a_b)", url="https://z.example/a_b"),
    ]
    text = "".join(as_markdown(lines))

    assert text.startswith("1 test case: 1 refused\n\n")
    assert "- \\<x> is unknown  \n  fix it: first  \n" in text
    assert "  \n  send it: `` pytest-zephyr push `b` ``\n\nView" in text
    assert "View results: <https://z.example/a_b>  (a\\_b)" in text


def test_github_shows_no_more_than_ten_annotations_of_a_level():
    lines = [
        Line(str(number), level, code="refused")
        for number in range(30)
        for level in ("error", "warning")
    ]
    levels = [each.split()[0] for each in github_annotations(lines, GITHUB)]

    assert levels == ["::error"] * 10 + ["::warning"] * 10


def test_summary_says_how_many_lines_about_attempts_it_leaves_out():
    replaced = {("first", f"attempt-{n}"): 2 for n in range(23)}
    lines = replacements(MergedResults((), replaced=replaced))

    assert [line.text for line in lines[19:]] == [
        "2 results of first.jsonl replaced by a later attempt of the same job, attempt-19.jsonl",
        "and 3 more",
    ]
    assert not any(line.is_problem for line in lines)
