"""Reads the options of a session from pytest, and finds out if a test started it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import sys
from typing import Any

import pytest

from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.settings import Capture
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import OnError
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal import file_store
from pytest_zephyr.journal.lock import is_alive
from pytest_zephyr.origin import SESSION_VARIABLE
from pytest_zephyr.origin import System
from pytest_zephyr.plugin.collection.marks import Marks
from pytest_zephyr.secret import Scrubber


#: The result of `outer_process`.
_OUTER = pytest.StashKey[str]()

#: The sessions that report or check in this process; one may have started another.
_reporting_sessions: list[pytest.Config] = []


def begin_session(config: pytest.Config) -> None:
    """Note that this session reports or checks, until it ends; see `outer_process`."""
    _reporting_sessions.append(config)
    if not outer_process(config):
        os.environ[SESSION_VARIABLE] = str(System.process_id())
    config.add_cleanup(_end_session)


def _end_session() -> None:
    _reporting_sessions.pop()
    if not _reporting_sessions and os.environ.get(SESSION_VARIABLE) == str(
        System.process_id()
    ):
        del os.environ[SESSION_VARIABLE]


def outer_process(config: pytest.Config) -> str:
    """Return the id of the process whose tests started this session, empty if none did.

    Also empty if that process has ended. Its settings are not meant for this session,
    which may, for example, test a plugin and expect failures.
    """
    outer = config.stash.get(_OUTER, None)
    if outer is None:
        outer = os.environ.get(SESSION_VARIABLE, "")
        own_id = str(System.process_id())
        if _reporting_sessions and config not in _reporting_sessions:
            # A test may have changed the variable.
            outer = own_id
        # A worker of pytest-xdist inherits the variable, but was not started by a test.
        # Nor was a session with the process id in the variable: an earlier session of
        # this process has called `exec`.
        elif (
            hasattr(config, "workerinput")
            or (outer == own_id and not _reporting_sessions)
            or not is_alive(outer)
        ):
            outer = ""
        config.stash[_OUTER] = outer
    return outer


def show(config: pytest.Config) -> int:
    """Print the value of each option and where it came from; return the exit code."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in resolve.describe(load(config, find_option_sources(config))):
        line = line.encode(encoding, "backslashreplace").decode(encoding)
        print(line)  # noqa: T201 - what was asked for
    return 0


def silenced_lines(config: pytest.Config) -> list[str]:
    """Return a line that says why a session that should report does not: a test started it.

    The list is empty for all other sessions.
    """
    outer = outer_process(config)
    with suppress(SettingsError):
        if outer and resolve.value("zephyr", _all_sources(config)):
            line = (
                f"zephyr: not reporting, because a test of a reporting run (process"
                f" {outer}) started this one; ZEPHYR_ variables and ini keys are ignored"
            )
            return [line]
    return []


def find_option_sources(config: pytest.Config) -> OptionSources:
    """Return the sources of the options of this session.

    If a test of a reporting session started it, ini options, those of ``-o`` too, and
    environment variables that begin with ``ZEPHYR`` are left out.
    """
    option_sources = _all_sources(config)
    if outer_process(config):
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("ZEPHYR")
        }
        option_sources = replace(option_sources, environ=environ, overrides={}, ini={})
    return option_sources


def _all_sources(config: pytest.Config) -> OptionSources:
    path = config.inipath
    overriding = {text.partition("=")[0] for text in config.option.override_ini or ()}
    overrides: dict[str, object] = {}
    ini: dict[str, object] = {}
    for option in OPTIONS:
        if option.has_ini and (value := _ini(config, option.ini_name)) is not None:
            values = overrides if option.ini_name in overriding else ini
            values[option.name] = value
    # A command to paste must name an ini file that it would not find from here.
    here = Path.cwd()
    named_file: str | None = config.option.inifilename
    is_elsewhere = path and path.parent not in {here, *here.parents}
    return OptionSources(
        flags=options.flags_of(config.option),
        environ=os.environ,
        overrides=overrides,
        ini=ini,
        # Without an ini file, *ini* has only what other plugins set; the paths in it
        # start from the rootdir.
        ini_file=path or config.rootpath / "ini",
        config_file=Path(named_file) if named_file else path if is_elsewhere else None,
    )


