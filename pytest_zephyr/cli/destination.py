"""Decide which server a push may send the credential to.

Anyone may have edited a journal, in a pull request for example. So the credential is never
sent to an address that only the header of a journal names, unless the user confirms it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import sys

from pytest_zephyr import table
from pytest_zephyr.config import parsers
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.config.settings import Source
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.runs import Run
from pytest_zephyr.table import TARGET_OPTIONS
from pytest_zephyr.text import one_line


def ask_on_terminal(url: str) -> bool:
    """Return whether the user lets the credential be sent to *url*.

    Asks on the terminal; without one, the answer is no.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(one_line(f"Send the credential to {url}? [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def choose_server(
    settings: Settings, run: Run, confirm: Callable[[str], bool]
) -> Settings:
    """Return *settings* with the server to push *run* to. Raises SettingsError."""

    def push_command(url: str) -> str:
        return command("push", *run.paths, "--zephyr-url", url, settings=settings)

    path = run.paths[0]
    try:
        journal_url = parsers.url(run.journals[0].header.options.get("url", ""))
    except InvalidValue:
        # There is no address in the journal, or an invalid one.
        return settings
    if settings.url is None:
        if journal_url != SANDBOX and not confirm(journal_url):
            raise SettingsError(
                f"no server is set for this push; only {path} names one, {journal_url}."
                f" To send the credential there: {push_command(journal_url)}"
            )
        texts = {**settings.texts, "url": journal_url}
        sources = {**settings.sources, "url": Source("journal", path.name)}
        return replace(settings, url=journal_url, texts=texts, sources=sources)
    if journal_url != settings.url:
        _reject_foreign_ids(settings, journal_url)
        if settings.sources["url"].kind != "flag":
            raise SettingsError(
                f"{path} was written for {journal_url}, and this push is for"
                f" {settings.describe('url')}. Nothing was sent. To push it there"
                f" all the same: {push_command(settings.url)}"
            )
    return settings


def _reject_foreign_ids(settings: Settings, journal_url: str) -> None:
    """Raise SettingsError for an id in the journal, which belongs to another server."""
    for name in TARGET_OPTIONS:
        ref = getattr(settings, name)
        in_journal = settings.sources[name].kind == "journal"
        if ref is not None and ref.id is not None and in_journal:
            raise SettingsError(
                f"{settings.describe(name)} is an id of {journal_url}. On {settings.url},"
                f" the id belongs to another {name} or to none. Name the {name} with"
                f" {table.flag_of(name)}."
            )
