"""Fill the placeholders in names and paths: `{date}`, `{build}`, `{env:NAME}` and others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import re
import time

from pytest_zephyr import table
from pytest_zephyr.config import ci
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.text import did_you_mean


#: The placeholders that a name or a path may have.
PLACEHOLDERS = ("date", "time", "build", "branch", "commit", "run", "env:NAME")

_CREDENTIAL_VARIABLES = set(map(table.env_of, table.REFUSED_OPTIONS))

#: What to do if a placeholder has no value, or why it has none.
_HINTS = {
    "build": "set zephyr_build, or run the tests where the CI service names its build",
    "branch": "the CI service names no branch",
    "commit": "the CI service names no commit",
    "run": "run the tests with zephyr_run_key, or where the CI service names its run",
}

#: Replaces ``{package}`` while the others are filled; no option accepts this character.
_PACKAGE = "\0"

#: Characters of values that become ``-`` in the name of a file.
_UNSAFE_IN_FILES = re.compile(r"[^\w.+-]+")

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with its placeholders filled in; ``{{`` and ``}}`` are braces.

    Raises InvalidValue for a placeholder that is unknown or has no value.
    """

    def replace(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else _value(match[1], values)

    return _PLACEHOLDER.sub(replace, text)


def escape(text: str) -> str:
    """Return *text* with its braces doubled, so that `fill` returns *text*."""
    return text.replace("{", "{{").replace("}", "}}")


def fill_folder(text: str, values: Mapping[str, str]) -> str:
    """Fill all placeholders in the path of a folder but ``{package}``.

    The result is filled once more for each test, so all other braces in it are doubled.
    Raises InvalidValue as `fill` does.
    """
    filled = fill(text, {**values, "package": _PACKAGE})
    return escape(filled).replace(_PACKAGE, "{package}")


def fill_path(path: Path, values: Mapping[str, str]) -> Path:
    """Return *path* with its placeholders filled by values that are safe in file names.

    Raises InvalidValue as `fill` does.
    """
    safe = {name: _UNSAFE_IN_FILES.sub("-", value) for name, value in values.items()}
    return Path(fill(str(path), safe))


def values_of(
    environ: Mapping[str, str], run: str | None, build: str | None
) -> dict[str, str]:
    """Return the value of each placeholder, an empty text if it has none.

    *run* and *build* are the values of the options ``run_key`` and ``build``, which may
    come from the CI service or from a journal.
    """
    now = time.localtime()
    return {
        "date": time.strftime("%Y-%m-%d", now),
        "time": time.strftime("%H-%M", now),
        "build": build or "",
        "branch": ci.find(environ, "branch"),
        "commit": ci.find(environ, "commit"),
        "run": run or "",
        **{f"env:{name}": value for name, value in environ.items()},
    }


def _value(name: str, values: Mapping[str, str]) -> str:
    if name.startswith("env:"):
        variable = name.removeprefix("env:")
        if variable in _CREDENTIAL_VARIABLES:
            raise InvalidValue(
                f"{{{name}}} is a credential, which must not be in a name"
            )
        if not values.get(name):
            raise InvalidValue(f"the variable {variable} of {{{name}}} is not set")
        return values[name]
    if name not in values:
        package = ("package",) if "package" in values else ()
        known = [f"{{{each}}}" for each in (*PLACEHOLDERS, *package)]
        hint = did_you_mean(f"{{{name}}}", known)
        raise InvalidValue(
            f"{{{name}}} is not a placeholder.{hint} There are: {', '.join(known)}"
        )
    if not values[name]:
        raise InvalidValue(f"{{{name}}} has no value here; {_HINTS[name]}")
    return values[name]
