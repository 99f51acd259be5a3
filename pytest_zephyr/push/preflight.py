"""Check the server before the first test, to report at once what would go wrong."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import NO_SUCH_NAME
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.push.connection import connect
from pytest_zephyr.push.embedded import served
from pytest_zephyr.results import status
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.target.create_cycle import missing_for_cycle
from pytest_zephyr.target.find_cases import WALK
from pytest_zephyr.target.snapshot import KEPT
from pytest_zephyr.target.snapshot import read_user_and_statuses
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import ambiguous_alt


#: How many ids are looked up before the tests, unless an unknown one aborts the run. The
#: push looks up the rest.
_LOOKED_UP = 1000


@dataclass
class ServerFacts:
    """What was read before the tests, so that the push need not read it again.

    *clock_offset* is how many milliseconds the server's clock is ahead of ours. *plan* maps the
    test cases of the phase to their Alt IDs. It is empty if there is no such phase, and
    `None` if it was not read.
    """

    snapshot: Snapshot | None = None
    clock_offset: int = 0
    plan: dict[int, str] | None = None

    def untested(self, cases: Collection[CaseRef]) -> int:
        """Return how many test cases of the plan have no test; *cases* are those that have."""
        return sum(
            case not in cases and alt not in cases
            for case, alt in (self.plan or {}).items()
        )


@dataclass
class Preflight:
    """What the check before the tests found out.

    The user has to fix *problems*, but not *remarks*. *unreachable* says why the server
    could not be checked, which is not a configuration problem. *client* is logged in.
    """

    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unreachable: str = ""
    snapshot: Snapshot | None = None
    plan: dict[int, str] | None = None
    client: Client | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What to print."""
        lines = [
            f"zephyr: {line}"
            for each in (*self.problems, *self.remarks)
            for line in each.splitlines()
        ]
        if self.unreachable:
            lines.append(
                f"zephyr: the server could not be checked before the tests: {self.unreachable}"
            )
        return tuple(lines)

    @property
    def planned(self) -> tuple[CaseRef, ...] | None:
        """Every name of every test case of the plan, `None` if it was not read."""
        if self.plan is None:
            return None
        return tuple(dict.fromkeys([*self.plan, *filter(None, self.plan.values())]))

    @property
    def clock_offset(self) -> int:
        """How many milliseconds the server's clock is ahead of ours."""
        return self.client.clock_offset if self.client else 0

    @property
    def facts(self) -> ServerFacts:
        return ServerFacts(self.snapshot, self.clock_offset, self.plan)


@contextmanager
def check_server(settings: Settings, seconds: float) -> Iterator[Preflight]:
    """Log in, and check the statuses, the target and, with `only_planned`, the plan.

    This takes at most *seconds*. The client stays open in the block. A ZephyrError is not
    raised but described by what is yielded.
    """
    found = Preflight()
    with ExitStack() as stack:
        if settings.url != SANDBOX:
            _check(found, settings, stack, seconds)
        elif settings.only_planned:
            # The embedded server creates all test cases of a run.
            inside = stack.enter_context(served(settings))
            _check(found, replace(inside, unknown_case="ignore"), stack, seconds)
            found.snapshot = None
        yield found


def _check(
    found: Preflight, settings: Settings, stack: ExitStack, seconds: float
) -> None:
    deadline = Deadline(seconds)
    if seconds < settings.deadline:
        deadline = Deadline(seconds, "for the check before the tests")
    try:
        client = stack.enter_context(connect(settings, deadline))
        found.snapshot = read_user_and_statuses(client)
        _check_statuses(found, settings)
        _check_target(found, client, settings)
        found.client = client
    except (ZephyrUnreachable, ZephyrBadAnswer) as error:
        _note(found, error)
    if settings.only_planned and found.plan is None and not found.problems:
        why = f"the plan for --zephyr-only-planned cannot be read: {found.unreachable}"
        found.problems.append(why)
        found.unreachable = ""


def _note(found: Preflight, error: ZephyrError) -> None:
    # Other refusals may come from a server or proxy that is down for the moment.
    if isinstance(error, ZephyrBadAnswer) and error.status in {NO_SUCH_NAME, 401, 403}:
        found.problems.append(str(error))
    else:
        found.unreachable = str(error)


def _check_statuses(found: Preflight, settings: Settings) -> None:
    """Report statuses that the server does not have; an inactive one is no typo."""
    assert found.snapshot is not None
    source = settings.sources.get("status_map", "default")
    choices = status.choices(settings.status_map, source, found.snapshot.statuses)
    for name in settings.status_map:
        choice = choices[Outcome(name)]
        if choice.problem and not choice.inactive:
            found.problems.append(choice.problem)


def _check_target(found: Preflight, client: Client, settings: Settings) -> None:
    assert found.snapshot is not None
    try:
        target = found.snapshot.read_target(client, settings)
    except ZephyrBadAnswer as refused:
        _note(found, refused)
        if settings.only_planned and refused.status == NO_SUCH_NAME:
            _plan_nothing(found)
        return
    if target.phase is None and target.cycle is None:
        found.problems += missing_for_cycle(client, settings, target)
    try:
        found.snapshot.read_executions(client, None if settings.only_planned else KEPT)
    except ZephyrNotFound as missing:
        _note(found, missing)
        if settings.only_planned:
            _plan_nothing(found)
        return
    if settings.only_planned and target.phase is None:
        found.remarks.append(f"{settings.describe('phase')} does not exist yet.")
        _plan_nothing(found)
    elif settings.only_planned:
        found.plan = found.snapshot.read_scheduled(client)


def _plan_nothing(found: Preflight) -> None:
    """Take a phase that does not exist for one without test cases."""
    found.plan = {}
    found.remarks.append("only planned tests run, so none is selected.")


def look_up(
    found: Preflight, settings: Settings, cases: Iterable[CaseRef]
) -> list[tuple[CaseRef, str]]:
    """Return those of *cases* that Zephyr does not know, each with a message.

    Leaves out those that could not be looked up in time.
    """
    snapshot, client = found.snapshot, found.client
    if snapshot is None or client is None or snapshot.target is None:
        return []
    if settings.unknown_case == "ignore":
        return []
    scheduled = {name for each in snapshot.executions for name in (each.case, each.alt)}
    missing = [case for case in cases if case not in scheduled]
    strict = settings.unknown_case == "error" and settings.on_error == "fail"
    if not strict:
        missing = missing[:_LOOKED_UP]
    if not missing:
        return []
    walk = WALK if settings.may_create("execution") else 0
    try:
        looked_up = snapshot.look_up(client, missing, walk)
    except ZephyrError:
        # If this is still a problem at the end, the push reports it.
        return []
    problems: list[tuple[CaseRef, str]] = []
    for case in missing:
        if case in looked_up.ambiguous:
            same_alt = looked_up.ambiguous[str(case)]
            problems.append((case, ambiguous_alt(case, same_alt, "Zephyr")))
        elif looked_up.certain and not looked_up.has(case):
            problems.append((case, snapshot.unknown(case)))
    return problems
