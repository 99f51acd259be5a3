"""The table of options: names, defaults, allowed values, and where each may stand."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pytest_zephyr import table
from pytest_zephyr.config import parsers as parse
from pytest_zephyr.config.settings import CREATE


@dataclass(frozen=True)
class Option:
    """One option of the table: how its text becomes a value, and where it may stand.

    An empty *metavar* makes it a switch, a flag without a value; without one there is no
    flag. *journaled* options decide the result, so a journal keeps them for a later push.
    Those that *connect* say how to reach the server, which is the business of whoever
    pushes. The value of one of *files* names some: *parse* takes the directory, too, that
    a relative path starts from.
    """

    name: str
    help: str
    metavar: str | None
    parse: Callable[..., object]
    default: str | None = None
    env: bool = True
    journaled: bool = False
    connects: bool = False
    files: bool = False

    @property
    def flag(self) -> bool:
        return self.metavar is not None

    @property
    def switch(self) -> bool:
        return self.metavar == ""

    @property
    def ini(self) -> bool:
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

    @property
    def dest(self) -> str:
        return self.ini_name


#: What makes each option of its row in the table.
_MAKE: Mapping[str, Callable[..., Option]] = {
    "zephyr": partial(Option, parse=parse.boolean, default="false"),
    "url": partial(Option, parse=parse.url, connects=True),
    "auth": partial(
        Option,
        parse=parse.one_of("auto", "token", "basic", "cookie"),
        default="auto",
        connects=True,
    ),
    "token_file": partial(Option, parse=parse.path, connects=True, files=True),
    "project": partial(Option, parse=parse.ref, journaled=True),
    "release": partial(Option, parse=parse.ref, journaled=True),
    "cycle": partial(Option, parse=parse.ref, journaled=True),
    "phase": partial(Option, parse=parse.ref, journaled=True),
    "create": partial(
        Option, parse=parse.one_of(*CREATE), default="never", journaled=True
    ),
    "environment": partial(Option, parse=parse.text, journaled=True),
    "build": partial(Option, parse=parse.text, journaled=True),
    "unknown_case": partial(
        Option,
        parse=parse.one_of("ignore", "warn", "error"),
        default="warn",
        journaled=True,
    ),
    "unmapped": partial(
        Option,
        parse=parse.one_of("ignore", "warn", "error", "create"),
        default="ignore",
        journaled=True,
    ),
    "folder": partial(
        Option, parse=parse.text, default="Automation/{package}", journaled=True
    ),
    "only_planned": partial(Option, parse=parse.boolean, default="false"),
    "push": partial(Option, parse=parse.one_of("end", "never"), default="end"),
    "journal": partial(Option, parse=parse.path, default=".zephyr", files=True),
    "dry_run": partial(Option, parse=parse.boolean, default="false"),
    "on_error": partial(
        Option, parse=parse.one_of("warn", "fail", "ignore"), default="warn"
    ),
    "status_map": partial(Option, parse=parse.status_map, default="", journaled=True),
    "comment": partial(
        Option,
        parse=parse.one_of("never", "failed", "always"),
        default="failed",
        journaled=True,
    ),
    "notes_limit": partial(
        Option, parse=parse.characters, default="4000", journaled=True, env=False
    ),
    "capture": partial(
        Option, parse=parse.one_of("none", "failed", "all"), default="none"
    ),
    "attach_max_size": partial(Option, parse=parse.size, default="10M"),
    "attach_max_total": partial(Option, parse=parse.size, default="2G", env=False),
    "timeout": partial(Option, parse=parse.seconds, default="30"),
    "retries": partial(Option, parse=parse.count, default="3"),
    "deadline": partial(Option, parse=parse.seconds, default="300"),
    "verify": partial(
        Option, parse=parse.verify, default="true", connects=True, files=True
    ),
    "client_cert": partial(Option, parse=parse.client_cert, connects=True, files=True),
    "proxy": partial(Option, parse=parse.proxy, connects=True),
    "run_key": partial(Option, parse=parse.text, journaled=True),
    "show_config": partial(Option, parse=parse.boolean, default="false", env=False),
    "id_prefix": partial(Option, parse=parse.pattern, default="(?:TC-?)?", env=False),
    "inherit": partial(
        Option, parse=parse.one_of("closest", "union"), default="closest", env=False
    ),
}

OPTIONS: tuple[Option, ...] = tuple(
    _MAKE[name](name, help, metavar) for name, help, metavar in table.ROWS
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


#: Where a credential belongs that is refused elsewhere.
_PLACES: Mapping[str, str] = {
    "token": "ZEPHYR_TOKEN in the environment, or in a file named by zephyr_token_file",
    "username": "ZEPHYR_USERNAME in the environment",
    "password": "ZEPHYR_PASSWORD in the environment",
}


def refusal(name: str, where: str) -> str:
    """Say that a credential was found *where* it must not be, without showing it."""
    return (
        f"{where}: a credential is not taken from there. It belongs in {_PLACES[name]}."
    )
