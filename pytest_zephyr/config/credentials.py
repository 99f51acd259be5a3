"""Where the credential comes from: the environment, or a file that is named there."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import suppress
import os
from pathlib import Path
import stat
from typing import Any
from typing import Literal
from urllib.parse import unquote
from urllib.parse import urlsplit

from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.secret import Secret


#: Bytes that are read of a file with a token; those that are there have 40.
_LARGEST = 4096

#: Characters that a text must have to be hidden wherever it stands.
_SHORTEST = 6


def find_credential(
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    environ: Mapping[str, str],
    problems: list[str],
    warnings: list[str],
) -> Credential | None:
    """Return the credential that *values* ask for, `None` if none is given.

    Appends to *problems* what keeps it from being used, to *warnings* what is unwise.
    """
    auth = values["auth"]
    if values["url"] == SANDBOX:
        return None
    if auth in {"auto", "token"}:
        token = _token(values["token_file"], sources, environ, problems, warnings)
        if token or auth == "token" or problems:
            return token
    return _password("basic" if auth == "auto" else auth, environ, problems)


def _token(
    file: Path | None,
    sources: Mapping[str, str],
    environ: Mapping[str, str],
    problems: list[str],
    warnings: list[str],
) -> Credential | None:
    """Read the token: a flag's file, then the environment, then an ini file's file."""
    source = sources["token_file"]
    text = environ.get("ZEPHYR_TOKEN", "").strip()
    if text and not source.startswith("--"):
        source = "ZEPHYR_TOKEN"
    elif file is not None:
        try:
            text = _read(file)
            mode = file.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            problems.append(
                f"the token file {file} ({source}) cannot be read: {reason}."
            )
            return None
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            warnings.append(
                f"the token file {file} ({source}) can be read by others;"
                f" mend it with: chmod 600 {file}"
            )
        source = f"{file} ({source})"
        if not text:
            problems.append(f"the token file {source} is empty.")
            return None
    if not text:
        return None
    # What cannot stand in a header would be sent broken, or refused with the value
    # in the message.
    if not text.isascii() or not text.isprintable() or " " in text:
        problems.append(
            f"the token in {source} holds a space, a line break or a letter outside"
            f" ASCII; it is not a token. Copy it again."
        )
        return None
    return Credential("token", source, secret=Secret(text))


def _read(file: Path) -> str:
    """Return the text of a file that has a token; of a device no more than that."""
    with file.open("rb") as opened:
        return opened.read(_LARGEST).decode("utf-8").strip()


def _password(
    kind: Literal["basic", "cookie"], environ: Mapping[str, str], problems: list[str]
) -> Credential | None:
    username = environ.get("ZEPHYR_USERNAME", "")
    password = environ.get("ZEPHYR_PASSWORD", "")
    if not username and not password:
        return None
    for name, text in (("ZEPHYR_USERNAME", username), ("ZEPHYR_PASSWORD", password)):
        if not text:
            problems.append(
                f"{name} is not set in the environment; {kind} login needs it."
            )
        elif not text.isascii():
            problems.append(
                f"{name} holds a letter outside ASCII, which {kind} login cannot carry."
                f" Use an API token: set ZEPHYR_TOKEN."
            )
        elif not text.isprintable():
            problems.append(f"{name} holds a control character. Set it again.")
    if ":" in username:
        problems.append(
            f"ZEPHYR_USERNAME holds a colon, which {kind} login cannot carry."
            f" Use an API token: set ZEPHYR_TOKEN."
        )
    return Credential(
        kind,
        "ZEPHYR_USERNAME and ZEPHYR_PASSWORD",
        username=username,
        secret=Secret(password),
    )


def secrets_of(credential: Credential, proxies: Iterable[str]) -> set[str]:
    """Return every text that must not be shown, in the forms in which it is sent."""
    secret = credential.secret.reveal()
    found = {secret}
    if credential.kind != "token":
        found.add(_pair(credential.username, secret))
    for proxy in proxies:
        found |= _proxy_secrets(proxy)
    return found - {""}


def known_secrets(
    environ: Mapping[str, str],
    credential: Credential | None = None,
    token_file: Path | None = None,
    proxy: str | None = None,
) -> set[str]:
    """Return what may be a secret of ours in this process, whoever reads it.

    A test that prints its environment must not carry them into a journal. What is
    shorter than a real secret would spoil ordinary words, and is not among them.
    """
    password = environ.get("ZEPHYR_PASSWORD", "").strip()
    found = {environ.get("ZEPHYR_TOKEN", "").strip(), password}
    if password:
        found.add(_pair(environ.get("ZEPHYR_USERNAME", ""), password))
    if credential is not None:
        found |= secrets_of(credential, ())
    elif token_file is not None:
        with suppress(OSError, UnicodeDecodeError):
            # A pipe gives its token once, and to the process that logs in.
            found.add(_read(token_file) if token_file.is_file() else "")
    proxies = [each for name, each in environ.items() if _is_proxy(name)]
    for each in (*proxies, proxy or ""):
        found |= _proxy_secrets(each)
    return {each for each in found if len(each) >= _SHORTEST}


def _is_proxy(name: str) -> bool:
    return name.lower() in {"http_proxy", "https_proxy", "all_proxy"}


def _pair(name: str, password: str) -> str:
    pair = f"{name}:{password}".encode("utf-8", "replace")
    return base64.b64encode(pair).decode()


def _proxy_secrets(proxy: str) -> set[str]:
    try:
        userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
    except ValueError:
        return set()
    name, _, password = userinfo.partition(":")
    if not userinfo:
        return set()
    pair = _pair(unquote(name), unquote(password))
    return {userinfo, password, unquote(password), pair}
