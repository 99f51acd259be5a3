"""Facts about a run that CI services put into environment variables."""

from __future__ import annotations

import pytest

from pytest_zephyr.config import ci
from pytest_zephyr.config.ci import run_key


@pytest.mark.parametrize(
    ("environ", "key", "source"),
    [
        pytest.param(
            {"GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "2"},
            "77",
            "GITHUB_RUN_ID",
            id="GitHub, second attempt",
        ),
        pytest.param({"GITHUB_RUN_ID": "77"}, "77", "GITHUB_RUN_ID", id="GitHub"),
        pytest.param({"CI_PIPELINE_ID": "9"}, "9", "CI_PIPELINE_ID", id="GitLab"),
        pytest.param(
            {"BUILD_BUILDID": "5", "SYSTEM_JOBATTEMPT": "1"},
            "5",
            "BUILD_BUILDID",
            id="Azure",
        ),
        pytest.param(
            {"BITBUCKET_BUILD_NUMBER": "3"},
            "3",
            "BITBUCKET_BUILD_NUMBER",
            id="Bitbucket",
        ),
        pytest.param(
            {"CIRCLE_WORKFLOW_ID": "ab"}, "ab", "CIRCLE_WORKFLOW_ID", id="CircleCI"
        ),
        pytest.param(
            {"BUILDKITE_BUILD_ID": "cd"}, "cd", "BUILDKITE_BUILD_ID", id="Buildkite"
        ),
        pytest.param(
            {"BUILD_TAG": "jenkins-pay-4", "BUILD_NUMBER": "4"},
            "jenkins-pay-4",
            "BUILD_TAG",
            id="Jenkins",
        ),
        pytest.param(
            {"TEAMCITY_BUILDCONF_NAME": "Pay", "BUILD_NUMBER": "4"},
            "Pay-4",
            "TEAMCITY_BUILDCONF_NAME",
            id="TeamCity",
        ),
    ],
)
def test_a_service_names_its_run(environ, key, source):
    """The number of an attempt is not part of the key."""
    assert run_key(environ) == (key, source)


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="none"),
        pytest.param({"GITHUB_RUN_ID": ""}, id="empty"),
        pytest.param({"GITHUB_RUN_ATTEMPT": "2"}, id="attempt only"),
        pytest.param({"BUILD_NUMBER": "4"}, id="number that is not unique"),
    ],
)
def test_without_a_variable_that_names_the_run_there_is_no_key(environ):
    """An empty variable counts as not set."""
    assert run_key(environ) is None


