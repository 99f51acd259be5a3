"""`pytest-zephyr check`: test address, login and target step by step."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from dataclasses import dataclass
import json
from typing import Literal

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import CONNECTION
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import reading
from pytest_zephyr.cli.output import say
from pytest_zephyr.cli.output import say_table
from pytest_zephyr.client.api import Client
from pytest_zephyr.client.entities import Cycle
from pytest_zephyr.client.entities import Project
from pytest_zephyr.client.entities import Release
from pytest_zephyr.client.entities import User
from pytest_zephyr.config.settings import missing_place
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import Code
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrBadAnswer
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.push.embedded import served
from pytest_zephyr.push.preflight import status_problems
from pytest_zephyr.results import status
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.target.create_cycle import missing_for_cycle
from pytest_zephyr.target.find import Finder
from pytest_zephyr.target.snapshot import Snapshot
from pytest_zephyr.text import plural


#: The steps; each one needs those before it.
STEPS = ("address", "TLS", "credential", "user", "statuses", *TARGET)


State = Literal["ok", "FAIL", "warning", "skipped"]


@dataclass(frozen=True)
class Finding:
    """The result of one step; a *code* is a stable name of a problem for scripts."""

    step: str
    state: State = "skipped"
    text: str = ""
    code: Code | Literal[""] = ""


class Checker:
    """Checks the steps with a client and collects the findings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._user: User | None = None
        self.findings = {step: Finding(step) for step in STEPS}

    @property
    def failed(self) -> bool:
        return bool(self.problems)

    @property
    def problems(self) -> list[Finding]:
        return [each for each in self.findings.values() if each.state == "FAIL"]

    def check_settings(self) -> bool:
        """Check that there are an address and a credential to try."""
        try:
            self._settings.require_login()
        except SettingsError as error:
            self._fail("address" if self._settings.url is None else "credential", error)
        return not self.failed

    def run(self, client: Client) -> None:
        if self._log_in(client):
            self._check_statuses(client)
            self._check_target(client)

    def _note(
        self, step: str, state: State, text: str, code: Code | Literal[""] = ""
    ) -> None:
        self.findings[step] = Finding(step, state, text, code)

    def _pass(self, step: str, text: str) -> None:
        self._note(step, "ok", text)

    def _fail(self, step: str, error: ZephyrError) -> None:
        self._note(step, "FAIL", str(error), error.code)

    def _log_in(self, client: Client) -> bool:
        credential = self._settings.credential
        assert credential is not None
        try:
            user = self._user = client.current_user()
        except ZephyrUnreachable as error:
            if error.tls:
                self._pass("address", client.origin)
            self._fail("TLS" if error.tls else "address", error)
            return False
        except ZephyrBadAnswer as error:
            self._connected(client)
            if not isinstance(error, ZephyrUnauthorized):
                self._fail("address", error)
            elif error.status == 403:
                self._pass("credential", f"{credential.kind} from {credential.source}")
                self._fail("user", error)
            else:
                self._fail("credential", error)
            return False
        self._connected(client)
        self._pass("credential", f"{credential.kind} from {credential.source}")
        self._pass("user", f"{user.name} ({user.id})")
        return True

    def _connected(self, client: Client) -> None:
        self._pass("address", client.origin)
        if client.origin.startswith("http://"):
            text = "not encrypted: anyone on the network path can read the credential"
            self._note("TLS", "warning", text)
        elif self._settings.verify is False:
            source = self._settings.sources["verify"]
            self._note("TLS", "warning", f"certificate is not checked (from {source})")
        else:
            self._pass("TLS", "certificate is trusted")

    def _check_statuses(self, client: Client) -> None:
        try:
            statuses = client.statuses()
        except ZephyrError as error:
            self._fail("statuses", error)
            return
        wrong = status_problems(self._settings, statuses or status.STOCK)
        if wrong:
            problems = " ".join(choice.problem for choice in wrong)
            self._note("statuses", "FAIL", problems, "unknown-status")
        elif statuses:
            names = [f"{each.name} ({each.id})" for each in statuses if each.active]
            self._pass("statuses", ", ".join(names))
        else:
            stock = ", ".join(f"{each.name} ({each.id})" for each in status.STOCK)
            text = f"the server's list cannot be read; the usual ones are used: {stock}"
            self._note("statuses", "warning", text)

    def _check_target(self, client: Client) -> None:
        finder = Finder(client, self._settings, thorough=True)
        steps: dict[str, Callable[[], str]] = {
            "project": lambda: _named(finder.find_project()),
            "release": lambda: _named(finder.find_release()),
            "cycle": lambda: self._cycle(finder),
            "phase": lambda: self._phase(client, finder),
        }
        for step in self._needed():
            if getattr(self._settings, step) is None:
                self._fail(step, SettingsError(missing_place(step)))
                return
            try:
                self._pass(step, steps[step]())
            except ZephyrError as error:
                self._fail(step, self._target_problem(finder) or error)
                return

    def _target_problem(self, finder: Finder) -> ZephyrError | None:
        """Return the problem that a run would report of the target, if it has one."""
        try:
            self._settings.require_server()
            finder.find()
        except ZephyrError as error:
            return error
        return None

    def _needed(self) -> list[str]:
        """Return the steps to the phase; above an id only those that are set."""
        needed: list[str] = []
        has_id = False
        for step in reversed(TARGET):
            ref: Ref | None = getattr(self._settings, step)
            if ref is not None or not has_id:
                needed.insert(0, step)
            has_id = has_id or (ref is not None and ref.id is not None)
        return needed

    def _cycle(self, finder: Finder) -> str:
        ref = self._settings.cycle
        if self._settings.release is None and ref is not None and ref.id is None:
            # Only the phase can say which release it is in.
            return str(finder.find().cycle and ref)
        return _named(finder.find_cycle()[0])

    def _phase(self, client: Client, finder: Finder) -> str:
        target = finder.find()
        if target.phase is None:
            if target.cycle is None and (
                problems := missing_for_cycle(client, self._settings, target)
            ):
                raise ZephyrNotFound(" ".join(problems))
            return "to be created"
        assert self._user is not None, "the login comes first"
        snapshot = Snapshot(
            self._user, target=target, described=self._settings.describe("phase")
        )
        snapshot.read_executions(client, 1)
        kind = "free-form" if target.phase.free_form else "structured"
        more = "has executions" if snapshot.executions else "has no executions"
        return f"{target.phase.name} ({target.phase.id}), {kind}, {more}".lstrip()


