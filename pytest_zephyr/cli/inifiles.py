"""The ini files that pytest reads, found and read without pytest.

The same names in the same order as pytest's own search; the first file that has a
section for pytest is the one.
"""

from __future__ import annotations

from collections.abc import Callable
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
    """The options of one file, and the directory that relative paths start from."""

    root: Path
    name: str = "ini"
    options: Mapping[str, object] = field(default_factory=dict)


def find(start: Path) -> IniFile:
    """Return the ini file for *start* and above. Raises SettingsError if one is broken."""
    for directory in (start, *start.parents):
        for name, read in _READERS.items():
            path = directory / name
            if path.is_file() and (options := read(path)) is not None:
                return IniFile(directory, name, options)
    return IniFile(start)


def load(path: Path) -> IniFile:
    """Return the ini file at *path*, as `pytest -c` would. Raises SettingsError."""
    if not path.is_file():
        msg = f"there is no file {path} (-c)."
        raise SettingsError(msg)
    read = _READERS.get(path.name)
    if read is None:
        read = _custom_toml if path.suffix == ".toml" else _tox_ini
        read = _setup_cfg if path.suffix == ".cfg" else read
    return IniFile(path.parent, path.name, read(path) or {})


def _ini(path: Path, section: str) -> dict[str, object] | None:
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, default_section="\0", delimiters=("=", ":")
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise _broken(path, error) from error
    return dict(parser[section]) if parser.has_section(section) else None


def _pytest_ini(path: Path) -> dict[str, object] | None:
    return _ini(path, "pytest") or {}


def _tox_ini(path: Path) -> dict[str, object] | None:
    return _ini(path, "pytest")


def _setup_cfg(path: Path) -> dict[str, object] | None:
    return _ini(path, "tool:pytest")


def _toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        # pytest itself needs it there.
        import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _broken(path, error) from error
    return document


def _table(path: Path, parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise _broken(path, TypeError(f"{name} is not a table"))
    return found


def _pytest_toml(path: Path) -> dict[str, object] | None:
    return dict(_table(path, _toml(path), "pytest"))


def _pyproject(path: Path) -> dict[str, object] | None:
    table = _table(path, _table(path, _toml(path), "tool"), "pytest")
    return _table(path, table, "ini_options") or table or None


def _custom_toml(path: Path) -> dict[str, object] | None:
    return _pyproject(path) or _pytest_toml(path)


_READERS: Mapping[str, Callable[[Path], dict[str, object] | None]] = {
    "pytest.toml": _pytest_toml,
    ".pytest.toml": _pytest_toml,
    "pytest.ini": _pytest_ini,
    ".pytest.ini": _pytest_ini,
    "pyproject.toml": _pyproject,
    "tox.ini": _tox_ini,
    "setup.cfg": _setup_cfg,
}


def _broken(path: Path, error: Exception) -> SettingsError:
    reason = " ".join(str(error).split())
    return SettingsError(f"{path} cannot be read: {reason}.")
