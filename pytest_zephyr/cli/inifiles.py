"""Find and read the ini files of pytest without pytest.

Names and order are those of pytest's own search. The first file counts that has a section
for pytest, or that only pytest reads, such as ``pytest.ini``.
"""

from __future__ import annotations

from collections.abc import Mapping
import configparser
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
import sys
from typing import Any

from pytest_zephyr.errors import SettingsError


@dataclass(frozen=True)
class IniFile:
    """The options in the ini file at *path*, which need not exist."""

    path: Path
    options: Mapping[str, object] = field(default_factory=dict)


#: The names of ini files, in the order of pytest's search.
_NAMES = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)


def find(start: Path) -> IniFile:
    """Return the first ini file in *start* and the directories above it.

    If there is none, the result has no options. Raises SettingsError if a file is invalid.
    """
    for directory in (start, *start.parents):
        for name in _NAMES:
            path = directory / name
            if path.is_file() and (options := _read(path)) is not None:
                return IniFile(path, options)
    return IniFile(start / "ini")


def load(path: Path) -> IniFile:
    """Return the ini file at *path*, as `pytest -c` reads it. Raises SettingsError."""
    if not path.is_file():
        raise SettingsError(f"there is no file {path} (-c).")
    return IniFile(path, _read(path) or {})


def _read(path: Path) -> dict[str, Any] | None:
    """Return the options in *path*, `None` if the file does not count for pytest."""
    try:
        text = path.read_text(encoding="utf-8")
        return _toml(text, path.name) if path.suffix == ".toml" else _ini(text, path)
    except (OSError, ValueError, configparser.Error) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} cannot be read: {reason}.") from error


def _ini(text: str, path: Path) -> dict[str, Any] | None:
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, default_section="\0"
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text, str(path))
    section = "tool:pytest" if path.suffix == ".cfg" else "pytest"
    if parser.has_section(section):
        return dict(parser[section])
    return {} if path.name in {"pytest.ini", ".pytest.ini"} else None


def _toml(text: str, name: str) -> dict[str, Any] | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # pytest requires tomli on these versions of Python.
        import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
    document = tomllib.loads(text)
    if name not in {"pytest.toml", ".pytest.toml"}:
        table = _table(_table(document, "tool"), "pytest")
        options = _table(table, "ini_options") or table
        if options or name == "pyproject.toml":
            return options or None
    return _table(document, "pytest")


def _table(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = parent.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"{name} is not a table")
    return table
