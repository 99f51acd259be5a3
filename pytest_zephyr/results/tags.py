"""A line of the notes that says which run a result is of, and which of its jobs decided.

The server keeps one result for a test case. Where the jobs of a run report from machines
of their own, only what stands there can tell one of them what another has found::

    [pytest-zephyr run=4c1f9a02 at=1764123561123 jobs=9a0b1c2d.3e4f:2,5b6c7d8e.9f01.2:2]

Each job is written as kind, place and attempt (see `JobMark`) with the id of the status
that it found; jobs that found a Pass are not named.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import re

from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.status import PASS
from pytest_zephyr.results.status import severity


#: Characters that the notes keep free for a tag; jobs for which there is no room are
#: left out.
ROOM = 300

_TAG = re.compile(
    r"\n?\[pytest-zephyr run=(?P<run>[0-9a-f]{8}) at=(?P<at>\d{1,18})"
    r" jobs=(?P<jobs>[0-9a-f.:,]*)\]"
)
_JOB = re.compile(
    r"(?P<kind>[0-9a-f]{8})\.(?P<place>[0-9a-f]*)(?:\.(?P<attempt>\d{1,18}))?"
    r":(?P<status>\d{1,9})"
)


@dataclass(frozen=True)
class Tag:
    """The run of a result, when its last test was over, and what its jobs found.

    *run* is a digest, *at* in milliseconds since the epoch, *jobs* map to the ids of
    statuses other than Pass.
    """

    run: str
    at: int
    jobs: Mapping[JobMark, str] = field(default_factory=dict)

    def __str__(self) -> str:
        head = f"[pytest-zephyr run={self.run} at={self.at} jobs="
        jobs = ""
        for job, status in self.jobs.items():
            attempt = f".{job.attempt}" if job.attempt else ""
            text = f"{job.kind}.{job.place}{attempt}:{status}"
            more = f"{jobs},{text}" if jobs else text
            if len(head) + len(more) + 1 > ROOM:
                break
            jobs = more
        return f"{head}{jobs}]"


def find(notes: str) -> Tag | None:
    """Return the tag of *notes*; a test may have printed another before it."""
    tags = list(_TAG.finditer(notes))
    if not tags:
        return None
    jobs = {
        JobMark(job["kind"], job["place"], int(job["attempt"] or 0)): job["status"]
        for job in _JOB.finditer(tags[-1]["jobs"])
    }
    return Tag(tags[-1]["run"], int(tags[-1]["at"]), jobs)


def strip(notes: str) -> str:
    """Return *notes* without their tag."""
    return _TAG.sub("", notes)


def others(held: Tag, jobs: Iterable[JobMark]) -> dict[JobMark, str]:
    """Return what other jobs than these found, or later attempts of them."""
    mine = list(jobs)
    return {
        job: status
        for job, status in held.jobs.items()
        if not any(each.repeats(job) for each in mine)
    }


def worst(jobs: Mapping[JobMark, str]) -> str:
    """Return the worst status of *jobs*, Pass if there are none."""
    return max(jobs.values(), key=severity, default=PASS)
