"""Read what the CI service says about the run it started.

GitHub Actions, GitLab, Jenkins, Azure Pipelines, Bitbucket, CircleCI, TeamCity and
Buildkite are known by the variables they set.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import Literal
from urllib.parse import quote
from urllib.parse import urlsplit


Fact = Literal["run_key", "build", "branch", "commit", "job_url", "checkout", "attempt"]

# Names of variables; the first one that is set counts. Jenkins and TeamCity set
# BUILD_NUMBER, only Jenkins sets BUILD_URL and WORKSPACE. The run key is the same for all
# jobs of a run and all their attempts; the checkout is the directory of the source code.
# A later attempt has a higher number. On GitLab an attempt is a new job with the same
# name, so the number of the attempt is the id of the job.
_VARIABLES: Mapping[Fact, str] = {
    "run_key": """
        GITHUB_RUN_ID CI_PIPELINE_ID BUILD_BUILDID BITBUCKET_BUILD_NUMBER
        CIRCLE_WORKFLOW_ID BUILDKITE_BUILD_ID BUILD_TAG TEAMCITY_BUILDCONF_NAME
    """,
    "build": """
        GITHUB_RUN_NUMBER CI_PIPELINE_IID BUILD_BUILDNUMBER BITBUCKET_BUILD_NUMBER
        CIRCLE_BUILD_NUM BUILDKITE_BUILD_NUMBER BUILD_NUMBER
    """,
    "branch": """
        GITHUB_HEAD_REF GITHUB_REF_NAME CI_COMMIT_REF_NAME BUILD_SOURCEBRANCHNAME
        BITBUCKET_BRANCH CIRCLE_BRANCH BUILDKITE_BRANCH BRANCH_NAME GIT_BRANCH
        TEAMCITY_BUILD_BRANCH
    """,
    "commit": """
        GITHUB_SHA CI_COMMIT_SHA BUILD_SOURCEVERSION BITBUCKET_COMMIT CIRCLE_SHA1
        BUILDKITE_COMMIT GIT_COMMIT BUILD_VCS_NUMBER
    """,
    "job_url": "CI_JOB_URL CIRCLE_BUILD_URL BUILDKITE_BUILD_URL BUILD_URL",
    "checkout": """
        GITHUB_WORKSPACE CI_PROJECT_DIR BUILD_SOURCESDIRECTORY BITBUCKET_CLONE_DIR
        BUILDKITE_BUILD_CHECKOUT_PATH WORKSPACE
    """,
    "attempt": "GITHUB_RUN_ATTEMPT SYSTEM_JOBATTEMPT CI_JOB_ID",
}

#: The variable with the address of a service, and the path of the page of a run there.
_RUN_PAGES = (
    ("GITHUB_SERVER_URL", "/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"),
    (
        "SYSTEM_COLLECTIONURI",
        "/{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
    ),
    ("BITBUCKET_GIT_HTTP_ORIGIN", "/pipelines/results/{BITBUCKET_BUILD_NUMBER}"),
)


def run_key(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the key of the run and the variable it came from, `None` if none is set."""
    name = next(filter(environ.get, _VARIABLES["run_key"].split()), None)
    if name is None:
        return None
    key = environ[name]
    if name == "TEAMCITY_BUILDCONF_NAME" and (number := environ.get("BUILD_NUMBER")):
        # All runs of a build configuration have the same name.
        key = f"{key}-{number}"
    return key, name


def find(environ: Mapping[str, str], fact: Fact) -> str:
    """Return a *fact* about the run in *environ*, empty if no variable has it."""
    return next(filter(None, map(environ.get, _VARIABLES[fact].split())), "")


def attempt(environ: Mapping[str, str]) -> int:
    """Return the number of the attempt, higher for later ones; 0 if there is none."""
    number = find(environ, "attempt")
    # Without the name of the job, nothing says which jobs are attempts of the same job.
    if number == environ.get("CI_JOB_ID") and not environ.get("CI_JOB_NAME"):
        return 0
    return int(number) if number.isascii() and number.isdigit() else 0


def job_url(environ: Mapping[str, str]) -> str:
    """Return the address of the page of the job or its run, empty without a valid one."""
    url = find(environ, "job_url")
    for base, path in _RUN_PAGES:
        names = re.findall(r"{(\w+)}", path)
        if not url and all(map(environ.get, (base, *names))):
            values = {name: quote(environ[name], safe="/") for name in names}
            url = environ[base].rstrip("/") + path.format(**values)
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"}:
        return ""
    # The address of a service may hold a name and a password.
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
