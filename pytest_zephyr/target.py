"""Where results go: project, release, cycle and phase, from names to ids."""

from __future__ import annotations

from collections.abc import Sequence
import difflib
from typing import Protocol
from typing import TypeVar

from pytest_zephyr.client import Client
from pytest_zephyr.entities import Cycle
from pytest_zephyr.entities import Target
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.settings import Ref
from pytest_zephyr.settings import Settings


#: Names shown when one was not found.
_SHOWN = 20


class _Listed(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...


Found = TypeVar("Found", bound=_Listed)


def find_target(client: Client, settings: Settings) -> Target:
    """Resolve what the settings name, asking only for what no id tells.

    Raises ZephyrNotFound with the names that exist if one is not among them.
    """
    return _Finder(client, settings).find()


class _Finder:
    """One walk from project to phase; an id ends the way up from it."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._remarks: list[str] = []

    def find(self) -> Target:
        phase = self._ref("phase")
        release: int | None = None
        if self._settings.release is not None:
            release = self._settings.release.id
        if phase.id is None:
            cycle, release = self._cycle(release)
            found = self._pick("phase", phase, cycle.phases, f"cycle {cycle.name!r}")
            phase = Ref(id=found.id, name=found.name)
        assert phase.id is not None
        return Target(phase.id, release, self._path(phase), tuple(self._remarks))

    def _cycle(self, release: int | None) -> tuple[Cycle, int | None]:
        cycle = self._ref("cycle")
        if release is None and cycle.id is not None:
            return self._client.cycle(cycle.id), None
        if release is None:
            release = self._release()
        cycles = self._client.cycles(release)
        place = f"release {self._settings.release or release}"
        return self._pick("cycle", cycle, cycles, place), release

    def _release(self) -> int:
        release = self._ref("release")
        project = self._ref("project")
        if project.id is None:
            found = self._pick(
                "project", project, self._client.projects(), "this server"
            )
            project = Ref(id=found.id, name=found.name)
        assert project.id is not None
        # The repository of a project is a hidden release (API 4.3).
        releases = [r for r in self._client.releases(project.id) if not r.hidden]
        place = f"project {self._settings.project}"
        return self._pick("release", release, releases, place).id

    def _ref(self, name: str) -> Ref:
        ref: Ref | None = getattr(self._settings, name)
        assert ref is not None, f"{name} is required by the settings"
        return ref

    def _pick(self, kind: str, ref: Ref, listed: Sequence[Found], place: str) -> Found:
        if ref.id is not None:
            matches = [each for each in listed if each.id == ref.id]
        else:
            wanted = (ref.name or "").strip()
            matches = [each for each in listed if each.name.strip() == wanted]
        if not matches:
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
        said = self._settings.describe(kind)
        return f"{said} is not a {kind} of {place}.{hint}{has}"

    def _path(self, phase: Ref) -> str:
        refs = [getattr(self._settings, n) for n in ("project", "release", "cycle")]
        names = [ref.name or str(ref.id) for ref in refs if ref is not None]
        return " > ".join([*names, phase.name or f"phase {phase.id}"])


def _closest(text: str, names: Sequence[str]) -> str | None:
    folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(text.casefold(), list(folded), 1, 0.6)
    return folded[found[0]] if found else None
