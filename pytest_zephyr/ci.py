"""What the CI service says about the run it started."""

from __future__ import annotations

from collections.abc import Mapping


#: Variables that name one run over all its jobs, with the attempt where there is
#: one: a repeated run is another run.
_RUN_KEYS: tuple[tuple[str, ...], ...] = (
    ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"),
    ("CI_PIPELINE_ID",),
    ("BUILD_BUILDID", "SYSTEM_JOBATTEMPT"),
    ("BITBUCKET_BUILD_NUMBER",),
    ("CIRCLE_WORKFLOW_ID",),
    ("BUILDKITE_BUILD_ID",),
    ("BUILD_TAG",),
    ("TEAMCITY_BUILDCONF_NAME", "BUILD_NUMBER"),
)


def run_key(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the key of the run in *environ* and the variable it came from."""
    for names in _RUN_KEYS:
        if environ.get(names[0]):
            return "-".join(
                environ[name] for name in names if environ.get(name)
            ), names[0]
    return None
