"""``--zephyr-report`` writes the result of every test case, even if the push failed.

On GitHub Actions, a run also writes a job summary and annotations.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_zephyr.sandbox import Fault
from tests.conftest import without_and_with_xdist
from tests.unit.test_report import SCHEMA


SUITE = """
    import pytest

    @pytest.mark.zephyr(101)
    def test_ok(): pass

    @pytest.mark.zephyr(102, 103)
    def test_red(): assert 1 == 2

    @pytest.mark.zephyr(104)
    def test_later(): pytest.skip("later")

    @pytest.mark.zephyr(999)
    def test_unknown(): pass

    @pytest.mark.zephyr("x")
    def test_invalid(): pass

    def test_unmarked(): pass
"""


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(test_shop=SUITE)


def read_run(path: Path) -> Any:
    """Check a report file against the documented schema and return its only run."""
    document = json.loads(path.read_text("utf-8"))
    jsonschema.validate(document, SCHEMA)
    (run,) = document["runs"]
    return run


def cases_by_id(run: Any) -> dict[Any, Any]:
    """Return the test cases of *run* by id, or by name if they have none."""
    return {each["id"] or each["name"]: each for each in run["test_cases"]}


@pytest.mark.usefixtures("suite")
def test_report_has_every_test_case_and_test(run_zephyr, pytester, target):
    ran = run_zephyr("--zephyr-report=out/{run}.json", "--zephyr-run-key=a/b")

    run = read_run(pytester.path / "out" / "a-b.json")
    cases = cases_by_id(run)
    assert "Report: out/a-b.json" in ran.text
    assert {case: each["action"] for case, each in cases.items()} == {
        101: "reported", 102: "reported", 103: "reported", 104: "unchanged", 999: "refused"
    }  # fmt: skip
    assert (cases[101]["status"], cases[102]["status"]) == ("Pass", "Fail")
    assert cases[101]["name"] == "Test case 101"
    assert cases[101]["execution"] == target.execution(101).id
    assert cases[102]["tests"][0]["nodeid"] == "test_shop.py::test_red"
    assert "assert 1 == 2" in cases[102]["tests"][0]["message"]
    assert cases[104]["reason"] == "skipped"
    assert "not known to Zephyr" in cases[999]["reason"]
    assert [
        (each["nodeid"], each["invalid_marker"])
        for each in run["tests_without_test_case"]
    ] == [("test_shop.py::test_unmarked", False), ("test_shop.py::test_invalid", True)]
    assert run["statuses"] == {"Pass": 1, "Fail": 2}
    assert run["url"] in ran.text
    assert [each["code"] for each in run["problems"]] == ["unknown-case"]


@pytest.mark.usefixtures("suite")
@pytest.mark.parametrize("args", without_and_with_xdist(2))
def test_report_of_a_run_that_sends_nothing_has_the_reason(run_zephyr, pytester, args):
    run_zephyr(
        "--zephyr-push=never", "--zephyr-report=r.json", *args, subprocess=bool(args)
    )

    run = read_run(pytester.path / "r.json")
    assert run["counts"]["not_sent"] == 4
    assert cases_by_id(run)[101]["reason"] == "zephyr_push is never"
    assert cases_by_id(run)[104]["action"] == "unchanged"
    assert not run["complete"]


@pytest.mark.usefixtures("suite")
def test_status_is_not_checked_for_the_report_of_a_run_that_sends_nothing(
    run_zephyr, pytester
):
    """Only the server knows which statuses it has."""
    run_zephyr(
        "--zephyr-push=never", "--zephyr-report=r.json",
        "--zephyr-status-map=passed=Waived",
    )  # fmt: skip

    case = cases_by_id(read_run(pytester.path / "r.json"))[101]
    assert (case["action"], case["reason"]) == ("not_sent", "zephyr_push is never")


@pytest.mark.usefixtures("suite")
def test_report_of_a_failed_push_has_the_reason(run_zephyr, pytester, target):
    target.sandbox.faults.add(Fault("PUT", "*bulk/execute", status=403, times=None))
    run_zephyr("--zephyr-report=r.json")

    run = read_run(pytester.path / "r.json")
    assert run["counts"]["reported"] == 0
    assert "permission" in cases_by_id(run)[101]["reason"]
    assert run["problems"][-1]["more"][0].startswith("send them later with: ")


@pytest.mark.usefixtures("suite")
def test_report_is_written_when_the_sender_fails(run_zephyr, pytester, monkeypatch):
    """The test process writes it, from the journal and the receipts in it."""
    monkeypatch.setattr("pytest_zephyr.journal.runs.prune", lambda *_args: 1 / 0)
    run_zephyr("--zephyr-report=r.json")

    run = read_run(pytester.path / "r.json")
    assert cases_by_id(run)[101]["action"] == "reported"
    assert cases_by_id(run)[999]["action"] == "not_sent"
    assert run["problems"][-1]["code"] == "bug"


@pytest.mark.usefixtures("suite")
def test_report_of_a_dry_run_has_what_would_be_reported(run_zephyr, pytester, target):
    run_zephyr("--zephyr-dry-run", "--zephyr-report=r.md")

    text = (pytester.path / "r.md").read_text("utf-8")
    assert (
        "| 102 | Test case 102 | Fail | failed | would be reported |"
        " `test_shop.py::test_red` |\n"
    ) in text
    assert target.writes == []


@pytest.mark.usefixtures("suite")
def test_report_of_a_dry_run_that_failed_says_that_it_was_one(
    run_zephyr, pytester, target
):
    fault = Fault("GET", "*execution", status=403, times=None)
    target.sandbox.faults.add(fault)
    run_zephyr("--zephyr-dry-run", "--zephyr-report=r.json")

    run = read_run(pytester.path / "r.json")
    assert run["dry_run"] is True
    assert cases_by_id(run)[101]["action"] == "not_sent"


@pytest.mark.usefixtures("suite")
def test_report_that_cannot_be_written_is_named(run_zephyr, pytester, target):
    (pytester.path / "out").write_text("")
    ran = run_zephyr("--zephyr-report=out/r.json", "--zephyr-comment=never")

    assert (
        "zephyr: the report out/r.json (zephyr_report) cannot be written: " in ran.text
    )
    assert target.statuses()[101] == "1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("r.txt", "expected a file that ends in .json or .md"),
        ("{branch}.json", "the CI service names no branch"),
    ],
)
def test_report_with_a_wrong_name_is_a_usage_error(run_zephyr, name, message):
    ran = run_zephyr(f"--zephyr-report={name}", check_exit_code=False)

    assert ran.ret == 4
    assert "invalid zephyr_report" in ran.text
    assert message in ran.text


@pytest.mark.usefixtures("suite")
def test_push_writes_one_report_file_for_all_runs(run_zephyr, pytester, run_command):
    for _ in range(2):
        run_zephyr("--zephyr-push=never")
    done = run_command("push", "--zephyr-report", "r.json")

    document = json.loads((pytester.path / "r.json").read_text("utf-8"))
    jsonschema.validate(document, SCHEMA)
    assert "Report: r.json" in done.out
    assert [run["counts"]["reported"] for run in document["runs"]] == [3, 3]


@pytest.fixture
def on_github(monkeypatch, tmp_path):
    """Set the variables of GitHub Actions; return the path of the job summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path / "summary.md"


