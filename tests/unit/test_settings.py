"""The settings of a run, and the errors about missing ones."""

from __future__ import annotations

import shlex

import pytest

from pytest_zephyr.cli import build_parser
from pytest_zephyr.config.command_line import command
from pytest_zephyr.config.options import flags_of
from pytest_zephyr.config.resolve import journaled_options
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.resolve import resolve
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Settings
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.secret import Secret


LOGIN = {"ZEPHYR_TOKEN": "t0ken"}
SERVER = {**LOGIN, "ZEPHYR_URL": "https://zephyr.example"}


def settings(**environ: str) -> Settings:
    return resolve(OptionSources(environ=environ))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param(
            {"cycle": "Nightly@main", "environment": "ada@qa", "build": "7@a"},
            {"cycle": "Nightly@main", "environment": "ada@qa", "build": "7@a"},
            id="names",
        ),
        pytest.param(
            {"phase": "-Smoke"}, {"phase": "name:-Smoke"}, id="a name with a dash"
        ),
        pytest.param(
            {"phase": "Run {env:STAGE} {{date}}", "folder": "{env:STAGE}/{package}"},
            {"phase": "Run blue {{date}}", "folder": "blue/{package}"},
            id="placeholders",
        ),
        pytest.param(
            {"url": "https://zephyr.example/@qa", "proxy": "http://ada:pw@proxy:1"},
            {"url": "https://zephyr.example/@qa"},
            id="a proxy with a password",
        ),
        pytest.param(
            {"proxy": "http://proxy:1"}, {"proxy": "http://proxy:1"}, id="a proxy"
        ),
    ],
)
def test_a_command_to_paste_has_the_flags_that_a_push_needs(flags, expected):
    """Only the address of a proxy with a password is left out; placeholders are filled."""
    environ = {**SERVER, "STAGE": "blue"}
    sources = OptionSources(flags=flags, environ=environ, journal_options={})
    words = shlex.split(command("push", settings=resolve(sources)))

    args = build_parser().parse_args(words[words.index("push") :])
    assert flags_of(args) == expected


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        pytest.param(10, "10 s (for a check)", id="shorter"),
        pytest.param(300, "300 s (zephyr_deadline)", id="equal"),
        pytest.param(1e9, "300 s (zephyr_deadline)", id="longer"),
    ],
)
def test_a_time_budget_names_what_limits_it(limit, text):
    """It is the option, unless a shorter limit applies."""
    budget = settings().time_budget(limit, "for a check")

    assert str(budget) == f"the time budget of {text}"


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(**environ).require_push_settings()
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({**SERVER, "ZEPHYR_PHASE": "7"}, id="phase by id"),
        pytest.param(
            {**SERVER, "ZEPHYR_PHASE": "Smoke", "ZEPHYR_CYCLE": "5"}, id="cycle by id"
        ),
        pytest.param(
            {
                **SERVER,
                "ZEPHYR_PHASE": "Smoke",
                "ZEPHYR_CYCLE": "Nightly",
                "ZEPHYR_RELEASE": "3",
            },
            id="release by id",
        ),
        pytest.param(
            {
                **SERVER,
                "ZEPHYR_PHASE": "Smoke",
                "ZEPHYR_CYCLE": "Nightly",
                "ZEPHYR_RELEASE": "1.0",
                "ZEPHYR_PROJECT": "Payments",
            },
            id="all by name",
        ),
        pytest.param({"ZEPHYR_URL": "sandbox"}, id="sandbox"),
    ],
)
def test_no_place_is_required_above_an_id(environ):
    """A name needs all places above it, up to an id; the sandbox needs none."""
    settings(**environ).require_push_settings()


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        pytest.param({}, ["project", "release", "cycle", "phase"], id="nothing"),
        pytest.param(
            {"ZEPHYR_PHASE": "Smoke"},
            ["project", "release", "cycle"],
            id="phase by name",
        ),
        pytest.param(
            {"ZEPHYR_PROJECT": "1", "ZEPHYR_RELEASE": "2", "ZEPHYR_CYCLE": "3"},
            ["phase"],
            id="no phase",
        ),
        pytest.param(
            {"ZEPHYR_PHASE": "Smoke", "ZEPHYR_RELEASE": "2"}, ["cycle"], id="gap"
        ),
    ],
)
def test_missing_options_of_the_target_are_listed_from_the_project_down(environ, names):
    """Each line says where to set the value."""
    assert problems_of(**SERVER, **environ) == [
        f"no {name}. Set zephyr_{name} in pytest.ini or ZEPHYR_{name.upper()} in the"
        f" environment to a name or an id."
        for name in names
    ]


