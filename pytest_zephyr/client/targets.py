"""Calls about who we are, and about projects, releases, cycles and phases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pytest_zephyr.client import decode
from pytest_zephyr.client import entities
from pytest_zephyr.client.base import Calls
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Phase
from pytest_zephyr.client.entities import Project
from pytest_zephyr.client.entities import Release
from pytest_zephyr.client.entities import User
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.results.status import Status


STATUS_LIST = "testresult.testresultStatus.LOV"

ENVIRONMENT_WANTED = "cycle.environment.enabled"


@dataclass(frozen=True)
class NewCycle:
    """A cycle to be created; dates go as texts, which no time zone bends (API 4.4)."""

    name: str
    release: int
    start: date
    end: date
    build: str = ""
    environment: str = ""


class TargetCalls(Calls):
    """The calls of API 3.1 to 3.4."""

    # Session and settings (API 3.1, 3.2)

    def current_user(self) -> User:
        """Return the user of the credential; this is also the cheapest check of it.

        The first call of a session: it finds out which base path the server has.
        """
        try:
            payload = self._get("user/current")
        except ZephyrNotFound:
            self._transport.api_version = "latest"
            payload = self._get("user/current")
        found = entities.user(payload)
        if found is None:
            raise self._unusable("user/current", "no user in it")
        return found

    def statuses(self) -> list[Status]:
        """Return the server's execution statuses, inactive ones included (API 4.11).

        Empty if the server does not say.
        """
        for path, params in (
            ("admin/preference", {"key": STATUS_LIST}),
            ("admin/preference/all/system", {"name": STATUS_LIST}),
        ):
            try:
                payload = self._get(
                    path, params, api_version="v4" if path.endswith("system") else None
                )
            except ZephyrRefused as refused:
                if refused.status == 401:
                    raise
                continue
            for preference in decode.rows(payload) or [decode.mapping(payload)]:
                if decode.text(preference.get("name")) in {STATUS_LIST, ""}:
                    found = entities.statuses(preference)
                    if found:
                        return found
        return []

    # Targets (API 3.3, 3.4)

    def projects(self) -> list[Project]:
        return self._list("project/lite", entities.project)

    def project(self, project: int) -> Project:
        found = entities.project(decode.mapping(self._get(f"project/{project}")))
        if found is None:
            raise self._unusable(f"project/{project}", "no project in it")
        return found

    def releases(self, project: int) -> list[Release]:
        return self._list(f"release/project/{project}", entities.release)

    def cycles(self, release: int) -> list[Cycle]:
        """Return the cycles of a release, each with its phases."""
        return self._list(f"cycle/release/{release}", entities.cycle)

    def cycle(self, cycle: int) -> Cycle:
        found = entities.cycle(decode.mapping(self._get(f"cycle/{cycle}")))
        if found is None:
            raise self._unusable(f"cycle/{cycle}", "no cycle in it")
        return found

    def wants_environment(self) -> bool:
        """Return whether every cycle must name its environment (API 4.4)."""
        try:
            payload = self._get("admin/preference", {"key": ENVIRONMENT_WANTED})
        except ZephyrUnauthorized:
            raise
        except ZephyrRefused:
            # A server without this setting has no such rule.
            return False
        value = decode.mapping(payload).get("value")
        return decode.boolean(value, default=False)

    def create_cycle(self, new: NewCycle) -> Cycle:
        body = {
            "name": new.name,
            "releaseId": new.release,
            "build": new.build,
            "environment": new.environment,
            "status": 0,
            "cycleStartDate": _us(new.start),
            "cycleEndDate": _us(new.end),
        }
        return self._made("cycle", body, entities.cycle)

    def delete_cycle(self, cycle: int) -> None:
        self._write("DELETE", f"cycle/{cycle}")

    def create_phase(self, name: str, cycle: Cycle, release: int) -> Phase:
        """Create a free-form phase with the dates of its cycle (API 4.5)."""
        body: dict[str, object] = {
            "name": name,
            "cycleId": cycle.id,
            "releaseId": release,
            "freeForm": True,
        }
        for key, day in (("phaseStartDate", cycle.start), ("phaseEndDate", cycle.end)):
            if day is not None:
                body[key] = _us(day)
        return self._made(f"cycle/{cycle.id}/phase", body, entities.phase)

    def delete_phase(self, cycle: int, phase: int) -> None:
        self._write("DELETE", f"cycle/{cycle}/phase/{phase}")


def _us(day: date) -> str:
    return day.strftime("%m/%d/%Y")
