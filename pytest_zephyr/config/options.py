"""The table of options: how a text becomes a value, and where each may be set."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args
from typing import NoReturn

from pytest_zephyr import table
from pytest_zephyr.config import parsers as parse
from pytest_zephyr.config import settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.notes import CommentMode
from pytest_zephyr.table import TARGET_OPTIONS


@dataclass(frozen=True)
class Option:
    """One option: how its text becomes a value, and where it may be set.

    - *metavar* is the name of the flag's value in the help. It is empty if the flag takes
      no value, and `None` if there is no flag.
    - *default* is the text of its default value; `None` leaves the option unset.
    - *has_env* says that an environment variable can set the option.
    - *journaled* says that the option decides the results, so a journal stores it.
    - *connects* says that the option tells how to reach the server, so each push reads it
      again. Only the url is in a journal, too: a push to another server is refused unless
      a flag names that, and a push that has no url uses the stored one only if the user
      confirms it.
    - *names_files* says that *parse* also takes the directory that relative paths start
      from.
    """

    name: str
    help: str
    metavar: str | None
    parse: Callable[..., object]
    default: str | None
    has_env: bool
    journaled: bool
    connects: bool
    names_files: bool

    @property
    def has_flag(self) -> bool:
        return self.metavar is not None

    @property
    def is_switch(self) -> bool:
        return self.metavar == ""

    @property
    def has_ini(self) -> bool:
        return self.name not in table.NO_INI

    @property
    def flag_name(self) -> str:
        return table.flag_of(self.name)

    @property
    def env_name(self) -> str:
        return table.env_of(self.name)

    @property
    def ini_name(self) -> str:
        return table.ini_of(self.name)


#: The parser of each option.
_PARSERS: Mapping[str, Callable[..., object]] = {
    "zephyr": parse.boolean,
    "url": parse.url,
    "auth": parse.one_of(*get_args(settings.Auth)),
    "token_file": parse.path,
    "project": parse.ref,
    "release": parse.ref,
    "cycle": parse.ref,
    "phase": parse.ref,
    "create": parse.one_of(*settings.CREATE_LEVELS),
    "environment": str,
    "build": str,
    "unknown_case": parse.one_of(*get_args(settings.UnknownCase)),
    "unmapped": parse.one_of(*get_args(settings.Unmapped)),
    "folder": str,
    "map": parse.path,
    "only_planned": parse.boolean,
    "push": parse.one_of(*get_args(settings.PushWhen)),
    "journal": parse.path,
    "dry_run": parse.boolean,
    "on_error": parse.one_of(*get_args(settings.OnError)),
    "status_map": parse.status_map,
    "comment": parse.one_of(*get_args(CommentMode)),
    "notes_limit": parse.whole_number(200, 1_000_000),
    "capture": parse.one_of(*get_args(settings.Capture)),
    "attach_max_size": parse.size,
    "attach_max_total": parse.size,
    "timeout": parse.seconds,
    "retries": parse.whole_number(0, 100),
    "deadline": parse.seconds,
    "verify": parse.verify,
    "client_cert": parse.client_cert,
    "proxy": parse.proxy,
    "report": parse.report,
    "run_key": str,
    "show_config": parse.boolean,
    "id_prefix": parse.pattern,
    "inherit": parse.one_of(*get_args(settings.Inherit)),
}

#: Names of options: those that a journal stores, those that say how to connect, those
#: that name files, and those without an environment variable.
_JOURNALED = {
    *(*TARGET_OPTIONS, "create", "environment", "build", "run_key", "folder"),
    *("unknown_case", "unmapped", "status_map", "comment", "notes_limit"),
}
_CONNECTING = {"url", "auth", "token_file", "verify", "client_cert", "proxy"}
_NAMING_FILES = {"report", "token_file", "map", "journal", "verify", "client_cert"}
_NO_ENV = {"notes_limit", "attach_max_total", "show_config", "id_prefix", "inherit"}

OPTIONS: tuple[Option, ...] = tuple(
    Option(
        name,
        help,
        metavar,
        _PARSERS[name],
        default,
        has_env=name not in _NO_ENV,
        journaled=name in _JOURNALED,
        connects=name in _CONNECTING,
        names_files=name in _NAMING_FILES,
    )
    for name, help, metavar, default in table.ROWS
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


def flags_of(namespace: object) -> dict[str, object]:
    """Return the values of the flags in a *namespace* of argparse, by name of the option."""
    return {
        option.name: value
        for option in OPTIONS
        if (value := getattr(namespace, option.ini_name, None)) is not None
    }


def reject_flag(name: str, _value: str) -> NoReturn:
    """Raise SettingsError for a flag with a credential, without showing its value."""
    raise SettingsError(credential_message(name, table.flag_of(name)))


def reject_credentials(read_key: Callable[[str], object], file: object) -> None:
    """Raise SettingsError if *read_key* finds a credential in an ini *file*."""
    for name in table.REFUSED_OPTIONS:
        if read_key(table.ini_of(name)):
            where = f"{table.ini_of(name)} in {file}"
            raise SettingsError(credential_message(name, where))


def credential_message(name: str, where: str) -> str:
    """Return the message for a credential in *where*, a flag or an ini key."""
    file = ", or in a file named by zephyr_token_file" if name == "token" else ""
    return (
        f"{where}: a credential is not accepted here. Put it into"
        f" {table.env_of(name)} in the environment{file}."
    )