def test_a_missing_server_is_reported_first():
    """The missing project, release, cycle and phase are reported after it."""
    lines = problems_of()

    assert lines[0] == (
        "no server. Set zephyr_url in pytest.ini or ZEPHYR_URL in the environment to its"
        " address, or try --zephyr-url sandbox."
    )
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        pytest.param(
            "token",
            "no token. Set ZEPHYR_TOKEN in the environment, or name a file that holds"
            " the token with zephyr_token_file.",
            id="token",
        ),
        pytest.param(
            "auto",
            "no credential. Set ZEPHYR_TOKEN in the environment (or zephyr_token_file),"
            " or ZEPHYR_USERNAME and ZEPHYR_PASSWORD.",
            id="auto",
        ),
        pytest.param(
            "basic",
            "no credential for zephyr_auth = basic. Set ZEPHYR_USERNAME and"
            " ZEPHYR_PASSWORD in the environment.",
            id="basic",
        ),
        pytest.param(
            "cookie",
            "no credential for zephyr_auth = cookie. Set ZEPHYR_USERNAME and"
            " ZEPHYR_PASSWORD in the environment.",
            id="cookie",
        ),
    ],
)
def test_the_message_about_a_missing_credential_says_where_to_set_it(auth, line):
    """The message depends on the method to log in."""
    environ = {
        "ZEPHYR_URL": "https://z.example",
        "ZEPHYR_PHASE": "7",
        "ZEPHYR_AUTH": auth,
    }

    assert problems_of(**environ) == [line]


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        pytest.param(Ref(id=7), "id 7", id="id"),
        pytest.param(Ref(name="7"), "'7'", id="name"),
    ],
)
def test_a_reference_shows_whether_it_is_an_id(ref, text):
    """An id and a name of digits look different."""
    assert str(ref) == text


@pytest.mark.parametrize(
    ("credential", "text"),
    [
        pytest.param(
            Credential("token", "ZEPHYR_TOKEN", secret=Secret("x")),
            "the owner of the token in ZEPHYR_TOKEN",
            id="token",
        ),
        pytest.param(
            Credential("basic", "env", username="ada", secret=Secret("x")),
            "ada",
            id="basic",
        ),
        pytest.param(
            Credential("cookie", "env", username="ada", secret=Secret("x")),
            "ada",
            id="cookie",
        ),
    ],
)
def test_a_credential_shows_its_user(credential, text):
    """The owner of a token is not known before the login."""
    assert str(credential) == text


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (Ref(id=7), "7"),
        (Ref(name="Smoke 7"), "Smoke 7"),
        (Ref(name="7"), "name:7"),
        (Ref(name="id:7"), "name:id:7"),
        (Ref(name="name:7"), "name:name:7"),
        (Ref(name="-x"), "name:-x"),
        (Ref(name=" id:7"), "name: id:7"),
        (Ref(name="1.0"), "1.0"),
        (Ref(name="{date}"), "{{date}}"),
    ],
    ids=str,
)
def test_a_reference_has_an_option_text_with_the_same_value(ref, text):
    """A name that could be read as something else has a prefix."""
    assert ref.option_text == text
    assert settings(ZEPHYR_PHASE=text).phase == ref


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("id:7", "7"),
        ("name:7", "name:7"),
        ("name:Smoke", "Smoke"),
        ("Run {env:STAGE}", "Run blue"),
        ("{{date}}", "{date}"),
    ],
)
@pytest.mark.parametrize("source", ["flag", "journal"])
def test_a_message_shows_the_name_that_was_looked_up(text, value, source):
    """It is shown with its source, whether it comes from a flag or from a journal."""
    given = resolve(OptionSources({"phase": text}, {"STAGE": "blue"}))
    where = "--zephyr-phase"
    if source == "journal":
        given = resolve(OptionSources(journal_options=journaled_options(given)))
        where = "journal"

    assert given.describe("phase") == f"{value!r} (from {where})"


def test_a_setting_without_a_source_is_described_as_the_default():
    """The description has the text of the default."""
    assert settings().describe("timeout") == "'30' (the default)"
