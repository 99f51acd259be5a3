"""The part of the startup check that asks the server, to report early what would fail."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import ExitStack
from dataclasses import replace

from pytest_zephyr import errors
from pytest_zephyr import protocol
from pytest_zephyr.client.api import Client
from pytest_zephyr.clock import Deadline
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.push.embedded import start_if_sandbox
from pytest_zephyr.results import records
from pytest_zephyr.results import status
from pytest_zephyr.target.create_cycle import missing_for_cycle
from pytest_zephyr.target.snapshot import MAX_KEPT_EXECUTIONS
from pytest_zephyr.target.snapshot import NOT_IN_PHASE
from pytest_zephyr.target.snapshot import read_user_and_statuses
from pytest_zephyr.target.snapshot import Snapshot


#: The most test cases that `Preflight.look_up` looks up, unless an unknown one ends the
#: session. The push looks up the rest.
_MAX_LOOKED_UP = 1000


def status_problems(
    settings: Settings, statuses: Sequence[status.Status]
) -> list[status.Choice]:
    """Return the choices of the user's own status map that have a problem."""
    choices = settings.choices(statuses)
    mapped = (choices[records.Outcome(name)] for name in settings.status_map)
    return [choice for choice in mapped if choice.problem]


class Preflight:
    """Checks the server and collects texts for people.

    A check or a look-up takes at most *seconds*. *problems* are mistakes that the user has
    to fix, *remarks* are not. *unreachable* says why the server could not be checked, if
    it could not; with `only_planned` this is a problem instead. *snapshot* is what was
    read, so that the push need not read it again.
    """

    def __init__(self, settings: Settings, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds
        self._client: Client | None = None
        self.problems: list[str] = []
        self.remarks: list[str] = []
        self.unreachable = ""
        self.snapshot: Snapshot | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """What to print."""
        texts = [*self.problems, *self.remarks]
        if self.unreachable:
            texts.append(protocol.not_checked(self.unreachable))
        return tuple("\n".join(texts).splitlines())

    @property
    def in_phase(self) -> tuple[records.CaseRef, ...] | None:
        """The ids and Alt IDs of all test cases in the phase, `None` if not read."""
        in_phase = self.snapshot.in_phase if self.snapshot else None
        if in_phase is None:
            return None
        return tuple(dict.fromkeys([*in_phase, *filter(None, in_phase.values())]))

    def _time_budget(self) -> Deadline:
        reason = "for the check before the tests"
        return self._settings.time_budget(self._seconds, reason)

    def run(self, stack: ExitStack) -> None:
        """Check the server, with a client that *stack* closes."""
        settings = self._settings
        try:
            client = stack.enter_context(Client(settings, self._time_budget()))
            snapshot = self.snapshot = read_user_and_statuses(client)
            # An inactive status is no typing mistake, so only the push reports it.
            choices = status_problems(settings, snapshot.statuses)
            self.problems += [each.problem for each in choices if not each.inactive]
            self._check_target(client, snapshot)
            self._client = client
        except errors.ZephyrUnreachable as error:
            self.unreachable = str(error)
        except errors.ZephyrBadAnswer as error:
            if error.http_status in {401, 403}:
                self.problems.append(str(error))
            else:
                # The server or a proxy may be down for a moment.
                self.unreachable = str(error)
        if settings.only_planned and self.in_phase is None and not self.problems:
            problem = protocol.not_checked(self.unreachable, only_planned=True)
            self.problems.append(problem)
            self.unreachable = ""

    def _check_target(self, client: Client, snapshot: Snapshot) -> None:
        """Read target, executions and, with `only_planned`, the phase's test cases."""
        settings = self._settings
        try:
            target = snapshot.read_target(client, settings)
            self.problems += missing_for_cycle(client, settings, target)
            limit = None if settings.only_planned else MAX_KEPT_EXECUTIONS
            snapshot.read_executions(client, limit)
            if settings.only_planned and target.phase is not None:
                snapshot.read_cases_in_phase(client)
            elif settings.only_planned:
                self.remarks.append(f"{settings.describe('phase')} does not exist yet.")
        except errors.TargetNotFound as error:
            self.problems.append(str(error))
        if settings.only_planned and snapshot.in_phase is None:
            # A phase that was not found, or is still to be created, has no test cases.
            snapshot.in_phase = {}
            self.remarks.append(
                "only tests of planned test cases run, and there are none."
            )

    def look_up(self, cases: Iterable[records.CaseRef]) -> list[protocol.CaseProblem]:
        """Return those of *cases* that are unknown or ambiguous in Zephyr.

        The list is empty if they cannot be looked up, or if unknown ones are ignored.
        """
        settings = self._settings
        if settings.unknown_case == "ignore":
            return []
        aborts = settings.unknown_case == "error" and settings.on_error == "fail"
        limit = None if aborts else _MAX_LOOKED_UP
        try:
            problems = self._look_up(cases, limit, read_all=False)
        except errors.ZephyrError:
            # If this is still a problem at the end, the push reports it.
            return []
        return [
            each for each in problems if each[2] not in {NOT_IN_PHASE, protocol.TO_ADD}
        ]

    def look_up_all(
        self, cases: Iterable[records.CaseRef]
    ) -> list[protocol.CaseProblem]:
        """Return those of *cases* that have no execution, each with the reason.

        Raises ZephyrError if they cannot be looked up.
        """
        return self._look_up(cases, None, read_all=True)

    def _look_up(
        self, cases: Iterable[records.CaseRef], limit: int | None, *, read_all: bool
    ) -> list[protocol.CaseProblem]:
        """Return why *cases* have no execution, for the first *limit* that have none.

        With *read_all* all executions of the phase are read first, if they were not.
        """
        client, snapshot = self._client, self.snapshot
        if client is None or snapshot is None or snapshot.target is None:
            raise errors.ZephyrError("the test cases could not be checked.")
        client.renew(self._time_budget())
        if read_all and not snapshot.is_complete:
            snapshot.read_executions(client)
        with_execution = {
            name for row in snapshot.executions for name in (row.case, row.alt)
        }
        missing = [case for case in cases if case not in with_execution][:limit]
        may_create = self._settings.may_create("execution")
        lookup = snapshot.look_up(client, missing, thorough=may_create)
        reasons = [(case, *snapshot.why_missing(case)) for case in missing]
        return [
            (
                case,
                text,
                protocol.TO_ADD if may_create and case in lookup.placements else code,
            )
            for case, text, code in reasons
        ]


@contextmanager
def check_server(settings: Settings, seconds: float) -> Iterator[Preflight]:
    """Check login, statuses and target; with `only_planned` read test cases, too.

    The embedded server is checked only with `only_planned`. The check takes at most
    *seconds*, as does each look-up. The client stays open in the block. Errors of the
    server are not raised, but described by the yielded `Preflight`.
    """
    preflight = Preflight(settings, seconds)
    with ExitStack() as stack:
        if settings.url != SANDBOX:
            preflight.run(stack)
        elif settings.only_planned:
            settings = stack.enter_context(start_if_sandbox(settings))
            # An unknown test case is no problem here: the push will create it.
            preflight = Preflight(replace(settings, unknown_case="ignore"), seconds)
            preflight.run(stack)
            if preflight.snapshot is not None:
                # The push starts its own server, so it reads the target again.
                preflight.snapshot = replace(
                    preflight.snapshot, target=None, executions=[], is_complete=False
                )
        yield preflight
