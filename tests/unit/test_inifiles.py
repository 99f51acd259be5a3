"""The ini file that pytest would read; pytest-zephyr finds it without pytest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_zephyr.cli import inifiles
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.resolve import value
from pytest_zephyr.errors import SettingsError


INI = "[pytest]\nzephyr_phase = Smoke\n"
TOML = '[tool.pytest.ini_options]\nzephyr_phase = "Smoke"\n'

FILES = {
    "pytest.toml": '[pytest]\nzephyr_phase = "Smoke"\n',
    ".pytest.toml": '[pytest]\nzephyr_phase = "Smoke"\n',
    "pytest.ini": INI,
    ".pytest.ini": INI,
    "pyproject.toml": TOML,
    "tox.ini": INI,
    "setup.cfg": "[tool:pytest]\nzephyr_phase = Smoke\n",
}


def write_files(directory: Path, **files: str) -> None:
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")


@pytest.mark.parametrize(("name", "content"), FILES.items(), ids=FILES)
def test_every_file_that_pytest_reads_is_read(tmp_path, name, content):
    """The search finds it, and it can be named as with `pytest -c`."""
    write_files(tmp_path, **{name: content})

    for ini in (inifiles.find(tmp_path), inifiles.load(tmp_path / name)):
        assert ini.path == tmp_path / name
        assert ini.options["zephyr_phase"] == "Smoke"


@pytest.mark.parametrize("first", range(len(FILES) - 1), ids=list(FILES)[:-1])
def test_files_are_tried_in_pytests_order(tmp_path, first):
    """The first file with a section for pytest is used."""
    write_files(tmp_path, **dict(list(FILES.items())[first:]))

    assert inifiles.find(tmp_path).path.name == list(FILES)[first]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("pyproject.toml", "[tool.ruff]\n", id="pyproject"),
        pytest.param("pyproject.toml", "", id="empty pyproject"),
        pytest.param("tox.ini", "[tox]\n", id="tox"),
        pytest.param("setup.cfg", "[metadata]\nname = x\n", id="setup"),
    ],
)
def test_a_file_without_a_section_for_pytest_is_skipped(tmp_path, name, content):
    """The search continues in the directories above it."""
    below = tmp_path / "below"
    below.mkdir()
    write_files(tmp_path, **{"pytest.ini": INI})
    write_files(below, **{name: content})

    assert inifiles.find(below).path.parent == tmp_path


@pytest.mark.parametrize(
    "name", ["pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"]
)
def test_a_file_named_after_pytest_ends_the_search_even_if_empty(tmp_path, name):
    """Its name says that it is for pytest."""
    below = tmp_path / "below"
    below.mkdir()
    write_files(tmp_path, **{"pytest.ini": INI})
    write_files(below, **{name: ""})
    ini = inifiles.find(below)

    assert (ini.path, dict(ini.options)) == (below / name, {})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("tox.ini", "[pytest]\n"),
        ("setup.cfg", "[tool:pytest]\n"),
    ],
)
def test_an_empty_section_ends_the_search(tmp_path, name, content):
    """A file with a section for pytest is used, even if the section is empty."""
    below = tmp_path / "below"
    below.mkdir()
    write_files(tmp_path, **{"pytest.ini": INI})
    write_files(below, **{name: content})

    assert inifiles.find(below).path.parent == below


def test_the_closest_directory_wins(tmp_path):
    """A directory further up is not read, even if its file has precedence."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    write_files(tmp_path, **{"pytest.ini": INI})
    write_files(tmp_path / "a", **{"setup.cfg": "[tool:pytest]\nzephyr_phase = Near\n"})
    ini = inifiles.find(below)

    assert ini.options == {"zephyr_phase": "Near"}
    assert ini.path.parent == tmp_path / "a"


def test_without_a_file_there_are_no_options(tmp_path):
    """The path is then one in the directory where the search began."""
    ini = inifiles.find(tmp_path)

    assert dict(ini.options) == {}
    assert ini.path.parent == tmp_path


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("zephyr_phase = Smoke", "Smoke", id="equals"),
        pytest.param("zephyr_phase: Smoke", "Smoke", id="colon"),
        pytest.param("zephyr_phase=100%s of it", "100%s of it", id="percent"),
        pytest.param("zephyr_phase = a = b", "a = b", id="equals in the value"),
        pytest.param("zephyr_phase = a # b", "a # b", id="number sign"),
        pytest.param("# no\n; no\nzephyr_phase = x", "x", id="comments"),
        pytest.param("zephyr_phase =\n    a\n    b", "\na\nb", id="lines"),
        pytest.param("zephyr_phase = Grüße", "Grüße", id="non-ASCII letters"),
        pytest.param("zephyr_phase =", "", id="empty"),
    ],
)
def test_ini_values_are_texts_as_written(tmp_path, content, text):
    """Nothing is interpolated, and names keep their case."""
    write_files(tmp_path, **{"pytest.ini": f"[pytest]\nOther_Key = x\n{content}\n"})

    assert inifiles.find(tmp_path).options == {"Other_Key": "x", "zephyr_phase": text}


