"""Create a missing cycle or phase once, even if several jobs try at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import replace
from datetime import date
from datetime import timedelta
from typing import TypeVar

from pytest_zephyr import errors
from pytest_zephyr.client import entities
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.target.creations import Creations


#: The most times to create what is missing and read it back.
_MAX_ROUNDS = 6

#: Days from start to end of a new cycle if neither its release nor its project has an
#: end.
_DEFAULT_DAYS = 30


_Entity = TypeVar("_Entity", entities.Cycle, entities.Phase)


class TargetCreator:
    """Creates the cycle and the phase that *target* lacks.

    Jobs cannot lock anything on the server, and names are not unique there. So the
    cycles are read again after every creation. Of several with one name the lowest id
    counts; others that this process created are removed if they are empty.

    *creations* gets what was created, and what could not be removed. *contested* says
    that another job has created the phase meanwhile.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        target: entities.Target,
        creations: Creations,
    ) -> None:
        assert target.release is not None, "creating a cycle or phase needs a release"
        self._client = client
        self._settings = settings
        self._release = target.release
        self._target = target
        self._creations = creations
        self._created_cycles: list[int] = []
        self._created_phases: list[tuple[int, int]] = []
        self.contested = False

    def create(self) -> entities.Target:
        """Create what is missing, and return the target with its cycle and phase."""
        target = self._target
        if problems := missing_for_cycle(self._client, self._settings, target):
            option = "project" if target.project is None else "environment"
            raise errors.TargetNotFound("\n".join(problems), option=option)
        error = errors.ZephyrUnreachable(
            f"{self._settings.describe('phase')}: it or its cycle was created, but the"
            f" server does not list it. Send the results later."
        )
        for _ in range(_MAX_ROUNDS):
            if target.phase is not None:
                break
            try:
                if target.cycle is None:
                    self._create_cycle()
                else:
                    phase = self._client.create_phase(
                        self._name("phase"), target.cycle, self._release.id
                    )
                    self._created_phases.append((target.cycle.id, phase.id))
            except errors.ZephyrWriteUnanswered as unanswered:
                # `_read` finds out whether the creation happened.
                error = unanswered
            target = self._read()
        if target.phase is None or target.cycle is None:
            raise error
        self._remove_duplicates(target.cycle, target.phase)
        if target.cycle.id in self._created_cycles:
            self._creations.created.append(f"cycle {target.cycle.name!r}")
        if (target.cycle.id, target.phase.id) in self._created_phases:
            self._creations.created.append(f"phase {target.phase.name!r}")
        else:
            self.contested = True
        return target

    def _read(self) -> entities.Target:
        """Read the cycle and the phase again; the lowest id of each name counts."""
        cycles = self._client.cycles(self._release.id)
        cycle = self._target.cycle or _lowest_id(cycles, self._name("cycle"))
        if cycle is not None:
            cycle = next((each for each in cycles if each.id == cycle.id), cycle)
        phase = _lowest_id(cycle.phases, self._name("phase")) if cycle else None
        return replace(self._target, cycle=cycle, phase=phase)

    def _name(self, kind: str) -> str:
        name: str = getattr(self._settings, kind).name
        return name.strip()

    def _create_cycle(self) -> None:
        start, end = self._dates()
        name, release_end = self._name("cycle"), self._release.end
        try:
            cycle = self._client.create_cycle(
                name,
                self._release.id,
                start,
                end,
                build=self._settings.build or "",
                environment=self._settings.environment or "",
            )
        except errors.ZephyrBadAnswer as refused:
            if release_end is not None and release_end < date.today():
                raise errors.TargetNotFound(
                    f"{refused} {self._settings.describe('release')} ended on"
                    f" {release_end}; a cycle needs a release that has not ended. Set"
                    f" zephyr_release to one, or move its end.",
                    option="release",
                ) from None
            msg = f"{refused} (new cycle {name!r} from {start} to {end})"
            raise errors.ZephyrRefused(msg, http_status=refused.http_status) from None
        self._created_cycles.append(cycle.id)

    def _dates(self) -> tuple[date, date]:
        """Return the dates of a new cycle: today to the end of its release, if possible."""
        release, project = self._release, self._target.project
        assert project is not None, "`create` has checked it"
        if None in (release.start, release.end):
            with suppress(errors.ZephyrBadAnswer):
                project = self._client.project(project.id)
        starts, ends = [release.start, project.start], [release.end, project.end]
        return cycle_dates(date.today(), starts, ends)

    def _remove_duplicates(self, cycle: entities.Cycle, phase: entities.Phase) -> None:
        """Remove the cycles and phases that we created and do not use, if they are empty."""
        for cycle_id, phase_id in self._created_phases:
            with self._note_failure("phase", phase_id):
                if phase_id != phase.id and not self._in_use(phase_id):
                    self._client.delete_phase(cycle_id, phase_id)
        for cycle_id in self._created_cycles:
            with self._note_failure("cycle", cycle_id):
                if cycle_id != cycle.id and not self._client.cycle(cycle_id).phases:
                    self._client.delete_cycle(cycle_id)

    @contextmanager
    def _note_failure(self, kind: str, number: int) -> Iterator[None]:
        """Turn an error in the block into a remark that our *kind* could not be removed."""
        try:
            yield
        except errors.ZephyrError as error:
            self._creations.remarks.append(
                f"another job created the same {kind} at the same time; ours (id {number})"
                f" could not be removed: {error}"
            )

    def _in_use(self, phase: int) -> bool:
        """Return whether *phase* has test cases, `True` if it cannot be read."""
        with suppress(errors.ZephyrError):
            return any(True for _ in self._client.executions(phase)) or any(
                True
                for folder in self._client.phase_tree(phase).walk()
                for _ in self._client.phase_rows(folder.id)
            )
        return True


def missing_for_cycle(
    client: Client, settings: Settings, target: entities.Target
) -> list[str]:
    """Return what the settings lack to create a cycle, one line for each problem.

    The list is empty if *target* has a phase or a cycle, or if nothing is missing.
    """
    if target.phase is not None or target.cycle is not None:
        return []
    problems = []
    if target.project is None:
        problems.append(
            f"no project, but a new cycle needs the dates of its release, which only the"
            f" project lists ({settings.describe('create')}). Set zephyr_project."
        )
    if not settings.environment and client.requires_environment():
        problems.append(
            "this server requires an environment on every cycle. Set zephyr_environment"
            " in pytest.ini or ZEPHYR_ENVIRONMENT in the environment."
        )
    return problems


def cycle_dates(
    today: date, starts: list[date | None], ends: list[date | None]
) -> tuple[date, date]:
    """Return the dates of a new cycle, limited to those of release and project.

    If one of these is over, both dates are its last day, which the server may refuse.
    """
    first = max(filter(None, starts), default=None)
    last = min(filter(None, ends), default=None)
    start = max(today, first) if first else today
    if last is None:
        return start, start + timedelta(days=_DEFAULT_DAYS)
    return min(start, last), last


def _lowest_id(listed: Iterable[_Entity], name: str) -> _Entity | None:
    """Return the entity of this name with the lowest id, `None` if there is none."""
    matches = [each for each in listed if each.name.strip() == name]
    return min(matches, key=lambda each: each.id, default=None)
