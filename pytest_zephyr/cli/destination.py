"""Decide which server a push may send the credential to.

Anyone may have edited a journal, in a pull request for example. So the address in its
header never decides alone where a credential goes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import sys

from pytest_zephyr.config import parsers
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.results.records import TARGET
from pytest_zephyr.text import one_line


def ask_on_terminal(question: str) -> bool:
    """Ask a person at a terminal; return False if there is no terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(one_line(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


class Destination:
    """Chooses the server for each run of a push; asks once for each address."""

    def __init__(self) -> None:
        self._answers: dict[str, bool] = {}

    def choose(self, settings: Settings, run: Run) -> Settings:
        """Return *settings* with the server to push *run* to. Raises SettingsError."""
        path = run.journals[0].path
        try:
            named = parsers.url(run.journals[0].header.options.get("url", ""))
        except parsers.InvalidValue:
            # There is no address in the journal, or an invalid one.
            return settings
        if settings.url is None:
            if named != SANDBOX and not self._confirm(named):
                again = command(
                    "push", *run.paths, "--zephyr-url", named, settings=settings
                )
                raise SettingsError(
                    f"no server is set for this push; only {path} names one, {named}."
                    f" To send the credential there: {again}"
                )
            return replace(settings, url=named)
        if named != settings.url:
            _reject_foreign_ids(settings, named, path)
            if settings.sources["url"] != BY_NAME["url"].flag_name:
                again = command(
                    "push", *run.paths, "--zephyr-url", settings.url, settings=settings
                )
                raise SettingsError(
                    f"{path} was written for {named}, and this call is for"
                    f" {settings.describe('url')}. Nothing was sent. If that is what you"
                    f" want: {again}"
                )
        return settings

    def _confirm(self, url: str) -> bool:
        if url not in self._answers:
            question = f"Send the credential to {url}? [y/N] "
            self._answers[url] = ask_on_terminal(question)
        return self._answers[url]


def _reject_foreign_ids(settings: Settings, named: str, journal: Path) -> None:
    """Raise SettingsError for ids in the journal, which belong to another server."""
    for name in TARGET:
        ref = getattr(settings, name)
        in_journal = settings.sources[name] == journal.name
        if ref is not None and ref.id is not None and in_journal:
            raise SettingsError(
                f"{settings.describe(name)} is an id of {named}. On {settings.url}, it"
                f" is another {name} or none. Name it with --zephyr-{name}."
            )
