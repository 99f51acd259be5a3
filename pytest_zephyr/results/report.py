"""Renders and writes report files: the outcome of each test case, as JSON or Markdown.

``docs/report.schema.json`` describes the JSON. A report is made piece by piece, because
a run may have many test cases. The summary of a CI job is written here, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from datetime import timezone
import json
import os
from pathlib import Path
import secrets
from typing import get_args
from typing import Literal

from pytest_zephyr.results.lines import as_markdown
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.lines import markdown_code
from pytest_zephyr.results.lines import markdown_text
from pytest_zephyr.results.plan import CaseResult
from pytest_zephyr.results.records import NodeResult
from pytest_zephyr.text import display_path


#: Version of the JSON; it is increased when a key changes its meaning or is removed.
FORMAT = 1

#: The variable on GitHub Actions that names the file for the summary of the job.
_JOB_SUMMARY = "GITHUB_STEP_SUMMARY"

#: The attributes of a `RunReport` that the JSON has as they are.
_FACTS = (
    *("run", "journals", "server", "target", "url", "dry_run"),
    *("complete", "created", "attachments"),
)

Action = Literal[
    "reported", "reported_before", "would_report", "unchanged", "refused", "not_sent"
]


@dataclass(slots=True)
class CaseRow:
    """A test case with its result, and the *action* of the push for it.

    Without an *id* and an *alt* the test case was to be created, and was not. *status*
    and *outcome* are those of the result; the push may have left the execution with
    another status. *reason* says why the result was not reported. *milliseconds* is the
    duration of all tests, *at* the end of the last one that ran in milliseconds since
    the epoch. *execution* is the id of the execution.
    """

    tests: Sequence[NodeResult]
    outcome: str
    milliseconds: int
    at: int
    action: Action
    reason: str = ""
    status: str = ""
    id: int | None = None
    alt: str = ""
    name: str = ""
    execution: int | None = None


@dataclass(frozen=True)
class RunReport:
    """The report of one run: facts, the lines of its summary, and its test cases.

    *run* is its run key or the name of its journal. *cases* returns a new iterator at each
    call. *without_case* are the tests that name no test case, or an invalid one. The last
    three fields have their defaults if the process that sends has given no result;
    `docs/report.schema.json` describes them.
    """

    run: str
    journals: Sequence[str]
    server: str | None
    target: str | None
    dry_run: bool
    lines: Sequence[Line]
    cases: Callable[[], Iterable[CaseRow]]
    without_case: Sequence[NodeResult]
    complete: bool = False
    created: Sequence[str] = ()
    attachments: Mapping[str, int] | None = None

    @property
    def url(self) -> str | None:
        """Where to see the results, `None` if nothing was reported."""
        return next((line.url for line in self.lines if line.url), None)


def row_of(result: CaseResult, action: Action, reason: str = "") -> CaseRow:
    """Return the row of *result*."""
    name = next((node.new.name for node in result.nodes if node.new), "")
    row = CaseRow(
        tests=result.nodes,
        outcome=result.outcome.value,
        milliseconds=result.milliseconds,
        at=result.at,
        action=action,
        reason=reason,
        status=result.status.name if result.status else "",
        name=name,
    )
    if isinstance(result.case, int):
        row.id = result.case
    elif result.case != name:
        # If the test case could not be created, `result.case` is its name.
        row.alt = result.case
    return row


def render(suffix: str, runs: Iterable[RunReport]) -> Iterator[str]:
    """Yield the pieces of a report of *runs* for a file with *suffix*."""
    return _markdown(runs) if suffix.lower() == ".md" else _json(runs)


# JSON: a test case on each line


def _json(runs: Iterable[RunReport]) -> Iterator[str]:
    yield f'{{\n"format": {FORMAT},\n"runs": ['
    for number, run in enumerate(runs):
        yield ",\n{\n" if number else "\n{\n"
        facts = {name: getattr(run, name) for name in _FACTS}
        facts |= {**_counts(run), "problems": problems_as_json(run.lines)}
        for name, value in facts.items():
            yield f"{json.dumps(name)}: {json.dumps(value)},\n"
        yield from _json_list("test_cases", map(_case_as_json, run.cases()))
        yield ",\n"
        yield from _json_list(
            "tests_without_test_case", map(_test_as_json, run.without_case)
        )
        yield "\n}"
    yield "\n]\n}\n"


def _json_list(name: str, values: Iterable[object]) -> Iterator[str]:
    yield f'"{name}": ['
    for number, value in enumerate(values):
        yield f"{',' if number else ''}\n{json.dumps(value)}"
    yield "\n]"


def _counts(run: RunReport) -> dict[str, object]:
    actions: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for row in run.cases():
        actions[row.action] += 1
        if row.action in {"reported", "reported_before", "would_report"}:
            statuses[row.status] += 1
    counts = {each: actions[each] for each in get_args(Action)}
    return {
        "counts": {"test_cases": actions.total(), **counts},
        "statuses": {name: count for name, count in statuses.items() if name},
    }


def problems_as_json(lines: Iterable[Line]) -> list[dict[str, object]]:
    """Return the problems among *lines* as values for JSON."""
    return [
        {"code": each.code, "level": each.level, "text": each.text, "more": each.more}
        for each in lines
        if each.is_problem
    ]


def _case_as_json(row: CaseRow) -> dict[str, object]:
    return {
        "id": row.id,
        "alt_id": row.alt or None,
        "name": row.name or None,
        "status": row.status or None,
        "outcome": row.outcome,
        "action": row.action,
        "reason": row.reason or None,
        "execution": row.execution,
        "seconds": row.milliseconds / 1000,
        "finished": _iso_time(row.at),
        "tests": list(map(_test_as_json, row.tests)),
    }


def _test_as_json(node: NodeResult) -> dict[str, object]:
    short_texts = (failure.short_text for failure in node.failures)
    return {
        "nodeid": node.nodeid,
        "outcome": node.outcome.value,
        "seconds": node.duration / 1_000_000,
        # Why it failed or was skipped, in one line.
        "message": next(filter(None, short_texts), node.reason) or None,
        "invalid_marker": node.invalid,
    }


def _iso_time(at: int) -> str | None:
    if not at:
        return None
    return datetime.fromtimestamp(at / 1000, timezone.utc).isoformat(timespec="seconds")


# Markdown


def _markdown(runs: Iterable[RunReport]) -> Iterator[str]:
    yield "# Test results in Zephyr\n"
    for run in runs:
        yield f"\n## {markdown_text(run.target or 'Not sent')}\n\n"
        yield from as_markdown(run.lines)
        yield "\n| Test case | Name | Status | Outcome | Action | Tests |\n"
        yield "| --- | --- | --- | --- | --- | --- |\n"
        yield from map(_case_as_row, run.cases())
        if run.without_case:
            yield "\n### Tests without a test case\n\n"
            for node in run.without_case:
                why = "invalid marker, " if node.invalid else ""
                yield f"- {markdown_code(node.nodeid)} ({why}{node.outcome.value})\n"


def _case_as_row(row: CaseRow) -> str:
    action = row.action.replace("_", " ").replace("would report", "would be reported")
    if row.reason:
        action += f": {row.reason}"
    tests = [markdown_code(node.nodeid) for node in row.tests[:5]]
    more = f" and {len(row.tests) - 5} more" if len(row.tests) > 5 else ""
    cells = (
        markdown_text(str(row.id or row.alt or "new")),
        markdown_text(row.name),
        markdown_text(row.status),
        markdown_text(row.outcome),
        markdown_text(action),
        "<br>".join(tests) + more,
    )
    return f"| {' | '.join(cells)} |\n"


# Files


def write_report(path: Path, runs: Iterable[RunReport]) -> Line:
    """Write the report of *runs* to the file at *path*, and return a line about it."""
    try:
        _write_whole(path, render(path.suffix, runs))
    except OSError as error:
        message = f"the report {display_path(path)} (zephyr_report) cannot be written"
        return _problem_line(message, error)
    return Line(f"Report: {display_path(path)}")


def add_job_summary(environ: Mapping[str, str], lines: Sequence[Line]) -> list[Line]:
    """Add *lines* to the summary of the CI job that *environ* describes, if it has one.

    Returns the problem if that fails, otherwise an empty list.
    """
    path = environ.get(_JOB_SUMMARY)
    if not path:
        return []
    pieces = ("### Test results in Zephyr\n\n", *as_markdown(lines), "\n")
    try:
        _write(Path(path), pieces, "a")
    except OSError as error:
        message = f"the summary of the job ({_JOB_SUMMARY}) cannot be written"
        return [_problem_line(message, error)]
    return []


def _problem_line(message: str, error: OSError) -> Line:
    text = f"{message}: {error.strerror or error}."
    return Line(text, "warning", code="report")


def _write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Replace the file at *path* once all *pieces* are written. Raises OSError.

    Readers of a regular file never see only some of the pieces.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        # A pipe or a device cannot be replaced.
        _write(path, pieces, "w")
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(temporary, pieces, "w")
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _write(path: Path, pieces: Iterable[str], mode: str) -> None:
    # A name may hold half of a surrogate pair.
    with path.open(
        mode, encoding="utf-8", errors="backslashreplace", newline="\n"
    ) as file:
        file.writelines(pieces)
        file.flush()
        with suppress(OSError):
            os.fsync(file.fileno())
