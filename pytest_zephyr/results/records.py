"""Records of tests as plain values, and the result that follows from them.

The *nodeid* of a record is pytest's node id of the test, with secret parameters hidden;
for JUnit XML it is the full name of the test. If several tests of a session have the
same one, a number is added from the second on, so that each node id stands for one
test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field
from enum import Enum
from operator import attrgetter

from pytest_zephyr.results.evidence import Comment
from pytest_zephyr.results.evidence import Defect
from pytest_zephyr.results.evidence import Evidence
from pytest_zephyr.results.evidence import EvidenceEntry
from pytest_zephyr.results.evidence import EvidenceValue
from pytest_zephyr.results.evidence import Field
from pytest_zephyr.results.evidence import FieldValue
from pytest_zephyr.results.evidence import NO_EVIDENCE
from pytest_zephyr.text import one_line


#: A test case as markers name it: its visible id (``testcaseId``) as an `int`, or its Alt
#: ID (``externalId``) as a `str`.
CaseRef = int | str


def number_nodeid(nodeid: str, count: int) -> str:
    """Return the node id of the *count*th item that has the same *nodeid*."""
    return nodeid if count == 1 else f"{nodeid} ({count})"


class Outcome(Enum):
    """How a test ended; of several outcomes, the last in this order counts."""

    UNRUN = "unrun"
    SKIPPED = "skipped"
    PASSED = "passed"
    XPASSED = "xpassed"
    XFAILED = "xfailed"
    ERROR = "error"
    CRASHED = "crashed"
    FAILED = "failed"

    __hash__ = object.__hash__  # faster than that of Enum

    def __init__(self, value: str) -> None:
        self.rank = len(type(self).__members__)
        self.is_failure = value in {"error", "crashed", "failed"}
        self.ran = value not in {"unrun", "skipped"}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of *outcomes*, ``UNRUN`` if there are none."""
    return max(outcomes, key=attrgetter("rank"), default=Outcome.UNRUN)


@dataclass(frozen=True)
class NewCase:
    """A test case to create for a test without one; *package* and *name* identify it.

    *package* is the directory of the test's file, with ``/`` between its parts, empty
    for the root directory. It replaces ``{package}`` in the path of the folder.
    *script* is the node id without parameters. For JUnit XML *package* is the class
    name, and *script* the full name of the test. *requirements* are Alt IDs.
    """

    package: str
    name: str
    script: str = field(default="", compare=False)
    description: str = field(default="", compare=False)
    tags: tuple[str, ...] = field(default=(), compare=False)
    requirements: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class Item:
    """A selected test with the test cases that it verifies.

    *comment*, *defects* and *fields* come from its markers. *new* is the test case to
    create for it, if any; *unmarked* says that it names no test case, not even an
    invalid one, and is not ignored, *invalid* that one of its markers has a mistake.
    *changed* says that its markers were changed while it ran; such an item replaces
    that of the collection.
    """

    nodeid: str
    cases: tuple[CaseRef, ...] = ()
    unmarked: bool = False
    new: NewCase | None = None
    comment: str = ""
    defects: tuple[str, ...] = ()
    fields: tuple[tuple[str, FieldValue], ...] = ()
    changed: bool = False
    invalid: bool = False

    @property
    def evidence_values(self) -> tuple[EvidenceValue, ...]:
        comments = (Comment(self.comment),) if self.comment else ()
        fields = (Field(name, value) for name, value in self.fields)
        return (*comments, *map(Defect, self.defects), *fields)


@dataclass(slots=True)
class Start:
    """A test began on a *worker*; *at* is in milliseconds since the epoch."""

    nodeid: str
    at: int = 0
    worker: str = ""


@dataclass(frozen=True)
class Report:
    """One report of pytest as plain data; *when* is ``???`` for a crash of the process.

    *attempt* is the number of the test's attempt in its session, from 0; a crash has
    none. *duration* is in microseconds, *at* (its end) in milliseconds since the epoch.
    *text* is the failure as pytest shows it, *short_text* a summary of it in one line.
    *xfail* says that a failure was expected. *reason* is that of a skip or an expected
    failure, *subtest* the name of the subtest that the report is about.
    """

    nodeid: str
    when: str
    outcome: str
    duration: int = 0
    at: int = 0
    xfail: bool = False
    attempt: int = 0
    worker: str = ""
    reason: str = ""
    short_text: str = ""
    text: str = ""
    subtest: str = ""


@dataclass(frozen=True)
class End:
    """The session ended regularly; unfinished tests were interrupted."""

    at: int = 0


@dataclass(slots=True)
class Passed:
    """A test that passed without anything else to report.

    *duration* is that of setup, call and teardown together, *at* their end; units are
    as in `Report`.
    """

    nodeid: str
    duration: int = 0
    at: int = 0
    worker: str = ""


Record = Item | Start | Report | Passed | EvidenceEntry | End


@dataclass(frozen=True)
class JobMark:
    """A job as short digests for the tags in notes (see `results.tags`).

    *kind* is what the job does, *location* where it ran. *attempt* is the number that
    the CI service gives this attempt of the job, 0 if it gives none.
    """

    kind: str
    location: str = ""
    attempt: int = 0

    def repeats(self, earlier: JobMark) -> bool:
        """Return whether the CI service calls this a later attempt of the same job."""
        return self.kind == earlier.kind and self.attempt > earlier.attempt > 0


@dataclass(frozen=True)
class Origin:
    """Where a result came from.

    *page* is the address of the CI service's page of the job, or of its run. *session*
    is the name of the session, *started* its start in milliseconds since the epoch, and
    *job* its job. *run* is the run key, or the name of the session if there is no key.
    """

    page: str = ""
    commit: str = ""
    run: str = ""
    session: str = ""
    job: JobMark = JobMark("")
    started: int = 0


UNKNOWN_ORIGIN = Origin()


@dataclass(slots=True)
class NodeResult:
    """The result of one node id, folded from all its records.

    *duration* is in microseconds and counts the last attempt on each worker; *at* is
    the time of the last start or report (its end) in milliseconds since the epoch, 0 if
    there was none. *attempts* counts how often the test ran, in all attempts of its
    job; it is 1 if the test never ran. *failures* and *evidence* are those of the last
    attempt, *earlier_failure* is the first failure of the attempts before it. *doubt*
    says which part of the journal is missing or cannot be read, and may hold a failure.
    """

    nodeid: str
    outcome: Outcome
    cases: tuple[CaseRef, ...] = ()
    duration: int = 0
    at: int = 0
    attempts: int = 1
    reason: str = ""
    failures: tuple[Report, ...] = ()
    earlier_failure: Report | None = None
    unmarked: bool = False
    new: NewCase | None = None
    evidence: Evidence = NO_EVIDENCE
    origin: Origin = UNKNOWN_ORIGIN
    doubt: str = ""
    invalid: bool = False

    @property
    def title(self) -> str:
        """The node id on one line, for notes and messages."""
        return one_line(self.nodeid)

    @property
    def ran(self) -> bool:
        return self.outcome.ran
