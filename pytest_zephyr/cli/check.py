"""`pytest-zephyr check`: test address, login and target step by step."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from pytest_zephyr import errors
from pytest_zephyr.cli import common
from pytest_zephyr.cli import output
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Target
from pytest_zephyr.client.entities import User
from pytest_zephyr.config.settings import missing_place_message
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.push.embedded import start_if_sandbox
from pytest_zephyr.push.preflight import status_problems
from pytest_zephyr.results import status
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.target.create_cycle import missing_for_cycle
from pytest_zephyr.target.find import Finder
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import plural


#: The steps, in the order in which they are checked.
STEPS = ("address", "TLS", "credential", "user", "statuses", *TARGET_OPTIONS)

_TO_CREATE = "to be created"

State = Literal["ok", "FAIL", "warning", "skipped"]


@dataclass(frozen=True)
class StepResult:
    """The result of one step; *code* is a stable name of its problem, for scripts."""

    step: str
    state: State = "skipped"
    text: str = ""
    code: errors.Code | Literal[""] = ""


class Checker:
    """Checks one step after the other; *step_results* has the result of each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.step_results = {step: StepResult(step) for step in STEPS}

    @property
    def problems(self) -> list[StepResult]:
        return [each for each in self.step_results.values() if each.state == "FAIL"]

    def run(self) -> None:
        settings = self._settings
        try:
            settings.require_login()
        except errors.SettingsError as error:
            self._fail("address" if settings.url is None else "credential", error)
            return
        with common.open_client(settings) as client:
            user = self._log_in(client)
            if user is not None:
                self._check_statuses(client)
                self._check_target(client, user)

    def _note(
        self,
        step: str,
        text: str,
        state: State = "ok",
        code: errors.Code | Literal[""] = "",
    ) -> None:
        self.step_results[step] = StepResult(step, state, text, code)

    def _fail(self, step: str, error: errors.ZephyrError) -> None:
        self._note(step, str(error), "FAIL", error.code)

    def _log_in(self, client: Client) -> User | None:
        """Check the steps up to the user; return the user, `None` if one failed."""
        credential = self._settings.credential
        assert credential is not None, "require_login comes first"
        description = f"{credential.kind} from {credential.source}"
        try:
            user = client.current_user()
        except errors.ZephyrUnreachable as error:
            is_reached = error.code == "tls"
            if is_reached:
                self._note("address", client.server.url)
            self._fail("TLS" if is_reached else "address", error)
            return None
        except errors.ZephyrBadAnswer as error:
            self._check_encryption(client)
            if error.http_status == 403:
                self._note("credential", description)
            steps = {401: "credential", 403: "user"}
            self._fail(steps.get(error.http_status, "address"), error)
            return None
        self._check_encryption(client)
        self._note("credential", description)
        self._note("user", f"{user.name} ({user.id})")
        return user

    def _check_encryption(self, client: Client) -> None:
        """Note the results of the steps address and TLS of a server that has answered."""
        self._note("address", client.server.url)
        if client.server.url.startswith("http://"):
            text = "not encrypted: anyone on the network path can read the credential"
            self._note("TLS", text, "warning")
        elif self._settings.verify is False:
            source = self._settings.sources["verify"]
            self._note("TLS", f"certificate is not checked ({source})", "warning")
        else:
            self._note("TLS", "certificate is trusted")

    def _check_statuses(self, client: Client) -> None:
        try:
            listed = client.statuses()
        except errors.ZephyrError as error:
            self._fail("statuses", error)
            return
        statuses = listed or status.STOCK
        names = ", ".join(
            f"{each.name} ({each.id})" for each in statuses if each.active
        )
        if invalid := status_problems(self._settings, statuses):
            problems = " ".join(choice.problem for choice in invalid)
            self._note("statuses", problems, "FAIL", "unknown-status")
        elif listed:
            self._note("statuses", names)
        else:
            text = f"the list on the server cannot be read; the default ones are used: {names}"
            self._note("statuses", text, "warning")

    def _check_target(self, client: Client, user: User) -> None:
        settings = self._settings
        finder = Finder(client, settings, thorough=True)
        missing = settings.missing_places()
        steps = [
            name
            for name in TARGET_OPTIONS
            if name in missing or getattr(settings, name)
        ]
        try:
            if settings.project is not None:
                finder.find_project()
            if missing:
                # The places above the missing one are still checked.
                if missing[0] == "cycle":
                    finder.find_release()
                elif missing[0] == "phase":
                    finder.find_cycle()
                raise errors.SettingsError(missing_place_message(missing[0]))
            self._note("phase", self._check_phase(client, finder.find(), user))
        except errors.ZephyrError as error:
            failed = next(
                (step for step in steps if step not in finder.places), "phase"
            )
            self._fail(failed, error)
        for step in steps:
            if step in finder.places and self.step_results[step].state == "skipped":
                place = finder.places[step]
                text = f"{place.name} ({place.id})".lstrip() if place else _TO_CREATE
                self._note(step, text)

    def _check_phase(self, client: Client, target: Target, user: User) -> str:
        """Return a description of the phase. Raises ZephyrError if it cannot be used."""
        phase, settings = target.phase, self._settings
        if problems := missing_for_cycle(client, settings, target):
            raise errors.TargetNotFound(" ".join(problems))
        if phase is None:
            return _TO_CREATE
        snapshot = Snapshot(
            user, target=target, phase_description=settings.describe("phase")
        )
        snapshot.read_executions(client, 1)
        kind = "free-form" if phase.free_form else "structured"
        contents = "has executions" if snapshot.executions else "has no executions"
        return f"{phase.name} ({phase.id}), {kind}, {contents}".lstrip()


def declare(commands: common.Commands) -> None:
    text = "test address, login and target, step by step"
    others = ("create", "environment", "build", "status_map")
    shared_options = (*common.READING_OPTIONS, *TARGET_OPTIONS, *others)
    common.add_command(commands, "check", run, text, shared_options, json=True)


def run(args: argparse.Namespace) -> int:
    with start_if_sandbox(common.load_settings(args)) as settings:
        checker = Checker(settings)
        checker.run()
    step_results, problems = list(checker.step_results.values()), checker.problems
    if args.json:
        places = {name: getattr(settings, name) for name in TARGET_OPTIONS}
        document = {
            "url": settings.url,
            "target": {
                name: ref and (ref.id or ref.name) for name, ref in places.items()
            },
            "complete": not problems,
            "steps": step_results,
            "counts": Counter(each.state for each in step_results),
            "problems": [
                {"code": each.code, "step": each.step, "text": each.text}
                for each in problems
            ],
        }
        output.say_json(document)
    else:
        rows = ((each.step, each.state, each.text) for each in step_results)
        output.say_table(("STEP", "STATE", "DETAILS"), rows)
        count = plural(len(problems), "problem") if problems else "no problems"
        output.say(f"\n{count} found")
    return common.FAILED if problems else common.OK
