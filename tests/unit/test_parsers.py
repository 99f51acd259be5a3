"""Texts of options, and the values they become."""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
import pytest

from pytest_zephyr.config import options
from pytest_zephyr.config import resolve
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.errors import SettingsError
from tests.unit.make import deterministic


THIS_FILE = str(Path(__file__))


def parse(name: str, text: str) -> Any:
    return resolve.value(
        name, OptionSources(ini={name: text}, ini_file=Path("pytest.ini"))
    )


def error_message(name: str, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(name, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://zephyr.example", "https://zephyr.example"),
        ("https://zephyr.example/", "https://zephyr.example"),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080"),
        ("HTTPS://Zephyr.Example", "https://zephyr.example"),
        ("https://zephyr.example:443/", "https://zephyr.example:443"),
        ("https://[::1]:8080/", "https://[::1]:8080"),
        ("https://zephyr.example/flex", "https://zephyr.example"),
        ("https://zephyr.example/flex/", "https://zephyr.example"),
        ("https://zephyr.example/flex/html5", "https://zephyr.example"),
        (
            "https://zephyr.example/flex/html5/tcr/651;testcaseId=1390860;searchType=zql",
            "https://zephyr.example",
        ),
        ("https://zephyr.example/zephyr/flex/html5/x", "https://zephyr.example/zephyr"),
        ("https://zephyr.example/zephyr/", "https://zephyr.example/zephyr"),
        ("https://zephyr.example/flexible", "https://zephyr.example/flexible"),
        ("https://zephyr.example/?a=b#c", "https://zephyr.example"),
        ("https://zephyr.example/#/flex", "https://zephyr.example"),
        ("  https://zephyr.example  ", "https://zephyr.example"),
        ("sandbox", "sandbox"),
    ],
    ids=lambda text: text,
)
def test_an_address_is_cut_to_the_address_of_its_server(text, url):
    """An address that was copied from the browser works; the word sandbox stays."""
    assert parse("url", text) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("zephyr.example", "https://host"),
        ("ftp://zephyr.example", "https://host"),
        ("https://", "https://host"),
        ("https:zephyr.example", "https://host"),
        ("Sandbox", "the word sandbox"),
        ("https://zephyr.example:port", "the port is not a number from 1 to 65535"),
        ("https://zephyr.example:99999", "the port is not a number from 1 to 65535"),
        ("https://zephyr.example:0", "the port is not a number from 1 to 65535"),
        ("https://[::1", "https://host"),
        ("https://[zephyr]", "https://host"),
        ("https://ada:x@zephyr.example", "use ZEPHYR_TOKEN"),
        ("https://ada@zephyr.example", "use ZEPHYR_TOKEN"),
    ],
    ids=lambda text: text,
)
def test_an_invalid_address_is_rejected(text, reason):
    """The message says what is wrong, or what an address has to look like."""
    message = error_message("url", text)

    assert message.startswith("invalid zephyr_url '")
    assert "' (from zephyr_url in pytest.ini): " in message
    assert reason in message


@pytest.mark.parametrize(
    "host",
    [
        "acme.atlassian.net",
        "ACME.Atlassian.net",
        "acme.jira.com",
        "api.zephyrscale.smartbear.com",
        "eu.api.zephyrscale.smartbear.com",
        "prod-api.zephyr4jiracloud.com",
    ],
)
def test_an_address_of_another_product_is_rejected(host):
    message = error_message("url", f"https://{host}/jira/your-work")

    assert "This plugin reports to Zephyr Enterprise" in message


