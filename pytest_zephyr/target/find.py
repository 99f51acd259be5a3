"""Find the target of results by names or ids: project, release, cycle and phase."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
import re
from typing import Literal
from typing import TypeVar

from pytest_zephyr import errors
from pytest_zephyr import table
from pytest_zephyr.client import entities
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import CREATE_LEVELS
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.text import closest
from pytest_zephyr.text import first_few


#: The most existing names to list when a name is not found.
_MAX_NAMES = 20

#: The most releases to search for a cycle that is not in the release of the settings.
_MAX_SEARCHED_RELEASES = 20


_DIGITS = re.compile(r"\d+")

Kind = Literal["project", "release", "cycle", "phase"]

Place = entities.Project | entities.Release | entities.Cycle | entities.Phase
Entity = TypeVar(
    "Entity", entities.Project, entities.Release, entities.Cycle, entities.Phase
)
Answer = TypeVar("Answer")


def find_target(client: Client, settings: Settings) -> entities.Target:
    """Look up the phase that the settings name, and what is above it.

    The id of a phase alone is enough, and needs no request. A missing phase or cycle
    that may be created is `None` in the result. For anything else that is missing,
    TargetNotFound is raised, with the names that exist, or with the place where a phase
    really is.
    """
    try:
        return Finder(client, settings).find()
    except errors.ZephyrRefused:
        # An id may be unknown; the second search explains this better than the server.
        Finder(client, settings, thorough=True).find()
        raise


class Finder:
    """Looks up project, release, cycle and phase.

    If *thorough*, it also finds out whether an id exists at all. *places* has what was
    found so far by kind, `None` for what is to be created.
    """

    def __init__(
        self, client: Client, settings: Settings, *, thorough: bool = False
    ) -> None:
        self._client = client
        self._settings = settings
        self._thorough = thorough
        self.places: dict[str, Place | None] = {}
        self._project: entities.Project | None = None
        self._remarks: list[str] = []

    def find(self) -> entities.Target:
        ref = self._ref("phase")
        if ref.id is not None:
            return self._find_by_phase_id(ref.id)
        cycle, release = self.find_cycle()
        if cycle is None:
            return self._target(release)
        phase = self._pick("phase", ref, cycle.phases, f"cycle {cycle.name!r}")
        return self._target(release, cycle, phase)

    def find_cycle(self) -> tuple[entities.Cycle | None, entities.Release | None]:
        """Return the cycle, `None` if it is to be created, and its release.

        The release is `None` if the server does not say which one it is.
        """
        ref = self._ref("cycle")
        if ref.id is not None and self._settings.release is None:
            cycle = self._by_id("cycle", self._client.cycle, ref.id)
            release = (
                None if cycle.release is None else entities.Release(cycle.release, "")
            )
            self._check_project("cycle", release)
            self.places["cycle"] = cycle
            return cycle, release
        release = self.find_release()
        cycles = self._by_id("release", self._client.cycles, release.id)
        return self._pick("cycle", ref, cycles, self._name_release(release)), release

    def find_release(self) -> entities.Release:
        """Return the release; its name is empty if only its id is set, and no project."""
        ref = self._ref("release")
        if self._settings.project is None and ref.id is not None:
            only_id = self.places["release"] = entities.Release(ref.id, "")
            return only_id
        release = self._pick("release", ref, self._releases(), self._name_project())
        assert release is not None, "a release is never created"
        return release

    def _by_id(self, kind: Kind, call: Callable[[int], Answer], number: int) -> Answer:
        """Make a call with the id of a *kind*; if *thorough*, explain an unknown id."""
        try:
            return call(number)
        except errors.ZephyrRefused as refused:
            if not self._thorough:
                raise
            # If the server is broken, this call raises, too.
            self._client.projects()
            text = f"{self._settings.describe(kind)} is not a {kind} of this server,"
            text += f" which says: {refused}"
            phase = self._settings.phase
            if phase is not None and phase.id is not None:
                text += f" Phase {phase.id}: {self._where_is(phase.id, ())}"
            raise errors.TargetNotFound(text, option=kind) from None

    def find_project(self) -> entities.Project:
        ref = self._ref("project")
        if ref.id is not None and not self._thorough:
            return entities.Project(ref.id, "")
        project = self._pick("project", ref, self._client.projects(), "this server")
        assert project is not None, "a project is never created"
        return project

    def _releases(self) -> list[entities.Release]:
        """Return the releases of the project without the hidden one."""
        if self._settings.project is None:
            raise errors.TargetNotFound(
                f"{self._settings.describe('release')} cannot be looked up without its"
                f" project. Set zephyr_project, or zephyr_release to an id.",
                option="project",
            )
        self._project = self.find_project()
        return [r for r in self._client.releases(self._project.id) if not r.hidden]

    # The id of a phase, with or without what is above it

    def _find_by_phase_id(self, number: int) -> entities.Target:
        settings, cycle_ref = self._settings, self._settings.cycle
        if settings.has_only_phase:
            only_id = self.places["phase"] = entities.Phase(number, "")
            return self._target(phase=only_id)
        cycles, release = self._cycles_above(number)
        matches = [
            each for each in cycles if cycle_ref is None or _matches(cycle_ref, each)
        ]
        if cycle_ref is not None and matches:
            self.places["cycle"] = matches[0]
        for cycle, phase in phases_with_id(number, matches):
            self.places |= {"cycle": cycle, "phase": phase}
            return self._target(release, cycle, phase)
        parent = "this server" if release is None else self._name_release(release)
        if cycle_ref is not None and not matches:
            where = self._where_is(number, cycles, f"Phase {number}")
            text = str(self._not_found("cycle", cycle_ref, cycles, parent))
            raise errors.TargetNotFound(f"{text} {where}", option="cycle")
        if cycle_ref is not None:
            parent = f"cycle {matches[0].name!r}"
        where = self._where_is(number, cycles)
        text = f"{settings.describe('phase')} is not a phase of {parent}. {where}"
        raise errors.TargetNotFound(text, option="phase")

    def _cycles_above(
        self, phase: int
    ) -> tuple[Sequence[entities.Cycle], entities.Release | None]:
        """Return the cycles that may contain *phase*, and their release if it is known."""
        settings = self._settings
        if settings.release is not None:
            release = self.find_release()
            return self._by_id("release", self._client.cycles, release.id), release
        if settings.cycle is not None and settings.cycle.id is not None:
            cycle, release_above = self.find_cycle()
            assert cycle is not None, "a cycle with an id is not to be created"
            if cycle.phases or release_above is None:
                return [cycle], release_above
            return self._client.cycles(release_above.id), release_above
        number = self._client.phase_tree(phase).release
        if number is None:
            raise errors.TargetNotFound(
                f"{settings.describe('phase')}: this server does not say in which"
                f" release it is. Set zephyr_release, or set nothing above the phase:"
                f" its id is enough.",
                option="release",
            )
        release = entities.Release(number, "")
        self._check_project("phase", release)
        return self._client.cycles(number), release

    def _check_project(self, kind: Kind, release: entities.Release | None) -> None:
        """Raise TargetNotFound if the *release* of a *kind* is not in the project."""
        if self._settings.project is None or release is None:
            return
        releases = self._releases()
        if any(each.id == release.id for each in releases):
            return
        raise errors.TargetNotFound(
            f"{self._settings.describe(kind)} is not in {self._name_project()}: it is in"
            f" release id {release.id}, which is of another project.",
            option=kind,
        )

    def _where_is(
        self, phase: int, cycles: Sequence[entities.Cycle], subject: str = "It"
    ) -> str:
        """Say where a *phase* really is, and what to set; *subject* names it there."""
        release = ""
        if not phases_with_id(phase, cycles):
            try:
                number = self._client.phase_tree(phase).release
                cycles = self._client.cycles(number) if number is not None else ()
            except errors.ZephyrRefused:
                return "There is no phase with this id, or it cannot be read."
            release = f" of release id {number}"
        for cycle, _phase in phases_with_id(phase, cycles):
            return (
                f"{subject} is in cycle {cycle.name!r} ({cycle.id}){release}. Set that, or"
                f" nothing above the phase: its id is enough."
            )
        return "The server does not say where it is."

    # Results and messages

    def _target(
        self,
        release: entities.Release | None = None,
        cycle: entities.Cycle | None = None,
        phase: entities.Phase | None = None,
    ) -> entities.Target:
        names = {
            kind: place.name.strip() for kind, place in self.places.items() if place
        }
        return entities.Target(
            path=self._settings.target_path(names),
            phase=phase,
            cycle=cycle,
            release=release,
            project=self._project,
            remarks=tuple(self._remarks),
        )

    def _name_release(self, release: entities.Release) -> str:
        return f"release {self._settings.release or f'id {release.id}'}"

    def _name_project(self) -> str:
        return f"project {self._settings.project}"

    def _ref(self, name: str) -> Ref:
        ref: Ref | None = getattr(self._settings, name)
        assert ref is not None, f"the settings require a {name}"
        return ref

    def _pick(
        self, kind: Kind, ref: Ref, listed: Sequence[Entity], parent: str
    ) -> Entity | None:
        """Return the entity that *ref* names, `None` if it is missing and may be created.

        *parent* says for messages what contains the *listed* entities.
        """
        matches = [each for each in listed if _matches(ref, each)]
        if not matches:
            if kind in CREATE_LEVELS and ref.name and self._settings.may_create(kind):
                self.places[kind] = None
                return None
            raise self._not_found(kind, ref, listed, parent)
        lowest = min(matches, key=lambda each: each.id)
        if len(matches) > 1:
            ids = ", ".join(map(str, sorted(each.id for each in matches)))
            self._remarks.append(
                f"{len(matches)} {kind}s of {parent} are called {lowest.name!r} (ids {ids});"
                f" the lowest id is used. Set {table.ini_of(kind)} to an id to choose."
            )
        self.places[kind] = lowest
        return lowest

    def _other_release(self, ref: Ref) -> str:
        """Return the release that has the cycle *ref*, as text; empty if not found."""
        releases: Sequence[entities.Release] = ()
        number = None
        try:
            if self._settings.project:
                releases = self._releases()
            if ref.id is not None:
                number = self._client.cycle(ref.id).release
            for each in releases[:_MAX_SEARCHED_RELEASES] if ref.id is None else ():
                if any(_matches(ref, c) for c in self._client.cycles(each.id)):
                    number = each.id
                    break
        except errors.ZephyrBadAnswer:
            return ""
        if number is None:
            return ""
        name = next((each.name for each in releases if each.id == number), None)
        return f"id {number}" if name is None else f"{name!r} ({number})"

    def _not_found(
        self, kind: str, ref: Ref, listed: Sequence[Entity], parent: str
    ) -> errors.TargetNotFound:
        """Return the error for a *ref* that none of the *listed* entities matches."""
        names = {each.name: each.id for each in sorted(listed, key=lambda e: -e.id)}
        close = closest(ref.name or str(ref.id), names)
        if kind in CREATE_LEVELS and close and _has_other_digits(close, ref.name or ""):
            # It is of another build or day, and no typing mistake.
            close = None
        close_first = sorted(names, key=lambda name: (name != close, names[name]))
        known = first_few(
            (f"{name!r} ({names[name]})" for name in close_first), _MAX_NAMES
        )
        text = f"{self._settings.describe(kind)} is not a {kind} of {parent}."
        if kind == "cycle" and not close and (other := self._other_release(ref)):
            text += f" It is in release {other}: set zephyr_release to that, or set"
            text += f" zephyr_cycle to a cycle of {parent}"
            text += f": {known}." if names else ", which has none yet."
            return errors.TargetNotFound(text, option=kind)
        text += f" Did you mean {close!r}?" if close else ""
        text += f" There are: {known}." if names else f" There is no {kind} at all."
        phase = self._settings.phase
        has_phase_id = phase is not None and phase.id is not None
        if kind in CREATE_LEVELS and ref.name and not close and not has_phase_id:
            text += f" To create it: --zephyr-create={kind}."
        suggestion = None
        if close:
            # A terminal cannot show every name so that it can be pasted.
            ref = Ref(name=close) if close.isprintable() else Ref(id=names[close])
            suggestion = ref.option_text
        return errors.TargetNotFound(text, option=kind, suggestion=suggestion)


def phases_with_id(
    number: int, cycles: Iterable[entities.Cycle]
) -> list[tuple[entities.Cycle, entities.Phase]]:
    """Return the phase with this id and its cycle in a list, empty if no cycle has it."""
    return [
        (cycle, phase)
        for cycle in cycles
        for phase in cycle.phases
        if phase.id == number
    ]


def _matches(ref: Ref, place: Place) -> bool:
    """Return whether *ref* names *place*; white space around a name is ignored."""
    if ref.id is not None:
        return place.id == ref.id
    return place.name.strip() == (ref.name or "").strip()


def _has_other_digits(name: str, other: str) -> bool:
    """Return whether two names differ only in digits."""
    return _DIGITS.sub("0", name) == _DIGITS.sub("0", other)
