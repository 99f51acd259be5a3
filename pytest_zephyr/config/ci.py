"""What the CI service says about the run it started.

Known are GitHub Actions, GitLab, Jenkins, Azure Pipelines, Bitbucket, CircleCI,
TeamCity and Buildkite, by the variables they set.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from urllib.parse import urlsplit
from urllib.parse import urlunsplit


#: Variables that name one run over all its jobs and their attempts.
_RUN_KEYS: tuple[tuple[str, ...], ...] = (
    ("GITHUB_RUN_ID",),
    ("CI_PIPELINE_ID",),
    ("BUILD_BUILDID",),
    ("BITBUCKET_BUILD_NUMBER",),
    ("CIRCLE_WORKFLOW_ID",),
    ("BUILDKITE_BUILD_ID",),
    ("BUILD_TAG",),
    ("TEAMCITY_BUILDCONF_NAME", "BUILD_NUMBER"),
)

_BUILDS = (
    "GITHUB_RUN_NUMBER",
    "CI_PIPELINE_IID",
    "BUILD_BUILDNUMBER",
    "BITBUCKET_BUILD_NUMBER",
    "CIRCLE_BUILD_NUM",
    "BUILDKITE_BUILD_NUMBER",
    # Jenkins and TeamCity.
    "BUILD_NUMBER",
)

_BRANCHES = (
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_COMMIT_REF_NAME",
    "BUILD_SOURCEBRANCHNAME",
    "BITBUCKET_BRANCH",
    "CIRCLE_BRANCH",
    "BUILDKITE_BRANCH",
    "BRANCH_NAME",
    "GIT_BRANCH",
    "TEAMCITY_BUILD_BRANCH",
)

_COMMITS = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BUILD_SOURCEVERSION",
    "BITBUCKET_COMMIT",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
    "GIT_COMMIT",
    "BUILD_VCS_NUMBER",
)


_JOB_URLS = (
    "CI_JOB_URL",
    "CIRCLE_BUILD_URL",
    "BUILDKITE_BUILD_URL",
    # Jenkins.
    "BUILD_URL",
)

#: A variable with an address, variables to fill in, and the way from one to the page.
_JOB_PAGES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "GITHUB_SERVER_URL",
        ("GITHUB_REPOSITORY", "GITHUB_RUN_ID"),
        "/{}/actions/runs/{}",
    ),
    (
        "SYSTEM_COLLECTIONURI",
        ("SYSTEM_TEAMPROJECT", "BUILD_BUILDID"),
        "/{}/_build/results?buildId={}",
    ),
    (
        "BITBUCKET_GIT_HTTP_ORIGIN",
        ("BITBUCKET_BUILD_NUMBER",),
        "/pipelines/results/{}",
    ),
)


#: Variables whose number grows with every attempt of a job. On GitLab each attempt is a
#: job of its own with the same name.
_ATTEMPTS = ("GITHUB_RUN_ATTEMPT", "SYSTEM_JOBATTEMPT", "CI_JOB_ID")

_CHECKOUTS = (
    "GITHUB_WORKSPACE",
    "CI_PROJECT_DIR",
    "BUILD_SOURCESDIRECTORY",
    "BITBUCKET_CLONE_DIR",
    "BUILDKITE_BUILD_CHECKOUT_PATH",
    # Jenkins.
    "WORKSPACE",
)


def run_key(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the key of the run in *environ* and the variable it came from."""
    for names in _RUN_KEYS:
        if environ.get(names[0]):
            key = "-".join(environ[name] for name in names if environ.get(name))
            return key, names[0]
    return None


def build(environ: Mapping[str, str]) -> str:
    """Return the number of the build, empty if no service names it."""
    return _first(environ, _BUILDS)


def branch(environ: Mapping[str, str]) -> str:
    """Return the branch that is built, empty if no service names it."""
    return _first(environ, _BRANCHES)


def commit(environ: Mapping[str, str]) -> str:
    """Return the commit that is built, empty if no service names it."""
    return _first(environ, _COMMITS)


def attempt(environ: Mapping[str, str]) -> int:
    """Return the number that grows with every attempt of a job, 0 if there is none."""
    found = _first(environ, _ATTEMPTS)
    if found and found == environ.get("CI_JOB_ID") and not environ.get("CI_JOB_NAME"):
        return 0
    return int(found) if found.isascii() and found.isdigit() else 0


def checkout(environ: Mapping[str, str]) -> str:
    """Return the directory of the source code, empty if no service names it."""
    return _first(environ, _CHECKOUTS)


def job_url(environ: Mapping[str, str]) -> str:
    """Return the page of the job that runs, empty if no service tells it."""
    given = _first(environ, _JOB_URLS)
    for base, names, template in _JOB_PAGES:
        if not given and all(environ.get(name) for name in (base, *names)):
            filling = (quote(environ[name], safe="/") for name in names)
            given = environ[base].rstrip("/") + template.format(*filling)
    try:
        parts = urlsplit(given)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"}:
        return ""
    # A name and password that a service was set up with are nobody's business.
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")