@pytest.mark.parametrize(
    "host",
    ["zephyr.acme.com", "atlassian.net.acme.com", "myatlassian.net", "zephyrscale"],
)
def test_any_other_host_may_be_a_server(host):
    assert parse("url", f"https://{host}") == f"https://{host}"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("7", Ref(id=7)),
        ("id:7", Ref(id=7)),
        ("id: 7", Ref(id=7)),
        ("name:7", Ref(name="7")),
        ("name:id:7", Ref(name="id:7")),
        ("Smoke", Ref(name="Smoke")),
        ("Smoke test: 7", Ref(name="Smoke test: 7")),
        ("1.0", Ref(name="1.0")),
        ("-7", Ref(name="-7")),
        ("٧", Ref(name="٧")),
        ("9" * 18, Ref(id=int("9" * 18))),
        ("20261123000000000000", Ref(name="20261123000000000000")),
        ("name", Ref(name="name")),
        ("id", Ref(name="id")),
        ("Grüße 中", Ref(name="Grüße 中")),
    ],
    ids=str,
)
def test_digits_are_an_id_and_any_other_text_is_a_name(text, ref):
    """Up to 18 ASCII digits are an id; a prefix `id:` or `name:` takes precedence."""
    assert parse("phase", text) == ref


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id:", "a number must follow id:"),
        ("id:Smoke", "a number must follow id:"),
        ("id:-7", "a number must follow id:"),
        ("id:" + "9" * 20, "a number must follow id:"),
        ("name:", "a name must follow name:"),
    ],
    ids=lambda text: text,
)
def test_a_prefix_needs_a_valid_value(text, reason):
    """A number must follow `id:`, and any text must follow `name:`."""
    assert error_message("phase", text) == (
        f"invalid zephyr_phase {text!r} (from zephyr_phase in pytest.ini): {reason}."
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("zephyr", "1", True),
        ("zephyr", "Yes", True),
        ("zephyr", "ON", True),
        ("zephyr", "TRUE", True),
        ("zephyr", "0", False),
        ("zephyr", "no", False),
        ("zephyr", "Off", False),
        ("zephyr", "false", False),
        ("timeout", "2.5", 2.5),
        ("timeout", "1e3", 1000.0),
        ("deadline", "0.001", 0.001),
        ("retries", "0", 0),
        ("retries", "100", 100),
        ("auth", "cookie", "cookie"),
        ("verify", "No", False),
        ("verify", "1", True),
        ("verify", "System", "system"),
        ("verify", THIS_FILE, Path(THIS_FILE)),
        ("client_cert", THIS_FILE, (Path(THIS_FILE),)),
        (
            "client_cert",
            f"{THIS_FILE}, {THIS_FILE}",
            (Path(THIS_FILE), Path(THIS_FILE)),
        ),
        ("proxy", "http://proxy:3128", "http://proxy:3128"),
        ("proxy", "socks5h://proxy", "socks5h://proxy"),
        ("token_file", "~/token", Path.home() / "token"),
        ("journal", "out/zephyr", Path("out/zephyr")),
        ("run_key", "nightly 7", "nightly 7"),
        ("id_prefix", r"[A-Z]+-", r"[A-Z]+-"),
    ],
    ids=lambda value: str(value).replace(THIS_FILE, "FILE"),
)
def test_a_text_becomes_its_value(name, text, value):
    """Booleans and the word system may be in any case; paths may begin with ``~``."""
    assert parse(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("zephyr", "maybe", "choose true or false"),
        ("timeout", "0", "expected a number of seconds above 0 and below 1000000"),
        ("timeout", "-1", "expected a number of seconds above 0 and below 1000000"),
        ("timeout", "nan", "expected a number of seconds above 0 and below 1000000"),
        ("timeout", "inf", "expected a number of seconds above 0 and below 1000000"),
        (
            "timeout",
            "1000000",
            "expected a number of seconds above 0 and below 1000000",
        ),
        ("timeout", "30s", "expected a number of seconds above 0 and below 1000000"),
        ("retries", "-1", "expected a whole number from 0 to 100"),
        ("retries", "101", "expected a whole number from 0 to 100"),
        ("retries", "3.0", "expected a whole number from 0 to 100"),
        ("auth", "tokn", "choose auto, token, basic or cookie. Did you mean token?"),
        ("auth", "x", "choose auto, token, basic or cookie"),
        ("push", "ned", "choose end or never. Did you mean end?"),
        ("comment", "fail", "choose never, failed or always. Did you mean failed?"),
        ("on_error", "fial", "choose warn, fail or ignore. Did you mean fail?"),
        ("unknown_case", "warm", "choose ignore, warn or error. Did you mean warn?"),
        ("inherit", "unions", "choose closest or union. Did you mean union?"),
        (
            "verify",
            "/no/such/file",
            "choose true, false, system, or a file or directory",
        ),
        ("verify", "a" * 300, "choose true, false, system, or a file or directory"),
        ("client_cert", str(Path(__file__).parent), "expected a PEM file"),
        ("client_cert", "/no/such.pem", "expected a PEM file with certificate and key"),
        ("client_cert", "a" * 300, "expected a PEM file with certificate and key"),
        ("client_cert", ",".join([THIS_FILE] * 3), "expected a PEM file"),
        (
            "proxy",
            "proxy:3128",
            "or socks5h in its place. Did you mean http://proxy:3128?",
        ),
        ("proxy", "ftp://proxy", "expected http://host:port"),
        (
            "proxy",
            "http://[::1",
            "expected http://host:port, or https, socks5 or socks5h",
        ),
        ("token_file", "~no-such-user-here/token", "no-such-user-here"),
        ("id_prefix", "(", "expected a regular expression"),
        ("id_prefix", "(?i)TC-", "expected a regular expression"),
        ("id_prefix", "a{99999999999}", "expected a regular expression"),
        ("run_key", "a" * 5000, "it has 5000 characters, 4096 are allowed"),
        ("run_key", "a\x1bb", "it has a control character"),
        ("phase", "a\x00b", "it has a control character"),
    ],
    ids=lambda text: text[:24],
)
def test_the_message_about_an_invalid_value_says_what_is_wrong_or_allowed(
    name, text, reason
):
    """It has the shortened value, its source, and the closest allowed value, if any."""
    message = error_message(name, text)
    start = repr(text)[1:90]

    ini = "zephyr" if name == "zephyr" else f"zephyr_{name}"
    assert message.startswith(f"invalid {ini} '{start}")
    assert f" (from {ini} in pytest.ini): " in message
    assert reason in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("error=Blocked", {"error": "Blocked"}),
        ("error=Blocked,skipped=-", {"error": "Blocked", "skipped": "-"}),
        (
            " error = Needs a look , skipped = 4 ",
            {"error": "Needs a look", "skipped": "4"},
        ),
        ("error=Blocked\nskipped=-\n", {"error": "Blocked", "skipped": "-"}),
        ("error=Blocked,", {"error": "Blocked"}),
        ("error=a=b", {"error": "a=b"}),
        (",", {}),
    ],
    ids=repr,
)
def test_pairs_of_a_status_map_are_separated_by_commas_or_lines(text, value):
    """Names of statuses may hold spaces and equals signs."""
    assert parse("status_map", text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "eror=Blocked",
            "'eror' is not an outcome. Did you mean error? Outcomes: unrun, skipped, passed",
        ),
        ("zzz=Fail", "'zzz' is not an outcome. Outcomes: "),
        ("Error=Fail", "'Error' is not an outcome. Did you mean error?"),
        ("error", "error needs a status: error=Blocked, or error=-."),
        ("error=", "error needs a status: error=Blocked, or error=-."),
        ("=Fail", "'' is not an outcome."),
    ],
    ids=repr,
)
def test_an_invalid_pair_in_a_status_map_is_named(text, reason):
    """The message says which half is invalid."""
    assert f" (from zephyr_status_map in pytest.ini): {reason}" in error_message(
        "status_map", text
    )


URL_LIKE = st.text(st.sampled_from("[]:/@.%#?0aéℂ "), max_size=20)
ANY_TEXT = st.one_of(
    st.text(max_size=60),
    URL_LIKE.map("http://".__add__),
    st.text(st.sampled_from("~/.,=:-idname0"), max_size=12),
)


@deterministic
@given(
    st.sampled_from([each.name for each in options.OPTIONS if each.has_ini]), ANY_TEXT
)
@example("url", "http://[")
@example("url", "http://\u2100/")
@example("proxy", "http://[")
@example("journal", "~no-such-user-here")
@example("verify", "x" * 300)
@example("client_cert", "x" * 300)
@example("id_prefix", "a{99999999999}")
@example("id_prefix", "(" * 2000 + ")" * 2000)
@example("phase", "id:" + "9" * 4000)
def test_any_text_is_a_value_or_a_settings_error(name: str, text: str) -> None:
    """No text in an ini file ends a run with a traceback."""
    try:
        parse(name, text)
    except SettingsError as error:
        message = str(error)
        assert f"zephyr_{name}" in message or name == "zephyr"


def test_the_certificates_of_the_system_need_a_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "truststore", None)
    with pytest.raises(
        SettingsError, match="needs the package truststore; install that"
    ):
        resolve.value("verify", OptionSources(environ={"ZEPHYR_VERIFY": "system"}))
