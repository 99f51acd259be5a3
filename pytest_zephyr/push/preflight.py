"""Check the server before the first test, to report at once what would go wrong."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import ExitStack
from dataclasses import dataclass
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
from pytest_zephyr.push.embedded import served
from pytest_zephyr.results import status
from pytest_zephyr.results.records import CaseRef
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.target.create_cycle import missing_for_cycle
from pytest_zephyr.target.find_cases import WALK
from pytest_zephyr.target.snapshot import KEPT
from pytest_zephyr.target.snapshot import NOT_IN_PHASE
from pytest_zephyr.target.snapshot import read_user_and_statuses
from pytest_zephyr.target.snapshot import Snapshot


#: How many ids are looked up before the tests, unless an unknown one aborts the run. The
#: push looks up the rest.
_LOOKED_UP = 1000

#: The code of a test case to add to the phase, which is no problem.
TO_ADD = "to-add"

#: A test case with a problem, a message about it, and a stable name of the problem.
CaseProblem = tuple[CaseRef, str, str]


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


def status_problems(
    settings: Settings, statuses: Sequence[status.Status]
) -> list[status.Choice]:
    """Return the wrong choices of the user's own status map, with their problems."""
    choices = settings.choices(statuses)
    mapped = (choices[Outcome(name)] for name in settings.status_map)
    return [choice for choice in mapped if choice.problem]


class Preflight:
    """Checks the server, and collects what is wrong.

    The user has to fix *problems*, but not *remarks*. *unreachable* says why the server
    could not be checked, which is not a configuration problem.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self.problems: list[str] = []
        self.remarks: list[str] = []
        self.unreachable = ""
        self.facts = ServerFacts()

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
        plan = self.facts.plan
        if plan is None:
            return None
        return tuple(dict.fromkeys([*plan, *filter(None, plan.values())]))

    def run(self, stack: ExitStack, seconds: float) -> None:
        """Check the server with a client that *stack* closes, for at most *seconds*."""
        settings = self._settings
        deadline = Deadline(seconds)
        if seconds < settings.deadline:
            deadline = Deadline(seconds, "for the check before the tests")
        try:
            client = stack.enter_context(Client(settings, deadline))
            snapshot = self.facts.snapshot = read_user_and_statuses(client)
            self.facts.clock_offset = client.clock_offset
            self._check_statuses(snapshot)
            self._check_target(client, snapshot)
            self._client = client
        except (ZephyrUnreachable, ZephyrBadAnswer) as error:
            self._note(error)
        if settings.only_planned and self.facts.plan is None and not self.problems:
            why = "the plan for --zephyr-only-planned cannot be read"
            self.problems.append(f"{why}: {self.unreachable}")
            self.unreachable = ""

    def _note(self, error: ZephyrError) -> None:
        # Other refusals may come from a server or proxy that is down for the moment.
        if isinstance(error, ZephyrBadAnswer) and error.status in {
            NO_SUCH_NAME,
            401,
            403,
        }:
            self.problems.append(str(error))
        else:
            self.unreachable = str(error)

    def _check_statuses(self, snapshot: Snapshot) -> None:
        """Report statuses that the server does not have; an inactive one is no typo."""
        wrong = status_problems(self._settings, snapshot.statuses)
        self.problems += [choice.problem for choice in wrong if not choice.inactive]

    def _check_target(self, client: Client, snapshot: Snapshot) -> None:
        """Read the target and its executions; with `only_planned`, the plan, too."""
        settings = self._settings
        try:
            target = snapshot.read_target(client, settings)
        except ZephyrBadAnswer as error:
            self._note(error)
            if error.status == NO_SUCH_NAME:
                self._plan_nothing()
            return
        if target.phase is None and target.cycle is None:
            self.problems += missing_for_cycle(client, settings, target)
        try:
            snapshot.read_executions(client, None if settings.only_planned else KEPT)
        except ZephyrNotFound as missing:
            self._note(missing)
            self._plan_nothing()
            return
        if settings.only_planned and target.phase is not None:
            self.facts.plan = snapshot.read_scheduled(client)
        elif settings.only_planned:
            self.remarks.append(f"{settings.describe('phase')} does not exist yet.")
            self._plan_nothing()

    def _plan_nothing(self) -> None:
        """Take a phase that does not exist for one without test cases."""
        if self._settings.only_planned:
            self.facts.plan = {}
            self.remarks.append("only planned tests run, so none is selected.")

    def look_up(self, cases: Iterable[CaseRef], seconds: float) -> list[CaseProblem]:
        """Return those of *cases* that Zephyr does not know.

        Leaves out those that could not be looked up within *seconds*.
        """
        settings = self._settings
        limit: int | None = _LOOKED_UP
        if settings.unknown_case == "error" and settings.on_error == "fail":
            limit = None
        if settings.unknown_case == "ignore":
            return []
        try:
            problems = self._look_up(cases, seconds, limit)
        except ZephyrError:
            # If this is still a problem at the end, the push reports it.
            return []
        return [each for each in problems if each[2] not in {NOT_IN_PHASE, TO_ADD}]

    def look_up_all(
        self, cases: Iterable[CaseRef], seconds: float
    ) -> list[CaseProblem]:
        """Return those of *cases* that are not in the phase.

        Raises ZephyrError if they could not be looked up within *seconds*.
        """
        snapshot = self.facts.snapshot
        if self._client is None or snapshot is None or snapshot.target is None:
            raise ZephyrError("the test cases could not be checked.")
        if not snapshot.complete:
            snapshot.read_executions(self._client)
        return self._look_up(cases, seconds)

    def _look_up(
        self, cases: Iterable[CaseRef], seconds: float, limit: int | None = None
    ) -> list[CaseProblem]:
        """Say what is wrong with those of *cases* that have no execution, at most *limit*."""
        client, snapshot = self._client, self.facts.snapshot
        if client is None or snapshot is None or snapshot.target is None:
            return []
        client.renew(Deadline(seconds))
        scheduled = {
            name for row in snapshot.executions for name in (row.case, row.alt)
        }
        missing = [case for case in cases if case not in scheduled][:limit]
        creates = self._settings.may_create("execution")
        lookup = snapshot.look_up(client, missing, WALK if creates else 0)
        problems: list[CaseProblem] = []
        for case in missing:
            text, code = snapshot.why_missing(case)
            is_to_add = creates and case in lookup.placements
            problems.append((case, text, TO_ADD if is_to_add else code))
        return problems


@contextmanager
def check_server(settings: Settings, seconds: float) -> Iterator[Preflight]:
    """Log in, and check the statuses, the target and, with `only_planned`, the plan.

    This takes at most *seconds*. The client stays open in the block. A ZephyrError is not
    raised but described by what is yielded.
    """
    preflight = Preflight(settings)
    with ExitStack() as stack:
        if settings.url != SANDBOX:
            preflight.run(stack, seconds)
        elif settings.only_planned:
            # The embedded server creates all test cases of a run.
            inside = stack.enter_context(served(settings))
            preflight = Preflight(replace(inside, unknown_case="ignore"))
            preflight.run(stack, seconds)
            preflight.facts.snapshot = None
        yield preflight
