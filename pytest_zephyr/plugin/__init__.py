"""The entry point: declares options, markers, hooks and the fixture.

Every run of pytest in an environment loads this module, and most runs report nothing, so
most other modules are imported only when they are needed.
"""

from __future__ import annotations

import argparse
from functools import partial
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_zephyr import table


if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_zephyr.plugin.fixture import Zephyr
    from pytest_zephyr.plugin.fixture import ZephyrRecord

    #: What `pytest_zephyr_cases` may return: ids as for a marker, a marker or `None`.
    Cases = int | str | Iterable[int | str] | pytest.MarkDecorator | None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zephyr", "Zephyr Enterprise")
    for name, text, metavar, _default in table.ROWS:
        if metavar is not None:
            kwargs = {"action": "store_const", "const": "true"}
            if metavar:
                kwargs = {"metavar": metavar}
            flag, dest = table.flag_of(name), table.ini_of(name)
            group.addoption(flag, dest=dest, help=text, **kwargs)
        if name not in table.NO_INI:
            parser.addini(table.ini_of(name), text, default=None)
    off = {"action": "store_const", "const": "false"}
    group.addoption("--no-zephyr", dest="zephyr", help="Do not report this run", **off)
    for name in table.REFUSED_OPTIONS:
        reject = partial(_reject_flag, name)
        group.addoption(table.flag_of(name), type=reject, help=argparse.SUPPRESS)
        parser.addini(
            table.ini_of(name), "Not accepted: an ini file must not hold a credential"
        )


def _reject_flag(name: str, value: str) -> None:
    from pytest_zephyr.config.options import reject_flag
    from pytest_zephyr.plugin.settings import usage_errors

    with usage_errors():
        reject_flag(name, value)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(ZephyrHooks)


# Runs before a conftest can replace the functions that `origin` saves.
@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if _may_report(early_config, early_config.known_args_namespace):
        from pytest_zephyr import origin  # noqa: F401


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.option.zephyr_show_config:
        return None
    from pytest_zephyr.plugin import settings

    return settings.show(config)


def pytest_configure(config: pytest.Config) -> None:
    for line in table.MARKERS:
        config.addinivalue_line("markers", line)
    if hasattr(config.hook, "pytest_bdd_apply_tag"):
        from pytest_zephyr.plugin.collection.gherkin import GherkinTags

        config.pluginmanager.register(GherkinTags(config), "zephyr-tags")
    if _may_report(config, config.option):
        from pytest_zephyr import origin

        with origin.originals_restored():
            try:
                from pytest_zephyr.plugin import build
            except (Exception, SystemExit) as error:  # noqa: BLE001
                # A module of the suite may have the name of one that is imported here.
                message = (
                    f"zephyr: nothing is reported, the plugin cannot load: {error!r}"
                )
                sys.stderr.write(f"{message}\n")
            else:
                build.begin(config)


def _may_report(config: pytest.Config, option: argparse.Namespace) -> bool:
    """Return whether this session runs or checks tests, and ``zephyr`` may be true.

    ``--zephyr`` or ``--no-zephyr`` decides. Without these, any other source that sets
    the option is enough, whatever the value; with ``--collect-only``, which checks test
    cases, other sources do not count.
    """
    other_actions = (
        *("help", "version", "markers", "cacheshow"),
        *("showfixtures", "show_fixtures_per_test"),
    )
    if any(getattr(option, name, None) for name in other_actions):
        return False
    # An editor that lists tests with `--collect-only` must not wait for a server.
    if option.collectonly or option.zephyr is not None:
        return bool(option.zephyr == "true")
    # pytest 8 has only `inicfg`, which is deprecated in 9.
    ini = getattr(config, "_inicfg", None)
    in_file = "zephyr" in (config.inicfg if ini is None else ini)
    overridden = any(text.startswith("zephyr=") for text in option.override_ini or ())
    return in_file or overridden or "ZEPHYR" in os.environ


@pytest.fixture
def zephyr(request: pytest.FixtureRequest) -> Zephyr:
    """Add to the result in Zephyr, as ``zephyr.attach("page.png")`` or ``zephyr.comment("slow")``.

    It takes comments, attachments, steps, defects and fields, and does nothing while
    reporting is off::

        def test_checkout(zephyr, tmp_path):
            with zephyr.step("Open the cart"):
                ...
            zephyr.attach(tmp_path / "receipt.pdf")
            zephyr.defect("SHOP-7")
    """
    from pytest_zephyr.plugin.fixture import Zephyr

    return Zephyr(request.node)


class ZephyrHooks:
    """Hooks for conftest files and plugins; they run where the test runs."""

    @pytest.hookspec(firstresult=True)
    def pytest_zephyr_cases(self, item: pytest.Item) -> Cases:
        r"""Return the test cases that *item* verifies.

        They replace those of its markers and of the mapping file; `None` keeps these.
        The result is an id as a marker takes it (``7``, ``"7"``, ``"TC-7"``), an
        iterable of ids, or a marker, such as ``pytest.mark.zephyr(alt="AUTH-1")`` for
        an Alt ID. An empty list reports the test to no test case. The first result that
        is not `None` wins. An exception, or an id that is not valid, gives a
        `PytestZephyrWarning` for the test. The hook is not called for tests with the
        marker ``zephyr_ignore``::

            def pytest_zephyr_cases(item):
                if match := re.search(r"_TC(\d+)", item.name):
                    return int(match[1])
        """

    @pytest.hookspec
    def pytest_zephyr_record(self, item: pytest.Item, record: ZephyrRecord) -> None:
        """Add to the result of *item*, or change the text of its failure.

        Called for each report of a test: setup, each subtest, call and teardown. The
        fixtures of the test are still active when the call is reported. The return
        value is ignored, and an exception gives a `PytestZephyrWarning` for the test::

            def pytest_zephyr_record(item, record):
                if record.failed and "page" in item.funcargs:
                    record.attach(item.funcargs["page"].screenshot(), name="page.png")
        """
