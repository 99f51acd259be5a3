"""Where a credential comes from, when it is invalid, and which texts are hidden."""

from __future__ import annotations

import os
from pathlib import Path
import sys
import threading

import pytest

from pytest_zephyr.config.credentials import known_secrets
from pytest_zephyr.config.resolve import OptionSources
from pytest_zephyr.config.resolve import resolve
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.errors import SettingsError


SECRET = "hunter2"

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def credential_from(**environ: str) -> Credential | None:
    return resolve(OptionSources(environ=environ)).credential


def error_message(flags: dict[str, object] | None = None, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(OptionSources(flags=flags or {}, environ=environ))
    return str(caught.value)


def parts_of(credential: Credential | None) -> tuple[str, str, str] | None:
    if credential is None:
        return None
    return credential.kind, credential.username, credential.secret.reveal()


USER = {"ZEPHYR_USERNAME": "ada", "ZEPHYR_PASSWORD": "pass word"}
TOKEN = {"ZEPHYR_TOKEN": SECRET}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param(TOKEN, ("token", "", SECRET), id="token"),
        pytest.param(USER, ("basic", "ada", "pass word"), id="user"),
        pytest.param({**TOKEN, **USER}, ("token", "", SECRET), id="token before user"),
        pytest.param(
            {"ZEPHYR_TOKEN": f" {SECRET}\n"}, ("token", "", SECRET), id="stripped"
        ),
        pytest.param(
            {"ZEPHYR_TOKEN": "", **USER},
            ("basic", "ada", "pass word"),
            id="empty token",
        ),
        pytest.param(
            {**USER, "ZEPHYR_AUTH": "token"}, None, id="token without a token"
        ),
        pytest.param(
            {**TOKEN, **USER, "ZEPHYR_AUTH": "basic"},
            ("basic", "ada", "pass word"),
            id="basic although there is a token",
        ),
        pytest.param(
            {**TOKEN, **USER, "ZEPHYR_AUTH": "cookie"},
            ("cookie", "ada", "pass word"),
            id="cookie",
        ),
        pytest.param(
            {**TOKEN, "ZEPHYR_AUTH": "cookie"}, None, id="cookie without user"
        ),
        pytest.param({**TOKEN, "ZEPHYR_URL": "sandbox"}, None, id="sandbox"),
    ],
)
def test_a_credential_is_chosen_by_auth(environ, expected):
    """`auto` is the token if there is one, else basic login. The sandbox gets none."""
    assert parts_of(credential_from(**environ)) == expected


def test_a_token_is_read_from_a_file(token_file):
    """The line break after it is removed."""
    credential = credential_from(ZEPHYR_TOKEN_FILE=str(token_file))

    assert parts_of(credential) == ("token", "", SECRET)
    assert credential is not None
    assert credential.source == f"{token_file} (from ZEPHYR_TOKEN_FILE)"