def test_a_default_section_is_ignored(tmp_path):
    """Pytest has no section whose values apply to other sections."""
    write_files(
        tmp_path, **{"tox.ini": "[DEFAULT]\nzephyr_phase = x\n[pytest]\na = b\n"}
    )

    assert inifiles.find(tmp_path).options == {"a": "b"}


@pytest.mark.parametrize("table", ["tool.pytest.ini_options", "tool.pytest"])
def test_toml_values_keep_their_types(tmp_path, table):
    """This holds for both tables that pytest 9 reads."""
    write_files(
        tmp_path,
        **{
            "pyproject.toml": f"[{table}]\nzephyr = true\nzephyr_phase = 7\n"
            f"zephyr_timeout = 2.5\nzephyr_client_cert = ['a', 'b']\n"
            f"zephyr_status_map = {{ error = 4, skipped = '-' }}\n"
        },
    )
    ini = inifiles.find(tmp_path)

    assert ini.options == {
        "zephyr": True,
        "zephyr_phase": 7,
        "zephyr_timeout": 2.5,
        "zephyr_client_cert": ["a", "b"],
        "zephyr_status_map": {"error": 4, "skipped": "-"},
    }
    assert value(
        "status_map",
        OptionSources(ini={"status_map": ini.options["zephyr_status_map"]}),
    ) == {"error": "4", "skipped": "-"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("custom.ini", INI, id="ini"),
        pytest.param("custom.cfg", "[tool:pytest]\nzephyr_phase = Smoke\n", id="cfg"),
        pytest.param("custom.toml", TOML, id="toml"),
        pytest.param("custom.toml", FILES["pytest.toml"], id="toml of pytest 9"),
    ],
)
def test_a_file_of_any_name_can_be_named(tmp_path, name, content):
    """As with `pytest -c`, the suffix says how it is read."""
    write_files(tmp_path, **{name: content})

    assert inifiles.load(tmp_path / name).options["zephyr_phase"] == "Smoke"


def test_a_named_file_without_a_section_has_no_options(tmp_path):
    """It was named, so no other file is searched."""
    write_files(tmp_path, **{"pytest.ini": INI, "tox.ini": "[tox]\n"})
    ini = inifiles.load(tmp_path / "tox.ini")

    assert (ini.path.name, dict(ini.options)) == ("tox.ini", {})


def test_the_error_about_a_missing_file_has_the_option(tmp_path):
    """The option is the one that named the file."""
    with pytest.raises(SettingsError) as caught:
        inifiles.load(tmp_path / "none.ini")

    assert str(caught.value) == f"there is no file {tmp_path / 'none.ini'} (-c)."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("pytest.ini", b"zephyr = 1\n", id="ini without a section"),
        pytest.param("pytest.ini", b"[pytest\n", id="ini with half a section"),
        pytest.param("tox.ini", b"[pytest]\nword\n", id="ini with a word"),
        pytest.param("setup.cfg", b"\xff\xfe\x00", id="cfg that is no text"),
        pytest.param("pyproject.toml", b"[tool.pytest\n", id="toml with half a table"),
        pytest.param("pyproject.toml", b"\xff", id="toml that is no text"),
        pytest.param("pyproject.toml", b"tool = 3\n", id="tool is no table"),
        pytest.param(
            "pyproject.toml", b"[tool]\npytest = 3\n", id="pytest is no table"
        ),
        pytest.param(
            "pyproject.toml",
            b"[tool.pytest]\nini_options = 3\n",
            id="options are no table",
        ),
        pytest.param(
            "pytest.toml", b"pytest = 3\n", id="pytest is no table in pytest.toml"
        ),
    ],
)
def test_the_error_about_a_broken_file_is_one_line(tmp_path, name, content):
    """The line names the file and says what is wrong in it."""
    (tmp_path / name).write_bytes(content)

    for read in (
        lambda: inifiles.find(tmp_path),
        lambda: inifiles.load(tmp_path / name),
    ):
        with pytest.raises(SettingsError) as caught:
            read()

        assert str(caught.value).startswith(f"{tmp_path / name} cannot be read: ")
        assert len(str(caught.value).splitlines()) == 1
