"""Parsers of option values: they take a text and return a value or raise `InvalidValue`."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import IPv6Address
import math
from pathlib import Path
from pathlib import PurePath
import re
from typing import Literal
from urllib.parse import SplitResult
from urllib.parse import urlsplit
import warnings

from pytest_zephyr.config import placeholders
from pytest_zephyr.config.settings import Ref
from pytest_zephyr.config.settings import SANDBOX
from pytest_zephyr.errors import InvalidValue
from pytest_zephyr.results.records import Outcome
from pytest_zephyr.text import did_you_mean
from pytest_zephyr.text import join_words


_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}

#: The working directory.
HERE = Path()

#: File names that `openssl rehash` makes.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")

#: Hosts of Jira, and of other products with the name Zephyr.
_OTHER_PRODUCT = re.compile(
    r"(?:^|\.)(?:atlassian\.net|jira\.com|zephyr4jiracloud\.com|tm4j\.smartbear\.com"
    r"|(?:api\.)?zephyrscale(?:\.\w+)+)$"
)


def boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise InvalidValue("choose true or false")


def one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in allowed:
            return text
        hint = did_you_mean(text, allowed)
        end = f".{hint}" if hint else ""
        raise InvalidValue(f"choose {join_words(allowed, 'or')}{end}")

    return parse


def path(text: str, base: Path = HERE) -> Path:
    """Return the path of *text*; a relative one starts from *base*."""
    try:
        return base / Path(text).expanduser()
    except RuntimeError:
        raise InvalidValue("the home directory of that user is not known") from None


def report(text: str, base: Path = HERE) -> Path:
    """Return the path of a report file, with placeholders that are filled later."""
    if PurePath(text).suffix.lower() not in {".json", ".md"}:
        raise InvalidValue("expected a file that ends in .json or .md")
    return path(text, Path(placeholders.escape(str(base))))


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise InvalidValue("expected a number of seconds above 0 and below 1000000")
    return value


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
            return int(text)
        raise InvalidValue(f"expected a whole number from {lowest} to {highest}")

    return parse


def size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)B?", text.strip().upper())
    if match is None or not int(match[1]):
        raise InvalidValue(
            "expected a number of bytes, or of K, M or G, as in 500K or 10M"
        )
    return int(match[1]) * {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}[match[2]]


def ref(text: str) -> Ref:
    """Return the reference in *text*.

    A number of up to 18 digits is an id, unless ``name:`` precedes it.
    """
    if text == "name:":
        raise InvalidValue("a name must follow name:")
    if text.startswith("name:"):
        return Ref(name=text.removeprefix("name:"))
    number = text.removeprefix("id:").strip()
    if number.isascii() and number.isdigit() and len(number) < 19:
        return Ref(id=int(number))
    if text.startswith("id:"):
        raise InvalidValue("a number must follow id:")
    return Ref(name=text)


def url(text: str) -> str:
    if text == SANDBOX:
        return SANDBOX
    parts = _split(text)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidValue(
            f"expected https://host, http://host or the word sandbox.{_scheme_hint(text)}"
        )
    if _OTHER_PRODUCT.search(parts.hostname.rstrip(".")):
        raise InvalidValue(
            "this is Jira, or a Zephyr inside Jira (Scale, Squad, Essential). This plugin"
            " reports to Zephyr Enterprise; use the address of its login page, as in"
            " https://zephyr.example.com"
        )
    try:
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        port = ":0"
    if port == ":0":
        raise InvalidValue("the port is not a number from 1 to 65535")
    if parts.username is not None or parts.password is not None:
        raise InvalidValue(
            "remove the credential from the address; use ZEPHYR_TOKEN, or"
            " ZEPHYR_USERNAME and ZEPHYR_PASSWORD"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # An address from the browser ends in /flex…, the path of the user interface.
    path = re.split(r"/flex(?:/|$)", parts.path, maxsplit=1)[0].rstrip("/")
    return f"{parts.scheme}://{host}{port}{path}"


def _scheme_hint(text: str) -> str:
    """Return a hint that adds a scheme to *text*.

    The hint is empty if *text* has a scheme, or is invalid with one, too.
    """
    if "://" in text:
        return ""
    scheme = "http" if text.startswith(("localhost", "127.")) else "https"
    try:
        return f" Did you mean {url(f'{scheme}://{text}')}?"
    except InvalidValue:
        return ""


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        if "[" in parts.netloc:
            # Python 3.10 accepts anything in brackets as a host.
            IPv6Address((parts.hostname or "").partition("%")[0])
        return parts
    except ValueError:
        return None


def proxy(text: str) -> str:
    parts = _split(text)
    schemes = {"http", "https", "socks5", "socks5h"}
    if parts is None or parts.scheme not in schemes or not parts.hostname:
        is_bare = "://" not in text and "@" not in text
        hint = f". Did you mean http://{text}?" if is_bare else ""
        raise InvalidValue(
            f"expected http://host:port, or https, socks5 or socks5h in its place{hint}"
        )
    return text


def _path_check(check: Callable[[], bool]) -> bool:
    """Return the result of *check*, False if the file system raises an error."""
    try:
        return check()
    except OSError:
        return False


def verify(text: str, base: Path = HERE) -> Literal["system"] | bool | Path:
    if text.lower() in _TRUE | _FALSE:
        return boolean(text)
    if text.lower() == "system":
        if find_spec("truststore") is None:
            raise InvalidValue("it needs the package truststore; install that")
        return "system"
    trusted = path(text, base)
    if not _path_check(trusted.exists):
        raise InvalidValue(
            "choose true, false, system, or a file or directory of certificates that"
            " exists"
        )
    if _path_check(trusted.is_dir) and not _path_check(
        lambda: any(_HASHED_NAME.fullmatch(file.name) for file in trusted.iterdir())
    ):
        raise InvalidValue(
            "OpenSSL finds the certificates of a directory by hashed names, and this"
            " directory has none; run openssl rehash on it, or name one file with all of"
            " them"
        )
    return trusted


def client_cert(text: str, base: Path = HERE) -> tuple[Path, ...]:
    paths = tuple(path(part.strip(), base) for part in text.split(","))
    if len(paths) > 2 or not all(_path_check(each.is_file) for each in paths):
        raise InvalidValue(
            "expected a PEM file with certificate and key, or two files: certificate,key"
        )
    return paths


def status_map(text: str) -> Mapping[str, str]:
    known = [outcome.value for outcome in Outcome]
    result: dict[str, str] = {}
    for part in re.split(r"[,\n]", text):
        if not part.strip():
            continue
        outcome, _, status = map(str.strip, part.partition("="))
        if outcome not in known:
            hint = did_you_mean(outcome, known)
            raise InvalidValue(
                f"{outcome!r} is not an outcome.{hint} Outcomes: {', '.join(known)}"
            )
        if not status:
            raise InvalidValue(
                f"{outcome} needs a status: {outcome}=Blocked, or {outcome}=-"
            )
        result[outcome] = status
    return result


def pattern(text: str) -> str:
    try:
        with warnings.catch_warnings():
            # Python 3.10 only warns about flags that are not at the start.
            warnings.simplefilter("error", DeprecationWarning)
            # In markers, the pattern comes before a number.
            re.compile(rf"(?:{text})[0-9]+")
    except (re.error, OverflowError, RecursionError, DeprecationWarning) as error:
        raise InvalidValue(f"expected a regular expression ({error})") from None
    return text
