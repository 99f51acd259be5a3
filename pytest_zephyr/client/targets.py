"""Calls about the current user, and about projects, releases, cycles and phases."""

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
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.results.status import Status


STATUS_LIST = "testresult.testresultStatus.LOV"

ENVIRONMENT_WANTED = "cycle.environment.enabled"


@dataclass(frozen=True)
class NewCycle:
    name: str
    release: int
    start: date
    end: date
    build: str = ""
    environment: str = ""


class TargetCalls(Calls):
    # User and settings

    def current_user(self) -> User:
        """Return the user of the credential; this is also its cheapest check.

        It must be the first call: it finds out which API version the server has.
        """
        try:
            payload = self._get("user/current")
        except ZephyrNotFound:
            self.api_version = "latest"
            payload = self._get("user/current")
        user = entities.user(payload)
        if user is None:
            raise self._unusable("user/current", "user")
        self.server.user = user.name
        return user

    def statuses(self) -> list[Status]:
        """Return all execution statuses, inactive ones too; none if the server has no list."""
        for path, params, version in (
            ("admin/preference", {"key": STATUS_LIST}, None),
            ("admin/preference/all/system", {"name": STATUS_LIST}, "v4"),
        ):
            try:
                payload = self._get(path, params, version)
            except ZephyrBadAnswer as refused:
                if refused.status == 401:
                    raise
                continue
            for preference in decode.rows(payload) or [decode.mapping(payload)]:
                if decode.text(preference.get("name")) in {STATUS_LIST, ""}:
                    statuses = entities.statuses(preference)
                    if statuses:
                        return statuses
        return []

    # Projects, releases, cycles and phases

    def projects(self) -> list[Project]:
        return self._list("project/lite", entities.project)

    def project(self, project: int) -> Project:
        return self._one(f"project/{project}", entities.project, "project")

    def releases(self, project: int) -> list[Release]:
        return self._list(f"release/project/{project}", entities.release)

    def cycles(self, release: int) -> list[Cycle]:
        return self._list(f"cycle/release/{release}", entities.cycle)

    def cycle(self, cycle: int) -> Cycle:
        return self._one(f"cycle/{cycle}", entities.cycle, "cycle")

    def wants_environment(self) -> bool:
        """Return whether every cycle must name its environment."""
        try:
            payload = self._get("admin/preference", {"key": ENVIRONMENT_WANTED})
        except ZephyrRefused:
            # The server does not have this setting.
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
        return self._create("cycle", body, entities.cycle)

    def delete_cycle(self, cycle: int) -> None:
        self._write("DELETE", f"cycle/{cycle}")

    def create_phase(self, name: str, cycle: Cycle, release: int) -> Phase:
        """Create a free-form phase with the dates of its cycle."""
        body: dict[str, object] = {
            "name": name,
            "cycleId": cycle.id,
            "releaseId": release,
            "freeForm": True,
        }
        for key, day in (("phaseStartDate", cycle.start), ("phaseEndDate", cycle.end)):
            if day is not None:
                body[key] = _us(day)
        return self._create(f"cycle/{cycle.id}/phase", body, entities.phase)

    def delete_phase(self, cycle: int, phase: int) -> None:
        self._write("DELETE", f"cycle/{cycle}/phase/{phase}")


def _us(day: date) -> str:
    """Return *day* as text; the server shifts numbers to its own time zone."""
    return day.strftime("%m/%d/%Y")
