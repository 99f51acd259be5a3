"""Writes reports: a whole file at once, or more at the end of one."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
import os
from pathlib import Path
import secrets

from pytest_zephyr.results.lines import as_markdown
from pytest_zephyr.results.lines import Line
from pytest_zephyr.results.report import render
from pytest_zephyr.results.report import RunReport


#: The variable on GitHub Actions that names the file for the summary of the job.
_JOB_SUMMARY = "GITHUB_STEP_SUMMARY"


def write_report(path: Path, runs: Iterable[RunReport], shown: Path) -> Line:
    """Write the report of *runs* to the file at *path*.

    Returns a line about it, in which the file is called *shown*.
    """
    try:
        _write_whole(path, render(path.suffix, runs))
    except OSError as error:
        reason = error.strerror or error
        text = f"the report {shown} (zephyr_report) cannot be written: {reason}."
        return Line(text, "warning", code="report")
    return Line(f"Report: {shown}")


def _write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write *pieces* to the file at *path*, which is never there in part.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        # A pipe or a device cannot be replaced.
        _write(path, pieces, "w")
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(part, pieces, "w")
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def add_job_summary(environ: Mapping[str, str], lines: Sequence[Line]) -> list[Line]:
    """Add *lines* to the summary of the CI job that *environ* describes, if it has one.

    Returns the problem if that fails.
    """
    path = environ.get(_JOB_SUMMARY)
    if not path:
        return []
    pieces = ("### Test results in Zephyr\n\n", *as_markdown(lines), "\n")
    try:
        _write(Path(path), pieces, "a")
    except OSError as error:
        text = f"the summary of the job ({_JOB_SUMMARY}) cannot be written: "
        text += f"{error.strerror or error}."
        return [Line(text, "warning", code="report")]
    return []


def _write(path: Path, pieces: Iterable[str], mode: str) -> None:
    # A name may hold half of a surrogate pair.
    with path.open(
        mode, encoding="utf-8", errors="backslashreplace", newline="\n"
    ) as file:
        file.writelines(pieces)
        file.flush()
        with suppress(OSError):
            os.fsync(file.fileno())
