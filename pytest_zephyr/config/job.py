"""Identify the job of a session by its environment, directories and command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
import os
from pathlib import Path
import platform
import re
import shlex
import sys

from pytest_zephyr.config import ci
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.results.jobs import Job
from pytest_zephyr.text import short_digest


#: Variables that may differ between attempts of one job: those that shells, terminals, test
#: tools and CI services change, and our credentials.
_CHANGING_NAMES = """
_ SHLVL PWD OLDPWD LINES COLUMNS RANDOM SECONDS HOSTNAME WINDOWID TMUX TMUX_PANE STY
TERM_SESSION_ID SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_AUTH_SOCK SSH_AGENT_PID
XDG_SESSION_ID XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS INVOCATION_ID JOURNAL_STREAM
SYSTEMD_EXEC_PID TMPDIR TEMP TMP
PYTEST_CURRENT_TEST PYTEST_VERSION PYTEST_XDIST_WORKER PYTEST_XDIST_WORKER_COUNT
PYTEST_XDIST_TESTRUNUID PYTEST_XDIST_AUTO_NUM_WORKERS PYTHONHASHSEED COV_CORE_SOURCE
COV_CORE_CONFIG COV_CORE_DATAFILE COVERAGE_FILE COVERAGE_PROCESS_START
COVERAGE_PROCESS_CONFIG _ZEPHYR_SESSION ZEPHYR_USERNAME ZEPHYR_PASSWORD ZEPHYR_TOKEN
GITHUB_RUN_ATTEMPT GITHUB_ACTION GITHUB_ACTION_PATH GITHUB_ACTION_REF
GITHUB_ACTION_REPOSITORY GITHUB_ENV GITHUB_OUTPUT GITHUB_PATH GITHUB_STATE
GITHUB_TOKEN GITHUB_STEP_SUMMARY GITHUB_TRIGGERING_ACTOR GITHUB_EVENT_PATH
ACTIONS_RUNTIME_URL ACTIONS_RUNTIME_TOKEN ACTIONS_CACHE_URL ACTIONS_RESULTS_URL
ACTIONS_ID_TOKEN_REQUEST_URL ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ORCHESTRATION_ID
RUNNER_NAME RUNNER_TRACKING_ID RUNNER_TEMP RUNNER_WORKSPACE RUNNER_DEBUG ImageVersion
CI_JOB_ID CI_JOB_URL CI_JOB_TOKEN CI_JOB_JWT CI_JOB_JWT_V1 CI_JOB_JWT_V2
CI_JOB_STARTED_AT CI_JOB_STATUS CI_JOB_TIMEOUT CI_BUILD_ID CI_BUILD_TOKEN CI_RUNNER_ID
CI_RUNNER_SHORT_TOKEN CI_RUNNER_DESCRIPTION CI_RUNNER_TAGS CI_RUNNER_VERSION
CI_RUNNER_REVISION CI_RUNNER_EXECUTABLE_ARCH CI_CONCURRENT_ID CI_CONCURRENT_PROJECT_ID
CI_BUILDS_DIR CI_REPOSITORY_URL CI_REGISTRY_PASSWORD CI_DEPENDENCY_PROXY_PASSWORD
GITLAB_USER_ID GITLAB_USER_LOGIN GITLAB_USER_NAME GITLAB_USER_EMAIL
SYSTEM_JOBATTEMPT SYSTEM_STAGEATTEMPT SYSTEM_PHASEATTEMPT SYSTEM_JOBID
SYSTEM_TIMELINEID SYSTEM_ACCESSTOKEN SYSTEM_TASKINSTANCEID SYSTEM_TASKINSTANCENAME
SYSTEM_TASKDISPLAYNAME TASK_DISPLAYNAME AGENT_ID AGENT_NAME AGENT_MACHINENAME
AGENT_WORKFOLDER AGENT_ROOTDIRECTORY AGENT_BUILDDIRECTORY AGENT_HOMEDIRECTORY
AGENT_TEMPDIRECTORY AGENT_TOOLSDIRECTORY AGENT_SERVEROMDIRECTORY AGENT_JOBSTATUS
AGENT_VERSION VSTS_PROCESS_LOOKUP_ID
EXECUTOR_NUMBER NODE_NAME WORKSPACE_TMP HUDSON_COOKIE HUDSON_SERVER_COOKIE
JENKINS_NODE_COOKIE JENKINS_SERVER_COOKIE
CIRCLE_BUILD_NUM CIRCLE_BUILD_URL CIRCLE_WORKFLOW_JOB_ID CIRCLE_OIDC_TOKEN
CIRCLE_OIDC_TOKEN_V2 CIRCLE_INTERNAL_CONFIG CIRCLE_INTERNAL_SCRATCH
CIRCLE_INTERNAL_TASK_DATA
BUILDKITE_JOB_ID BUILDKITE_RETRY_COUNT BUILDKITE_RETRY_TYPE BUILDKITE_AGENT_ID
BUILDKITE_AGENT_NAME BUILDKITE_AGENT_ACCESS_TOKEN BUILDKITE_AGENT_PID
BUILDKITE_BUILD_CHECKOUT_PATH
BITBUCKET_STEP_UUID BITBUCKET_STEP_RUN_NUMBER BITBUCKET_STEP_OIDC_TOKEN
"""
#: Variables that do not identify a job: those above, those of our options, and one whose
#: words are compared as arguments.
_IGNORED_VARIABLES = {
    *_CHANGING_NAMES.split(),
    *(option.env_name for option in OPTIONS),
    "PYTEST_ADDOPTS",
}

#: Letters of flags of pytest without a value, and those that set the verbosity.
_FLAG_LETTERS, _VERBOSITY_LETTERS = "vqxsl", "vq"

#: Flags that may differ between attempts of one job, without and with a value.
#: `significant_arguments` adds those of our options. `-p` is in the list because a repeat
#: often has `-p no:randomly` or the like. The variable PYTEST_PLUGINS is compared, because
#: it can only load plugins, and is set for all attempts of a job.
_IGNORED_FLAGS = """
    --lf --last-failed --ff --failed-first --nf --new-first --sw --stepwise --sw-skip
    --stepwise-skip --sw-reset --stepwise-reset -v --verbose -q --quiet --no-zephyr
