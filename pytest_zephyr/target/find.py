"""Where results go: project, release, cycle and phase, from names to ids."""

from __future__ import annotations

from collections.abc import Sequence
import difflib
from typing import Literal
from typing import Protocol
from typing import TypeVar

from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import Project
from pytest_zephyr.client.entities import Release
from pytest_zephyr.client.entities import Target
from pytest_zephyr.config.settings import CREATE
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import NO_SUCH_NAME
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused


#: Names shown when one was not found.
_SHOWN = 20


Kind = Literal["project", "release", "cycle", "phase"]


class _Listed(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


Found = TypeVar("Found", bound=_Listed)


def find_target(client: Client, settings: Settings) -> Target:
    """Resolve what the settings name, asking only for what no id tells.

    A phase or cycle that is missing and may be created is left out of what is
    returned. Raises ZephyrNotFound with the names that exist if anything else is not
    among them.
    """
    try:
        return Finder(client, settings).find()
    except ZephyrRefused as refused:
        if refused.status in {NO_SUCH_NAME, 401, 403}:
            raise
        # An id that nobody knows looks like a broken server; the lists tell (API 5, 13).
        Finder(client, settings, thorough=True).find()
        raise


class Finder:
    """One walk from project to phase; an id ends the way up from it.

    A *thorough* one also looks ids up in the lists that should have them.
    """

    def __init__(
        self, client: Client, settings: Settings, *, thorough: bool = False
    ) -> None:
        self._client = client
        self._settings = settings
        self._thorough = thorough
        self._project: Project | None = None
        self._remarks: list[str] = []

    def find(self) -> Target:
        ref = self._ref("phase")
        cycle: Cycle | None = None
        phase: Phase | None = None
        above = self._settings.cycle
        listed = self._thorough and above is not None
        if above is not None and above.id is None:
            listed = listed and self._lists_cycles
        if ref.id is not None and not listed:
            phase = Phase(ref.id, "")
            release = self._named_release()
        else:
            cycle, release = self.find_cycle()
            if cycle is not None:
                place = f"cycle {cycle.name!r}"
                phase = self._pick("phase", ref, cycle.phases, place)
        return Target(
            path=self._path(),
            phase=phase,
            cycle=cycle,
            release=release,
            project=self._project,
            remarks=tuple(self._remarks),
        )

    @property
    def _lists_cycles(self) -> bool:
        """Whether the settings lead to a release, whose cycles can be listed."""
        release = self._settings.release
        if release is None:
            return False
        return release.id is not None or self._settings.project is not None

    def _named_release(self) -> Release | None:
        """Return the release beside the id of a phase; it is needed to make things."""
        ref = self._settings.release
        if ref is None or (ref.id is None and self._settings.create == "never"):
            return None
        if ref.id is not None:
            return Release(ref.id, "")
        return self.find_release()

    def find_cycle(self) -> tuple[Cycle | None, Release | None]:
        """Return the cycle, `None` if it is to be created, and the release above it."""
        ref = self._ref("cycle")
        above = self._settings.release
        listed = self._thorough and self._lists_cycles
        if ref.id is not None and not listed and (above is None or above.id is None):
            cycle = self._client.cycle(ref.id)
            release = None if cycle.release is None else Release(cycle.release, "")
            return cycle, release
        release = self.find_release()
        cycles = self._client.cycles(release.id)
        place = f"release {self._settings.release or release.id}"
        return self._pick("cycle", ref, cycles, place), release

    def find_release(self) -> Release:
        """Return the release, with its name and dates where it had to be looked up."""
        ref = self._ref("release")
        listed = self._thorough or self._settings.may_create("cycle")
        if ref.id is not None and not (listed and self._settings.project):
            return Release(ref.id, "")
        self._project = self.find_project()
        # The repository of a project is a hidden release (API 4.3).
        releases = [r for r in self._client.releases(self._project.id) if not r.hidden]
        place = f"project {self._settings.project}"
        found = self._pick("release", ref, releases, place)
        assert found is not None, "a release is never created"
        return found

    def find_project(self) -> Project:
        ref = self._ref("project")
        if ref.id is not None and not self._thorough:
            return Project(ref.id, "")
        found = self._pick("project", ref, self._client.projects(), "this server")
        assert found is not None, "a project is never created"
        return found

    def _ref(self, name: str) -> Ref:
        ref: Ref | None = getattr(self._settings, name)
        assert ref is not None, f"{name} is required by the settings"
        return ref

    def _pick(
        self, kind: Kind, ref: Ref, listed: Sequence[Found], place: str
    ) -> Found | None:
        """Return what *ref* names, `None` if it is missing and may be created."""
        if ref.id is not None:
            matches = [each for each in listed if each.id == ref.id]
        else:
            wanted = (ref.name or "").strip()
            matches = [each for each in listed if each.name.strip() == wanted]
        if not matches:
            if kind in CREATE and ref.name and self._settings.may_create(kind):
                return None
            raise ZephyrNotFound(self._not_found(kind, ref, listed, place))
        found = min(matches, key=lambda each: each.id)
        if len(matches) > 1:
            ids = ", ".join(
                str(each.id) for each in sorted(matches, key=lambda e: e.id)
            )
            self._remarks.append(
                f"{len(matches)} {kind}s of {place} are called {found.name!r} (ids {ids});"
                f" the lowest id is taken. Set zephyr_{kind} to an id to choose."
            )
        return found

    def _not_found(
        self, kind: str, ref: Ref, listed: Sequence[Found], place: str
    ) -> str:
        names = {each.name: each.id for each in sorted(listed, key=lambda e: -e.id)}
        text = ref.name or str(ref.id)
        close = _closest(text, list(names))
        shown = sorted(names, key=lambda name: (name != close, names[name]))[:_SHOWN]
        known = ", ".join(f"{name!r} ({names[name]})" for name in shown)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        hint = f" Did you mean {close!r}?" if close else ""
        has = f" There are: {known}{more}." if names else f" There is no {kind} at all."
        mend = ""
        if kind in CREATE and ref.name and not close:
            mend = f" To have it made: --zephyr-create={kind}."
        said = self._settings.describe(kind)
        return f"{said} is not a {kind} of {place}.{hint}{has}{mend}"

    def _path(self) -> str:
        refs = [getattr(self._settings, n) for n in ("project", "release", "cycle")]
        names = [ref.name or str(ref.id) for ref in refs if ref is not None]
        phase = self._ref("phase")
        return " > ".join([*names, phase.name or f"id {phase.id}"])


def _closest(text: str, names: Sequence[str]) -> str | None:
    folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(text.casefold(), list(folded), 1, 0.6)
    return folded[found[0]] if found else None
