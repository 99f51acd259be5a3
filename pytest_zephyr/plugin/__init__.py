"""The entry point: options, markers, hooks and the fixture are declared; the rest is late.

Every run of pytest in an environment loads this, and most of them report nothing. So it
imports what they need, and no more.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
import sys
from typing import Any
from typing import NoReturn
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr import origin
from pytest_zephyr import table


if TYPE_CHECKING:
    from pytest_zephyr.plugin.fixture import Zephyr


class _Refuse(argparse.Action):
    """A flag that is recognised only to be refused, without showing its value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> NoReturn:
        from pytest_zephyr.config.options import refusal

        flag = option_string or ""
        name = flag.removeprefix("--zephyr-")
        raise pytest.UsageError(f"zephyr: {refusal(name, flag)}")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zephyr", "Zephyr Enterprise")
    for name, text, metavar in table.ROWS:
        if metavar is not None:
            value = {"metavar": metavar} if metavar else _switch("true")
            flag, dest = table.flag_of(name), table.ini_of(name)
            group.addoption(flag, dest=dest, help=text, **value)
        if name not in table.NO_INI:
            parser.addini(table.ini_of(name), text, default=None)
    group.addoption(
        "--no-zephyr", dest="zephyr", help="Do not report this run", **_switch("false")
    )
    for name in table.REFUSED:
        group.addoption(f"--zephyr-{name}", action=_Refuse, help=argparse.SUPPRESS)
        parser.addini(f"zephyr_{name}", "Refused: a credential is not for ini files")


def _switch(value: str) -> dict[str, Any]:
    return {"action": "store_const", "const": value}


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_zephyr.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.option.zephyr_show_config:
        return None
    from pytest_zephyr.config import resolve
    from pytest_zephyr.plugin import settings

    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for line in resolve.describe(settings.load(config)):
        shown = line.encode(encoding, "backslashreplace").decode(encoding)
        print(shown)  # noqa: T201 - what was asked for
    return 0


def pytest_configure(config: pytest.Config) -> None:
    for line in table.MARKERS:
        config.addinivalue_line("markers", line)
    if _is_mentioned(config) and not _runs_nothing(config):
        with origin.as_it_was():
            try:
                from pytest_zephyr.plugin import build
            except (Exception, SystemExit) as error:  # noqa: BLE001 - of a suite, perhaps
                said = f"zephyr: nothing is reported, it cannot load: {error!r}\n"
                sys.stderr.write(said)
            else:
                build.begin(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    if origin.RUN not in os.environ:
        return []
    from pytest_zephyr.plugin import settings

    return settings.silenced(config)


def _is_mentioned(config: pytest.Config) -> bool:
    """Return whether anything says something of reporting this run."""
    flag: str | None = config.option.zephyr
    if flag is not None:
        return flag == "true"
    # pytest 8 has it under the other name, which is deprecated in 9.
    found = getattr(config, "_inicfg", None)
    in_file = "zephyr" in (config.inicfg if found is None else found)
    overridden = any(
        each.startswith("zephyr=") for each in config.option.override_ini or ()
    )
    return in_file or overridden or "ZEPHYR" in os.environ


def _runs_nothing(config: pytest.Config) -> bool:
    """Whether pytest was asked for something else than to run tests."""
    asked = (
        *("collectonly", "help", "version", "markers", "cacheshow"),
        *("showfixtures", "show_fixtures_per_test"),
    )
    return any(getattr(config.option, name, None) for name in asked)


@pytest.fixture
def zephyr(request: pytest.FixtureRequest) -> Zephyr:
    """Put comments, attachments, steps, defects and fields on the result in Zephyr."""
    from pytest_zephyr.plugin.fixture import Zephyr

    return Zephyr(request.node)