"""
_IGNORED_FLAGS_WITH_VALUE = """
    --lfnf --last-failed-no-failures -n --numprocesses --verbosity --dist --maxprocesses -p
"""

#: Matches names of variables with values that may be secrets. These share one digest.
_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASS|PWD|KEY|AUTH|CRED|COOKIE|JWT|URL|URI|PROXY|DSN", re.IGNORECASE
)

#: What messages call these variables.
_SECRETS_NAME = "(one that may hold a secret)"


def identify_job(
    environ: Mapping[str, str], root: Path, cwd: Path, arguments: Iterable[str]
) -> Job:
    """Return the job of a session with this environment and command line.

    *root* is pytest's root directory, *cwd* the one that pytest was started in.
    """
    checkout = ci.find(environ, "checkout")

    def portable(text: str) -> str:
        return text.replace(checkout, "{checkout}") if checkout else text

    variables: dict[str, str] = {}
    secret_variables: list[str] = []
    for name, value in sorted(environ.items()):
        if name in _IGNORED_VARIABLES:
            continue
        if _SECRET_NAME.search(name):
            secret_variables.append(f"{name}={portable(value)}")
        else:
            variables[name] = short_digest(f"{name}={portable(value)}", 8)
    addopts = environ.get("PYTEST_ADDOPTS", "")
    try:
        words = shlex.split(addopts)
    except ValueError:
        words = [addopts]
    compared_arguments = significant_arguments([*words, *arguments])
    return Job(
        directory=portable(f"{root}{os.pathsep}{cwd}"),
        interpreter=portable(f"{sys.executable} {platform.python_version()}"),
        arguments=short_digest("\0".join(map(portable, compared_arguments)), 8),
        environment={
            **variables,
            _SECRETS_NAME: short_digest("\0".join(secret_variables), 8),
        },
        host=platform.node(),
        checkout=checkout,
        attempt=ci.attempt(environ),
    )


#: Variables that the tests of earlier sessions of this process have added, by name.
_added_variables: dict[str, str] = {}


def note_added_variables(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Remember the variables that the tests of a session, or of an earlier one, added.

    *before* and *after* are the environment at the beginning and at the end of the session.
    """
    for name, value in after.items():
        if name not in before or _added_variables.get(name) == before[name]:
            _added_variables[name] = value


def without_added_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without the variables that tests of earlier sessions added.

    Variables with any other value than the added one stay: it may be from the caller of
    `pytest.main`.
    """
    return {
        name: value
        for name, value in environ.items()
        if _added_variables.get(name) != value
    }


def significant_arguments(arguments: Iterable[str]) -> list[str]:
    """Return those of pytest's *arguments* that are equal in all attempts of one job.

    The others say which tests are repeated, how many processes run, what is printed,
    which plugins ``-p`` loads or blocks, and how the run is reported. If one of them cannot
    be parsed, all *arguments* are returned.
    """
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False
    )
    ours = [option for option in OPTIONS if option.has_flag]
    switches = [option.flag_name for option in ours if option.is_switch]
    others = [option.flag_name for option in ours if not option.is_switch]
    parser.add_argument(*_IGNORED_FLAGS.split(), *switches, action="store_true")
    parser.add_argument(*_IGNORED_FLAGS_WITH_VALUE.split(), *others)
    shortened = list(map(_without_verbosity_letters, arguments))
    try:
        return parser.parse_known_args(shortened)[1]
    except argparse.ArgumentError:
        return shortened


def _without_verbosity_letters(argument: str) -> str:
    """Return *argument*; a group of flags loses those that set the verbosity.

    ``-vx`` becomes ``-x``. A group with no other flags, such as ``-vq``, becomes ``-v``.
    """
    if not re.fullmatch(r"-[a-zA-Z]{2,}.*", argument, re.DOTALL):
        return argument
    letters = argument[1:]
    rest = letters.lstrip(_FLAG_LETTERS)
    switches = letters[: len(letters) - len(rest)]
    switches = "".join(
        letter for letter in switches if letter not in _VERBOSITY_LETTERS
    )
    return f"-{switches}{rest}" if switches or rest else "-v"
