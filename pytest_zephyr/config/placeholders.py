"""Placeholders in names: `{date}`, `{build}`, `{env:NAME}` and their like."""

from __future__ import annotations

from collections.abc import Mapping
import difflib
import re
import time

from pytest_zephyr.config import ci


#: What a name may hold, with what each stands for.
PLACEHOLDERS = ("date", "time", "build", "branch", "commit", "run", "env:NAME")

_CREDENTIALS = {"ZEPHYR_TOKEN", "ZEPHYR_USERNAME", "ZEPHYR_PASSWORD"}

#: Stands for the package while the rest is filled; no option takes such a sign.
_PACKAGE = "\0"

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class Unfilled(ValueError):
    """A placeholder that is unknown or has no value; the text says which and why."""


def fill(text: str, values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Return *text* with its placeholders filled in; ``{{`` and ``}}`` are braces.

    Raises Unfilled for a placeholder that is unknown or has no value.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        return _value(match[1], values, environ)

    return _PLACEHOLDER.sub(replace, text)


def escape(text: str) -> str:
    """Return *text* with its braces doubled, so that `fill` gives it back."""
    return text.replace("{", "{{").replace("}", "}}")


def fill_folder(
    text: str, values: Mapping[str, str], environ: Mapping[str, str]
) -> str:
    """Return the path of a folder with all placeholders filled but ``{package}``.

    Raises Unfilled as `fill` does.
    """
    filled = fill(text, {**values, "package": _PACKAGE}, environ)
    return escape(filled).replace(_PACKAGE, "{package}")


def values_of(
    environ: Mapping[str, str], run: str | None, build: str | None
) -> dict[str, str]:
    """Return what the placeholders stand for now; those without a value are empty.

    The build that the user named goes before the one of the CI service.
    """
    now = time.localtime()
    return {
        "date": time.strftime("%Y-%m-%d", now),
        "time": time.strftime("%H-%M", now),
        "build": build or ci.build(environ),
        "branch": ci.branch(environ),
        "commit": ci.commit(environ),
        "run": run or "",
    }


def _value(name: str, values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    if name.startswith("env:"):
        variable = name.removeprefix("env:")
        if variable in _CREDENTIALS:
            raise Unfilled(
                f"{{{name}}} is a credential, which does not belong in a name"
            )
        if not environ.get(variable):
            raise Unfilled(f"the variable {variable} of {{{name}}} is not set")
        return environ[variable]
    if name not in values:
        close = difflib.get_close_matches(name, values, 1)
        hint = f" Did you mean {{{close[0]}}}?" if close else ""
        package = ("package",) if "package" in values else ()
        known = ", ".join(f"{{{each}}}" for each in (*PLACEHOLDERS, *package))
        raise Unfilled(f"{{{name}}} is not a placeholder.{hint} There are: {known}")
    if not values[name]:
        raise Unfilled(f"{{{name}}} has no value here; {_SOURCES[name]}")
    return values[name]


_SOURCES = {
    "build": "set zephyr_build, or run where the CI service names its build",
    "branch": "the CI service names no branch",
    "commit": "the CI service names no commit",
    "run": "set zephyr_run_key, or run where the CI service names its run",
}
