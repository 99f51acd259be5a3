"""Placeholders in names."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.config import resolve
from pytest_zephyr.config.placeholders import fill
from pytest_zephyr.config.placeholders import PLACEHOLDERS
from pytest_zephyr.config.placeholders import values_of
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.errors import SettingsError
from tests.unit.make import deterministic


VALUES = {
    "date": "2026-11-23",
    "time": "14-05",
    "build": "12",
    "branch": "main",
    "commit": "abc",
    "run": "77",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Nightly", "Nightly"),
        ("Nightly {date}", "Nightly 2026-11-23"),
        ("{date} {time}", "2026-11-23 14-05"),
        ("{build}/{branch}/{commit}/{run}", "12/main/abc/77"),
        ("{env:STAGE} {env:STAGE}", "blue blue"),
        ("{{date}}", "{date}"),
        ("{{{date}}}", "{2026-11-23}"),
        ("a {{}} b", "a {} b"),
        ("a } b { c", "a } b { c"),
    ],
)
def test_placeholders_are_filled_in(text, filled):
    """A doubled brace becomes a single one; a brace without a partner stays."""
    assert fill(text, VALUES | {"env:STAGE": "blue"}) == filled


def test_placeholders_in_a_value_are_not_filled():
    """The value of a variable is a plain text."""
    assert fill("{env:A}", VALUES | {"env:A": "{env:B}", "env:B": "x"}) == "{env:B}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{dat}", "{dat} is not a placeholder. Did you mean {date}? There are: {date}"),
        ("{zzz}", "{zzz} is not a placeholder. There are: {date}, {time}, {build}"),
        ("{}", "{} is not a placeholder."),
        ("{Date}", "{Date} is not a placeholder. Did you mean {date}?"),
        ("{build}", "{build} has no value here; set zephyr_build"),
        ("{branch}", "{branch} has no value here; the CI service names no branch"),
        ("{commit}", "{commit} has no value here; the CI service names no commit"),
        ("{run}", "{run} has no value here; run the tests with zephyr_run_key"),
        ("{env:STAGE}", "the variable STAGE of {env:STAGE} is not set"),
        ("{env:EMPTY}", "the variable EMPTY of {env:EMPTY} is not set"),
    ],
)
def test_the_message_about_a_placeholder_says_why_it_has_no_value(text, reason):
    """It names the placeholder, and the option that sets it, if there is one."""
    with pytest.raises(InvalidValue) as caught:
        fill(text, values_of({"EMPTY": ""}, None, None))

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("name", ["token", "password"])
def test_a_credential_cannot_be_in_a_name(name):
    """A name is written to the journal and to the server."""
    variable = f"ZEPHYR_{name.upper()}"
    environ = {"ZEPHYR_USERNAME": "ada", variable: "hunter2"}
    environ |= {
        "ZEPHYR_PASSWORD": "hunter2",
        "ZEPHYR_PHASE": f"Smoke {{env:{variable}}}",
    }

    with pytest.raises(SettingsError) as caught:
        resolve.resolve(OptionSources(environ=environ))

    assert variable in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_date_and_time_can_be_sorted():
    """They are written from the year to the minute."""
    values = values_of({}, None, None)

    assert re.fullmatch(r"\d{4}-\d\d-\d\d", values["date"])
    assert re.fullmatch(r"\d\d-\d\d", values["time"])


CI = {"GITHUB_RUN_NUMBER": "12", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "1"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "12 7"),
        ({"build": "mine"}, "mine 7"),
        ({"build": "mine", "run_key": "night"}, "mine night"),
    ],
    ids=["from the service", "build", "build and run key"],
)
@pytest.mark.parametrize("is_push", [False, True], ids=["run", "push"])
def test_a_set_build_or_run_key_overrides_that_of_the_service(
    values, expected, is_push
):
    """A push has those of the journal, whatever job it runs in."""
    phase = {"phase": "{build} {run}"}
    sources = OptionSources(values if is_push else values | phase, CI)
    settings = resolve.resolve(sources)
    if is_push:
        environ = {"GITHUB_RUN_NUMBER": "13", "GITHUB_RUN_ID": "8"}
        options = resolve.journaled_options(settings)
        settings = resolve.resolve(OptionSources(phase, environ, options))

    assert settings.phase == Ref(name=expected)


@pytest.mark.parametrize("name", ["build", "run"])
def test_a_journal_without_build_or_run_key_gives_placeholders_no_value(name):
    """The CI service of the push is not that of the tests."""
    with pytest.raises(SettingsError, match=rf"{{{name}}} has no value here; "):
        resolve.resolve(OptionSources({"phase": f"{{{name}}}"}, CI, {}))


def test_the_list_of_placeholders_is_complete():
    """The message about an unknown placeholder shows this list."""
    names = {each for each in PLACEHOLDERS if not each.startswith("env:")}

    assert names == set(values_of({}, None, None))


def test_names_are_filled_when_the_settings_are_made():
    """Names are filled in `Settings.texts`, too; ids stay unchanged."""
    settings = resolve.resolve(
        OptionSources(
            flags={"phase": "Run {run}", "cycle": "7"},
            environ={"ZEPHYR_RUN_KEY": "77"},
        )
    )

    assert settings.phase == Ref(name="Run 77")
    assert settings.cycle == Ref(id=7)
    assert settings.texts["phase"] == "Run 77"


def test_a_name_that_cannot_be_filled_is_reported_with_its_source():
    """All problems are in one error."""
    with pytest.raises(SettingsError) as caught:
        resolve.resolve(
            OptionSources(environ={"ZEPHYR_PHASE": "Run {run}", "ZEPHYR_CYCLE": "{x}"})
        )

    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "invalid zephyr_cycle '{x}' (from ZEPHYR_CYCLE)",
        "invalid zephyr_phase 'Run {run}' (from ZEPHYR_PHASE)",
    ]


@deterministic
@given(st.text(st.sampled_from("{}ab :7id"), min_size=1, max_size=10))
def test_a_journal_has_the_name_with_placeholders_filled(name: str) -> None:
    """A later push goes to the same phase, even if the name has braces."""
    stage = f"x{name}x"
    first = resolve.resolve(
        OptionSources(environ={"ZEPHYR_PHASE": "name:{env:STAGE}", "STAGE": stage})
    )
    again = resolve.resolve(
        OptionSources(journal_options=resolve.journaled_options(first))
    )

    assert first.phase == again.phase == Ref(name=stage)
