"""Which job a session of pytest is, by what it was started with."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
import os
from pathlib import Path
import platform
import re
import sys

from pytest_zephyr.config import ci
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.results.jobs import digest
from pytest_zephyr.results.jobs import Job


#: Variables that a shell, a terminal, a test tool or a CI service changes by itself from
#: one step or attempt to the next. They say nothing about what is tested.
_CHANGING = re.compile(
    r"""
    _ | SHLVL | (OLD)?PWD | LINES | COLUMNS | RANDOM | SECONDS | HOST(NAME)? | WINDOWID
    | TMUX.* | STY | TERM_SESSION_ID | SSH_.* | XDG_SESSION_ID | XDG_RUNTIME_DIR
    | DBUS_SESSION_BUS_ADDRESS | INVOCATION_ID | JOURNAL_STREAM | SYSTEMD_EXEC_PID
    | TMPDIR | TEMP | TMP | .*_COOKIE
    | PYTEST_.* | PYTHONHASHSEED | COV_CORE_.* | COVERAGE_.* | _?ZEPHYR_.*
    # GitHub Actions
    | GITHUB_RUN_ATTEMPT | GITHUB_ACTION(_.*)? | GITHUB_(ENV|OUTPUT|PATH|STATE|TOKEN)
    | GITHUB_STEP_SUMMARY | GITHUB_TRIGGERING_ACTOR | GITHUB_EVENT_PATH | ACTIONS_.*
    | RUNNER_(NAME|TRACKING_ID|TEMP|WORKSPACE|DEBUG) | IMAGEVERSION
    # GitLab
    | CI_(JOB|BUILD)_(ID|URL|TOKEN|JWT.*|STARTED_AT|STATUS|TIMEOUT) | CI_RUNNER_.*
    | CI_CONCURRENT_.* | CI_BUILDS_DIR | CI_REPOSITORY_URL | CI_REGISTRY_PASSWORD
    | CI_DEPENDENCY_PROXY_PASSWORD | GITLAB_USER_.* | FF_.*
    # Azure Pipelines
    | SYSTEM_(JOB|STAGE|PHASE)ATTEMPT | SYSTEM_(JOBID|TIMELINEID|ACCESSTOKEN)
    | SYSTEM_TASK.* | TASK_.* | AGENT_.* | VSTS_.*
    # Jenkins, CircleCI, Buildkite, Bitbucket
    | EXECUTOR_NUMBER | NODE_NAME | WORKSPACE_TMP
    | CIRCLE_BUILD_(NUM|URL) | CIRCLE_WORKFLOW_JOB_ID | CIRCLE_(INTERNAL|OIDC)_.*
    | BUILDKITE_(JOB_ID|RETRY_.*|AGENT_.*|STARTED_AT|BUILD_CHECKOUT_PATH)
    | BITBUCKET_STEP_(UUID|RUN_NUMBER|OIDC_TOKEN)
    """,
    re.VERBOSE | re.IGNORECASE,
)

#: Names of variables whose values may be secrets. Not even a digest of one alone is kept.
_SECRET = re.compile(
    r"TOKEN|SECRET|PASS|PWD|KEY|AUTH|CRED|COOKIE|JWT|URL|URI|PROXY|DSN", re.IGNORECASE
)

#: What stands for all variables that may hold secrets.
_SECRETS = "(one that may hold a secret)"


def this_job(
    environ: Mapping[str, str], root: Path, cwd: Path, arguments: Iterable[str]
) -> Job:
    """Return the job of a session with this environment and command line.

    *root* is pytest's root directory, *cwd* the one that pytest was started in.
    """
    checkout = ci.checkout(environ)

    def portable(text: str) -> str:
        return text.replace(checkout, "{checkout}") if checkout else text

    variables: dict[str, str] = {}
    secrets: list[str] = []
    for name, value in sorted(environ.items()):
        if _CHANGING.fullmatch(name):
            continue
        if _SECRET.search(name):
            secrets.append(f"{name}={portable(value)}")
        else:
            variables[name] = digest(f"{name}={portable(value)}", 8)
    return Job(
        directory=portable(f"{root}{os.pathsep}{cwd}"),
        interpreter=portable(f"{sys.executable} {platform.python_version()}"),
        arguments=digest("\0".join(map(portable, significant(arguments))), 8),
        environment={**variables, _SECRETS: digest("\0".join(secrets), 8)},
        host=platform.node(),
        checkout=checkout,
        attempt=ci.attempt(environ),
    )


def significant(arguments: Iterable[str]) -> list[str]:
    """Return pytest's *arguments* without those that change no result.

    How failures are repeated, how many processes run, what is printed, which plugins
    are loaded, and how the run is reported.
    """
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False
    )
    switches = [option.flag_name for option in OPTIONS if option.switch]
    values = [option.flag_name for option in OPTIONS if option.flag]
    for flags in (
        ("--lf", "--last-failed"),
        ("--ff", "--failed-first"),
        ("--nf", "--new-first"),
        ("--sw", "--stepwise"),
        ("--sw-skip", "--stepwise-skip"),
        ("--sw-reset", "--stepwise-reset"),
        ("-v", "--verbose"),
        ("-q", "--quiet"),
        ("--no-zephyr",),
        *((flag,) for flag in switches),
    ):
        parser.add_argument(*flags, action="store_true")
    for flags in (
        ("--lfnf", "--last-failed-no-failures"),
        ("-n", "--numprocesses"),
        ("--verbosity",),
        ("-p",),
        *((flag,) for flag in values if flag not in switches),
    ):
        parser.add_argument(*flags)
    given = list(arguments)
    try:
        return parser.parse_known_args(given)[1]
    except argparse.ArgumentError:
        return given
