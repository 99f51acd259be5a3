"""The options on pytest's side: declared to its parser, and read from its config."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace
import os
from pathlib import Path
import sys
from typing import Any

import pytest

from pytest_zephyr import table
from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.resolve import Given
from pytest_zephyr.config.settings import Capture
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.journal.file_store import DIRECTORY
from pytest_zephyr.journal.file_store import FileStore
from pytest_zephyr.journal.lock import is_alive
from pytest_zephyr.origin import RUN
from pytest_zephyr.plugin.marks import Marks
from pytest_zephyr.secret import Scrubber
from pytest_zephyr.system import System


_OUTER = pytest.StashKey[str]()

#: The runs that report in this process, of which one may have started another.
_reporting: list[pytest.Config] = []


def begin_run(config: pytest.Config) -> None:
    """Let what the tests of this run start know of it, until it ends."""
    _reporting.append(config)
    if not outer_run(config):
        os.environ[RUN] = str(System.process_id())
    config.add_cleanup(_end_run)


def _end_run() -> None:
    _reporting.pop()
    if not _reporting and os.environ.get(RUN) == str(System.process_id()):
        del os.environ[RUN]


def outer_run(config: pytest.Config) -> str:
    """Return the process whose tests started this run, empty if there is none.

    What is set for that run is not meant for this one, which is a test of a plugin,
    for example, and expects failures. A worker of pytest-xdist is no run of its own.
    """
    found = config.stash.get(_OUTER, None)
    if found is None and _reporting and config not in _reporting:
        # Whatever became of the variable.
        found = config.stash[_OUTER] = str(System.process_id())
    if found is None:
        found = os.environ.get(RUN, "")
        # A run that has replaced itself has the same process.
        is_itself = found == str(System.process_id()) and not _reporting
        if hasattr(config, "workerinput") or is_itself or not is_alive(found):
            found = ""
        config.stash[_OUTER] = found
    return found


def show(config: pytest.Config) -> int:
    """Print every value and where it came from; return the exit code."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in resolve.describe(load(config)):
        shown = line.encode(encoding, "backslashreplace").decode(encoding)
        print(shown)  # noqa: T201 - what was asked for
    return 0


def silenced(config: pytest.Config) -> list[str]:
    """Return the line that says why this run does not report, if it would else."""
    outer = outer_run(config)
    with suppress(SettingsError):
        if outer and resolve.value("zephyr", _all_given(config)):
            line = (
                f"zephyr: a test of a run that reports (process {outer}) started this"
                f" one, which takes nothing from ZEPHYR_ variables and ini keys"
            )
            return [line]
    return []


def given(config: pytest.Config) -> Given:
    """Return what flags, environment and ini files say, as it was written."""
    found = _all_given(config)
    if not outer_run(config):
        return found
    environ = {
        name: value for name, value in os.environ.items() if name[:6] != "ZEPHYR"
    }
    return replace(found, environ=environ, ini={})


def _all_given(config: pytest.Config) -> Given:
    file = config.inipath.name if config.inipath else "ini"
    ini = {}
    for option in OPTIONS:
        if option.ini and (value := _ini(config, option.ini_name)) is not None:
            overridden = _is_overridden(config, option.ini_name)
            ini[option.name] = (value, "-o" if overridden else file)
    root = config.inipath.parent if config.inipath else config.rootpath
    return Given(
        flags={
            option.name: value
            for option in OPTIONS
            if (value := getattr(config.option, option.dest, None)) is not None
        },
        environ=os.environ,
        ini=ini,
        ini_root=root,
        config_file=_config_file(config),
    )


def _config_file(config: pytest.Config) -> Path | None:
    """Return the ini file if our command would not find it from here."""
    named: str | None = getattr(config.option, "inifilename", None)
    if named:
        return Path(named)
    here = Path.cwd()
    path = config.inipath
    return path if path and path.parent not in {here, *here.parents} else None


def is_on(config: pytest.Config) -> bool:
    """Return whether this run is to be reported. Raises UsageError."""
    try:
        return bool(resolve.value("zephyr", given(config)))
    except SettingsError as error:
        raise usage_error(error) from error


#: Exit code for results that were not delivered, with ``zephyr_on_error = fail``.
UNDELIVERED = 8


def wants_failure(config: pytest.Config) -> bool:
    """Return whether undelivered results are to change the exit code; never raises."""
    try:
        return bool(resolve.value("on_error", given(config)) == "fail")
    except Exception:  # noqa: BLE001 - asked only after something of ours has failed
        return False


def load(config: pytest.Config) -> Settings:
    """Return the settings of this run. Raises UsageError with every problem."""
    try:
        for name in table.REFUSED:
            if _ini(config, f"zephyr_{name}"):
                where = f"zephyr_{name} in {config.inipath or 'the ini options'}"
                raise SettingsError(options.refusal(name, where))
        settings = resolve.resolve(given(config))
    except SettingsError as error:
        raise usage_error(error) from error
    return replace(settings, journal=config.rootpath / settings.journal)


def load_marks(config: pytest.Config) -> Marks:
    """Return what reads markers, for which alone a worker reads settings.

    Raises UsageError.
    """
    found = given(config)
    try:
        return Marks(
            resolve.value("id_prefix", found),
            resolve.value("inherit", found),
            creating=resolve.value("unmapped", found) == "create",
            scrub=load_scrubber(config),
        )
    except SettingsError as error:
        raise usage_error(error) from error


def load_scrubber(
    config: pytest.Config, credential: Credential | None = None
) -> Scrubber:
    """Return what hides our credentials where a test lets them slip; never raises."""
    found = given(config)
    values: dict[str, Any] = {}
    for name in ("token_file", "proxy"):
        with suppress(SettingsError):
            values[name] = resolve.value(name, found)
    return Scrubber(
        known_secrets(
            found.environ, credential, values.get("token_file"), values.get("proxy")
        )
    )


@dataclass(frozen=True)
class Limits:
    """What a process that runs tests needs to know of attachments."""

    capture: Capture
    max_size: int
    max_total: int

    def share_of(self, workers: int) -> Limits:
        """Return the limits of one of many *workers*."""
        return replace(self, max_total=self.max_total // max(workers, 1))

    def store(self, journal: Path) -> FileStore:
        """Return where the attachments of *journal* are kept."""
        return FileStore(journal.parent / DIRECTORY, self.max_size, self.max_total)


def load_limits(config: pytest.Config) -> Limits:
    """Return what is to be attached, and how much. Raises UsageError."""
    found = given(config)
    names = ("capture", "attach_max_size", "attach_max_total")
    try:
        return Limits(*(resolve.value(name, found) for name in names))
    except SettingsError as error:
        raise usage_error(error) from error


def usage_error(error: SettingsError) -> pytest.UsageError:
    """Make of *error* what pytest shows without a traceback, with exit code 4."""
    return pytest.UsageError(*(f"zephyr: {line}" for line in str(error).splitlines()))


def _ini(config: pytest.Config, name: str) -> object:
    """Return an ini value as it was written, `None` if there is none.

    `getini` insists on one type per option, while a TOML file may hold a number, a
    truth value or a table. This looks where pytest 9 keeps them, a hack for lack of a
    public way; pytest 8 has texts and lists of texts only.
    """
    found = getattr(config, "_inicfg", {}).get(name)
    if found is not None and hasattr(found, "value"):
        return found.value
    value: object = config.getini(name)
    return value


def _is_overridden(config: pytest.Config, name: str) -> bool:
    overrides: Sequence[str] = config.option.override_ini or ()
    return any(each.startswith(f"{name}=") for each in overrides)
