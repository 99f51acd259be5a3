"""Which server a push may send the credential to: one that this call was told of.

Anybody may have edited a journal, in a pull request for example. The address in its
header is for information; it never decides alone where a credential goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    """Return whether a person at a terminal says yes; nobody there says no."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(one_line(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


class Destination:
    """Decides for every run of one call; *ask* is asked once for each address."""

    def __init__(self, ask: Callable[[str], bool] = ask_on_terminal) -> None:
        self._ask = ask
        self._answers: dict[str, bool] = {}

    def choose(self, settings: Settings, run: Run) -> Settings:
        """Return *settings* with the server to push *run* to. Raises SettingsError."""
        named = _named_by(run)
        if settings.url is None:
            if named not in {None, SANDBOX}:
                assert named is not None
                self._confirm(named, run, settings)
            return replace(settings, url=named)
        if named in {None, settings.url}:
            return settings
        path = run.journals[0].path
        if settings.sources["url"] != BY_NAME["url"].flag_name:
            _refuse_foreign_ids(settings, str(named), run)
            again = command(
                "push", *run.paths, "--zephyr-url", settings.url, settings=settings
            )
            raise SettingsError(
                f"{path} was written for {named}, and this call is for"
                f" {settings.describe('url')}. Nothing was sent. If that is what you"
                f" want: {again}"
            )
        _refuse_foreign_ids(settings, str(named), run)
        return settings

    def _confirm(self, url: str, run: Run, settings: Settings) -> None:
        if url not in self._answers:
            self._answers[url] = self._ask(f"Send the credential to {url}? [y/N] ")
        if not self._answers[url]:
            path = run.journals[0].path
            raise SettingsError(
                f"no server was named for this push; only {path} names one, {url}."
                f" To send the credential there:"
                f" {command('push', *run.paths, '--zephyr-url', url, settings=settings)}"
            )


def _named_by(run: Run) -> str | None:
    """Return the address in the header of a run, `None` if it has none that is one."""
    try:
        return parsers.url(run.journals[0].header.options.get("url", ""))
    except parsers.InvalidValue:
        return None


def _refuse_foreign_ids(settings: Settings, named: str, run: Run) -> None:
    """Raise SettingsError for ids of the header: on another server they mean other things."""
    header = run.journals[0].path.name
    for name in TARGET:
        ref = getattr(settings, name)
        if ref is not None and ref.id is not None and settings.sources[name] == header:
            raise SettingsError(
                f"{settings.describe(name)} is an id of {named}, which means another"
                f" {name} or none on {settings.url}. Name it with --zephyr-{name}."
            )
