"""The table of options: names, defaults, allowed values, and where each may be set."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from pytest_zephyr import table
from pytest_zephyr.config import parsers as parse
from pytest_zephyr.config import settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.results.notes import Comment
from pytest_zephyr.results.records import TARGET


@dataclass(frozen=True)
class Option:
    """One option: how its text becomes a value, and where it may be set.

    The flag of an option with an empty *metavar* takes no value; an option with `None` has
    no flag. *has_env* says whether an environment variable sets it. A journal stores the
    *journaled* options, which decide the results. An option that *connects* says how to
    reach the server; each push reads it again. If an option *names_files*, *parse* also
    takes the directory that relative paths start from.
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
        return self.ini_name.upper()

    @property
    def ini_name(self) -> str:
        return table.ini_of(self.name)


#: The parser and the default of each option.
_VALUES: Mapping[str, tuple[Callable[..., object], str | None]] = {
    "zephyr": (parse.boolean, "false"),
    "url": (parse.url, None),
    "auth": (parse.one_of(*get_args(settings.Auth)), "auto"),
    "token_file": (parse.path, None),
    "project": (parse.ref, None),
    "release": (parse.ref, None),
    "cycle": (parse.ref, None),
    "phase": (parse.ref, None),
    "create": (parse.one_of(*settings.CREATE_LEVELS), "never"),
    "environment": (str, None),
    "build": (str, None),
    "unknown_case": (parse.one_of(*get_args(settings.UnknownCase)), "warn"),
    "unmapped": (parse.one_of(*get_args(settings.Unmapped)), "ignore"),
    "folder": (str, "Automation/{package}"),
    "map": (parse.path, None),
    "only_planned": (parse.boolean, "false"),
    "push": (parse.one_of(*get_args(settings.PushWhen)), "end"),
    "journal": (parse.path, ".zephyr"),
    "dry_run": (parse.boolean, "false"),
    "on_error": (parse.one_of(*get_args(settings.OnError)), "warn"),
    "status_map": (parse.status_map, ""),
    "comment": (parse.one_of(*get_args(Comment)), "failed"),
    "notes_limit": (parse.whole_number(200, 1_000_000), "4000"),
    "capture": (parse.one_of(*get_args(settings.Capture)), "none"),
    "attach_max_size": (parse.size, "10M"),
    "attach_max_total": (parse.size, "2G"),
    "timeout": (parse.seconds, "30"),
    "retries": (parse.whole_number(0, 100), "3"),
    "deadline": (parse.seconds, "300"),
    "verify": (parse.verify, "true"),
    "client_cert": (parse.client_cert, None),
    "proxy": (parse.proxy, None),
    "report": (parse.report, None),
    "run_key": (str, None),
    "show_config": (parse.boolean, "false"),
    "id_prefix": (parse.pattern, table.DEFAULT_ID_PREFIX),
    "inherit": (parse.one_of(*get_args(settings.Inherit)), "closest"),
}

_JOURNALED = {
    *(*TARGET, "create", "environment", "build", "run_key", "folder"),
    *("unknown_case", "unmapped", "status_map", "comment", "notes_limit"),
}
_CONNECT = {"url", "auth", "token_file", "verify", "client_cert", "proxy"}
_FILES = {"report", "token_file", "map", "journal", "verify", "client_cert"}
_NO_ENV = {"notes_limit", "attach_max_total", "show_config", "id_prefix", "inherit"}

OPTIONS: tuple[Option, ...] = tuple(
    Option(
        name,
        help,
        metavar,
        *_VALUES[name],
        has_env=name not in _NO_ENV,
        journaled=name in _JOURNALED,
        connects=name in _CONNECT,
        names_files=name in _FILES,
    )
    for name, help, metavar in table.ROWS
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


def flags_of(namespace: object) -> dict[str, object]:
    """Return the values of the flags in a *namespace* of argparse, by name of the option."""
    return {
        option.name: value
        for option in OPTIONS
        if (value := getattr(namespace, option.ini_name, None)) is not None
    }


def reject_credentials(read_key: Callable[[str], object], file: object) -> None:
    """Raise SettingsError if *read_key* finds a credential in an ini *file*."""
    for name in table.REFUSED_OPTIONS:
        if read_key(f"zephyr_{name}"):
            where = f"zephyr_{name} in {file}"
            raise SettingsError(credential_message(name, where))


def credential_message(name: str, where: str) -> str:
    """Return the message for a credential that is not read from the place *where*."""
    file = ", or in a file named by zephyr_token_file" if name == "token" else ""
    return (
        f"{where}: a credential is not accepted here. Put it into"
        f" ZEPHYR_{name.upper()} in the environment{file}."
    )
