"""Tags: the last line of the notes, with the run of a result and the findings of its jobs.

The server has one result for a test case. Jobs on other machines learn only from this line
what each job of the run has found::

    [pytest-zephyr run=4c1f9a02 at=1764123561123 jobs=9a0b1c2d.3e4f:2@mifdmbhf]

Each job has kind, location and, unless it is 0, attempt (see `JobMark`), the id of the
status that it found, and the time when its tests were over (milliseconds since the
epoch, in base 36).
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
import re

from pytest_zephyr.results.records import JobMark
from pytest_zephyr.results.status import PASS
from pytest_zephyr.results.status import severity


#: The most characters of a tag, with the line break before it. If the jobs need more,
#: those with the best results are left out.
MAX_TAG_LENGTH = 400

_MAX_TIME_MS = 10**15
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_TAG = re.compile(
    r"\n?\[pytest-zephyr run=(?P<run>[0-9a-f]{8}) at=(?P<at>\d{1,16})"
    r" jobs=(?P<jobs>[0-9a-z.:@,]*)\]"
)
_JOB = re.compile(
    r"(?P<kind>[0-9a-f]{8})\.(?P<location>[0-9a-f]*)(?:\.(?P<attempt>\d{1,19}))?"
    r":(?P<status>\d{1,9})@(?P<at>[0-9a-z]{1,11})"
)


@dataclass(frozen=True)
class Finding:
    """The id of the status that one *job* found; its tests ended *at* this time.

    Times of findings and tags are in milliseconds since the epoch.
    """

    job: JobMark
    status_id: str
    at: int

    def __str__(self) -> str:
        """Return the finding as it is written in a tag."""
        attempt = f".{self.job.attempt}" if self.job.attempt else ""
        at = _in_base_36(_bounded(self.at))
        return f"{self.job.kind}.{self.job.location}{attempt}:{self.status_id}@{at}"


@dataclass(frozen=True)
class OwnFinding(Finding):
    """The finding of a job whose results are being sent.

    *started* and *ended* are the times of its session. The finding is not *complete*,
    and replaces no older finding, if tests of the test case did not run or could not be
    collected.
    """

    started: int = 0
    ended: int = 0
    complete: bool = True


@dataclass(frozen=True)
class Tag:
    """The run of a result, and the *findings* of its jobs.

    *run_digest* is a digest of the run (see `Origin`), *at* the time when the last
    test of the test case ended.
    """

    run_digest: str
    at: int
    findings: Sequence[Finding] = ()

    def __str__(self) -> str:
        return self.fit(MAX_TAG_LENGTH)

    def fit(self, room: int) -> str:
        """Return the tag as text, with as many findings as fit into *room* characters.

        The worst findings come first. The line break before the tag counts, too.
        """
        head = f"[pytest-zephyr run={self.run_digest} at={_bounded(self.at)} jobs="
        jobs = ""
        for each in sorted(self.findings, key=lambda each: -severity(each.status_id)):
            more = f"{jobs},{each}" if jobs else str(each)
            if len(f"\n{head}{more}]") > room:
                break
            jobs = more
        return f"{head}{jobs}]"


def room_in(notes_limit: int) -> int:
    """Return how many of *notes_limit* characters are for the tag: at most half."""
    return min(MAX_TAG_LENGTH, notes_limit // 2)


def find(notes: str) -> Tag | None:
    """Return the last tag in *notes*, because a test may print one; `None` without a tag."""
    tags = list(_TAG.finditer(notes))
    if not tags:
        return None
    findings = tuple(
        Finding(
            JobMark(job["kind"], job["location"], int(job["attempt"] or 0)),
            job["status"],
            int(job["at"], 36),
        )
        for job in _JOB.finditer(tags[-1]["jobs"])
    )
    return Tag(tags[-1]["run"], int(tags[-1]["at"]), findings)


def strip(notes: str) -> str:
    """Return *notes* without tags."""
    return _TAG.sub("", notes)


def worst(findings: Iterable[Finding]) -> str:
    """Return the id of the worst status of *findings*, Pass if there are none."""
    return max((each.status_id for each in findings), key=severity, default=PASS)


def compare(
    theirs: Iterable[Finding], ours: Iterable[OwnFinding]
) -> tuple[list[Finding], list[OwnFinding]]:
    """Return the findings of *theirs* and of *ours* that no later attempt replaces.

    *theirs* are from a tag. The rules are those of `jobs`, applied to the parts of a
    job that a tag has.
    """
    others = list(theirs)
    effective: list[OwnFinding] = []
    for mine in ours:
        job = mine.job
        here = [
            each
            for each in others
            if (each.job.kind, each.job.location) == (job.kind, job.location)
        ]
        elsewhere = [each for each in others if each not in here]
        earlier = [
            each
            for each in here
            # With the same time it is this finding, which was sent before.
            if each.at == mine.at or (each.at <= mine.started and mine.complete)
        ]
        if not earlier and mine.complete:
            # Several jobs may look alike, so a repetition replaces only one finding.
            repeated = [each for each in elsewhere if job.repeats(each.job)]
            earlier = sorted(repeated, key=lambda each: -severity(each.status_id))[:1]
        is_superseded = any(each.at > mine.ended for each in here) or any(
            each.job.repeats(job) for each in elsewhere
        )
        if not is_superseded:
            effective.append(mine)
            for each in earlier:
                others.remove(each)
    return others, effective


def _bounded(at: int) -> int:
    return min(max(at, 0), _MAX_TIME_MS)


def _in_base_36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits
