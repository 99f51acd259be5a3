"""Where options come from: flags, journal, environment, ini file, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr import table
from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.options import BY_NAME
from pytest_zephyr.config.options import Option
from pytest_zephyr.config.options import OPTIONS
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import Source
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.table import TARGET_OPTIONS
from tests.unit.make import deterministic


THIS_FILE = str(Path(__file__))

#: For each option: its default, a text and its value, and another text and its value.
OPTION_VALUES: Mapping[str, tuple[Any, str, Any, str, Any]] = {
    "zephyr": (False, "true", True, "no", False),
    "url": (None, "https://a.example", "https://a.example", "sandbox", "sandbox"),
    "auth": ("auto", "token", "token", "cookie", "cookie"),
    "token_file": (None, "a", Path("a"), "b", Path("b")),
    "project": (None, "7", Ref(id=7), "Pay", Ref(name="Pay")),
    "release": (None, "7", Ref(id=7), "1.0", Ref(name="1.0")),
    "cycle": (None, "7", Ref(id=7), "Nightly", Ref(name="Nightly")),
    "phase": (None, "7", Ref(id=7), "Smoke", Ref(name="Smoke")),
    "unknown_case": ("warn", "error", "error", "ignore", "ignore"),
    "unmapped": ("ignore", "warn", "warn", "error", "error"),
    "folder": (
        "Automation/{package}",
        "CI/{package}",
        "CI/{package}",
        "{{a}}",
        "{{a}}",
    ),
    "map": (None, "a", Path("a"), "b", Path("b")),
    "only_planned": (False, "true", True, "no", False),
    "push": ("end", "never", "never", "end", "end"),
    "journal": (Path(".zephyr"), "a", Path("a"), "b", Path("b")),
    "report": (None, "a.json", Path("a.json"), "b.md", Path("b.md")),
    "on_error": ("warn", "fail", "fail", "ignore", "ignore"),
    "status_map": ({}, "error=4", {"error": "4"}, "error=-", {"error": "-"}),
    "comment": ("failed", "always", "always", "never", "never"),
    "notes_limit": (4000, "200", 200, "9000", 9000),
    "capture": ("none", "failed", "failed", "all", "all"),
    "attach_max_size": (10 * 1024**2, "500K", 500 * 1024, "7", 7),
    "attach_max_total": (2 * 1024**3, "1g", 1024**3, "5MB", 5 * 1024**2),
    "dry_run": (False, "true", True, "no", False),
    "timeout": (30.0, "5", 5.0, "6.5", 6.5),
    "retries": (3, "0", 0, "9", 9),
    "deadline": (300.0, "5", 5.0, "6", 6.0),
    "verify": (True, "false", False, THIS_FILE, Path(THIS_FILE)),
    "client_cert": (
        None,
        THIS_FILE,
        (Path(THIS_FILE),),
        f"{THIS_FILE},{THIS_FILE}",
        (Path(THIS_FILE),) * 2,
    ),
    "proxy": (None, "http://a:1", "http://a:1", "http://b:2", "http://b:2"),
    "create": ("never", "phase", "phase", "cycle", "cycle"),
    "environment": (None, "UAT", "UAT", "staging", "staging"),
    "build": (None, "1.2", "1.2", "1.3", "1.3"),
    "run_key": (None, "a", "a", "b", "b"),
    "show_config": (False, "true", True, "false", False),
    "id_prefix": ("(?:TC-?)?", "TC-", "TC-", "X", "X"),
    "inherit": ("closest", "union", "union", "closest", "closest"),
}


def test_every_option_has_values_to_test():
    """A new option cannot be left untested here."""
    assert sorted(OPTION_VALUES) == sorted(option.name for option in OPTIONS)


def source_kinds(option: Option) -> list[str]:
    """Return which of flag, environment and ini file set *option*, strongest first."""
    kinds = {"flag": option.has_flag, "env": option.has_env, "ini": option.has_ini}
    return [kind for kind, is_allowed in kinds.items() if is_allowed]


def sources_with(texts: Mapping[str, str], name: str) -> OptionSources:
    """Return sources of option *name*; *texts* are its texts by kind of source."""
    env_name = BY_NAME[name].env_name
    return OptionSources(
        flags={name: texts["flag"]} if "flag" in texts else {},
        environ={env_name: texts["env"]} if "env" in texts else {},
        journal_options={name: texts["journal"]} if "journal" in texts else None,
        journal_name="run.jsonl",
        ini={name: texts["ini"]} if "ini" in texts else {},
        ini_file=Path("pytest.ini"),
    )


NAMES_AND_KINDS = [
    (option.name, kind) for option in OPTIONS for kind in source_kinds(option)
]


@pytest.mark.parametrize(("name", "kind"), NAMES_AND_KINDS)
def test_a_source_overrides_those_after_it(name, kind):
    """The flag comes first, then the environment, then the ini file."""
    _default, text, value, other, _ = OPTION_VALUES[name]
    allowed = source_kinds(BY_NAME[name])
    weaker = allowed[allowed.index(kind) + 1 :]
    sources = sources_with({kind: text, **dict.fromkeys(weaker, other)}, name)
    source = {
        "flag": Source("flag", "--" + BY_NAME[name].ini_name.replace("_", "-")),
        "env": Source("environment", BY_NAME[name].ini_name.upper()),
        "ini": Source("ini", f"{BY_NAME[name].ini_name} in pytest.ini"),
    }[kind]

    assert resolve.value(name, sources) == value
    assert sources.find(BY_NAME[name]) == (text, source)


JOURNALED = [option for option in OPTIONS if option.journaled]


@pytest.mark.parametrize("option", JOURNALED, ids=lambda each: each.name)
def test_only_a_flag_overrides_a_journal(option):
    """The environment and the ini file of a later push do not change the result."""
    default, text, value, other, other_value = OPTION_VALUES[option.name]
    other_sources = dict.fromkeys(("env", "ini"), other)

    journaled = sources_with({"journal": text, **other_sources}, option.name)
    assert resolve.value(option.name, journaled) == value
    assert journaled.find(option) == (text, Source("journal", "run.jsonl"))
    without_option = replace(
        sources_with(other_sources, option.name), journal_options={}
    )
    assert resolve.value(option.name, without_option) == default
    if option.has_flag:
        with_flag = sources_with({"journal": text, "flag": other}, option.name)
        assert resolve.value(option.name, with_flag) == other_value


@pytest.mark.parametrize("name", ["url", "auth", "verify", "timeout", "deadline"])
def test_a_journal_does_not_set_how_to_reach_the_server(name):
    """Nor does it set how long to wait for answers."""
    _, text, value, other, _ = OPTION_VALUES[name]
    sources = sources_with({"env": text, "journal": other}, name)

    assert resolve.value(name, sources) == value


@pytest.mark.parametrize("name", OPTION_VALUES)
def test_an_option_without_a_source_has_its_default(name):
    assert resolve.value(name, OptionSources()) == OPTION_VALUES[name][0]


@pytest.mark.parametrize("name", OPTION_VALUES)
def test_both_texts_of_an_option_are_read(name):
    """The two texts have different values, so an ignored text is noticed."""
    _, text, value, other, other_value = OPTION_VALUES[name]
    kind = source_kinds(BY_NAME[name])[-1]

    assert resolve.value(name, sources_with({kind: text}, name)) == value
    assert resolve.value(name, sources_with({kind: other}, name)) == other_value
    assert value != other_value


@pytest.mark.parametrize(("name", "kind"), NAMES_AND_KINDS)
@pytest.mark.parametrize("empty", ["", "  "], ids=["empty", "blank"])
def test_an_empty_value_is_no_value_except_on_the_command_line(name, kind, empty):
    """In CI services, an empty variable means "not set"; a flag was typed."""
    sources = sources_with({kind: empty}, name)

    if kind == "flag" and name in TARGET_OPTIONS:
        # It unsets the value of an ini file or a journal.
        assert resolve.value(name, replace(sources, ini={name: "7"})) is None
        assert (
            resolve.value(name, replace(sources, journal_options={name: "7"})) is None
        )
    elif kind == "flag":
        with pytest.raises(SettingsError, match="it is empty"):
            resolve.value(name, sources)
    else:
        assert resolve.value(name, sources) == OPTION_VALUES[name][0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("show_config", "env", id="show-config in the environment"),
        pytest.param("show_config", "ini", id="show-config in an ini file"),
        pytest.param("id_prefix", "flag", id="id prefix as a flag"),
        pytest.param("id_prefix", "env", id="id prefix in the environment"),
        pytest.param("inherit", "flag", id="inherit as a flag"),
        pytest.param("inherit", "env", id="inherit in the environment"),
        pytest.param("timeout", "journal", id="timeout in a journal"),
        pytest.param("token_file", "journal", id="token file in a journal"),
        pytest.param("proxy", "journal", id="proxy in a journal"),
        pytest.param("verify", "journal", id="verify in a journal"),
    ],
)
def test_an_option_is_read_only_from_its_sources(name, kind):
    """Some have one source only; a journal sets only those that decide the result."""
    default, text, *_ = OPTION_VALUES[name]

    assert resolve.value(name, sources_with({kind: text}, name)) == default


@pytest.mark.parametrize(
    ("name", "native", "value"),
    [
        pytest.param("zephyr", True, True, id="true"),
        pytest.param("verify", False, False, id="false"),
        pytest.param("timeout", 5, 5.0, id="number"),
        pytest.param("timeout", 2.5, 2.5, id="float"),
        pytest.param("retries", 0, 0, id="zero"),
        pytest.param("phase", 7, Ref(id=7), id="number as an id"),
        pytest.param(
            "client_cert", [THIS_FILE, THIS_FILE], (Path(THIS_FILE),) * 2, id="array"
        ),
        pytest.param(
            "status_map",
            ["error=4", "skipped=-"],
            {"error": "4", "skipped": "-"},
            id="pairs",
        ),
        pytest.param(
            "status_map",
            {"error": 4, "skipped": "-"},
            {"error": "4", "skipped": "-"},
            id="table",
        ),
        pytest.param("status_map", {}, {}, id="empty table"),
    ],
)
def test_native_toml_types_are_read(name, native, value):
    """Values in a TOML file need no quotes."""
    assert resolve.value(name, OptionSources(ini={name: native})) == value


@pytest.mark.parametrize(
    ("native", "text"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.5, "1.5"),
        ("x", "x"),
        (["a", 1, True], "a,1,true"),
        ({"error": "Fail", "skipped": 4}, "error=Fail,skipped=4"),
        ([], ""),
    ],
    ids=repr,
)
def test_a_native_value_has_the_text_of_an_ini_file(native, text):
    """The same parser then reads both."""
    assert resolve.as_text(native) == text


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("flag", "--zephyr-auth"),
        ("env", "ZEPHYR_AUTH"),
        ("ini", "zephyr_auth in pytest.ini"),
    ],
)
def test_an_invalid_value_is_reported_with_its_source(kind, source):
    """The message has the value, its source, all allowed values and the closest one."""
    with pytest.raises(SettingsError) as caught:
        resolve.value("auth", sources_with({kind: "tokn"}, "auth"))

    assert str(caught.value) == (
        f"invalid zephyr_auth 'tokn' (from {source}): choose auto, token, basic or cookie."
        f" Did you mean token?"
    )


def test_all_problems_are_reported_at_once():
    """Users see every problem before they fix the first."""
    environ = {"ZEPHYR_AUTH": "x", "ZEPHYR_TIMEOUT": "x", "ZEPHYR_RETRIES": "x"}
    with pytest.raises(SettingsError) as caught:
        resolve.resolve(OptionSources(environ=environ))

    assert [line.partition(" '")[0] for line in str(caught.value).splitlines()] == [
        "invalid zephyr_auth",
        "invalid zephyr_timeout",
        "invalid zephyr_retries",
    ]


def test_a_long_wrong_value_is_cut_in_the_message():
    """If the contents of a file are set by mistake, only their beginning is printed."""
    with pytest.raises(SettingsError) as caught:
        resolve.value("auth", OptionSources(environ={"ZEPHYR_AUTH": "x" * 5000}))

    assert str(caught.value).startswith(
        f"invalid zephyr_auth '{'x' * 97}...' (from ZEPHYR_AUTH): "
    )


def test_settings_have_text_and_source_of_every_value():
    """The text has no spaces around it, and no prefix that is not needed."""
    settings = resolve.resolve(
        OptionSources(flags={"phase": "id:7"}, environ={"ZEPHYR_CYCLE": " Nightly "})
    )

    assert settings.texts.keys() == settings.sources.keys() == BY_NAME.keys()
    assert settings.phase == Ref(id=7)
    assert settings.texts["phase"] == "7"
    assert settings.sources["phase"] == Source("flag", "--zephyr-phase")
    assert settings.texts["cycle"] == "Nightly"
    assert settings.sources["cycle"] == Source("environment", "ZEPHYR_CYCLE")
    assert settings.texts["timeout"] == "30"
    assert settings.sources["timeout"] == Source("default", "default")


@pytest.mark.parametrize(
    ("environ", "key", "source"),
    [
        pytest.param({}, None, "default", id="none"),
        pytest.param(
            {"CI_PIPELINE_ID": "9"}, "9", "CI_PIPELINE_ID", id="from the service"
        ),
        pytest.param(
            {"CI_PIPELINE_ID": "9", "ZEPHYR_RUN_KEY": "mine"},
            "mine",
            "ZEPHYR_RUN_KEY",
            id="set by the user",
        ),
    ],
)
def test_the_run_key_comes_from_the_ci_service_if_it_is_not_set(environ, key, source):
    """It is in the journal, so that a later push merges the same journals."""
    settings = resolve.resolve(OptionSources(environ=environ))

    assert (settings.run_key, settings.sources["run_key"].name) == (key, source)
    assert resolve.journaled_options(settings).get("run_key") == key


def test_a_journal_has_the_options_that_were_set_and_decide_the_result():
    """It has no defaults, no secrets, and not the login, the timeout or the proxy."""
    settings = resolve.resolve(
        OptionSources(
            flags={"phase": "Smoke", "timeout": "5"},
            environ={"ZEPHYR_TOKEN": "s3cret", "ZEPHYR_PROXY": "http://proxy:1"},
            ini={"status_map": {"error": 4}, "auth": "token"},
        )
    )

    assert resolve.journaled_options(settings) == {
        "phase": "Smoke",
        "status_map": "error=4",
    }


def test_the_options_of_a_journal_have_the_same_values_later():
    """So a later push has the same result as one at the end of the session."""
    first = resolve.resolve(OptionSources(environ=environ_of_all_options()))
    again = resolve.resolve(
        OptionSources(journal_options=resolve.journaled_options(first))
    )
    names = [option.name for option in OPTIONS if option.journaled]

    assert {name: getattr(again, name) for name in names} == {
        name: getattr(first, name) for name in names
    }


def environ_of_all_options() -> dict[str, str]:
    """Return all variables that set options, without a token file, as there is none."""
    return {
        option.env_name: OPTION_VALUES[option.name][1]
        for option in OPTIONS
        if option.has_env and option.name != "token_file"
    }


@pytest.mark.parametrize("text", ["false", "0", "No"])
def test_unchecked_certificates_cause_a_warning(text):
    """The warning says where the check was turned off."""
    (warning,) = resolve.resolve(
        OptionSources(environ={"ZEPHYR_VERIFY": text})
    ).warnings

    assert warning == (
        "TLS certificates are not checked (from ZEPHYR_VERIFY); anyone on the network path"
        " can read the credential."
    )


# No secret is shown

SECRET = "hunter2"


@pytest.mark.parametrize("name", ["token", "username", "password"])
def test_the_message_about_a_credential_says_where_it_belongs(name):
    """It also says where the credential was found."""
    message = options.credential_message(name, f"zephyr_{name} in pytest.ini")

    assert message.startswith(f"zephyr_{name} in pytest.ini: ")
    assert f"ZEPHYR_{name.upper()} in the environment" in message


@pytest.mark.parametrize("name", ["token", "username", "password"])
def test_no_option_takes_a_credential(name):
    """Credentials are refused as flags and as ini keys."""
    flag, key = table.flag_of(name), table.ini_of(name)

    assert name not in BY_NAME
    assert name in table.REFUSED_OPTIONS
    with pytest.raises(SettingsError, match=f"^{flag}: "):
        options.reject_flag(name, SECRET)
    with pytest.raises(SettingsError, match=f"^{key} in pytest.ini: "):
        options.reject_credentials({key: SECRET}.get, "pytest.ini")


@pytest.mark.parametrize("name", ["url", "proxy"])
@pytest.mark.parametrize(
    "text",
    [
        f"https://ada:{SECRET}@zephyr.example:port",
        f"ftp://ada:{SECRET}@zephyr.example",
        f"https://ada:{SECRET}/x@zephyr.example",
        f"https://ada:x/{SECRET}@zephyr.example",
        f"https://ada:x#{SECRET}@zephyr.example",
        f"https://ada:x@{SECRET}@zephyr.example:port",
        f"https://{SECRET}@[zephyr.example",
        f"https:ada:{SECRET}@zephyr.example",
        f"ada:{SECRET}@zephyr.example",
        f"//ada:{SECRET}@zephyr.example",
    ],
)
def test_an_address_is_shown_without_its_credential(name, text):
    """A text that may be a password is hidden, even if the address is invalid."""
    try:
        settings = resolve.resolve(
            OptionSources(environ={f"ZEPHYR_{name.upper()}": text})
        )
    except SettingsError as error:
        output = str(error)
    else:
        output = "\n".join(resolve.describe(settings))

    assert SECRET not in output
    assert f"ZEPHYR_{name.upper()}" in output


def test_an_address_with_a_credential_is_refused_without_showing_it():
    """The host stays readable."""
    with pytest.raises(SettingsError) as caught:
        resolve.value(
            "url",
            OptionSources(environ={"ZEPHYR_URL": f"https://ada:{SECRET}@z.example"}),
        )

    assert SECRET not in str(caught.value)
    assert f"https://{HIDDEN}@z.example" in str(caught.value)


ENVIRONS_WITH_A_SECRET = {
    "token": {"ZEPHYR_TOKEN": SECRET},
    "password": {"ZEPHYR_USERNAME": "ada", "ZEPHYR_PASSWORD": SECRET},
    "cookie": {
        "ZEPHYR_USERNAME": "ada",
        "ZEPHYR_PASSWORD": SECRET,
        "ZEPHYR_AUTH": "cookie",
    },
    "proxy": {"ZEPHYR_PROXY": f"http://ada:{SECRET}@proxy:3128"},
}


@pytest.mark.parametrize(
    "environ", ENVIRONS_WITH_A_SECRET.values(), ids=ENVIRONS_WITH_A_SECRET
)
@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda each: repr(each.credential), id="credential"),
        pytest.param(lambda each: "\n".join(resolve.describe(each)), id="table"),
        pytest.param(lambda each: repr(resolve.journaled_options(each)), id="journal"),
        pytest.param(lambda each: each.describe("proxy"), id="message about the proxy"),
    ],
)
def test_no_text_of_settings_shows_a_secret(environ, show):
    """A secret is in no table, journal or message, and not in what a debugger prints."""
    settings = resolve.resolve(OptionSources(environ=environ))

    assert SECRET not in show(settings)


# The table that --zephyr-show-config prints


def test_the_table_has_every_option_with_its_source():
    """Each option but show_config has a line, with placeholders filled; then the login."""
    settings = resolve.resolve(
        OptionSources(
            flags={"phase": "{build} Smoke", "report": "{build}.md"},
            environ={"ZEPHYR_TOKEN": SECRET, "ZEPHYR_BUILD": "a/7"},
        )
    )
    lines = resolve.describe(settings)
    rows = {line.split()[0]: line.split(" = ", 1)[1] for line in lines}

    names = [each.ini_name for each in OPTIONS if each.name != "show_config"]
    assert [line.split()[0] for line in lines] == [*names, "login"]
    assert all(re.search(r"  \[.+\]$", line) for line in lines)
    assert rows["zephyr_phase"] == "a/7 Smoke  [--zephyr-phase]"
    assert rows["zephyr_report"] == "a-7.md  [--zephyr-report]"
    assert rows["zephyr_timeout"] == "30  [default]"
    assert rows["zephyr_url"] == "(not set)  [default]"
    assert rows["zephyr_status_map"] == (
        "passed=1,failed=2,error=2,crashed=2,xfailed=4,xpassed=1  [default]"
    )
    assert rows["login"] == f"token {HIDDEN}  [ZEPHYR_TOKEN]"


def test_the_table_shows_the_address_that_is_used():
    """It is that of the server, even if the address of one of its pages was set."""
    settings = resolve.resolve(
        OptionSources(environ={"ZEPHYR_URL": "https://z.example/flex/html5"})
    )

    assert any(
        "= https://z.example  [ZEPHYR_URL]" in each
        for each in resolve.describe(settings)
    )


@pytest.mark.parametrize(
    ("environ", "row"),
    [
        pytest.param({}, "(not set)  [default]", id="none"),
        pytest.param(
            ENVIRONS_WITH_A_SECRET["password"],
            f"basic as ada, password {HIDDEN}  [ZEPHYR_USERNAME and ZEPHYR_PASSWORD]",
            id="basic",
        ),
        pytest.param(
            ENVIRONS_WITH_A_SECRET["cookie"],
            f"cookie as ada, password {HIDDEN}  [ZEPHYR_USERNAME and ZEPHYR_PASSWORD]",
            id="cookie",
        ),
    ],
)
def test_the_table_says_who_logs_in(environ, row):
    """The line has the source of the credential, or says that there is none."""
    settings = resolve.resolve(OptionSources(environ=environ))

    assert resolve.describe(settings)[-1].split(" = ", 1)[1] == row


@pytest.mark.parametrize("name", ["{env:OTHER_SECRET}", "{date}", "x {build}"])
def test_a_placeholder_in_a_journal_is_an_error(name):
    """A journal has filled names, so somebody has added the placeholder by hand."""
    environ = {"OTHER_SECRET": "s3cr3t", "ZEPHYR_BUILD": "77"}
    with pytest.raises(SettingsError) as caught:
        resolve.resolve(OptionSources(environ=environ, journal_options={"phase": name}))

    assert "(from journal): " in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


ANY_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=12)
    | st.sampled_from(["\x00", "\x1b[31m", "x" * 5000, "\ud800", "größe", " ", "id:"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@deterministic
@given(
    st.sampled_from(OPTIONS),
    st.sampled_from(["flags", "environ", "journal", "overrides", "ini"]),
    ANY_VALUE,
)
def test_any_value_from_any_source_is_used_or_rejected(
    option: Option, kind: str, value: object
) -> None:
    """The value may have any type of a TOML file; messages are printable lines."""
    sources = {
        "flags": OptionSources(flags={option.name: value}),
        "environ": OptionSources(environ={option.env_name: resolve.as_text(value)}),
        "journal": OptionSources(journal_options={option.name: resolve.as_text(value)}),
        "overrides": OptionSources(overrides={option.name: value}),
        "ini": OptionSources(ini={option.name: value}),
    }[kind]
    try:
        resolve.describe(resolve.resolve(sources))
    except SettingsError as error:
        for line in str(error).splitlines():
            assert line.isprintable()
            assert len(line) < 600


@pytest.mark.parametrize("name", [each.name for each in OPTIONS if each.names_files])
@pytest.mark.parametrize(
    ("kind", "starts_from_ini_file"),
    [("ini", True), ("-o", False), ("env", False), ("flag", False)],
    ids=["ini file", "-o", "environment", "flag"],
)
def test_a_relative_path_starts_from_its_source(
    tmp_path, monkeypatch, name, kind, starts_from_ini_file
):
    """It starts from the directory of its ini file, or from the working directory.

    ``~`` in an ini file is the home directory.
    """
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "project"
    for directory in (root, tmp_path):
        (directory / "etc").mkdir(parents=True)
        (directory / "etc" / "a.md").touch()
    text, option = "etc/a.md", BY_NAME[name]
    sources = OptionSources(
        flags={name: text} if kind == "flag" else {},
        environ={option.env_name: text} if kind == "env" else {},
        overrides={name: text} if kind == "-o" else {},
        ini={name: text} if kind == "ini" else {},
        ini_file=root / "tox.ini",
    )
    parsed = resolve.value(name, sources)
    (path,) = parsed if isinstance(parsed, tuple) else (parsed,)

    assert path == (root if starts_from_ini_file else Path()) / text
    home = OptionSources(ini={name: "~"}, ini_file=root / "tox.ini")
    # The other options also check the kind of the file.
    if name in {"token_file", "map", "journal"}:
        assert resolve.value(name, home) == Path.home()


#: Options whose help describes the default in words.
WITHOUT_DEFAULT_IN_HELP = {"id_prefix", "status_map"}


@pytest.mark.parametrize(
    "option",
    [
        each
        for each in OPTIONS
        if each.default is not None
        and not each.is_switch
        and each.name not in WITHOUT_DEFAULT_IN_HELP
    ],
    ids=lambda option: option.name,
)
def test_the_help_of_an_option_has_its_default(option):
    """`pytest --help` says what happens if nothing is set."""
    assert f"default: {option.default})" in option.help
