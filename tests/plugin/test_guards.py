"""What the plugin imports, also while it is off; its public names; guarded hooks."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_zephyr
from pytest_zephyr.plugin.guard import Bugs
from pytest_zephyr.plugin.guard import guarded
from tests.conftest import needs_xdist


def run_python(code: str) -> str:
    """Run *code* in a new Python and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


#: A set of libraries that take long to import, as Python code.
HEAVY = "{'requests', 'urllib3', 'flask', 'sqlalchemy'}"


def test_loading_the_plugin_imports_nothing_heavy():
    out = run_python(
        f"import sys, pytest_zephyr.plugin; print(sorted({HEAVY} & set(sys.modules)))"
    )

    assert out.strip() == "[]"


@pytest.fixture
def no_other_plugins(monkeypatch):
    """Load no other plugins, because they may import what ours must not import."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.usefixtures("no_other_plugins")
@pytest.mark.parametrize(
    "args",
    [[], ["--no-zephyr"], ["-o", "zephyr=true", "--collect-only"]],
    ids=["default", "flag", "collect-only"],
)
def test_a_run_without_reporting_loads_only_entry_point_and_options(pytester, args):
    """The entry point is also the only plugin of ours that is registered."""
    pytester.makepyfile("import pytest\n@pytest.mark.zephyr(1)\ndef test_a(): pass\n")
    pytester.makeconftest(
        f"""
        import sys

        def pytest_unconfigure(config):
            names = [name for name, _ in config.pluginmanager.list_name_plugin()]
            print("heavy:", sorted({HEAVY} & set(sys.modules)))
            print("ours:", [name for name in names if "zephyr" in name])
            print("modules:", *sorted(name for name in sys.modules if "zephyr" in name))
        """
    )
    result = pytester.runpytest_subprocess("-p", "zephyr", "--strict-markers", *args)

    result.stdout.fnmatch_lines(
        [
            "heavy: []",
            "ours: ['zephyr']",
            "modules: pytest_zephyr pytest_zephyr.plugin pytest_zephyr.table",
        ]
    )
    assert not (pytester.path / ".zephyr").exists()


@pytest.mark.usefixtures("no_other_plugins")
@needs_xdist
def test_workers_do_not_import_an_http_library(pytester, monkeypatch):
    pytester.makepyfile(
        f"""
        import sys

        def test_modules():
            assert not {HEAVY} & set(sys.modules)
        """
    )
    monkeypatch.setenv("ZEPHYR_PUSH", "never")
    result = pytester.runpytest_subprocess(
        "-p", "zephyr", "-p", "xdist", "--zephyr", "-n1"
    )

    result.assert_outcomes(passed=1)


@pytest.mark.usefixtures("no_other_plugins")
def test_run_loads_no_code_for_features_that_it_does_not_use(pytester, monkeypatch):
    """These are a mapping file, tags of Gherkin files and `pytest-zephyr drift`."""
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            ours = {name for name in sys.modules if name.startswith("pytest_zephyr")}
            loaded = {name.rpartition(".")[2] for name in ours}
            assert "marks" in loaded
            for name in ("map_file", "case_map", "map_use", "gherkin", "drift_items"):
                assert name not in loaded
        """
    )
    monkeypatch.setenv("ZEPHYR_PUSH", "never")
    result = pytester.runpytest_subprocess("-p", "zephyr", "--zephyr")

    result.assert_outcomes(passed=1)


def test_package_has_four_public_names():
    assert pytest_zephyr.__all__ == [
        "PytestZephyrWarning",
        "Zephyr",
        "ZephyrRecord",
        "__version__",
    ]
    assert issubclass(pytest_zephyr.ZephyrRecord, pytest_zephyr.Zephyr)
    assert issubclass(pytest_zephyr.PytestZephyrWarning, pytest.PytestWarning)
    assert pytest_zephyr.__version__


def test_warning_can_be_filtered_by_its_public_name(pytester, run_zephyr):
    """``-W error::pytest_zephyr.PytestZephyrWarning`` makes it an error of its test."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.zephyr("nonsense")
        def test_a(): pass

        @pytest.mark.zephyr(101)
        def test_b(): pass
        """
    )
    ran = run_zephyr(
        "-W", "error::pytest_zephyr.PytestZephyrWarning", check_exit_code=False
    )

    ran.result.assert_outcomes(passed=1, errors=1)
    assert "'nonsense' is not a test case id" in ran.text


class Guarded:
    """An object with a guarded hook that raises the error it gets."""

    def __init__(self) -> None:
        self.bugs = Bugs()

    @guarded
    def hook(self, error: BaseException) -> None:
        raise error


def test_guarded_hook_raises_a_usage_error_and_notes_another_error():
    plugin = Guarded()
    plugin.hook(ValueError("ours"))

    with pytest.raises(pytest.UsageError):
        plugin.hook(pytest.UsageError("the user's"))
    assert plugin.bugs == ["hook: ValueError('ours')"]


def test_dir_lists_the_public_names():
    """The list is the same before and after these names are loaded."""
    out = run_python(
        "import pytest_zephyr as z; print(dir(z) == sorted(z.__all__),"
        " [getattr(z, n) is not None for n in z.__all__], dir(z))"
    )

    names = ["PytestZephyrWarning", "Zephyr", "ZephyrRecord", "__version__"]
    assert out.strip() == f"True {[True] * 4} {names}"
