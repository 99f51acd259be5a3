"""`pytest-zephyr check`: the way to a phase, step by step, and how to fix what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from dataclasses import dataclass
import json

from pytest_zephyr.cli.options import add_command
from pytest_zephyr.cli.options import Commands
from pytest_zephyr.cli.options import load_settings
from pytest_zephyr.cli.options import NOT_ALL
from pytest_zephyr.cli.options import OK
from pytest_zephyr.cli.options import reading
from pytest_zephyr.cli.output import say
from pytest_zephyr.cli.output import say_table
from pytest_zephyr.client.api import Client
from pytest_zephyr.config.settings import missing_credential
from pytest_zephyr.config.settings import missing_place
from pytest_zephyr.config.settings import NO_SERVER
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.errors import ZephyrError
from pytest_zephyr.errors import ZephyrNotFound
from pytest_zephyr.errors import ZephyrRefused
from pytest_zephyr.errors import ZephyrUnauthorized
from pytest_zephyr.errors import ZephyrUnreachable
from pytest_zephyr.push.embedded import served
from pytest_zephyr.results import status
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.target.create_cycle import what_lacks
from pytest_zephyr.target.find import Finder


#: The steps, each of which needs those before it.
STEPS = (
    "address", "TLS", "credential", "user", "statuses", "project", "release", "cycle",
    "phase",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What came of one step; *ok* is `None` if it was not looked at or is not needed."""

    step: str
    ok: bool | None = None
    text: str = ""