@pytest.mark.usefixtures("suite")
def test_github_gets_a_job_summary_and_annotations(run_zephyr, on_github, target):
    """They contain no secret, and the summary keeps what other steps wrote."""
    on_github.write_text("before\n", encoding="utf-8")
    ran = run_zephyr("-q")

    text = on_github.read_text("utf-8")
    assert text.startswith("before\n### Test results in Zephyr\n")
    assert "5 test cases: 3 reported (1 Pass, 2 Fail), 1 unchanged (skipped)" in text
    assert "- test case 999 is not known to Zephyr. " in text
    ran.result.stdout.fnmatch_lines(
        ["::warning title=pytest-zephyr::test case 999 is not known to Zephyr*"]
    )
    assert target.sandbox.token not in text + ran.text


@pytest.mark.usefixtures("suite")
def test_push_on_github_writes_summary_and_annotations(
    run_zephyr, run_command, on_github
):
    run_zephyr("--zephyr-push=never")
    on_github.unlink()
    done = run_command("push")

    assert "5 test cases: 3 reported" in on_github.read_text("utf-8")
    assert "\n::warning title=pytest-zephyr::test case 999 " in done.out


@pytest.mark.usefixtures("suite")
def test_job_summary_that_cannot_be_written_is_named(run_zephyr, on_github):
    on_github.mkdir()
    ran = run_zephyr()

    assert "zephyr: the summary of the job (GITHUB_STEP_SUMMARY) cannot be" in ran.text


@pytest.mark.usefixtures("suite")
def test_there_are_no_annotations_without_github(run_zephyr):
    assert "::warning" not in run_zephyr().text


def test_push_with_a_wrong_setting_in_a_journal_is_annotated(
    run_zephyr, pytester, run_command, on_github
):
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(101)\ndef test_a(): pass\n")
    journal = run_zephyr("--zephyr-push=never", "--zephyr-comment=always").journals[0]
    text = journal.read_text("utf-8").replace('"always"', '"sometimes"')
    journal.write_text(text, encoding="utf-8")
    done = run_command("push")

    problem = (
        f".zephyr/{journal.name}: nothing sent: invalid zephyr_comment 'sometimes'"
    )
    assert f"::error title=pytest-zephyr::{problem}" in done.out
    summary = on_github.read_text("utf-8")
    assert "nothing sent: invalid zephyr\\_comment 'sometimes'" in summary