#: Exit code for undelivered results or problems, with ``zephyr_on_error = fail``.
_UNDELIVERED_EXIT_CODE = 8


def set_exit_code(session: pytest.Session, on_error: OnError) -> None:
    """Set the exit code of a *session* that passed, if *on_error* is ``fail``."""
    if on_error == "fail" and not session.exitstatus:
        session.exitstatus = _UNDELIVERED_EXIT_CODE


@contextmanager
def usage_errors() -> Iterator[None]:
    """Have pytest show wrong settings without a traceback, with exit code 4."""
    try:
        yield
    except SettingsError as error:
        lines = (f"zephyr: {line}" for line in str(error).splitlines())
        raise pytest.UsageError(*lines) from error


@usage_errors()
def load(config: pytest.Config, option_sources: OptionSources) -> Settings:
    """Return the settings of this session. Raises UsageError if any is wrong."""
    ini_file = config.inipath or "the ini options"
    options.reject_credentials(partial(_ini, config), ini_file)
    settings = resolve.resolve(option_sources)
    report = settings.report and config.invocation_params.dir / settings.report
    return replace(settings, journal=config.rootpath / settings.journal, report=report)


@dataclass(frozen=True)
class LocalOptions:
    """What a process needs of the options to run tests; a worker loads no `Settings`.

    *marks* reads markers, *scrub* hides credentials. *capture* says of which tests the
    output is attached. *max_size* limits each attachment, *max_total* all those of the
    session, in bytes.
    """

    marks: Marks
    scrub: Scrubber
    capture: Capture
    max_size: int
    max_total: int

    def store(self, journal: Path, process_count: int) -> file_store.FileStore:
        """Return this process's store for attachments of *journal*.

        *max_total* is shared equally by *process_count* processes.
        """
        directory = journal.parent / file_store.FILES_DIRECTORY
        share = self.max_total // process_count
        return file_store.FileStore(directory, self.max_size, share)


@usage_errors()
def load_local(
    option_sources: OptionSources, credential: Credential | None = None
) -> LocalOptions:
    """Return the options that this process needs to run tests. Raises UsageError."""
    secret_options: dict[str, Any] = {"token_file": None, "proxy": None}
    for name in secret_options:
        with suppress(SettingsError):
            secret_options[name] = resolve.value(name, option_sources)
    scrub = Scrubber(
        known_secrets(option_sources.environ, credential, **secret_options)
    )
    names = ("id_prefix", "inherit", "capture", "attach_max_size", "attach_max_total")
    id_prefix, inherit, capture, max_size, max_total = (
        resolve.value(name, option_sources) for name in names
    )
    creates_cases = resolve.value("unmapped", option_sources) == "create"
    case_map = None
    if option_sources.find(options.BY_NAME["map"]) is not None:
        from pytest_zephyr.config import map_file

        case_map = map_file.load(option_sources)
    marks = Marks(id_prefix, inherit, scrub, case_map, creates_cases=creates_cases)
    return LocalOptions(marks, scrub, capture, max_size, max_total)


def _ini(config: pytest.Config, name: str) -> object:
    """Return an ini value as it was written, `None` if there is none.

    `getini` expects one type per option, while a TOML file may hold a number, a boolean
    or a table. pytest 9 has no public way to read such a value, so this reads a private
    attribute; pytest 8 has only texts and lists of texts.
    """
    entry = getattr(config, "_inicfg", {}).get(name)
    value: object = getattr(entry, "value", None)
    return config.getini(name) if value is None else value
