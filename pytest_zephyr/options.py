"""The table of options, and how flags, environment, journals and ini files become Settings.

The table is the one place that knows names, defaults and allowed values; pytest's
command line, the companion's command line and the environment are all read by it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import difflib
import math
import os
from pathlib import Path
import re
import stat
from typing import Any
from typing import Literal
from urllib.parse import urlsplit

from pytest_zephyr import ci
from pytest_zephyr.errors import SettingsError
from pytest_zephyr.outcome import Outcome
from pytest_zephyr.secret import HIDDEN
from pytest_zephyr.secret import Secret
from pytest_zephyr.settings import Credential
from pytest_zephyr.settings import Ref
from pytest_zephyr.settings import SANDBOX
from pytest_zephyr.settings import Settings
from pytest_zephyr.status import DEFAULT_MAP
from pytest_zephyr.status import NOTHING


#: Longest text an option takes; anything longer is a mistake in a pipeline.
_MAX_TEXT = 4096

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class _Wrong(ValueError):
    """A value that cannot be used; the text says what is allowed."""


@dataclass(frozen=True)
class Option:
    """One option: its name, how its text becomes a value, and where it may stand.

    A *switch* is a flag without a value. *journaled* options decide the result, so a
    journal keeps them for a later push.
    """

    name: str
    help: str
    parse: Callable[[str], object]
    default: str | None = None
    metavar: str | None = None
    switch: bool = False
    flag: bool = True
    env: bool = True
    ini: bool = True
    journaled: bool = False

    @property
    def flag_name(self) -> str:
        return "--zephyr" if self.name == "zephyr" else f"--zephyr-{_dashed(self.name)}"

    @property
    def env_name(self) -> str:
        return "ZEPHYR" if self.name == "zephyr" else f"ZEPHYR_{self.name.upper()}"

    @property
    def ini_name(self) -> str:
        return "zephyr" if self.name == "zephyr" else f"zephyr_{self.name}"

    @property
    def dest(self) -> str:
        return self.ini_name


def _dashed(name: str) -> str:
    return name.replace("_", "-")


# Parsers: text in, value out, `_Wrong` with what is allowed otherwise.


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    msg = "allowed: true, false"
    raise _Wrong(msg)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in allowed:
            return text
        close = difflib.get_close_matches(text, allowed, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise _Wrong(f"{hint}allowed: {', '.join(allowed)}")

    return parse


def _text(text: str) -> str:
    return text


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        msg = "allowed: a number of seconds above 0"
        raise _Wrong(msg)
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        msg = "allowed: a whole number from 0 to 100"
        raise _Wrong(msg)
    return int(text)


def _ref(text: str) -> Ref:
    kind, _, rest = text.partition(":")
    if kind == "name":
        if not rest:
            msg = "a name must follow name:"
            raise _Wrong(msg)
        return Ref(name=rest)
    number = rest.strip() if kind == "id" else text
    if number.isascii() and number.isdigit() and len(number) < 19:
        return Ref(id=int(number))
    if kind == "id":
        msg = "a number must follow id:"
        raise _Wrong(msg)
    return Ref(name=text)


def _url(text: str) -> str:
    if text == SANDBOX:
        return SANDBOX
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "allowed: https://host, http://host, or the word sandbox"
        raise _Wrong(msg)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        msg = "the port is not a number from 1 to 65535"
        raise _Wrong(msg) from None
    if parts.username is not None or parts.password is not None:
        msg = (
            "a credential does not belong in an address; use ZEPHYR_TOKEN, or"
            " ZEPHYR_USERNAME and ZEPHYR_PASSWORD"
        )
        raise _Wrong(msg)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # A pasted UI address: what stands before /flex is the server.
    context = re.split(r"/flex(?:/|$)", parts.path, maxsplit=1)[0].rstrip("/")
    return f"{parts.scheme}://{host}{port}{context}"


def _proxy(text: str) -> str:
    parts = urlsplit(text)
    schemes = {"http", "https", "socks5", "socks5h"}
    if parts.scheme not in schemes or not parts.hostname:
        msg = "allowed: http://host:port"
        raise _Wrong(msg)
    return text


def _verify(text: str) -> bool | Path:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    path = _path(text)
    if not path.exists():
        msg = "allowed: true, false, or a file or directory of certificates that exists"
        raise _Wrong(msg)
    return path


def _client_cert(text: str) -> tuple[Path, ...]:
    paths = tuple(_path(each.strip()) for each in text.split(","))
    if len(paths) > 2 or not all(path.is_file() for path in paths):
        msg = "allowed: a PEM file with certificate and key, or certificate,key"
        raise _Wrong(msg)
    return paths


def _status_map(text: str) -> Mapping[str, str]:
    known = [outcome.value for outcome in Outcome]
    result: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in re.split(r"[,\n]", text))):
        outcome, _, status = (each.strip() for each in part.partition("="))
        if outcome not in known:
            close = difflib.get_close_matches(outcome, known, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise _Wrong(
                f"{outcome!r} is not an outcome.{hint} Outcomes: {', '.join(known)}"
            )
        if not status:
            raise _Wrong(f"{outcome} needs a status: {outcome}=Blocked, or {outcome}=-")
        result[outcome] = status
    return result


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        msg = f"allowed: a regular expression ({error})"
        raise _Wrong(msg) from None
    return text


_DEFAULT_MAP_TEXT = ",".join(
    f"{outcome.value}={status}"
    for outcome, status in DEFAULT_MAP.items()
    if status != NOTHING
)

OPTIONS: tuple[Option, ...] = (
    Option("zephyr", "Report this run to Zephyr", _boolean, "false", switch=True),
    Option(
        "url",
        "Zephyr server, or the word sandbox for the embedded one",
        _url,
        metavar="URL",
        journaled=True,
    ),
    Option(
        "auth",
        "How to log in: auto, token, basic or cookie",
        _one_of("auto", "token", "basic", "cookie"),
        "auto",
        metavar="METHOD",
        journaled=True,
    ),
    Option("token_file", "File that holds the API token", _path, metavar="PATH"),
    *(
        Option(
            name,
            f"{name.capitalize()} to report to: an id or an exact name",
            _ref,
            metavar="ID|NAME",
            journaled=True,
        )
        for name in ("project", "release", "cycle", "phase")
    ),
    Option(
        "unknown_case",
        "What an id that Zephyr does not know is: ignore, warn or error",
        _one_of("ignore", "warn", "error"),
        "warn",
        metavar="POLICY",
        journaled=True,
    ),
    Option(
        "push",
        "When to send: end, or never (write the journal only)",
        _one_of("end", "never"),
        "end",
        metavar="WHEN",
    ),
    Option(
        "journal",
        "Directory of the journals, relative to the rootdir",
        _path,
        ".zephyr",
        metavar="DIR",
    ),
    Option(
        "on_error",
        "What an undelivered result does: warn, fail (exit code 8) or ignore",
        _one_of("warn", "fail", "ignore"),
        "warn",
        metavar="POLICY",
    ),
    Option(
        "status_map",
        "Outcome to status name or id, as error=Blocked,skipped=-",
        _status_map,
        "",
        metavar="MAP",
        journaled=True,
    ),
    Option(
        "comment",
        "When to write notes on an execution: never, failed or always",
        _one_of("never", "failed", "always"),
        "failed",
        metavar="WHEN",
        journaled=True,
    ),
    Option("timeout", "Seconds for one request", _seconds, "30", metavar="SECONDS"),
    Option("retries", "Repeats of one request", _count, "3", metavar="N"),
    Option(
        "deadline",
        "Seconds for everything at the end of the session",
        _seconds,
        "300",
        metavar="SECONDS",
    ),
    Option(
        "verify",
        "Check TLS certificates: true, false, or a path to trusted ones",
        _verify,
        "true",
        metavar="BOOL|PATH",
    ),
    Option(
        "client_cert",
        "TLS client certificate: a PEM file, or certificate,key",
        _client_cert,
        metavar="PATH",
    ),
    Option("proxy", "HTTP proxy", _proxy, metavar="URL"),
    Option(
        "run_key",
        "Name of the run; jobs with one key are one run",
        _text,
        metavar="TEXT",
        journaled=True,
    ),
    Option(
        "show_config",
        "Print every value and where it came from, and exit",
        _boolean,
        "false",
        switch=True,
        env=False,
        ini=False,
    ),
    Option(
        "id_prefix",
        "Regular expression of what may stand before an id in a marker",
        _pattern,
        r"(?:[^\W\d_]|-)*",
        flag=False,
        env=False,
    ),
    Option(
        "inherit",
        "Which markers count: closest, or union of all levels",
        _one_of("closest", "union"),
        "closest",
        flag=False,
        env=False,
    ),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}

#: The markers, as `pytest --markers` shows them.
MARKERS = (
    "zephyr(*ids, alt=None, by_id=None): report this test to these Zephyr test cases",
    "zephyr_ignore: never report this test to Zephyr",
)

#: Names that look like a way to pass a credential, and the place where it belongs.
#: They are recognised as flags and ini keys only to be refused.
REFUSED: Mapping[str, str] = {
    "token": "ZEPHYR_TOKEN in the environment, or in a file named by zephyr_token_file",
    "username": "ZEPHYR_USERNAME in the environment",
    "password": "ZEPHYR_PASSWORD in the environment",
}


def refusal(name: str, where: str) -> str:
    """Say that a credential was found *where* it must not be, without showing it."""
    return (
        f"{where}: a credential is not taken from there. It belongs in {REFUSED[name]}."
    )


@dataclass(frozen=True)
class Given:
    """The texts that were found, by kind of source.

    *flags* and *ini* map the name of an option to its text; *ini* values carry the
    file they stand in, *header* is what a journal keeps.
    """

    flags: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    header_name: str = "journal"
    ini: Mapping[str, tuple[object, str]] = field(default_factory=dict)

    def find(self, option: Option) -> tuple[str, str] | None:
        """Return the text of *option* and its source, from the first that has it."""
        for text, source in self._sources(option):
            # A CI service sets a variable to nothing for "not given"; a flag is typed.
            if text.strip() or source.startswith("--"):
                return text.strip(), source
        return None

    def _sources(self, option: Option) -> Iterator[tuple[str, str]]:
        if option.flag and self.flags.get(option.name) is not None:
            yield as_text(self.flags[option.name]), option.flag_name
        if option.env and option.env_name in self.environ:
            yield self.environ[option.env_name], option.env_name
        if option.journaled and option.name in self.header:
            yield self.header[option.name], self.header_name
        if option.ini and option.name in self.ini:
            value, file = self.ini[option.name]
            yield as_text(value), f"{option.ini_name}, {file}"


def as_text(value: object) -> str:
    """Return a value of a TOML file as the text an ini file would hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={as_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ",".join(as_text(each) for each in value)
    return str(value)


def value(name: str, given: Given) -> Any:
    """Return the value of one option. Raises SettingsError."""
    problems: list[str] = []
    found = _value(BY_NAME[name], given, problems)[0]
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def journaled(settings: Settings) -> dict[str, str]:
    """Return the options that a journal keeps, as they were given."""
    return {
        option.name: settings.said[option.name]
        for option in OPTIONS
        if option.journaled and settings.sources.get(option.name) != "default"
    }


def resolve(given: Given) -> Settings:
    """Make Settings of what was *given*. Raises SettingsError with every problem."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    said: dict[str, str] = {}
    for option in OPTIONS:
        value, text, source = _value(option, given, problems)
        values[option.name] = value
        sources[option.name] = source
        said[option.name] = text
    if values["run_key"] is None and (found := ci.run_key(given.environ)):
        values["run_key"], sources["run_key"] = found
        said["run_key"] = found[0]
    warnings: list[str] = []
    credential = None
    if not problems:
        credential = _credential(values, sources, given, problems, warnings)
    if values.get("verify") is False:
        warnings.append(
            f"TLS certificates are not checked ({sources['verify']}); anybody on the"
            f" way to the server can read the credential."
        )
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(
        **values,
        credential=credential,
        sources=sources,
        said=said,
        warnings=tuple(warnings),
    )


def _value(
    option: Option, given: Given, problems: list[str]
) -> tuple[object, str, str]:
    found = given.find(option)
    if found is None:
        if option.default is None:
            return None, "", "default"
        return option.parse(option.default), option.default, "default"
    text, source = found
    try:
        if not text:
            msg = "it is empty"
            raise _Wrong(msg)
        if len(text) > _MAX_TEXT:
            raise _Wrong(f"it has {len(text)} characters, {_MAX_TEXT} are allowed")
        if not text.replace("\n", "").isprintable():
            msg = "it holds a control character"
            raise _Wrong(msg)
        return option.parse(text), text, source
    except _Wrong as wrong:
        shown = _shown(option, text)
        problems.append(f"{shown} ({source}) is not a {option.ini_name}: {wrong}.")
        return None, text, source


def _shown(option: Option, text: str) -> str:
    """Return *text* for a message: short, and without what may be a secret."""
    if option.name in {"url", "proxy"}:
        text = mask_userinfo(text)
    return repr(text if len(text) <= 100 else f"{text[:97]}...")


def mask_userinfo(url: str) -> str:
    """Return *url* with the credential before its host hidden."""
    return re.sub(r"//[^/]*@", f"//{HIDDEN}@", url)


# Credentials.


def _credential(
    values: Mapping[str, Any],
    sources: Mapping[str, str],
    given: Given,
    problems: list[str],
    warnings: list[str],
) -> Credential | None:
    auth = values["auth"]
    if values["url"] == SANDBOX:
        return None
    if auth in {"auto", "token"}:
        token = _token(values["token_file"], sources, given, problems, warnings)
        if token or auth == "token" or problems:
            return token
    return _password("basic" if auth == "auto" else auth, given, problems)


def _token(
    file: Path | None,
    sources: Mapping[str, str],
    given: Given,
    problems: list[str],
    warnings: list[str],
) -> Credential | None:
    """Read the token: a flag's file, then the environment, then an ini file's file."""
    source = sources["token_file"]
    text = given.environ.get("ZEPHYR_TOKEN", "").strip()
    if text and not source.startswith("--"):
        source = "ZEPHYR_TOKEN"
    elif file is not None:
        try:
            text = file.read_text(encoding="utf-8").strip()
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


def _password(
    kind: Literal["basic", "cookie"], given: Given, problems: list[str]
) -> Credential | None:
    username = given.environ.get("ZEPHYR_USERNAME", "")
    password = given.environ.get("ZEPHYR_PASSWORD", "")
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


def describe(settings: Settings) -> list[str]:
    """Return one line per option: its value and where it came from, no secrets."""
    rows = []
    for option in OPTIONS:
        if option.name == "show_config":
            continue
        text = settings.said.get(option.name, "")
        if option.name in {"url", "proxy"}:
            text = mask_userinfo(text)
            if option.name == "url" and settings.url:
                text = settings.url
        if option.name == "status_map" and not text:
            text = _DEFAULT_MAP_TEXT
        rows.append(
            (option.ini_name, text, settings.sources.get(option.name, "default"))
        )
    rows.append(("login", *_login_row(settings.credential)))
    width = max(len(name) for name, _, _ in rows)
    return [
        f"{name:<{width}} = {text or '(not set)'}  [{source}]"
        for name, text, source in rows
    ]


def _login_row(credential: Credential | None) -> tuple[str, str]:
    if credential is None:
        return "", "default"
    if credential.kind == "token":
        return f"token {HIDDEN}", credential.source
    return (
        f"{credential.kind} as {credential.username}, password {HIDDEN}",
        credential.source,
    )
