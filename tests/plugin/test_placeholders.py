"""The journal of a session has the names with their placeholders filled in."""

from __future__ import annotations

from datetime import datetime
import json
import re

import pytest


@pytest.fixture
def fill_cycle(pytester, run_pytest, monkeypatch):
    """Return a function that runs a test, with *name* as the name of the cycle.

    The function returns the name in the journal, or what pytest printed if the name was
    refused.
    """
    monkeypatch.setenv("ZEPHYR_PUSH", "never")
    pytester.makepyfile("def test_a(): pass")

    def run(name: str, *args: str) -> str:
        ran = run_pytest("--zephyr", f"--zephyr-cycle={name}", *args)
        if ran.ret:
            assert ran.ret == pytest.ExitCode.USAGE_ERROR
            return str(ran.text)
        header = json.loads(
            ran.journals[-1].read_text(encoding="utf-8").splitlines()[0]
        )
        return str(header["options"]["cycle"])

    return run


#: Variables that CI services set for build 12, from commit c0ffee on branch main. The
#: value of ``{run}`` is 7-2 if `OTHER_RUNS` has no other.
SERVICES = {
    "GitHub Actions": {
        "GITHUB_RUN_ID": "7-2", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_RUN_NUMBER": "12",
        "GITHUB_REF_NAME": "main", "GITHUB_SHA": "c0ffee",
    },
    "GitLab": {
        "CI_PIPELINE_ID": "7-2", "CI_PIPELINE_IID": "12", "CI_COMMIT_REF_NAME": "main",
        "CI_COMMIT_SHA": "c0ffee",
    },
    "Jenkins": {
        "BUILD_TAG": "7-2", "BUILD_NUMBER": "12", "GIT_BRANCH": "main",
        "GIT_COMMIT": "c0ffee",
    },
    "Azure Pipelines": {
        "BUILD_BUILDID": "7-2", "SYSTEM_JOBATTEMPT": "2", "BUILD_BUILDNUMBER": "12",
        "BUILD_SOURCEBRANCHNAME": "main", "BUILD_SOURCEVERSION": "c0ffee",
    },
    "Bitbucket": {
        "BITBUCKET_BUILD_NUMBER": "12", "BITBUCKET_BRANCH": "main",
        "BITBUCKET_COMMIT": "c0ffee",
    },
    "CircleCI": {
        "CIRCLE_WORKFLOW_ID": "7-2", "CIRCLE_BUILD_NUM": "12", "CIRCLE_BRANCH": "main",
        "CIRCLE_SHA1": "c0ffee",
    },
    "TeamCity": {
        "TEAMCITY_BUILDCONF_NAME": "7", "BUILD_NUMBER": "12",
        "TEAMCITY_BUILD_BRANCH": "main", "BUILD_VCS_NUMBER": "c0ffee",
    },
    "Buildkite": {
        "BUILDKITE_BUILD_ID": "7-2", "BUILDKITE_BUILD_NUMBER": "12",
        "BUILDKITE_BRANCH": "main", "BUILDKITE_COMMIT": "c0ffee",
    },
}  # fmt: skip

#: The value of ``{run}`` on the services whose variables give another one than 7-2.
OTHER_RUNS = {"Bitbucket": "12", "TeamCity": "7-12"}


@pytest.mark.parametrize("service", SERVICES)
def test_ci_service_names_build_branch_commit_and_run(fill_cycle, monkeypatch, service):
    for name, value in SERVICES[service].items():
        monkeypatch.setenv(name, value)

    run = OTHER_RUNS.get(service, "7-2")
    assert fill_cycle("{build} {branch} {commit} {run}") == f"12 main c0ffee {run}"


def test_date_and_time_are_the_local_ones(fill_cycle):
    before = f"{datetime.now():%Y-%m-%d %H-%M}"
    name = fill_cycle("{date} {time}")
    after = f"{datetime.now():%Y-%m-%d %H-%M}"

    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d-\d\d", name)
    assert before <= name <= after


def test_flags_win_over_the_ci_service(fill_cycle, monkeypatch):
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    monkeypatch.setenv("GITHUB_RUN_NUMBER", "12")

    name = fill_cycle("{build} {run}", "--zephyr-build=2.1", "--zephyr-run-key=night")
    assert name == "2.1 night"


def test_variable_of_the_environment_is_filled_in(fill_cycle, monkeypatch):
    monkeypatch.setenv("STAGE", "acceptance")

    assert fill_cycle("{env:STAGE}") == "acceptance"


@pytest.mark.parametrize(
    "value",
    ["no\u00a0break", "joined \U0001f468\u200d\U0001f4bb", "x\u200by"],
    ids=["no-break space", "emoji", "zero width space"],
)
def test_a_push_accepts_the_name_that_its_session_had(
    fill_cycle, monkeypatch, run_command, value
):
    monkeypatch.setenv("STAGE", value)

    assert fill_cycle("{env:STAGE}") == value
    assert "invalid" not in run_command("push").text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("   ", "it is empty"),
        ("a\tb", "it has a control character"),
        ("a\u2028b", "it has a control character"),
    ],
    ids=["blank", "tab", "line separator"],
)
def test_variable_with_an_invalid_value_is_a_usage_error(
    fill_cycle, monkeypatch, value, message
):
    monkeypatch.setenv("STAGE", value)
    text = fill_cycle("{env:STAGE}")

    assert message in text
    assert "--zephyr-cycle" in text


def test_doubled_braces_are_no_placeholder(fill_cycle):
    """They stay doubled in the journal, so that a push reads them as braces, too."""
    assert fill_cycle("{{date}}") == "{{date}}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{dat}", "{dat} is not a placeholder. Did you mean {date}?"),
        ("{}", "{} is not a placeholder"),
        ("{branch}", "{branch} has no value here; the CI service names no branch"),
        ("{build}", "set zephyr_build"),
        ("{run}", "run the tests with zephyr_run_key"),
        ("{env:ABSENT}", "the variable ABSENT of {env:ABSENT} is not set"),
    ],
)
def test_placeholder_that_is_unknown_or_has_no_value_is_a_usage_error(
    fill_cycle, name, message
):
    text = fill_cycle(name)

    assert message in text
    assert "--zephyr-cycle" in text