class Checker:
    """Goes the steps with a client and notes what it finds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: dict[str, Finding] = {}

    @property
    def findings(self) -> list[Finding]:
        return [self._found.get(step, Finding(step)) for step in STEPS]

    @property
    def ready(self) -> bool:
        """Whether there is an address and a credential to try; notes what is missing."""
        if self._settings.url is None:
            self._fail("address", NO_SERVER)
        if self._settings.credential is None and self._settings.url is not None:
            self._fail("credential", missing_credential(self._settings.auth))
        return not self._found

    def run(self, client: Client) -> None:
        if self._log_in(client):
            self._look_at_statuses(client)
            self._look_at_target(client)

    def _pass(self, step: str, text: str) -> None:
        self._found[step] = Finding(step, True, text)

    def _fail(self, step: str, text: str) -> None:
        self._found[step] = Finding(step, False, text)

    def _log_in(self, client: Client) -> bool:
        try:
            user = client.current_user()
        except ZephyrUnreachable as error:
            if error.tls:
                self._pass("address", client.origin)
            mend = "" if "Check" in str(error) else " Check zephyr_url, and the server."
            self._fail("TLS" if error.tls else "address", f"{error}{mend}")
            return False
        except ZephyrUnauthorized as error:
            self._connected(client)
            if error.status == 403:
                self._pass("credential", str(self._settings.credential))
            self._fail("user" if error.status == 403 else "credential", str(error))
            return False
        except ZephyrNotFound as error:
            self._connected(client)
            nothing = "There is no Zephyr Enterprise at this address. Check zephyr_url."
            self._fail("address", f"{error} {nothing}")
            return False
        except ZephyrRefused as error:
            self._connected(client)
            self._fail("address", str(error))
            return False
        self._connected(client)
        credential = self._settings.credential
        assert credential is not None
        self._pass("credential", f"{credential.kind} from {credential.source}")
        self._pass("user", f"{user.name} ({user.id})")
        return True

    def _connected(self, client: Client) -> None:
        self._pass("address", client.origin)
        if client.origin.startswith("http://"):
            text = "not encrypted: anybody on the way can read the credential"
            self._found["TLS"] = Finding("TLS", None, text)
        elif self._settings.verify is False:
            text = f"not checked ({self._settings.sources['verify']})"
            self._found["TLS"] = Finding("TLS", None, text)
        else:
            self._pass("TLS", "certificate is trusted")

    def _look_at_statuses(self, client: Client) -> None:
        try:
            statuses = client.statuses()
        except ZephyrError as error:
            self._fail("statuses", str(error))
            return
        source = self._settings.sources.get("status_map", "default")
        said = self._settings.status_map
        choices = status.choices(said, source, statuses or status.STOCK)
        problems = [
            choices[Outcome(name)].problem
            for name in said
            if choices[Outcome(name)].problem
        ]
        if problems:
            self._fail("statuses", " ".join(problems))
        else:
            names = (f"{each.name} ({each.id})" for each in statuses if each.active)
            text = (
                ", ".join(names) or "the server does not say; the stock ones are used"
            )
            self._pass("statuses", text)

    def _look_at_target(self, client: Client) -> None:
        finder = Finder(client, self._settings, thorough=True)
        steps: dict[str, Callable[[], str]] = {
            "project": lambda: _named(finder.find_project()),
            "release": lambda: _named(finder.find_release()),
            "cycle": lambda: self._cycle(finder),
            "phase": lambda: self._phase(client, finder),
        }
        for step in self._needed():
            if getattr(self._settings, step) is None:
                self._fail(step, missing_place(step))
                return
            try:
                self._pass(step, steps[step]())
            except ZephyrError as error:
                self._fail(step, self._responses(finder, error))
                return

    def _responses(self, finder: Finder, error: ZephyrError) -> str:
        """Return what a run would say of the target, else what a step said."""
        try:
            self._settings.require_server()
            finder.find()
        except (ZephyrError, SettingsError) as judged:
            return str(judged)
        return str(error)

    def _needed(self) -> list[str]:
        """Return the steps to the phase: those that are named, or above none by id."""
        steps = ["project", "release", "cycle", "phase"]
        for step in reversed(steps):
            ref = getattr(self._settings, step)
            if ref is not None and ref.id is not None:
                below = steps.index(step)
                return [
                    each
                    for each in steps
                    if steps.index(each) >= below
                    or getattr(self._settings, each) is not None
                ]
        return steps

    def _cycle(self, finder: Finder) -> str:
        ref = self._settings.cycle
        if self._settings.release is None and ref is not None and ref.id is None:
            # Only the phase can tell of which release it is.
            return str(finder.find().cycle and ref)
        return _named(finder.find_cycle()[0])

    def _phase(self, client: Client, finder: Finder) -> str:
        target = finder.find()
        if target.phase is None:
            if target.cycle is None and (
                problems := what_lacks(client, self._settings, target)
            ):
                raise ZephyrNotFound(" ".join(problems))
            return "to be created"
        release = target.release.id if target.release else None
        first = next(client.executions(target.phase.id, release), None)
        tree = None
        if first is None and not target.phase.name:
            # Nothing is in it: a wrong id would look the same.
            try:
                tree = client.phase_tree(target.phase.id)
            except ZephyrRefused as refused:
                said = self._settings.describe("phase")
                msg = f"{said} is not a phase of this server. It says: {refused}"
                raise ZephyrNotFound(msg) from None
        name = target.phase.name or (tree.name if tree else "")
        kind = "free-form" if target.phase.free_form else "structured"
        more = "has executions" if first else "has no executions"
        return f"{name} ({target.phase.id}), {kind}, {more}".lstrip()


def _named(found: object) -> str:
    if found is None:
        return "to be created"
    name, number = getattr(found, "name", ""), getattr(found, "id", "")
    return f"{name} ({number})".lstrip()


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    add_command(
        commands, "check", run, "try the way to a phase, step by step", json=True
    )


def run(args: argparse.Namespace) -> int:
    with served(load_settings(args)) as settings:
        checker = Checker(settings)
        if checker.ready:
            with reading(settings) as client:
                checker.run(client)
    findings = checker.findings
    if args.json:
        say(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        marks = {True: "ok", False: "WRONG", None: "-"}
        rows = [(each.step, marks[each.ok], each.text) for each in findings]
        say_table(rows)
    return NOT_ALL if any(each.ok is False for each in findings) else OK