def _named(entity: Project | Release | Cycle | None) -> str:
    if entity is None:
        return "to be created"
    return f"{entity.name} ({entity.id})".lstrip()


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    add_command(
        commands,
        "check",
        run,
        "test address, login and target, step by step",
        json=True,
        only=(*CONNECTION, *TARGET, "create", "environment", "build", "status_map"),
    )


def run(args: argparse.Namespace) -> int:
    with served(load_settings(args)) as settings:
        checker = Checker(settings)
        if checker.check_settings():
            with reading(settings) as client:
                checker.run(client)
    if args.json:
        say(json.dumps(_as_json(checker, settings), indent=2))
    else:
        say_table(
            checker.findings.values(),
            ("STEP", "STATE", "DETAILS"),
            lambda each: (each.step, each.state, each.text),
        )
        say("")
        number = len(checker.problems)
        say(f"{plural(number, 'problem')} found" if number else "no problems found")
    return NOT_ALL if checker.failed else OK


def _as_json(checker: Checker, settings: Settings) -> dict[str, object]:
    places = {name: getattr(settings, name) for name in TARGET}
    return {
        "url": settings.url,
        "target": {name: ref and (ref.id or ref.name) for name, ref in places.items()},
        "complete": not checker.failed,
        "steps": list(map(asdict, checker.findings.values())),
        "counts": Counter(each.state for each in checker.findings.values()),
        "problems": [
            {"code": each.code, "step": each.step, "text": each.text}
            for each in checker.problems
        ],
    }
