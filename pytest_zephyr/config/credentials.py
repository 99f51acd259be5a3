"""Find the credential in the environment or the token file, and the texts to hide."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import suppress
import os
from pathlib import Path
import shlex
import stat
from typing import Literal
from urllib.parse import unquote
from urllib.parse import urlsplit

from pytest_zephyr.config.settings import Auth
from pytest_zephyr.config.settings import Credential
from pytest_zephyr.config.settings import Source
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.secret import Secret


#: The most bytes that are read of a token file. A token has 40.
_MAX_TOKEN_BYTES = 4096

#: `known_secrets` has no texts of fewer characters: they might match ordinary words.
_MIN_SECRET_LENGTH = 6


def find_credential(
    auth: Auth,
    token_file: Path | None,
    source: Source,
    environ: Mapping[str, str],
    warnings: list[str],
) -> Credential | None:
    """Return the credential for the login method *auth*, `None` if none is given.

    *source* says where the name of the *token_file* came from. Adds to *warnings* if
    others can read the file. Raises SettingsError for an invalid credential, or if the file
    cannot be read.
    """
    if auth in {"auto", "token"}:
        token = _token_credential(token_file, source, environ, warnings)
        if token or auth == "token":
            return token
    return _password_credential("cookie" if auth == "cookie" else "basic", environ)


def _token_credential(
    file: Path | None,
    source: Source,
    environ: Mapping[str, str],
    warnings: list[str],
) -> Credential | None:
    """Return the token as a credential, `None` if there is none.

    It is read from *file* if a flag names the file, or if ZEPHYR_TOKEN is not set.
    """
    text, found_in = environ.get("ZEPHYR_TOKEN", "").strip(), "ZEPHYR_TOKEN"
    if file is not None and (source.kind == "flag" or not text):
        found_in = f"{file} ({source})"
        try:
            text = _read(file)
            mode = file.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingsError(
                f"the token file {found_in} cannot be read: {reason}."
            ) from error
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            warnings.append(
                f"the token file {found_in} can be read by others."
                f" To fix it: chmod 600 {shlex.quote(str(file))}"
            )
        if not text:
            raise SettingsError(f"the token file {found_in} is empty.")
    if not text:
        return None
    # With such a character, requests sends a wrong token, or shows it in an error.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            f"the token in {found_in} has a space, a line break or another character that"
            f" no token has. Copy it again."
        )
    return Credential("token", found_in, secret=Secret(text))


def _read(file: Path) -> str:
    """Return the start of the text of a token file, which may be a device without end."""
    with file.open("rb") as stream:
        return stream.read(_MAX_TOKEN_BYTES).decode("utf-8").strip()


def _password_credential(
    kind: Literal["basic", "cookie"], environ: Mapping[str, str]
) -> Credential | None:
    """Return name and password as a credential, `None` if neither is set."""
    username = environ.get("ZEPHYR_USERNAME", "")
    password = environ.get("ZEPHYR_PASSWORD", "")
    if not username and not password:
        return None
    problems = []
    advice = (
        f"which {kind} login cannot send. Use an API token: set ZEPHYR_TOKEN, and"
        f" zephyr_auth to token."
    )
    for name, text in (("ZEPHYR_USERNAME", username), ("ZEPHYR_PASSWORD", password)):
        if not text:
            problems.append(
                f"{name} is not set in the environment; {kind} login needs it."
            )
        elif not text.isascii():
            problems.append(f"{name} has a character outside ASCII, {advice}")
        elif not text.isprintable():
            problems.append(
                f"invalid {name}: it has a control character. Set it again."
            )
    if ":" in username:
        problems.append(f"ZEPHYR_USERNAME has a colon, {advice}")
    if problems:
        raise SettingsError("\n".join(problems))
    return Credential(
        kind,
        "ZEPHYR_USERNAME and ZEPHYR_PASSWORD",
        username=username,
        secret=Secret(password),
    )


def secrets_of(credential: Credential, proxies: Iterable[str]) -> set[str]:
    """Return all texts to hide: secrets of *credential* and *proxies*, plain and encoded."""
    secret = credential.secret.reveal()
    secrets = {secret}.union(*map(_proxy_secrets, proxies))
    if credential.kind != "token":
        secrets.add(encode_login(credential.username, secret))
    return secrets - {""}


def known_secrets(
    environ: Mapping[str, str],
    credential: Credential | None = None,
    token_file: Path | None = None,
    proxy: str | None = None,
) -> set[str]:
    """Return all texts to hide in a journal, a summary or a report file.

    They are the secrets of Zephyr and of proxies that this process can read, with at
    least 6 characters.
    """
    password = environ.get("ZEPHYR_PASSWORD", "")
    secrets = {environ.get("ZEPHYR_TOKEN", "").strip(), password.strip()}
    if password:
        secrets.add(encode_login(environ.get("ZEPHYR_USERNAME", ""), password))
    if credential is not None:
        secrets |= secrets_of(credential, ())
    elif token_file is not None:
        with suppress(OSError, UnicodeDecodeError):
            # A pipe can be read only once, by the process that logs in.
            secrets.add(_read(token_file) if token_file.is_file() else "")
    names = {"http_proxy", "https_proxy", "all_proxy"}
    proxies = [value for name, value in environ.items() if name.lower() in names]
    secrets.update(*map(_proxy_secrets, [*proxies, proxy or ""]))
    return {secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH}


def encode_login(name: str, password: str) -> str:
    """Return name and password as basic authentication sends them."""
    return base64.b64encode(f"{name}:{password}".encode("utf-8", "replace")).decode()


def _proxy_secrets(proxy: str) -> set[str]:
    try:
        userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
    except ValueError:
        return set()
    if not userinfo:
        return set()
    name, _, password = userinfo.partition(":")
    decoded = unquote(password)
    return {userinfo, password, decoded, encode_login(unquote(name), decoded)}
