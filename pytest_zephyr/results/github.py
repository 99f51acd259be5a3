"""What GitHub Actions reads: annotations on standard output, and the summary of a job.

See "Workflow commands for GitHub Actions" in GitHub's documentation.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_zephyr.results import markdown
from pytest_zephyr.results.lines import Line


#: The variable that is ``true`` on GitHub Actions, and the one that names the file for
#: the summary of the job, in Markdown.
ACTIONS = "GITHUB_ACTIONS"
SUMMARY = "GITHUB_STEP_SUMMARY"

#: How many annotations of each level GitHub shows for one step.
_SHOWN = 10


def commands(lines: Iterable[Line]) -> list[str]:
    """Return the command that annotates the job for each problem in *lines*, errors first."""
    problems = [each for each in lines if each.is_problem]
    errors = [each for each in problems if each.level == "error"]
    warnings = [each for each in problems if each.level != "error"]
    return [
        f"::{level} title=pytest-zephyr::{_escape(line)}"
        for level, group in (("error", errors), ("warning", warnings))
        for line in group[:_SHOWN]
    ]


def _escape(line: Line) -> str:
    text = "\n".join((line.text, *line.more))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def job_summary(lines: Iterable[Line]) -> str:
    """Return *lines* as Markdown for the summary of a job."""
    return "".join(["### Test results in Zephyr\n\n", *markdown.summary(lines), "\n"])