@pytest.mark.parametrize(
    ("source", "token"),
    [("flag", SECRET), ("env", "other"), ("ini", "other")],
    ids=["flag", "environment", "ini file"],
)
def test_only_a_flag_makes_a_file_override_the_environment(token_file, source, token):
    """The token in a variable overrides a file that a variable or an ini file names."""
    text = str(token_file)
    sources = OptionSources(
        flags={"token_file": text} if source == "flag" else {},
        environ={
            "ZEPHYR_TOKEN": "other",
            **({"ZEPHYR_TOKEN_FILE": text} if source == "env" else {}),
        },
        ini={"token_file": text} if source == "ini" else {},
    )

    assert parts_of(resolve(sources).credential) == ("token", "", token)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, "cannot be read: No such file or directory.", id="missing"),
        pytest.param(b"", "is empty.", id="empty"),
        pytest.param(b" \n", "is empty.", id="blank"),
        pytest.param(b"\xff\xfe\x00", "cannot be read: it is not text.", id="binary"),
        pytest.param(
            f"{SECRET} x".encode(), "that no token has. Copy it again.", id="space"
        ),
        pytest.param(
            f"{SECRET}\nx".encode(), "that no token has. Copy it again.", id="two lines"
        ),
        pytest.param(
            f"{SECRET}ü".encode(), "that no token has. Copy it again.", id="non-ASCII"
        ),
        pytest.param(
            f"{SECRET}\x07x".encode(), "that no token has. Copy it again.", id="control"
        ),
    ],
)
def test_a_token_file_without_a_valid_token_is_an_error(tmp_path, content, reason):
    """The message has the file and its source, not the content."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    message = error_message({"token_file": str(path)})

    assert f"{path} (from --zephyr-token-file)" in message
    assert message.endswith(reason)
    assert SECRET not in message
    assert len(message.splitlines()) == 1


def test_a_password_does_not_replace_a_token_file_that_cannot_be_read(tmp_path):
    """A user who names a file wants to log in with its token."""
    message = error_message(None, ZEPHYR_TOKEN_FILE=str(tmp_path / "none"), **USER)

    assert "cannot be read" in message


def test_a_directory_as_token_file_is_an_error(tmp_path):
    """The message has the reason of the operating system."""
    assert "Is a directory" in error_message(ZEPHYR_TOKEN_FILE=str(tmp_path))


@posix
@pytest.mark.parametrize(
    ("mode", "warned"),
    [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o666, True)],
    ids=["owner", "owner, read-only", "group", "others", "all may write"],
)
def test_a_token_file_that_others_can_read_causes_a_warning(token_file, mode, warned):
    """The file is used; the warning says how to fix its mode."""
    token_file.chmod(mode)
    settings = resolve(OptionSources(environ={"ZEPHYR_TOKEN_FILE": str(token_file)}))

    assert parts_of(settings.credential) == ("token", "", SECRET)
    assert [each.partition(" can ")[0] for each in settings.warnings] == (
        [f"the token file {token_file} (from ZEPHYR_TOKEN_FILE)"] if warned else []
    )
    assert all(each.endswith(f"chmod 600 {token_file}") for each in settings.warnings)


@pytest.mark.parametrize(
    "token", [f"{SECRET} x", f"{SECRET}\x00", f"{SECRET}é", f"{SECRET}\nx"]
)
def test_a_token_that_cannot_be_sent_is_rejected_without_showing_it(token):
    """The HTTP library would send a wrong token, or show this one in an error."""
    message = error_message(ZEPHYR_TOKEN=token)

    assert message.startswith("the token in ZEPHYR_TOKEN has a space, a line break")
    assert SECRET not in message


@pytest.mark.parametrize("kind", ["basic", "cookie"])
@pytest.mark.parametrize(
    ("username", "password", "reasons"),
    [
        pytest.param("ada", "", ["ZEPHYR_PASSWORD is not set"], id="no password"),
        pytest.param("", SECRET, ["ZEPHYR_USERNAME is not set"], id="no user"),
        pytest.param(
            "adä",
            SECRET,
            ["ZEPHYR_USERNAME has a character"],
            id="user outside ASCII",
        ),
        pytest.param(
            "ada",
            f"{SECRET}ß",
            ["ZEPHYR_PASSWORD has a character"],
            id="password outside ASCII",
        ),
        pytest.param(
            "adä",
            f"{SECRET}ß",
            ["ZEPHYR_USERNAME has", "ZEPHYR_PASSWORD has"],
            id="both outside ASCII",
        ),
        pytest.param("a:da", SECRET, ["ZEPHYR_USERNAME has a colon"], id="colon"),
        pytest.param(
            "ada", f"{SECRET}\n", ["invalid ZEPHYR_PASSWORD"], id="line break"
        ),
    ],
)
def test_a_user_name_or_password_that_is_missing_or_invalid_is_rejected(
    kind, username, password, reasons
):
    """Each problem has a line that names the variable. The password is not shown."""
    message = error_message(
        ZEPHYR_AUTH=kind, ZEPHYR_USERNAME=username, ZEPHYR_PASSWORD=password
    )

    for line, reason in zip(message.splitlines(), reasons, strict=True):
        assert reason in line
    assert SECRET not in message


@pytest.mark.parametrize("kind", ["basic", "cookie"])
def test_characters_outside_ascii_need_a_token(kind):
    """The message says what to use instead."""
    message = error_message(
        ZEPHYR_AUTH=kind, ZEPHYR_USERNAME="ada", ZEPHYR_PASSWORD="pä"
    )

    assert message == (
        f"ZEPHYR_PASSWORD has a character outside ASCII, which {kind} login cannot send."
        f" Use an API token: set ZEPHYR_TOKEN, and zephyr_auth to token."
    )


@posix
def test_a_token_may_come_through_a_pipe(tmp_path):
    """As in ``--zephyr-token-file <(vault ...)``; the pipe is not read a second time."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("t0ken-1\n", "utf-8"))
    writer.start()
    settings = resolve(OptionSources(flags={"token_file": str(pipe)}))
    writer.join()

    assert settings.credential is not None
    assert settings.credential.secret.reveal() == "t0ken-1"
    assert known_secrets({}, settings.credential, pipe) == {"t0ken-1"}
    assert known_secrets({}, None, pipe) == set()


@posix
def test_an_endless_token_file_is_an_error():
    assert "that no token has" in error_message({"token_file": "/dev/zero"})


@pytest.mark.parametrize(
    ("environ", "secrets"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"ZEPHYR_TOKEN": " t0ken-1 "}, {"t0ken-1"}, id="token"),
        pytest.param(
            {"ZEPHYR_USERNAME": "ada", "ZEPHYR_PASSWORD": "pa55-word"},
            {"pa55-word", "YWRhOnBhNTUtd29yZA=="},
            id="password, and as it is sent",
        ),
        pytest.param(
            {"https_proxy": "http://eve:p%40ss-word@proxy:1"},
            {"eve:p%40ss-word", "p%40ss-word", "p@ss-word", "ZXZlOnBAc3Mtd29yZA=="},
            id="proxy, in every form",
        ),
        pytest.param(
            {"HTTP_PROXY": "http://proxy:1"}, set(), id="proxy without a password"
        ),
        pytest.param({"HTTP_PROXY": "http://[half"}, set(), id="invalid proxy"),
        pytest.param(
            {"ZEPHYR_PASSWORD": "abc"},
            {"OmFiYw=="},
            id="password too short to hide, except as it is sent",
        ),
        pytest.param(
            {"HOME": "/home/ada", "TOKEN": "x" * 9}, set(), id="other variables"
        ),
    ],
)
def test_credentials_in_the_environment_are_known(environ, secrets):
    """A test that prints its environment must not write them to a journal."""
    assert known_secrets(environ) == secrets


def test_secrets_in_the_token_file_and_in_the_proxy_option_are_known(token_file):
    known = known_secrets({}, None, token_file, "http://eve:pa55-word@proxy:1")

    assert {token_file.read_text(encoding="utf-8").strip(), "pa55-word"} <= known