@pytest.mark.parametrize(
    ("environ", "build", "branch", "commit"),
    [
        pytest.param(
            {
                "GITHUB_RUN_NUMBER": "12",
                "GITHUB_HEAD_REF": "",
                "GITHUB_REF_NAME": "main",
                "GITHUB_SHA": "abc",
            },
            "12",
            "main",
            "abc",
            id="GitHub",
        ),
        pytest.param(
            {
                "GITHUB_RUN_NUMBER": "12",
                "GITHUB_HEAD_REF": "topic",
                "GITHUB_REF_NAME": "7/merge",
                "GITHUB_SHA": "abc",
            },
            "12",
            "topic",
            "abc",
            id="GitHub, pull request",
        ),
        pytest.param(
            {
                "CI_PIPELINE_IID": "12",
                "CI_COMMIT_REF_NAME": "main",
                "CI_COMMIT_SHA": "abc",
            },
            "12",
            "main",
            "abc",
            id="GitLab",
        ),
        pytest.param(
            {"BUILD_NUMBER": "12", "BRANCH_NAME": "main", "GIT_COMMIT": "abc"},
            "12",
            "main",
            "abc",
            id="Jenkins",
        ),
        pytest.param(
            {
                "BUILD_BUILDNUMBER": "20261123.1",
                "BUILD_SOURCEBRANCHNAME": "main",
                "BUILD_SOURCEVERSION": "abc",
            },
            "20261123.1",
            "main",
            "abc",
            id="Azure",
        ),
        pytest.param(
            {
                "BITBUCKET_BUILD_NUMBER": "12",
                "BITBUCKET_BRANCH": "main",
                "BITBUCKET_COMMIT": "abc",
            },
            "12",
            "main",
            "abc",
            id="Bitbucket",
        ),
        pytest.param(
            {"CIRCLE_BUILD_NUM": "12", "CIRCLE_BRANCH": "main", "CIRCLE_SHA1": "abc"},
            "12",
            "main",
            "abc",
            id="CircleCI",
        ),
        pytest.param(
            {
                "BUILDKITE_BUILD_NUMBER": "12",
                "BUILDKITE_BRANCH": "main",
                "BUILDKITE_COMMIT": "abc",
            },
            "12",
            "main",
            "abc",
            id="Buildkite",
        ),
        pytest.param(
            {
                "BUILD_NUMBER": "12",
                "TEAMCITY_BUILD_BRANCH": "main",
                "BUILD_VCS_NUMBER": "abc",
            },
            "12",
            "main",
            "abc",
            id="TeamCity",
        ),
        pytest.param({}, "", "", "", id="none"),
    ],
)
def test_a_service_names_build_branch_and_commit(environ, build, branch, commit):
    """An empty variable counts as not set."""
    facts = tuple(ci.find(environ, fact) for fact in ("build", "branch", "commit"))

    assert facts == (build, branch, commit)


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        pytest.param(
            {
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "acme/pay",
                "GITHUB_RUN_ID": "7",
            },
            "https://github.com/acme/pay/actions/runs/7",
            id="GitHub",
        ),
        pytest.param(
            {"CI_JOB_URL": "https://gitlab.example/a/-/jobs/7"},
            "https://gitlab.example/a/-/jobs/7",
            id="GitLab",
        ),
        pytest.param(
            {"BUILD_URL": "https://jenkins.example/job/pay/7/"},
            "https://jenkins.example/job/pay/7/",
            id="Jenkins",
        ),
        pytest.param(
            {
                "SYSTEM_COLLECTIONURI": "https://dev.azure.com/acme/",
                "SYSTEM_TEAMPROJECT": "Pay Team",
                "BUILD_BUILDID": "7",
            },
            "https://dev.azure.com/acme/Pay%20Team/_build/results?buildId=7",
            id="Azure",
        ),
        pytest.param(
            {
                "BITBUCKET_GIT_HTTP_ORIGIN": "https://bitbucket.org/acme/pay",
                "BITBUCKET_BUILD_NUMBER": "7",
            },
            "https://bitbucket.org/acme/pay/pipelines/results/7",
            id="Bitbucket",
        ),
        pytest.param(
            {"CIRCLE_BUILD_URL": "https://circleci.com/gh/acme/pay/7"},
            "https://circleci.com/gh/acme/pay/7",
            id="CircleCI",
        ),
        pytest.param(
            {"BUILDKITE_BUILD_URL": "https://buildkite.com/acme/pay/builds/7"},
            "https://buildkite.com/acme/pay/builds/7",
            id="Buildkite",
        ),
        pytest.param(
            {"BUILD_URL": "https://bot:hunter2@jenkins.example/job/pay/7/"},
            "https://jenkins.example/job/pay/7/",
            id="credential is removed",
        ),
        pytest.param({"BUILD_URL": "file:///etc/passwd"}, "", id="path of a file"),
        pytest.param({"BUILD_URL": "http://[broken"}, "", id="invalid address"),
        pytest.param(
            {"GITHUB_SERVER_URL": "https://github.com"},
            "",
            id="repository and run are missing",
        ),
        pytest.param({}, "", id="none"),
    ],
)
def test_a_service_names_the_page_of_the_job_or_of_its_run(environ, url):
    """Only an address of a web page is used."""
    assert ci.job_url(environ) == url
